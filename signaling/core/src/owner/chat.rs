//! The room's chat: a log that the server orders. It is kept elsewhere, so everything here takes two steps.

use std::time::Instant;

use stoa_base_types::{ParticipantId, SessionId};

use super::Owner;
use super::requests::Refusal;
use crate::control::ChatRequest;
use crate::frame::Body;
use crate::message::{ChatEntry, ErrorCode, ServerMessage};
use crate::name::RoomName;
use crate::outbox::Lane;
use crate::room::Room;

/// What the log was asked for, and who waits for it.
#[derive(Debug)]
pub(super) struct PendingChat {
    session: SessionId,
    cid: Option<u64>,
    room: RoomName,
    /// Absent for a question about the history.
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    participant: ParticipantId,
    name: String,
    text: String,
}

impl Owner {
    /// Passes a line on to the log; the room hears of it once it is kept.
    pub(super) fn chat(&mut self, id: SessionId, cid: Option<u64>, text: &str, now: Instant) -> Result<(), Refusal> {
        let text = self.check_chat_text(text)?;
        let (room, participant) = self.place_of(id)?;
        let name = self.chatter(&room, participant)?.to_owned();
        if !self.rooms.get(&room).is_some_and(|room| room.is_chat_on) {
            return Err(Refusal(ErrorCode::ChatDisabled, "a moderator switched the chat off".to_owned()));
        }
        let (rate, burst) = (self.limits.chat_rate, self.limits.chat_burst);
        let session = self.sessions.get_mut(&id).ok_or_else(Refusal::unknown_participant)?;
        if session.chat_bucket(now).take(rate, burst, now).is_err() {
            let message = format!("too many messages; write at most {rate} per second");
            return Err(Refusal(ErrorCode::RateLimited, message));
        }
        let line = Line { participant, name: name.clone(), text: text.clone() };
        let request = self.expect_chat(PendingChat { session: id, cid, room: room.clone(), line: Some(line) }, now)?;
        let room = room.to_string();
        self.chat_requests.push_back(ChatRequest::Append { request, room, participant, name, text });
        Ok(())
    }

    /// Asks the log for earlier lines.
    pub(super) fn chat_history(
        &mut self,
        id: SessionId,
        cid: Option<u64>,
        before: Option<u64>,
        limit: Option<u32>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let (room, participant) = self.place_of(id)?;
        self.chatter(&room, participant)?;
        let limit = limit.unwrap_or(HISTORY).clamp(1, MAX_HISTORY);
        let request = self.expect_chat(PendingChat { session: id, cid, room: room.clone(), line: None }, now)?;
        self.chat_requests.push_back(ChatRequest::Read { request, room: room.to_string(), before, limit });
        Ok(())
    }

    pub(super) fn set_chat(
        &mut self,
        room: &RoomName,
        by: ParticipantId,
        enabled: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        let ruled = self.ruled(room, by)?;
        if ruled.is_chat_on != enabled {
            ruled.is_chat_on = enabled;
            self.announce_room(room, now);
        }
        Ok(())
    }

    /// The log kept a line, or could not.
    pub(crate) fn chat_appended(&mut self, request: u64, result: Result<(u64, u64), String>, now: Instant) {
        let Some(PendingChat { session, cid, room, line: Some(line) }) = self.pending_chats.remove(&request) else {
            return;
        };
        match result {
            Ok((seq, at_ms)) => {
                let Line { participant, name, text } = line;
                let body = Body::new(&ServerMessage::Chat { entry: ChatEntry { seq, at_ms, participant, name, text } });
                for session in self.rooms.get(&room).map(Room::chatters).unwrap_or_default() {
                    self.push(session, Lane::Control, body.clone(), now);
                }
                self.settle_chat(session, cid, Ok(ServerMessage::Ok {}), now);
            }
            Err(why) => self.settle_chat(session, cid, Err(unavailable(&why)), now),
        }
    }

    /// The log was read, or could not be.
    pub(crate) fn chat_read(&mut self, request: u64, result: Result<(Vec<ChatEntry>, bool), String>, now: Instant) {
        let Some(PendingChat { session, cid, line: None, .. }) = self.pending_chats.remove(&request) else { return };
        let result = match result {
            Ok((entries, more)) => Ok(within_a_frame(entries, more)),
            Err(why) => Err(unavailable(&why)),
        };
        self.settle_chat(session, cid, result, now);
    }

    fn settle_chat(&mut self, id: SessionId, cid: Option<u64>, result: Result<ServerMessage, Refusal>, now: Instant) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.settle(cid);
        }
        self.reply(id, cid, result, now);
    }

    fn expect_chat(&mut self, pending: PendingChat, now: Instant) -> Result<u64, Refusal> {
        let session = self.sessions.get_mut(&pending.session).ok_or_else(Refusal::unknown_participant)?;
        if !session.expect(pending.cid, now) {
            let message = "too many messages are still being written; wait for their replies".to_owned();
            return Err(Refusal(ErrorCode::RateLimited, message));
        }
        self.last_chat_request += 1;
        self.pending_chats.insert(self.last_chat_request, pending);
        Ok(self.last_chat_request)
    }

    pub(super) fn place_of(&self, id: SessionId) -> Result<(RoomName, ParticipantId), Refusal> {
        let session = self.sessions.get(&id).ok_or_else(Refusal::unknown_participant)?;
        Ok((session.room.clone(), session.participant))
    }

    /// The name of somebody who may take part in the chat.
    fn chatter(&self, room: &RoomName, id: ParticipantId) -> Result<&str, Refusal> {
        let member = self.rooms.get(room).and_then(|room| room.member(id)).ok_or_else(Refusal::unknown_participant)?;
        if !member.grants.data {
            return Err(Refusal(ErrorCode::Forbidden, "your token does not allow data, and so no chat".to_owned()));
        }
        Ok(&member.name)
    }

    fn check_chat_text(&self, text: &str) -> Result<String, Refusal> {
        let text = text.trim();
        let most = self.limits.chat_chars;
        if text.is_empty() || text.chars().count() > most {
            return Err(Refusal(ErrorCode::BadFrame, format!("a message has 1 to {most} characters")));
        }
        if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
            return Err(Refusal(ErrorCode::BadFrame, "a message has no control characters but line breaks".to_owned()));
        }
        Ok(text.to_owned())
    }
}

fn unavailable(why: &str) -> Refusal {
    Refusal(ErrorCode::Unavailable, format!("the chat cannot be kept or read at the moment: {why}; try again later"))
}

/// The newest lines that fit into one frame.
fn within_a_frame(entries: Vec<ChatEntry>, more: bool) -> ServerMessage {
    let mut bytes = 0;
    let mut kept: Vec<ChatEntry> = Vec::new();
    let mut is_cut = false;
    for entry in entries.into_iter().rev() {
        bytes += entry.text.len() + entry.name.len() + ENTRY_BYTES;
        if bytes > HISTORY_BYTES && !kept.is_empty() {
            is_cut = true;
            break;
        }
        kept.push(entry);
    }
    kept.reverse();
    ServerMessage::ChatEntries { entries: kept, more: more || is_cut }
}

/// Lines of history that one answer holds, unless asked for fewer or more.
const HISTORY: u32 = 50;
const MAX_HISTORY: u32 = 200;
/// Text of one answer: what waits for a slow reader is bounded, so no single frame may be large.
const HISTORY_BYTES: usize = 48 * 1024;
/// What an entry has beside its text and name.
const ENTRY_BYTES: usize = 120;
