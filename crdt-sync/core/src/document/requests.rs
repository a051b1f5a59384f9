//! What the server itself asks of a document.
use bytes::Bytes;
use stoa_base_types::Epoch;

use super::accept::Reject;
use super::content::Content;
use super::log::{Edit, Log};
use super::snapshot::Compaction;
use super::{Document, Phase};
use crate::hub::{Context, Event, RequestError};
use crate::update::Update;
use crate::wire::{CloseCode, RefuseCode, Storage};

/// A request; answered once.
#[derive(Debug)]
pub(crate) enum Request {
    Edit { request: u64, update: Bytes, expected: Option<(Epoch, u64)> },
    Read { request: u64 },
    Erase { request: u64 },
}

impl Request {
    pub(crate) const fn number(&self) -> u64 {
        match self {
            Self::Edit { request, .. } | Self::Read { request } | Self::Erase { request } => *request,
        }
    }
}

impl Document {
    /// Fulfils a request, now or when the disk was read.
    pub(crate) fn request(&mut self, cx: &mut Context<'_>, request: Request) {
        if matches!(self.phase, Phase::Loading(_)) {
            self.requests.push(request);
            return;
        }
        match request {
            Request::Edit { request, update, expected } => {
                if let Err(error) = self.edit(cx, request, update, expected) {
                    cx.out.event(Event::RequestFailed { request, error });
                }
            }
            Request::Read { request } => match self.content.parts() {
                Ok(parts) => {
                    let (epoch, seq) = (self.epoch, self.log.last_update());
                    cx.out.event(Event::State { request, epoch, seq, parts });
                }
                Err(away) => {
                    self.requests.push(Request::Read { request });
                    self.ask_snapshot(cx, away);
                }
            },
            Request::Erase { request } => self.erase(cx, request),
        }
        self.linger(cx);
    }

    fn edit(
        &mut self,
        cx: &mut Context<'_>,
        request: u64,
        update: Bytes,
        expected: Option<(Epoch, u64)>,
    ) -> Result<(), RequestError> {
        if cx.situation.is_draining {
            return Err(RequestError::Unavailable);
        }
        if expected.is_some_and(|expected| expected != (self.epoch, self.log.last_update())) {
            return Err(RequestError::Changed);
        }
        if self.storage(cx) == Storage::Failing {
            return Err(RequestError::StorageFailing);
        }
        if update.len() > cx.limits.update_bytes {
            return Err(RequestError::TooLarge);
        }
        let update = Update::read(update).map_err(|_| RequestError::Malformed)?;
        let needs = if self.content.knows(&update) {
            self.log.needed_for(&update)
        } else {
            self.accept(cx, update, None, false).map_err(request_error)?
        };
        let (epoch, seq) = (self.epoch, self.log.last_update());
        if needs <= self.log.committed_through() {
            cx.out.event(Event::Edited { request, epoch, seq });
        } else {
            self.log.note_edit(needs, Edit { request, seq });
        }
        Ok(())
    }

    /// Begins anew, with nothing.
    fn erase(&mut self, cx: &mut Context<'_>, request: u64) {
        self.former_authors.extend(self.content.authors());
        self.former_authors.sort_unstable();
        self.former_authors.dedup();
        self.close_all(cx, CloseCode::Gone);
        for edit in self.log.take_edits() {
            cx.out.event(Event::RequestFailed { request: edit, error: RequestError::Gone });
        }
        cx.out.stats.dirty_bytes -= self.log.pending_bytes();
        cx.out.stats.held_updates -= self.content.held.len();
        self.epoch = self.next_epoch();
        (self.content, self.log, self.compaction) = (Content::default(), Log::default(), Compaction::default());
        (self.durable, self.awareness, self.handed_out, self.pace) = Default::default();
        (self.is_failing, self.is_erasing) = (false, true);
        cx.out.event(Event::Erased {
            request,
            doc: self.name.clone(),
            epoch: self.epoch,
            former_authors: self.former_authors.clone(),
        });
    }
}

const fn request_error(reject: Reject) -> RequestError {
    match reject {
        Reject::Refuse(RefuseCode::TooLarge) => RequestError::TooLarge,
        Reject::Refuse(RefuseCode::Quota) => RequestError::Quota,
        Reject::Refuse(RefuseCode::ReadOnly | RefuseCode::Malformed | RefuseCode::TooManyHeld) => {
            RequestError::Malformed
        }
        Reject::Close(_) => RequestError::StorageFailing,
    }
}
