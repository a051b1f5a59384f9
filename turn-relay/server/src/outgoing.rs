use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use stoa_turn_relay_core::FiveTuple;
use tokio::sync::Notify;

use crate::shared::lock;
use crate::splice::Junction;

/// A TCP or TLS client as the workers see it: a bounded queue towards it, and whether it may stay.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) tuple: FiveTuple,
    queue: Mutex<Queue>,
    has_more: Notify,
    has_allocation: AtomicBool,
    verdict: Mutex<Option<Verdict>>,
    has_verdict: Notify,
}

/// What became of a ConnectionBind request on this stream.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// From here on it carries plain payload to and from a peer.
    Joined(Box<Junction>),
    /// It was refused.
    Apart,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Stream {
    pub(crate) fn new(tuple: FiveTuple) -> Self {
        let (queue, has_more) = (Mutex::default(), Notify::new());
        let (verdict, has_verdict) = (Mutex::default(), Notify::new());
        Self { tuple, queue, has_more, has_allocation: AtomicBool::new(false), verdict, has_verdict }
    }

    /// Tells what became of a ConnectionBind request. The first verdict counts.
    pub(crate) fn decide(&self, verdict: Verdict) {
        lock(&self.verdict).get_or_insert(verdict);
        self.has_verdict.notify_one();
    }

    /// Waits for the verdict on the ConnectionBind request that came last.
    pub(crate) async fn verdict(&self) -> Verdict {
        loop {
            if let Some(verdict) = lock(&self.verdict).take() {
                return verdict;
            }
            self.has_verdict.notified().await;
        }
    }

    /// Queues relayed payload; false, and nothing queued, when the client does not read fast enough.
    pub(crate) fn push_data(&self, parts: &[&[u8]]) -> bool {
        self.push(parts, MAX_DATA)
    }

    /// Queues an answer. A client that does not even take answers is cut off.
    pub(crate) fn push_answer(&self, answer: &[u8]) {
        if !self.push(&[answer], MAX_QUEUED) {
            self.close();
        }
    }

    /// Lets the stream end when what is queued was written.
    pub(crate) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.has_more.notify_one();
    }

    /// Swaps what is queued with an empty buffer, when there is something; false when the stream shall end.
    pub(crate) async fn take(&self, empty: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut queue = lock(&self.queue);
                if !queue.bytes.is_empty() {
                    std::mem::swap(&mut queue.bytes, empty);
                    return true;
                }
                if queue.is_closed {
                    return false;
                }
            }
            self.has_more.notified().await;
        }
    }

    pub(crate) fn set_allocation(&self, has_allocation: bool) {
        self.has_allocation.store(has_allocation, Ordering::Release);
    }

    pub(crate) fn has_allocation(&self) -> bool {
        self.has_allocation.load(Ordering::Acquire)
    }

    fn push(&self, parts: &[&[u8]], most: usize) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut queue = lock(&self.queue);
        if queue.is_closed || queue.bytes.len() + length > most {
            return false;
        }
        for part in parts {
            queue.bytes.extend_from_slice(part);
        }
        drop(queue);
        self.has_more.notify_one();
        true
    }
}

/// Bytes of payload that wait for one client: a quarter of a second at 8 Mbit/s. What is older is of no use to anybody.
const MAX_DATA: usize = 256 << 10;
/// With answers on top.
const MAX_QUEUED: usize = MAX_DATA + (64 << 10);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use stoa_base_types::ConnectionId;
    use stoa_turn_relay_core::Transport;

    use super::*;

    fn stream() -> Stream {
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        Stream::new(FiveTuple::new(Transport::Tcp(ConnectionId(1)), address, address))
    }

    #[tokio::test]
    async fn payload_is_dropped_before_answers_are() {
        let stream = stream();
        while stream.push_data(&[&[0; 1000], b"x"]) {}
        stream.push_answer(b"answer");
        assert!(!stream.push_data(&[&[0; 1001]]), "still full");
        let mut taken = Vec::new();
        assert!(stream.take(&mut taken).await);
        assert!(taken.ends_with(b"answer") && taken.len() <= MAX_DATA + 6, "{}", taken.len());
        assert!(stream.push_data(&[b"more"]));
    }

    #[tokio::test]
    async fn who_takes_no_answers_is_cut_off() {
        let stream = stream();
        for _ in 0..MAX_QUEUED / 1000 + 1 {
            stream.push_answer(&[0; 1000]);
        }
        let mut taken = Vec::new();
        assert!(stream.take(&mut taken).await, "what was queued is written");
        assert!(!stream.take(&mut Vec::new()).await);
    }
}
