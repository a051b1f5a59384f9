use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stoa_turn_relay_core::stun::is_connection_bind;
use stoa_turn_relay_core::{Frame, NotTurn, Transport, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::control::post;
use crate::mail::Mail;
use crate::outgoing::{Stream, Verdict};
use crate::shared::Shared;
use crate::splice::{Junction, splice};

/// Why a client's connection ends.
#[derive(Debug)]
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
    /// It goes on as a peer's: what was read already is payload.
    Joined(Box<Junction>, Vec<u8>),
}

impl End {
    /// For metrics.
    const fn label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::NotTurn => "not_turn",
            Self::Silent => "silent",
            Self::Deaf => "deaf",
            Self::Cut => "cut",
            Self::Joined(..) => "joined",
        }
    }
}

/// Serves one client over TCP or TLS until the connection ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, client: Arc<Stream>, shared: Arc<Shared>) {
    let end = converse(&mut socket, &client, &shared).await;
    debug!(?end, "connection to the relay ended");
    metrics::counter!("stoa_relay_connections_ended_total", "why" => end.label()).increment(1);
    client.close();
    if let End::Joined(junction, early) = end {
        splice(socket, *junction, &early, &shared).await;
    }
    // An allocation may have come to live on any worker.
    for worker in 0..shared.workers {
        post(&shared, worker, Mail::Closed(client.tuple)).await;
    }
}

/// Takes messages in and answers out, until there are to be no more.
async fn converse<S>(socket: &mut S, client: &Arc<Stream>, shared: &Shared) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, writer) = split(socket);
    let mut talk = pin!(talk(writer, client));
    let end = tokio::select! {
        end = listen(reader, client, shared) => end,
        end = &mut talk => return end,
    };
    if let End::Joined(..) = end {
        // The answer comes before the payload.
        client.close();
        let talked = talk.await;
        return if let End::Cut = talked { end } else { talked };
    }
    end
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
        let Ok((whole, is_bind)) = whole_messages(&buffer, is_first) else { return End::NotTurn };
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
        if is_bind {
            // What follows is payload if the request is granted, else another message.
            match timeout(PATIENCE, client.verdict()).await {
                Ok(Verdict::Joined(junction)) => return End::Joined(junction, buffer),
                Ok(Verdict::Apart) => {}
                Err(_) => return End::Silent,
            }
        }
    }
}

/// Writes what the workers queue.
async fn talk<W: AsyncWrite + Unpin>(mut writer: W, client: &Stream) -> End {
    let mut buffer = Vec::new();
    while client.take(&mut buffer).await {
        let written = timeout(PATIENCE, write(&mut writer, &buffer, client.tuple.transport));
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

/// Writes whole messages. With TLS each of them gets a record of its own: there are clients that read one record when their socket
/// becomes readable, take one message out of it, and do not look for another one until more arrives.
async fn write<W: AsyncWrite + Unpin>(writer: &mut W, messages: &[u8], transport: Transport) -> io::Result<()> {
    let mut rest = messages;
    if let Transport::Tls(_) = transport {
        while let Ok(Frame::Complete { taken, .. }) = next_frame(rest) {
            let (message, more) = rest.split_at(taken);
            writer.write_all(message).await?;
            rest = more;
        }
    }
    writer.write_all(rest).await?;
    writer.flush().await
}

/// How many bytes of the stream are whole messages, up to a ConnectionBind request, and whether one of these is the last of them.
/// The first message has to be STUN: there is no channel yet.
fn whole_messages(stream: &[u8], is_first: bool) -> Result<(usize, bool), NotTurn> {
    if is_first && stream.first().is_some_and(|byte| *byte > 3) {
        return Err(NotTurn);
    }
    let mut whole = 0;
    loop {
        let rest = stream.get(whole..).unwrap_or_default();
        let Frame::Complete { message, taken } = next_frame(rest)? else { return Ok((whole, false)) };
        whole += taken;
        if is_connection_bind(rest.get(message).unwrap_or_default()) {
            return Ok((whole, true));
        }
    }
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
    use stoa_turn_relay_core::stun::{BINDING, Builder, CONNECTION_BIND, Class, TransactionId};

    use std::net::SocketAddr;

    use stoa_base_types::ConnectionId;
    use stoa_turn_relay_core::FiveTuple;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    #[test]
    fn only_whole_messages_are_passed_on() {
        let request = Builder::new(Class::Request, BINDING, TransactionId([1; 12])).finish();
        let stream = [&request[..], &request, &[0x40, 0, 0, 1, 7, 0, 0, 0], &request[..7]].concat();
        assert_eq!(whole_messages(&stream, true), Ok((48, false)));
        assert_eq!(whole_messages(&stream[..47], true), Ok((40, false)), "padding belongs to the message");
        assert_eq!(whole_messages(&stream[..1], true), Ok((0, false)));
        assert_eq!(whole_messages(b"", true), Ok((0, false)));
        assert_eq!(whole_messages(&[0x40, 0, 0, 0], false), Ok((4, false)));
    }

    /// Serves one end of a pipe that takes 1 KiB at a time; the other end, and what tells when it is over.
    fn served() -> (DuplexStream, Arc<Stream>, JoinHandle<()>) {
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let client = Arc::new(Stream::new(FiveTuple::new(Transport::Tcp(ConnectionId(1)), address, address)));
        let (far, near) = duplex(1024);
        let serving = tokio::spawn(serve(near, Arc::clone(&client), Arc::new(Shared::without_users())));
        (far, client, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_allocation_is_cut_off_after_30_seconds() {
        let begun = Instant::now();
        let (mut far, _, serving) = served();
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
        serving.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_message_is_cut_off_after_30_seconds() {
        let begun = Instant::now();
        let (mut far, client, serving) = served();
        client.set_allocation(true);
        assert!(timeout(Duration::from_secs(600), far.read(&mut [0; 1])).await.is_err(), "silence is no offence");
        far.write_all(&[0, 1, 0, 0]).await.unwrap();
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
        serving.await.unwrap();
        assert!((600..=630).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut_off_after_30_seconds() {
        let begun = Instant::now();
        let (far, client, serving) = served();
        client.set_allocation(true);
        assert!(client.push_data(&[&[7; 5000]]));
        serving.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 30);
        drop(far);
    }

    #[test]
    fn what_follows_a_connection_bind_request_is_left() {
        let bind = Builder::new(Class::Request, CONNECTION_BIND, TransactionId([1; 12])).finish();
        let stream = [&bind[..], b"payload that is no message"].concat();
        assert_eq!(whole_messages(&stream, true), Ok((20, true)));
    }

    #[test]
    fn other_protocols_are_noticed_at_the_first_byte() {
        for other in [&b"G"[..], b"\x16", b"P", b"\x40"] {
            assert_eq!(whole_messages(other, true), Err(NotTurn));
        }
    }
}
