use std::sync::Arc;
use std::time::Duration;

use stoa_turn_relay_core::{Frame, NotTurn, Transport, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::control::post;
use crate::mail::Mail;
use crate::outgoing::Stream;
use crate::shared::Shared;

/// Why a client's connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// What arrives is no TURN.
    NotTurn,
    /// No whole message for too long.
    Silent,
    /// The client does not read.
    Deaf,
    /// The workers ended it.
    Cut,
}

/// Serves one client over TCP or TLS until the connection ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite>(socket: S, client: Arc<Stream>, shared: Arc<Shared>) {
    let (reader, writer) = split(socket);
    let end = tokio::select! {
        end = listen(reader, &client, &shared) => end,
        end = talk(writer, &client) => end,
    };
    debug!(?end, "connection to the relay ended");
    client.close();
    // An allocation may have come to live on any worker.
    for worker in 0..shared.workers {
        post(&shared, worker, Mail::Closed(client.tuple)).await;
    }
}

/// Brings whole messages to the worker, one batch at a time: a client that sends faster than the worker takes is slowed down.
async fn listen<R: AsyncRead + Unpin>(mut reader: R, client: &Arc<Stream>, shared: &Shared) -> End {
    let worker = worker_of(client, shared);
    let turn = Arc::new(Semaphore::new(1));
    let (mut buffer, mut is_first) = (Vec::new(), true);
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        buffer.reserve(READ_BYTES);
        tokio::select! {
            read = reader.read_buf(&mut buffer) => if matches!(read, Ok(0) | Err(_)) {
                return End::Gone;
            },
            () = sleep_until(deadline) => {
                // Who has an allocation may be silent as long as that lives, but not in the middle of a message.
                if !client.has_allocation() || !buffer.is_empty() {
                    return End::Silent;
                }
                deadline = Instant::now() + PATIENCE;
                continue;
            }
        }
        let Ok(whole) = whole_messages(&buffer, is_first) else { return End::NotTurn };
        if whole == 0 {
            // Requests are short; room for payload has who has an allocation.
            if buffer.len() > MAX_REQUEST && !client.has_allocation() {
                return End::NotTurn;
            }
            continue;
        }
        is_first = false;
        deadline = Instant::now() + PATIENCE;
        let rest = buffer.split_off(whole);
        let bytes = std::mem::replace(&mut buffer, rest);
        // The semaphore is never closed.
        let permit = Arc::clone(&turn).acquire_owned().await.ok();
        post(shared, worker, Mail::Messages { stream: Arc::clone(client), bytes, permit }).await;
    }
}

/// Writes what the workers queue.
async fn talk<W: AsyncWrite + Unpin>(mut writer: W, client: &Stream) -> End {
    let mut buffer = Vec::new();
    while client.take(&mut buffer).await {
        let written = timeout(PATIENCE, async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::Deaf,
        }
        buffer.clear();
        buffer.shrink_to(KEPT_BYTES);
    }
    End::Cut
}

/// How many bytes of the stream are whole messages. The first one has to be a STUN message: there is no channel yet.
fn whole_messages(stream: &[u8], is_first: bool) -> Result<usize, NotTurn> {
    if is_first && stream.first().is_some_and(|byte| *byte > 3) {
        return Err(NotTurn);
    }
    let mut whole = 0;
    while let Frame::Complete { taken, .. } = next_frame(stream.get(whole..).unwrap_or_default())? {
        whole += taken;
    }
    Ok(whole)
}

fn worker_of(client: &Stream, shared: &Shared) -> usize {
    let number = match client.tuple.transport {
        Transport::Udp => 0,
        Transport::Tcp(connection) | Transport::Tls(connection) => connection.0,
    };
    usize::try_from(number).unwrap_or_default() % shared.workers
}

/// For a message of a client without allocation to come in whole, and for one that was sent to be taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a message of a client without allocation: credentials, and little else.
const MAX_REQUEST: usize = 4096;
/// Bytes that one read takes, at least.
const READ_BYTES: usize = 4096;
/// Bytes that a connection keeps for writing while it is idle.
const KEPT_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use stoa_turn_relay_core::stun::{BINDING, Builder, Class, TransactionId};

    use super::*;

    #[test]
    fn only_whole_messages_are_passed_on() {
        let request = Builder::new(Class::Request, BINDING, TransactionId([1; 12])).finish();
        let stream = [&request[..], &request, &[0x40, 0, 0, 1, 7, 0, 0, 0], &request[..7]].concat();
        assert_eq!(whole_messages(&stream, true), Ok(48));
        assert_eq!(whole_messages(&stream[..47], true), Ok(40), "padding belongs to the message");
        assert_eq!(whole_messages(&stream[..1], true), Ok(0));
        assert_eq!(whole_messages(b"", true), Ok(0));
        assert_eq!(whole_messages(&[0x40, 0, 0, 0], false), Ok(4));
    }

    #[test]
    fn other_protocols_are_noticed_at_the_first_byte() {
        for other in [&b"G"[..], b"\x16", b"P", b"\x40"] {
            assert_eq!(whole_messages(other, true), Err(NotTurn));
        }
    }
}
