//! What waits to be written to one socket.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stoa_base_net::{Attempt, FrameWriter, Payload, encode_server_frame};
use stoa_base_types::FollowerId;
use tokio::sync::Notify;

/// The queue of one socket.
///
/// What the kernel takes at once never gets into it: waking the socket's task costs more than writing. Workers fill it, and are
/// told at the next occasion what was written of it. Its length is bounded by the hub, which counts the bytes in flight of
/// every follower; what is nobody's is bounded here. An idle one holds no buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// The way around the socket's task, where there is one: TLS has none.
    writer: Option<FrameWriter>,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    accounts: Accounts,
    /// Bytes of entries that are no follower's.
    own_bytes: usize,
    is_overflowing: bool,
    /// Messages that the socket's task was given and has not reported as written.
    in_hand: usize,
    /// The socket's end has begun: nothing is written past its task any more, since a close frame is the last of all.
    is_ending: bool,
}

/// One for each follower, in order. Most sockets have one follower: a tree would reserve room for eleven.
#[derive(Debug, Default)]
struct Accounts(Vec<(FollowerId, Account)>);

impl Accounts {
    fn find(&self, follower: FollowerId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&follower, |(id, _)| *id)
    }

    fn get_mut(&mut self, follower: FollowerId) -> Option<&mut Account> {
        let at = self.find(follower).ok()?;
        self.0.get_mut(at).map(|(_, account)| account)
    }

    /// The account of a follower, which is opened if need be.
    fn with<T>(&mut self, follower: FollowerId, act: impl FnOnce(&mut Account) -> T) -> T {
        if let Some(account) = self.get_mut(follower) {
            return act(account);
        }
        let mut account = Account::default();
        let result = act(&mut account);
        let at = self.find(follower).unwrap_or_else(|at| at);
        if self.0.is_empty() {
            self.0.reserve_exact(1);
        }
        self.0.insert(at, (follower, account));
        result
    }

    fn remove(&mut self, follower: FollowerId) {
        if let Ok(at) = self.find(follower) {
            self.0.remove(at);
        }
    }
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
    Post {
        post: Post,
        next: usize,
    },
    /// The kernel has the beginning of this one; the stream must be flushed.
    Begun(Post),
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
    pub(crate) fn own(message: &[u8]) -> Self {
        Self { follower: None, frame: Frame::whole(message), cost: 0, is_droppable: false, is_last: false }
    }
}

/// A message as it is written: one WebSocket message or several. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// With the header of the WebSocket frame and its length, so that all who hear it are written the same bytes.
    Whole {
        framed: Bytes,
        header: usize,
    },
    Parts(Arc<[Bytes]>),
}

impl Frame {
    pub(crate) fn whole(message: &[u8]) -> Self {
        let mut framed = Vec::with_capacity(message.len() + MOST_HEADER_BYTES);
        let header = encode_server_frame(Payload::Binary, message, &mut framed);
        Self::Whole { framed: framed.into(), header }
    }

