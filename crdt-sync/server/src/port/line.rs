//! What all dialects have in common: a mailbox, and followers in the workers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use stoa_base_net::FrameWriter;
use stoa_base_types::{Access, ConnectionId, DocName, FollowerId};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode};
use stoa_crdt_sync_core::{Attach, Dialect};

use super::Outgoing;
use crate::documents::{Documents, Seat, WorkerHandle};
use crate::mailbox::{Closing, Mailbox, Next, Post, Receipt};
use crate::voice::Voice;
use crate::worker::Command;

/// One socket.
#[derive(Debug)]
pub(super) struct Line {
    documents: Documents,
    connection: ConnectionId,
    identity: Option<Arc<str>>,
    mailbox: Mailbox,
    /// Of messages that were handed out and not reported as written.
    in_flight: VecDeque<Receipt>,
    /// By the name that the socket knows the document by.
    following: Followings,
}

#[derive(Debug)]
struct Following {
    follower: FollowerId,
    worker: WorkerHandle,
    doc: DocName,
    access: Access,
    /// Given back when it ends.
    _seat: Seat,
}

/// In the order of their keys. Most sockets follow one document: a tree would reserve room for eleven.
#[derive(Debug, Default)]
struct Followings(Vec<(Arc<str>, Following)>);

impl Followings {
    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(key))
    }

    fn get(&self, key: &str) -> Option<&Following> {
        self.0.get(self.find(key).ok()?).map(|(_, following)| following)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Following> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, following)| following)
    }

    fn insert(&mut self, key: Arc<str>, following: Following) {
        let at = self.find(&key).unwrap_or_else(|at| at);
        if self.0.is_empty() {
            self.0.reserve_exact(1);
        }
        self.0.insert(at, (key, following));
    }

    fn remove(&mut self, key: &str) -> Option<Following> {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    fn values(&self) -> impl Iterator<Item = &Following> {
        self.0.iter().map(|(_, following)| following)
    }
}

impl Line {
    pub(super) fn new(documents: &Documents, identity: Option<Arc<str>>, writer: Option<FrameWriter>) -> Self {
        Self {
            documents: documents.clone(),
            connection: documents.next_connection(),
            identity,
            mailbox: Mailbox::new(writer),
            in_flight: VecDeque::new(),
            following: Followings::default(),
        }
    }

    /// Follows a document under a key, anew if it does already.
    ///
    /// # Errors
    ///
    /// If the socket's owner follows too many.
    pub(super) async fn attach(
        &mut self,
        key: &str,
        doc: &DocName,
        access: Access,
        voice: Voice,
    ) -> Result<(), CloseCode> {
        self.detach(key);
        let seat = self.documents.seat(self.identity.as_ref()).ok_or(CloseCode::TooMany)?;
        let worker = self.documents.worker_of(doc).ok_or(CloseCode::Unavailable)?.clone();
        let dialect = match voice {
            Voice::Native { .. } => Dialect::Native,
            Voice::Plain => Dialect::Plain,
            Voice::Hocuspocus(_) => Dialect::Hocuspocus,
        };
        let follower = self.documents.next_follower();
        let attach = Attach {
            follower,
            doc: doc.clone(),
            dialect,
            access,
            connection: self.connection,
            identity: self.identity.clone(),
        };
        let (mailbox, doc) = (self.mailbox.clone(), doc.clone());
        let following = Following { follower, worker: worker.clone(), doc, access, _seat: seat };
        // First, so that it is let go even if this is cancelled.
        self.following.insert(key.into(), following);
        worker.send(Command::Attach { attach, mailbox, voice }).await;
        Ok(())
    }

    /// Hands on what a follower says; false if the key names none.
    pub(super) async fn message(&self, key: &str, message: ClientMessage) -> bool {
        let Some(Following { follower, worker, .. }) = self.following.get(key) else { return false };
        let room = worker.room(length(&message)).await;
        worker.send(Command::Message { follower: *follower, message, room }).await;
        true
    }

    /// Hands on text for other providers; false if the key names no follower.
    pub(super) async fn stateless(&self, key: &str, text: String) -> bool {
        let Some(Following { follower, worker, .. }) = self.following.get(key) else { return false };
        worker.send(Command::Stateless { follower: *follower, text }).await;
        true
    }

    /// Stops following; nothing more is said about it.
    pub(super) fn detach(&mut self, key: &str) {
        if let Some(Following { follower, worker, .. }) = self.following.remove(key) {
            self.mailbox.forget(follower);
            worker.say(Command::Detach { follower });
        }
    }

    /// Has the hub say farewell.
    pub(super) fn close(&self, key: &str, code: CloseCode) {
        if let Some(Following { follower, worker, .. }) = self.following.get(key) {
            worker.say(Command::Close { follower: *follower, code });
        }
    }

    pub(super) fn set_access(&mut self, key: &str, access: Access) {
        let Some(following) = self.following.get_mut(key) else { return };
        if std::mem::replace(&mut following.access, access) != access {
            following.worker.say(Command::SetAccess { follower: following.follower, access });
        }
    }

    /// Keys, documents and rights of all that is followed.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &DocName, Access)> {
        self.following.0.iter().map(|(key, following)| (key, &following.doc, following.access))
    }

    pub(super) fn access(&self, key: &str) -> Option<Access> {
        self.following.get(key).map(|following| following.access)
    }

    pub(super) fn is_following(&self) -> bool {
        !self.following.0.is_empty()
    }

    /// Queues a message that no hub knows of.
    pub(super) fn say(&self, message: Bytes) {
        self.mailbox.push(Post::own(&message));
    }

    /// Closes the socket after what is queued.
    pub(super) fn hang_up(&self, closing: Closing) {
        self.mailbox.close(closing);
    }

    pub(super) async fn next(&mut self) -> Outgoing {
        let next = self.mailbox.next().await;
        self.hand_out(next)
    }

    pub(super) fn try_next(&mut self) -> Option<Outgoing> {
        let next = self.mailbox.try_next()?;
        Some(self.hand_out(next))
    }

    fn hand_out(&mut self, next: Next) -> Outgoing {
        let (outgoing, receipt) = match next {
            Next::Message(message, receipt) => (Outgoing::Message(message), receipt),
            Next::Flush(receipt) => (Outgoing::Flush, receipt),
            Next::Close(Closing { code, reason }) => return Outgoing::Close { code, reason },
        };
        if receipt.is_last {
            self.following.0.retain(|(_, following)| Some(following.follower) != receipt.follower);
        }
        self.in_flight.push_back(receipt);
        outgoing
    }

    pub(super) fn written(&mut self) {
        let Some(receipt) = self.in_flight.pop_front() else { return };
        let Some(cost) = self.mailbox.settle(receipt) else { return };
        let mut following = self.following.values();
        if let Some(Following { follower, worker, .. }) =
            following.find(|other| Some(other.follower) == receipt.follower)
        {
            worker.written(*follower, cost);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.mailbox.end();
        for Following { follower, worker, .. } in self.following.values() {
            worker.say(Command::Detach { follower: *follower });
        }
    }
}

fn length(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Step1(bytes)
        | ClientMessage::Step2(bytes)
        | ClientMessage::Update(bytes)
        | ClientMessage::Awareness(bytes) => bytes.len(),
        ClientMessage::Open { .. } | ClientMessage::TooLarge | ClientMessage::QueryAwareness | ClientMessage::Close => {
            0
        }
    }
}
