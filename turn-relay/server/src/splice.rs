//! A client's connection joined with a peer's: plain payload both ways, [RFC 6062 § 5.5](https://www.rfc-editor.org/rfc/rfc6062#section-5.5).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stoa_turn_relay_core::Meter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::debug;

use crate::control::post;
use crate::mail::Mail;
use crate::shared::Shared;

/// A peer's connection on its way to the client's.
#[derive(Debug)]
pub(crate) struct Junction {
    pub(crate) peer: TcpStream,
    /// Ends when the relay wants both closed.
    pub(crate) when_cut: oneshot::Receiver<()>,
    pub(crate) meter: Meter,
    pub(crate) connection: u32,
    /// Whose the allocation is.
    pub(crate) worker: usize,
}

/// Carries payload until both sides have ended, one of them broke, or the relay cuts it. `early` is what the client had sent already.
pub(crate) async fn splice<S: AsyncRead + AsyncWrite>(
    client: S,
    junction: Junction,
    early: &[u8],
    shared: &Arc<Shared>,
) {
    let Junction { mut peer, when_cut, meter, connection, worker } = junction;
    let (mut from_client, mut to_client) = split(client);
    let (mut from_peer, mut to_peer) = peer.split();
    let (sent, received) = (AtomicU64::default(), AtomicU64::default());
    let out = async {
        pay(&meter, early.len()).await;
        to_peer.write_all(early).await?;
        sent.fetch_add(u64::try_from(early.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        carry(&mut from_client, &mut to_peer, &meter, &sent).await
    };
    let back = carry(&mut from_peer, &mut to_client, &meter, &received);
    tokio::select! {
        // Whether it is dropped or told: the allocation has no use for the connection any more.
        _ = when_cut => debug!("connection with a peer was cut"),
        end = async { tokio::try_join!(out, back) } => if let Err(error) = end {
            debug!(%error, "connection with a peer broke");
        },
    }
    let carried = (sent.into_inner(), received.into_inner());
    post(shared, worker, Mail::Disconnected { connection, carried }).await;
}

/// One direction, to the end. What the other side does not read stays with the sender.
async fn carry<R, W>(reader: &mut R, writer: &mut W, meter: &Meter, carried: &AtomicU64) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            return writer.shutdown().await;
        }
        pay(meter, length).await;
        writer.write_all(buffer.get(..length).unwrap_or_default()).await?;
        writer.flush().await?;
        carried.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Waits until quotas have room: a stream must not lose anything.
async fn pay(meter: &Meter, bytes: usize) {
    while bytes > 0 && !meter.charge(bytes, Instant::now()) {
        sleep(PAUSE).await;
    }
}

/// Bytes of one direction that are in our hands at a time.
const CHUNK: usize = 16 << 10;
/// A quota's bucket holds what flows in within a second.
const PAUSE: Duration = Duration::from_millis(10);
