//! What waits to be written to one socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

/// A bounded queue of texts. Nothing is dropped silently: when more waits than fits, the socket must be closed, and its client
/// starts over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<Utf8Bytes>,
    bytes: usize,
    has_overflowed: bool,
}

/// More waits than fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Mailbox {
    pub(crate) fn push(&self, text: Utf8Bytes) {
        let mut queue = self.lock();
        if queue.has_overflowed {
            return;
        }
        queue.bytes += text.len();
        queue.texts.push_back(text);
        if queue.texts.len() > MAX_TEXTS || queue.bytes > MAX_BYTES {
            *queue = Queue { has_overflowed: true, ..Queue::default() };
        }
        drop(queue);
        self.0.arrived.notify_one();
    }

    /// Waits for the next text. Cancelling loses none.
    pub(crate) async fn next(&self) -> Result<Utf8Bytes, Overflow> {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Waits until more waits than fits.
    pub(crate) async fn overflow(&self) -> Overflow {
        while !self.lock().has_overflowed {
            // `next` looks before it waits, so it does not need what is consumed here.
            self.0.arrived.notified().await;
        }
        Overflow
    }

    fn pop(&self) -> Option<Result<Utf8Bytes, Overflow>> {
        let mut queue = self.lock();
        if queue.has_overflowed {
            return Some(Err(Overflow));
        }
        let text = queue.texts.pop_front()?;
        queue.bytes -= text.len();
        if queue.texts.is_empty() {
            queue.texts.shrink_to_fit();
        }
        Some(Ok(text))
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_TEXTS: usize = 1024;
const MAX_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn texts_come_in_order() {
        let mailbox = Mailbox::default();
        for text in ["a", "b", "c"] {
            mailbox.push(Utf8Bytes::from_static(text));
        }
        for text in ["a", "b", "c"] {
            assert_eq!(mailbox.next().await.unwrap().as_str(), text);
        }
        assert_eq!(mailbox.lock().bytes, 0);
    }

    #[tokio::test]
    async fn too_many_or_too_large_is_said_at_once_and_holds_no_memory() {
        let (many, large) = (Mailbox::default(), Mailbox::default());
        for _ in 0..=MAX_TEXTS {
            many.push(Utf8Bytes::from_static("a"));
        }
        for _ in 0..17 {
            large.push("x".repeat(64 * 1024).into());
        }
        for mailbox in [many, large] {
            assert_eq!(mailbox.next().await.unwrap_err(), Overflow);
            mailbox.push(Utf8Bytes::from_static("late"));
            assert_eq!(mailbox.next().await.unwrap_err(), Overflow);
            assert_eq!(mailbox.overflow().await, Overflow);
            assert!(mailbox.lock().texts.is_empty());
        }
    }
}
