//! Servers that `stoa-bench` measures beside the real binary: `room` is the same control plane and driver with a room for
//! thousands, `floor` a bare loop that passes on what its first connection says to all others.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the benchmark reads the address from standard output")]

use std::error::Error;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use stoa_signaling_core::Limits;
use stoa_signaling_core::token::Keys;
use stoa_signaling_server::{Config, Server, StunAddress};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("room") => Builder::new_multi_thread().enable_all().build()?.block_on(room()),
        Some("floor") => Builder::new_current_thread().enable_all().build()?.block_on(floor()),
        _ => Err("say room or floor".into()),
    }
}

/// The server as `stoa` starts it, counters and log included, with other limits.
async fn room() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info")).with_writer(std::io::stderr).init();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    let server = Server::start(Config {
        documents: None,
        chat: None,
        media: None,
        routes: axum::Router::new(),
        listen: ANY_PORT,
        tls: None,
        allowed_origins: Vec::new(),
        stun: StunAddress::default(),
        limits: Limits { room_participants: 2_000, frame_rate: 10_000, ..Limits::default() },
        trusted_proxies: Vec::new(),
        // Nothing here is secret.
        keys: Keys::new(None, [1; 32]),
        seed: [1; 32],
        assets: |_| None,
        render_metrics: Arc::new(move || handle.render()),
    })
    .await?;
    println!("address {}", server.address());
    pending().await
}

/// One thread, no framing of its own beyond the header, one write per listener.
async fn floor() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    println!("address {}", listener.local_addr()?);
    let (mut speaker, _) = listener.accept().await?;
    let (mut listeners, mut bytes) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                listeners.push(stream);
            }
            is_open = fill(&mut speaker, &mut bytes) => {
                if !is_open? {
                    return Ok(());
                }
                while let Some((payload, length)) = masked_payload(&bytes) {
                    pass_on(&listeners, &unmasked_frame(payload)?).await?;
                    bytes.drain(..length);
                }
            }
        }
    }
}

async fn pass_on(listeners: &[TcpStream], frame: &[u8]) -> Result<(), Box<dyn Error>> {
    for listener in listeners {
        // A frame of some hundred bytes goes into an empty socket as a whole or not at all.
        while let Err(error) = listener.try_write(frame) {
            if error.kind() != std::io::ErrorKind::WouldBlock {
                return Err(error.into());
            }
            listener.writable().await?;
        }
    }
    Ok(())
}

async fn fill(stream: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<bool> {
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

/// The payload of a client's frame and the frame's whole length. The benchmark masks with zeros.
fn masked_payload(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (header, payload) = match bytes.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        short => (6, usize::from(short)),
    };
    Some((bytes.get(header..header + payload)?, header + payload))
}

fn unmasked_frame(payload: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(payload.len())?.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    Ok(frame)
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
