//! A WebSocket client (RFC 6455) as small as one can be: no buffers while idle, one read per wake-up, and the same code for
//! our server and for the floor.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use crate::Outcome;

pub(crate) struct Client {
    reader: OwnedReadHalf,
    writer: Writer,
    pending: Vec<u8>,
    /// When the first of the pending bytes had come.
    came: Instant,
}

/// Says things on a client's socket while somebody else reads from it.
#[derive(Clone)]
pub(crate) struct Writer(Arc<OwnedWriteHalf>);

/// What the server says.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

/// How the client's end of TCP behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Usual,
    /// A receive buffer as small as the kernel allows, and segments as long as Ethernet's: loopback's of 64 KiB would let
    /// the server's kernel take megabytes at once.
    Narrow,
}

impl Client {
    /// Connects from an address of loopback that depends on `index`, so that ports suffice.
    pub(crate) async fn connect(server: SocketAddr, index: usize, manner: Manner) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        if manner == Manner::Narrow {
            socket.set_recv_buffer_size(1)?;
            SockRef::from(&socket).set_tcp_mss(ETHERNET_SEGMENT)?;
        }
        let last = u8::try_from(index % SOURCES)? + 1;
        socket.bind(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0)))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader, writer: Writer(Arc::new(writer)), pending: Vec::new(), came: Instant::now() })
    }

    /// Makes a signaling socket of the connection.
    pub(crate) async fn upgrade(&mut self, server: SocketAddr) -> Outcome<()> {
        self.upgrade_at(server, "/v1/ws", Some("stoa.v1.json")).await
    }

    /// Makes a WebSocket of the connection.
    pub(crate) async fn upgrade_at(&mut self, server: SocketAddr, path: &str, protocol: Option<&str>) -> Outcome<()> {
        let offer = protocol.map(|name| format!("sec-websocket-protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        self.writer.write(request.as_bytes()).await?;
        loop {
            if let Some(end) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") {
                if !self.pending.starts_with(b"HTTP/1.1 101") {
                    return Err(String::from_utf8_lossy(&self.pending).into_owned().into());
                }
                self.forget(end + 4);
                return Ok(());
            }
            if !self.fill().await? {
                return Err("closed during the upgrade".into());
            }
        }
    }

    pub(crate) fn writer(&self) -> Writer {
        self.writer.clone()
    }

    pub(crate) async fn say(&self, text: &str) -> Outcome<()> {
        self.writer.say(text).await
    }

    pub(crate) fn local_address(&self) -> Outcome<SocketAddr> {
        Ok(self.reader.local_addr()?)
    }

    /// The next message; pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Outcome<Heard> {
        loop {
            if let Some(Frame { opcode, payload, length }) = Frame::decode(&self.pending) {
                match opcode {
                    TEXT | BINARY => {
                        let payload = payload.to_vec();
                        self.forget(length);
                        return Ok(if opcode == TEXT { Heard::Text(payload) } else { Heard::Binary(payload) });
                    }
                    CLOSE => {
                        let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                        return Ok(Heard::Closed(code));
                    }
                    PING => {
                        let pong = encode(PONG, payload)?;
                        self.forget(length);
                        self.writer.write(&pong).await?;
                    }
                    _ => self.forget(length),
                }
            } else if !self.fill().await? {
                return Ok(Heard::Closed(None));
            }
        }
    }

    /// Breaks the connection with a reset. Fails while somebody else may write on it.
    pub(crate) fn reset(self) -> Outcome<()> {
        SockRef::from(self.reader.as_ref()).set_linger(Some(std::time::Duration::ZERO))?;
        // Dropped as usual, it would end the stream in good order first.
        Arc::into_inner(self.writer.0).ok_or("a writer is left")?.forget();
        Ok(())
    }

    /// When the first byte had come of what [`Self::next`] returned last, if nothing had come before that.
    pub(crate) const fn first_byte(&self) -> Instant {
        self.came
    }

    /// Waits for bytes; false at the end of the stream.
    async fn fill(&mut self) -> Outcome<bool> {
        let was_empty = self.pending.is_empty();
        let is_open = self.fill_more().await?;
        if was_empty {
            self.came = Instant::now();
        }
        Ok(is_open)
    }

    async fn fill_more(&mut self) -> Outcome<bool> {
        Ok(poll_fn(|context| poll_fill(&mut self.reader, &mut self.pending, context)).await? > 0)
    }

    fn forget(&mut self, length: usize) {
        self.pending.drain(..length);
        if self.pending.is_empty() && self.pending.capacity() > KEPT_BYTES {
            self.pending = Vec::new();
        }
    }
}

impl Writer {
    pub(crate) async fn say(&self, text: &str) -> Outcome<()> {
        self.write(&encode(TEXT, text.as_bytes())?).await
    }

    pub(crate) async fn say_bytes(&self, bytes: &[u8]) -> Outcome<()> {
        self.write(&encode(BINARY, bytes)?).await
    }

    async fn write(&self, bytes: &[u8]) -> Outcome<()> {
        write_all(self.0.as_ref().as_ref(), bytes).await
    }
}

/// One plain HTTP exchange on a connection that the server closes afterwards.
pub(crate) async fn exchange(mut stream: TcpStream, request: &str) -> Outcome<String> {
    write_all(&stream, request.as_bytes()).await?;
    let mut answer = Vec::new();
    while poll_fn(|context| poll_fill(&mut stream, &mut answer, context)).await? > 0 {}
    Ok(String::from_utf8(answer)?)
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The buffer lives on the stack, and only while something is read.
fn poll_fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    into: &mut Vec<u8>,
    context: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    let mut storage = [0; READ_BYTES];
    let mut buffer = ReadBuf::new(&mut storage);
    Pin::new(stream).poll_read(context, &mut buffer).map_ok(|()| {
        into.extend_from_slice(buffer.filled());
        buffer.filled().len()
    })
}

/// A frame from the server, which does not mask.
struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// With its header.
    length: usize,
}

impl<'a> Frame<'a> {
    /// `None` when more must be read.
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (opcode, short) = (bytes.first()? & 0x0f, bytes.get(1)? & 0x7f);
        let rest = bytes.get(2..)?;
        let (header, payload) = match short {
            126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
            short => (2, usize::from(short)),
        };
        let length = header + payload;
        Some(Self { opcode, payload: bytes.get(header..length)?, length })
    }
}

/// A frame from a client. The mask is zero: allowed, and free of charge.
fn encode(opcode: u8, payload: &[u8]) -> Outcome<Vec<u8>> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => match u16::try_from(payload.len()) {
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&u64::try_from(payload.len())?.to_be_bytes());
            }
        },
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    Ok(frame)
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const ETHERNET_SEGMENT: u32 = 1460;
/// Addresses to connect from, each with its own 28,000 ports.
const SOURCES: usize = 16;
const READ_BYTES: usize = 8 * 1024;
/// Above this, an empty buffer is given back.
const KEPT_BYTES: usize = 1024;
