//! What waits to be written to one socket.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stoa_base_types::FollowerId;
use tokio::sync::Notify;

/// The queue of one socket.
///
/// Workers fill it, and are told at the next occasion what was written of it. Its length is bounded by the hub, which counts the
/// bytes in flight of every follower; what is nobody's is bounded here. An idle one holds no buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    accounts: BTreeMap<FollowerId, Account>,
    /// Bytes of entries that are no follower's.
    own_bytes: usize,
    is_overflowing: bool,
}

/// What the hub is to be told about one follower.
#[derive(Debug, Default)]
struct Account {
    /// Of what was queued and not written.
    outstanding: usize,
    /// Of what was written and not told.
    untold: usize,
    /// Everything is told at once: the hub waits for it.
    is_watched: bool,
}

#[derive(Debug)]
enum Entry {
    Post { post: Post, next: usize },
    Close(Closing),
}

/// One message of a document, for one socket.
#[derive(Debug)]
pub(crate) struct Post {
    /// For which follower; `None`: for the socket itself.
    pub(crate) follower: Option<FollowerId>,
    /// As it is written.
    pub(crate) frame: Frame,
    /// For the hub.
    pub(crate) cost: usize,
    /// Whether it goes when the queue is dropped.
    pub(crate) is_droppable: bool,
    /// Whether it is the last one for the follower.
    pub(crate) is_last: bool,
}

impl Post {
    /// A message that no hub knows of.
    pub(crate) const fn own(message: Bytes) -> Self {
        Self { follower: None, frame: Frame::Whole(message), cost: 0, is_droppable: false, is_last: false }
    }
}

/// A message as it is written: one WebSocket message or several. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Whole(Bytes),
    Parts(Arc<[Bytes]>),
}

impl Frame {
    fn part(&self, index: usize) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => (index == 0).then_some(bytes),
            Self::Parts(parts) => parts.get(index),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Whole(_) => 1,
            Self::Parts(parts) => parts.len(),
        }
    }

    fn byte_len(&self) -> usize {
        (0..self.len()).filter_map(|index| self.part(index)).map(Bytes::len).sum()
    }
}

/// How a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) reason: Cow<'static, str>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Message(Bytes, Receipt),
    Close(Closing),
}

/// Goes back to [`Mailbox::settle`] when the message was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) follower: Option<FollowerId>,
    cost: usize,
    /// Nothing follows for the follower.
    pub(crate) is_last: bool,
}

impl Mailbox {
    /// Queues a message; returns what the hub is to be told as written.
    pub(crate) fn push(&self, post: Post) -> usize {
        let mut queue = self.lock();
        let told = match post.follower {
            Some(follower) => {
                let account = queue.accounts.entry(follower).or_default();
                account.outstanding += post.cost;
                std::mem::take(&mut account.untold)
            }
            None => {
                queue.own_bytes += post.frame.byte_len() + OWN_COST;
                if queue.own_bytes > MOST_OWN_BYTES && !std::mem::replace(&mut queue.is_overflowing, true) {
                    self.insert(&mut queue, Entry::Close(TOO_SLOW), true);
                }
                0
            }
        };
        if !queue.is_overflowing {
            self.insert(&mut queue, Entry::Post { post, next: 0 }, false);
        }
        told
    }

    /// The socket is closed after what is queued.
    pub(crate) fn close(&self, closing: Closing) {
        self.insert(&mut self.lock(), Entry::Close(closing), false);
    }

    fn insert(&self, queue: &mut Queue, entry: Entry, is_urgent: bool) {
        let was_empty = queue.entries.is_empty();
        if is_urgent {
            queue.entries.clear();
        }
        queue.entries.push_back(entry);
        // Who takes from the queue takes until it is empty.
        if was_empty {
            self.0.arrived.notify_one();
        }
    }

    /// Waits for what comes next. Cancelling loses nothing.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.0.arrived.notified().await;
        }
    }

    /// What comes next, if it is there.
    pub(crate) fn try_next(&self) -> Option<Next> {
        let mut queue = self.lock();
        let next = queue.take();
        if queue.entries.is_empty() && queue.entries.capacity() > 0 {
            queue.entries = VecDeque::new();
        }
        next
    }

    /// A message was written; returns what the hub is to be told at once.
    pub(crate) fn settle(&self, receipt: Receipt) -> Option<usize> {
        let mut queue = self.lock();
        let account = queue.accounts.get_mut(&receipt.follower?)?;
        account.outstanding = account.outstanding.saturating_sub(receipt.cost);
        account.untold += receipt.cost;
        if !account.is_watched {
            return None;
        }
        account.is_watched = account.outstanding > 0;
        Some(std::mem::take(&mut account.untold)).filter(|untold| *untold > 0)
    }

    /// Drops what waits for a follower and may be dropped; returns what the hub is to be told. From now on it is told everything at
    /// once, until nothing is left.
    pub(crate) fn drop_queue(&self, follower: FollowerId) -> usize {
        let mut queue = self.lock();
        let mut dropped = 0;
        queue.entries.retain(|entry| {
            let goes =
                matches!(entry, Entry::Post { post, next: 0 } if post.is_droppable && post.follower == Some(follower));
            if goes && let Entry::Post { post, .. } = entry {
                dropped += post.cost;
            }
            !goes
        });
        let account = queue.accounts.entry(follower).or_default();
        account.outstanding = account.outstanding.saturating_sub(dropped);
        account.is_watched = account.outstanding > 0;
        std::mem::take(&mut account.untold) + dropped
    }

    /// A follower is no more: what waits for it goes.
    pub(crate) fn forget(&self, follower: FollowerId) {
        let mut queue = self.lock();
        queue.accounts.remove(&follower);
        let theirs = |entry: &Entry| matches!(entry, Entry::Post { post, next: 0 } if post.follower == Some(follower));
        queue.entries.retain(|entry| !theirs(entry));
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Next> {
        let (post, index) = match self.entries.front_mut()? {
            Entry::Post { post, next } => {
                *next += 1;
                (&*post, *next - 1)
            }
            Entry::Close(closing) => return Some(Next::Close(closing.clone())),
        };
        let is_whole = index + 1 >= post.frame.len();
        let message = post.frame.part(index).cloned().unwrap_or_default();
        let (follower, is_last) = (post.follower, is_whole && post.is_last);
        let receipt = Receipt { follower, cost: if is_whole { post.cost } else { 0 }, is_last };
        if is_whole {
            if follower.is_none() {
                self.own_bytes = self.own_bytes.saturating_sub(post.frame.byte_len() + OWN_COST);
            }
            self.entries.pop_front();
        }
        Some(Next::Message(message, receipt))
    }
}

