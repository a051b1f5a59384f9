//! Documents and the chat, lent to the signaling socket.

use std::sync::Arc;

use bytes::Bytes;
use stoa_base_net::FrameWriter;
use stoa_base_types::DocName;
use stoa_crdt_sync_server::{Chat, Documents, Outgoing, Port, PortOptions, Rights};
use stoa_signaling_core::Bound;
use stoa_signaling_core::message::{ChatEntry, DocumentsGrant};
use stoa_signaling_server::{BoxFuture, ChatLine, ChatLog, DocumentMessage, DocumentSocket, DocumentsEnd, Done};

use crate::rights;

/// The documents of a room, for those who are in it.
#[derive(Debug)]
pub(crate) struct RoomDocuments(pub(crate) Documents);

impl stoa_signaling_server::Documents for RoomDocuments {
    fn open(&self, bound: &Bound, writer: Option<FrameWriter>) -> Box<dyn DocumentSocket> {
        let room: Arc<str> = bound.room.as_str().into();
        // Without tokens nobody has an identity; the participant's id serves, so that their newer socket may move their cursor.
        let identity = bound.identity.as_deref().map_or_else(|| bound.participant.to_string().into(), Into::into);
        let rights = rights_in(&room, bound.documents);
        let port = self.0.open(PortOptions::Native { identity: Some(identity), rights, doc: None }, writer);
        Box::new(RoomPort { port, room })
    }
}

#[derive(Debug)]
struct RoomPort {
    port: Port,
    room: Arc<str>,
}

impl DocumentSocket for RoomPort {
    fn handle(&mut self, message: Bytes) -> BoxFuture<'_, Result<(), DocumentsEnd>> {
        Box::pin(async move { self.port.handle(message).await.map_err(|_| DocumentsEnd) })
    }

    fn next(&mut self) -> BoxFuture<'_, Option<DocumentMessage>> {
        Box::pin(async move {
            match self.port.next().await {
                Outgoing::Message(message) => Some(DocumentMessage::Message(message)),
                Outgoing::Flush => Some(DocumentMessage::Flush),
                Outgoing::Close { .. } => None,
            }
        })
    }

    fn written(&mut self) {
        self.port.written();
    }

    fn set_rights(&mut self, documents: DocumentsGrant) {
        self.port.set_rights(rights_in(&self.room, documents));
    }
}

fn rights_in(room: &Arc<str>, documents: DocumentsGrant) -> Rights {
    let room = Arc::clone(room);
    Arc::new(move |doc| rights::in_room(&room, documents, doc))
}

/// Keeps what is said in rooms beside the documents.
#[derive(Debug)]
pub(crate) struct RoomChat(pub(crate) Chat);

impl ChatLog for RoomChat {
    fn append(&self, line: ChatLine, done: Done<(u64, u64)>) {
        let ChatLine { room, participant, name, text } = line;
        match DocName::new(&room) {
            Ok(room) => {
                let line = stoa_crdt_sync_server::ChatLine { participant: participant.to_string(), name, text };
                self.0.append(&room, line, done);
            }
            // Rooms' names are stricter than documents'.
            Err(error) => done(Err(error.to_string())),
        }
    }

    fn read(&self, room: String, before: Option<u64>, limit: u32, done: Done<(Vec<ChatEntry>, bool)>) {
        match DocName::new(&room) {
            Ok(room) => self.0.read(
                room,
                before,
                limit,
                Box::new(|result| done(result.map(|(entries, more)| (on_wire(entries), more)))),
            ),
            Err(error) => done(Err(error.to_string())),
        }
    }
}

/// Who wrote a line whose author's id is none of ours cannot be told, and it is left out.
fn on_wire(entries: Vec<stoa_crdt_sync_server::ChatEntry>) -> Vec<ChatEntry> {
    let convert = |entry: stoa_crdt_sync_server::ChatEntry| {
        let participant = entry.author.try_into().ok()?;
        Some(ChatEntry { seq: entry.seq, at_ms: entry.at_ms, participant, name: entry.name, text: entry.text })
    };
    entries.into_iter().filter_map(convert).collect()
}