    fn part(&self, index: usize) -> Option<Bytes> {
        match self {
            Self::Whole { framed, header } => (index == 0).then(|| framed.slice(header..)),
            Self::Parts(parts) => parts.get(index).cloned(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Whole { .. } => 1,
            Self::Parts(parts) => parts.len(),
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::Whole { framed, header } => framed.len() - header,
            Self::Parts(parts) => parts.iter().map(Bytes::len).sum(),
        }
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
    /// The rest of a message is to be flushed.
    Flush(Receipt),
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
    /// Of a socket that others may write to, past its task, once it has begun to listen.
    pub(crate) fn new(writer: Option<FrameWriter>) -> Self {
        Self(Arc::new(Shared { writer, ..Shared::default() }))
    }

    /// Writes a message at once if nothing is before it and the kernel takes it, else queues it; returns what the hub is to be
    /// told as written.
    pub(crate) fn push(&self, post: Post) -> usize {
        let mut queue = self.lock();
        let attempt = self.attempt(&queue, &post);
        if attempt == Attempt::Written {
            return queue.settle_at_once(&post);
        }
        let told = match post.follower {
            Some(follower) => queue.accounts.with(follower, |account| {
                account.outstanding += post.cost;
                std::mem::take(&mut account.untold)
            }),
            None => {
                queue.own_bytes += post.frame.byte_len() + OWN_COST;
                if queue.own_bytes > MOST_OWN_BYTES && !std::mem::replace(&mut queue.is_overflowing, true) {
                    self.insert(&mut queue, Entry::Close(TOO_SLOW), true);
                }
                0
            }
        };
        if attempt == Attempt::Begun {
            self.insert(&mut queue, Entry::Begun(post), false);
        } else if !queue.is_overflowing {
            self.insert(&mut queue, Entry::Post { post, next: 0 }, false);
        }
        told
    }

    /// The last message for a follower goes through the task, which has to know of it.
    fn attempt(&self, queue: &Queue, post: &Post) -> Attempt {
        let is_first = queue.entries.is_empty() && queue.in_hand == 0 && !queue.is_overflowing && !queue.is_ending;
        match (&self.0.writer, &post.frame) {
            (Some(writer), Frame::Whole { framed, .. }) if is_first && !post.is_last => writer.try_write(framed),
            _ => Attempt::Refused,
        }
    }

    /// The socket is closed after what is queued.
    pub(crate) fn close(&self, closing: Closing) {
        self.insert(&mut self.lock(), Entry::Close(closing), false);
    }

    /// The socket's task is about to write its last words itself.
    pub(crate) fn end(&self) {
        self.lock().is_ending = true;
    }

    fn insert(&self, queue: &mut Queue, entry: Entry, is_urgent: bool) {
        let was_empty = queue.entries.is_empty();
        if is_urgent {
            queue.entries.retain(|entry| matches!(entry, Entry::Begun(_)));
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
        queue.in_hand = queue.in_hand.saturating_sub(1);
        let account = queue.accounts.get_mut(receipt.follower?)?;
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
        queue.accounts.with(follower, |account| {
            account.outstanding = account.outstanding.saturating_sub(dropped);
            account.is_watched = account.outstanding > 0;
            std::mem::take(&mut account.untold) + dropped
        })
    }

    /// A follower is no more: what waits for it goes.
    pub(crate) fn forget(&self, follower: FollowerId) {
        let mut queue = self.lock();
        queue.accounts.remove(follower);
        let theirs = |entry: &Entry| matches!(entry, Entry::Post { post, next: 0 } if post.follower == Some(follower));
        queue.entries.retain(|entry| !theirs(entry));
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// A message was written without having been queued.
    fn settle_at_once(&mut self, post: &Post) -> usize {
        let Some(follower) = post.follower else { return 0 };
        self.accounts.with(follower, |account| {
            account.untold += post.cost;
            if account.untold < TOLD_BYTES && !account.is_watched { 0 } else { std::mem::take(&mut account.untold) }
        })
    }

    fn take(&mut self) -> Option<Next> {
        let (post, index) = match self.entries.front_mut()? {
            Entry::Post { post, next } => {
                *next += 1;
                (&*post, *next - 1)
            }
            Entry::Begun(post) => {
                let receipt = Receipt { follower: post.follower, cost: post.cost, is_last: post.is_last };
                let bytes = post.frame.byte_len();
                self.note_gone(receipt.follower, bytes);
                return Some(Next::Flush(receipt));
            }
            Entry::Close(closing) => return Some(Next::Close(closing.clone())),
        };
        let is_whole = index + 1 >= post.frame.len();
        let message = post.frame.part(index).unwrap_or_default();
        let (follower, is_last) = (post.follower, is_whole && post.is_last);
        let receipt = Receipt { follower, cost: if is_whole { post.cost } else { 0 }, is_last };
        let bytes = post.frame.byte_len();
        if is_whole {
            self.note_gone(follower, bytes);
        } else {
            self.in_hand += 1;
        }
        Some(Next::Message(message, receipt))
    }

    /// The first entry was handed out.
    fn note_gone(&mut self, follower: Option<FollowerId>, bytes: usize) {
        if follower.is_none() {
            self.own_bytes = self.own_bytes.saturating_sub(bytes + OWN_COST);
        }
        self.in_hand += 1;
        self.entries.pop_front();
    }
}

/// The longest header of a frame from the server.
const MOST_HEADER_BYTES: usize = 10;

/// Of what was written past the queue, so much is told to the hub at once: telling costs more than the hub can do with it.
const TOLD_BYTES: usize = 32 << 10;

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
            frame: Frame::whole(text.as_bytes()),
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

    /// What was written past the task, what it finishes, and what it writes itself come in the order of the pushes.
    #[tokio::test]
    async fn the_way_around_the_task_keeps_the_order() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut theirs = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut ours = stoa_base_net::SharedTcp::new(listener.accept().await.unwrap().0);
        // The kernel tells a task that polls that it takes something.
        ours.write_all(b"-").await.unwrap();
        let mailbox = Mailbox::new(Some(ours.frame_writer()));
        let frames: Vec<Frame> = (0..100).map(|number| Frame::whole(&vec![number; 100_000])).collect();
        let (last, early) = frames.split_last().unwrap();
        let push = |frame: &Frame| mailbox.push(Post { frame: frame.clone(), cost: 20_000, ..post(1, "", true) });
        let told: Vec<usize> = early.iter().map(push).collect();
        assert_eq!(told[..2], [0, 40_000], "told when it is worth it");
        let mut expected = b"-".to_vec();
        for frame in &frames {
            let Frame::Whole { framed, .. } = frame else { panic!("one frame") };
            expected.extend_from_slice(framed);
        }
        let mut got = vec![0; expected.len()];
        let reader = tokio::spawn(async move {
            theirs.read_exact(&mut got).await.unwrap();
            got
        });
        let (mut flushed, mut written) = (0, 0);
        while let Some(next) = mailbox.try_next() {
            let receipt = match next {
                Next::Flush(receipt) => {
                    flushed += 1;
                    receipt
                }
                Next::Message(message, receipt) => {
                    written += 1;
                    let Frame::Whole { framed, .. } = Frame::whole(&message) else { panic!("one frame") };
                    ours.write_all(&framed).await.unwrap();
                    if mailbox.lock().entries.is_empty() && written < 90 {
                        // Nothing waits, but this one is not reported.
                        written = 90;
                        push(last);
                        assert_eq!(mailbox.lock().entries.len(), 1);
                    }
                    receipt
                }
                Next::Close(closing) => panic!("{closing:?}"),
            };
            ours.flush().await.unwrap();
            mailbox.settle(receipt);
        }
        assert!(written > 90 && flushed <= 1, "{written} {flushed}");
        assert!(reader.await.unwrap() == expected);
        mailbox.end();
        mailbox.push(post(1, "b", true));
        assert_eq!(mailbox.lock().entries.len(), 1, "a close frame is the last of all");
    }

    /// The kernel would take all of it: only the queue is in the way.
    #[tokio::test]
    async fn nothing_is_written_past_what_waits() {
        use tokio::io::AsyncWriteExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _theirs = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut ours = stoa_base_net::SharedTcp::new(listener.accept().await.unwrap().0);
        // The kernel tells a task that polls that it takes something.
        ours.write_all(b"-").await.unwrap();
        let mailbox = Mailbox::new(Some(ours.frame_writer()));
        mailbox.push(post(1, "past the task", true));
        assert_eq!(mailbox.try_next(), None);
        // The last word to a follower goes through the task; another one's next word does not overtake it.
        mailbox.push(Post { is_last: true, ..post(1, "farewell", false) });
        mailbox.push(post(2, "behind it", true));
        assert_eq!(written(&mailbox).0, "farewell");
        assert_eq!(written(&mailbox).0, "behind it");
        mailbox.push(post(2, "past the task", true));
        assert_eq!(mailbox.try_next(), None);
    }

    #[tokio::test]
    async fn who_asks_and_never_reads_is_closed() {
        let mailbox = Mailbox::default();
        for _ in 0..=MOST_OWN_BYTES / OWN_COST {
            mailbox.push(Post::own(&[]));
        }
        assert_eq!(mailbox.next().await, Next::Close(TOO_SLOW));
        assert_eq!(mailbox.lock().entries.len(), 1);
    }
}