/// Beside their bytes, messages cost a place in the queue.
const OWN_COST: usize = 64;

/// Of a socket that asks and does not read the answers.
const MOST_OWN_BYTES: usize = 256 << 10;

const TOO_SLOW: Closing = Closing { code: 1013, reason: Cow::Borrowed("reads too slowly") };

#[cfg(test)]
mod tests {
    use super::*;

    fn post(follower: u64, text: &'static str, is_droppable: bool) -> Post {
        Post {
            follower: Some(FollowerId(follower)),
            frame: Frame::Whole(Bytes::from_static(text.as_bytes())),
            cost: 10,
            is_droppable,
            is_last: false,
        }
    }

    fn written(mailbox: &Mailbox) -> (Bytes, Option<usize>) {
        match mailbox.try_next() {
            Some(Next::Message(message, receipt)) => (message, mailbox.settle(receipt)),
            other => panic!("expected a message, not {other:?}"),
        }
    }

    #[test]
    fn what_was_written_is_told_with_the_next_message() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.push(post(1, "a", true)), 0);
        assert_eq!(mailbox.push(post(1, "b", true)), 0);
        assert_eq!(written(&mailbox), (Bytes::from_static(b"a"), None));
        assert_eq!(written(&mailbox), (Bytes::from_static(b"b"), None));
        assert_eq!(mailbox.try_next(), None);
        assert_eq!(mailbox.push(post(2, "c", true)), 0, "another follower's account");
        assert_eq!(mailbox.push(post(1, "c", true)), 20);
        assert_eq!(mailbox.push(post(1, "c", true)), 0, "told once");
    }

    #[test]
    fn a_dropped_queue_is_watched_until_it_is_empty() {
        let mailbox = Mailbox::default();
        for (text, is_droppable) in [("a", true), ("b", false), ("c", true), ("d", true)] {
            mailbox.push(post(1, text, is_droppable));
        }
        mailbox.push(post(2, "other", true));
        assert_eq!(written(&mailbox).1, None);
        assert_eq!(mailbox.drop_queue(FollowerId(1)), 30, "one written, two dropped");
        assert_eq!(written(&mailbox), (Bytes::from_static(b"b"), Some(10)));
        assert_eq!(written(&mailbox), (Bytes::from_static(b"other"), None));
        mailbox.push(post(1, "e", true));
        assert_eq!(written(&mailbox).1, None, "no longer watched");
    }

    #[test]
    fn a_frame_that_was_begun_is_finished() {
        let mailbox = Mailbox::default();
        let parts = ["a", "b", "c"].map(|part| Bytes::from_static(part.as_bytes()));
        let frame = Frame::Parts(parts.into_iter().collect());
        mailbox.push(Post { frame, is_last: true, ..post(1, "", true) });
        assert_eq!(written(&mailbox).0, "a");
        assert_eq!(mailbox.drop_queue(FollowerId(1)), 0);
        mailbox.forget(FollowerId(3));
        assert_eq!(written(&mailbox), (Bytes::from_static(b"b"), None));
        let Some(Next::Message(message, receipt)) = mailbox.try_next() else { panic!("the last part is missing") };
        assert_eq!((message, receipt.is_last), (Bytes::from_static(b"c"), true));
        assert_eq!(mailbox.settle(receipt), Some(10));
    }

    #[test]
    fn the_messages_of_a_follower_go_with_it() {
        let mailbox = Mailbox::default();
        mailbox.push(post(1, "a", false));
        mailbox.push(post(2, "b", false));
        mailbox.forget(FollowerId(1));
        assert_eq!(written(&mailbox).0, "b");
        assert_eq!(mailbox.try_next(), None);
    }

    #[tokio::test]
    async fn who_asks_and_never_reads_is_closed() {
        let mailbox = Mailbox::default();
        for _ in 0..=MOST_OWN_BYTES / OWN_COST {
            mailbox.push(Post::own(Bytes::new()));
        }
        assert_eq!(mailbox.next().await, Next::Close(TOO_SLOW));
        assert_eq!(mailbox.lock().entries.len(), 1);
    }
}
