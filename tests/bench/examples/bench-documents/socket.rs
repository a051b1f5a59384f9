//! WebSocket frames, as little as the benchmark's own client needs.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::Outcome;

/// Reads more; false at the end of the stream.
pub(crate) async fn fill(stream: &mut OwnedReadHalf, into: &mut Vec<u8>) -> std::io::Result<bool> {
    poll_fn(|context| {
        let mut storage = [0; 4096];
        let mut buffer = ReadBuf::new(&mut storage);
        Pin::new(&mut *stream).poll_read(context, &mut buffer).map_ok(|()| {
            into.extend_from_slice(buffer.filled());
            !buffer.filled().is_empty()
        })
    })
    .await
}

pub(crate) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The payload of a client's frame and the frame's whole length. The benchmark masks with zeros.
pub(crate) fn masked_payload(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (header, payload) = match bytes.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        short => (6, usize::from(short)),
    };
    Some((bytes.get(header..header + payload)?, header + payload))
}

/// A binary frame of a server.
pub(crate) fn frame(payload: &[u8]) -> Outcome<Vec<u8>> {
    let mut frame = vec![0x82];
    match payload.len() {
        short @ ..126 => frame.push(u8::try_from(short)?),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(length)?.to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&u64::try_from(length)?.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    Ok(frame)
}

pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
