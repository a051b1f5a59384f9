//! Stoa's own dialect on a socket.

use std::fmt;

use bytes::Bytes;
use stoa_base_types::DocName;
use stoa_crdt_sync_core::wire::native::{self, Frame, Undecodable};
use stoa_crdt_sync_core::wire::{Assembled, Assembler, ClientMessage, CloseCode};

use super::line::Line;
use super::{PortEnd, Rights};
use crate::config::FRAMING_BYTES;
use crate::documents::Documents;
use crate::voice::Voice;

pub(super) struct Native {
    assembler: Assembler,
    rights: Rights,
    only: Option<DocName>,
}

impl Native {
    pub(super) fn new(documents: &Documents, rights: Rights, only: Option<DocName>) -> Self {
        let assembler = Assembler::new(documents.limits().hub.update_bytes + FRAMING_BYTES);
        Self { assembler, rights, only }
    }

    pub(super) async fn handle(&mut self, line: &mut Line, message: Bytes) -> Result<(), PortEnd> {
        let decoded = match self.assembler.push(message) {
            Ok(None) => return Ok(()),
            Ok(Some(Assembled::Frame(frame))) => native::decode(&frame),
            Ok(Some(Assembled::Oversized(head))) => native::decode_oversized(&head),
            Err(error) => return Err(PortEnd::malformed(error.to_string())),
        };
        match decoded {
            Ok(Frame { name, message: ClientMessage::Open { .. } }) => self.open(line, &name).await,
            Ok(Frame { name, message: ClientMessage::Close }) => line.detach(name.as_str()),
            // What is not followed was closed a moment ago.
            Ok(Frame { name, message }) => drop(line.message(name.as_str(), message).await),
            Err(Undecodable { name: Some(name), error }) if line.access(&name).is_some() => {
                line.close(&name, error.close_code());
            }
            Err(Undecodable { name: Some(name), error }) => line.say(native::encode_closed(&name, error.close_code())),
            Err(Undecodable { name: None, error }) => return Err(PortEnd::malformed(error.to_string())),
        }
        Ok(())
    }

    async fn open(&self, line: &mut Line, name: &DocName) {
        let is_alone = self.only.is_some();
        let attached = match (self.rights)(name) {
            Some(access) if self.only.as_ref().is_none_or(|only| only == name) => {
                line.attach(name.as_str(), name, access, Voice::Native { is_alone }).await
            }
            _ => {
                line.detach(name.as_str());
                Err(CloseCode::Forbidden)
            }
        };
        if let Err(code) = attached {
            line.say(native::encode_closed(name.as_str(), code));
        }
    }

    pub(super) fn set_rights(&mut self, line: &mut Line, rights: Rights) {
        self.rights = rights;
        self.recheck(line);
    }

    pub(super) fn recheck(&self, line: &mut Line) {
        let all: Vec<_> = line.all().map(|(key, doc, _)| (key.clone(), (self.rights)(doc))).collect();
        for (key, access) in all {
            match access {
                Some(access) => line.set_access(&key, access),
                None => line.close(&key, CloseCode::Forbidden),
            }
        }
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("assembler", &self.assembler).field("only", &self.only).finish_non_exhaustive()
    }
}
