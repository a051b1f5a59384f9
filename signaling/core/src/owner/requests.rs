//! What bound sessions ask for.

use std::time::Instant;

use stoa_base_types::{ParticipantId, SessionId};

use super::Owner;
use super::media::Offer;
use crate::close::CloseCode;
use crate::frame::Body;
use crate::message::{ClientFrame, ClientMessage, ErrorCode, LeaveReason, MediaState, ServerMessage};
use crate::name::{RoomName, parse_name};
use crate::outbox::Lane;
use crate::seam::ToEdge;

impl Owner {
    pub(super) fn frame(&mut self, id: SessionId, frame: ClientFrame, now: Instant) {
        if !self.is_new_request(id, frame.cid, frame.ack, now) {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let (participant, room) = (session.participant, session.room.clone());
        let result = match frame.message {
            // The edge answers these two itself.
            ClientMessage::Hello { .. } | ClientMessage::Refresh { .. } | ClientMessage::Ack {} => return,
            ClientMessage::Ping {} => return self.about_socket(id, frame.cid, &ServerMessage::Pong {}),
            ClientMessage::Leave {} => return self.leave(id, frame.cid, now),
            ClientMessage::Rename { name } => self.rename(&room, participant, &name, now),
            ClientMessage::Media { media } => self.set_media(&room, participant, media, now),
            ClientMessage::Mute { participant: whom, source } => self.mute(&room, participant, whom, source, now),
            ClientMessage::Remove { participant: whom } => self.remove(&room, participant, whom, now),
            ClientMessage::Lock { locked } => self.lock(&room, participant, locked, now),
            ClientMessage::Invite { expires_in_ms } => {
                let invited = self.invite(&room, participant, expires_in_ms, now);
                return self.reply(id, frame.cid, invited, now);
            }
            ClientMessage::SetChat { enabled } => self.set_chat(&room, participant, enabled, now),
            ClientMessage::Chat { text } => match self.chat(id, frame.cid, &text, now) {
                Ok(()) => return,
                refused @ Err(_) => refused,
            },
            ClientMessage::ChatHistory { before, limit } => {
                match self.chat_history(id, frame.cid, before, limit, now) {
                    Ok(()) => return,
                    refused @ Err(_) => refused,
                }
            }
            ClientMessage::Description { to, link, description } => {
                let message = ServerMessage::Description { from: participant, link, description };
                self.hand_over(&room, to, participant, &message, now)
            }
            ClientMessage::Candidate { to, link, candidate } => {
                let message = ServerMessage::Candidate { from: participant, link, candidate };
                self.hand_over(&room, to, participant, &message, now)
            }
            ClientMessage::SfuOffer { connection, offer_id, sdp, tracks } => {
                self.offer(id, Offer { connection, offer_id, sdp, tracks }, now)
            }
            ClientMessage::SfuWish { connection, wishes } => self.wish(id, connection, &wishes),
            ClientMessage::SfuClose { connection } => {
                self.close_leg(id, connection, now);
                Ok(())
            }
        };
        self.reply(id, frame.cid, result.map(|()| ServerMessage::Ok {}), now);
    }

    /// What every frame means beside its message; false if it was carried out before, and its reply is repeated.
    pub(super) fn is_new_request(&mut self, id: SessionId, cid: Option<u64>, ack: Option<u64>, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.confirm_secret();
        if let Some(seq) = ack {
            session.outbox.acknowledge(seq);
        }
        self.count_kept(id);
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if cid.is_some_and(|cid| session.is_expected(cid)) {
            // Still being carried out: its reply comes once.
            return false;
        }
        let Some(cid) = cid.filter(|cid| session.is_repeated(*cid)) else { return true };
        let reply = session.reply_to(cid).unwrap_or_else(forgotten);
        session.outbox.push(Lane::Control, Some(cid), reply);
        self.settle_outbox(id, now);
        false
    }

    pub(super) fn rename(
        &mut self,
        room: &RoomName,
        id: ParticipantId,
        name: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let name = parse_name(name, self.limits.name_chars)
            .map_err(|why| Refusal(ErrorCode::BadName, format!("your name is not accepted: {why}")))?;
        if let Some(member) = self.rooms.get_mut(room).and_then(|room| room.member_mut(id)) {
            if member.is_name_fixed {
                return Err(Refusal(ErrorCode::Forbidden, "your token decides your name".to_owned()));
            }
            member.name = name;
        }
        self.announce_change(room, id, now);
        Ok(())
    }

    pub(super) fn set_media(
        &mut self,
        room: &RoomName,
        id: ParticipantId,
        media: MediaState,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(member) = self.rooms.get_mut(room).and_then(|room| room.member_mut(id)) {
            member.set_media(media);
        }
        self.review_media(room, id, now);
        self.announce_change(room, id, now);
        Ok(())
    }

    /// Passes negotiation on, unread, to somebody in the same room. One who is hidden gets it on coming back: their links may
    /// well have outlived their socket.
    pub(super) fn hand_over(
        &mut self,
        room: &RoomName,
        to: ParticipantId,
        from: ParticipantId,
        message: &ServerMessage,
        now: Instant,
    ) -> Result<(), Refusal> {
        let addressee = self.rooms.get(room).and_then(|room| room.member(to));
        let Some(addressee) = addressee.filter(|member| member.id != from) else {
            return Err(Refusal::unknown_participant());
        };
        let (body, sessions) = (Body::new(message), addressee.sessions.clone());
        let most = self.limits.negotiation_bytes;
        if body.len() > most {
            let message = format!("what goes to another participant has at most {most} bytes");
            return Err(Refusal(ErrorCode::TooLarge, message));
        }
        // Whoever reads slowly is not thrown off by those who send fast; the sender waits.
        let half = self.limits.queue_bytes / 2;
        let is_behind =
            |id: &SessionId| self.sessions.get(id).is_some_and(|session| session.outbox.waiting_bytes() > half);
        if sessions.iter().any(is_behind) {
            let message = "the addressee has not taken what was sent before; wait and send again".to_owned();
            return Err(Refusal(ErrorCode::RateLimited, message));
        }
        for session in sessions {
            self.push(session, Lane::Control, body.clone(), now);
        }
        Ok(())
    }

    pub(super) fn reply(
        &mut self,
        id: SessionId,
        cid: Option<u64>,
        result: Result<ServerMessage, Refusal>,
        now: Instant,
    ) {
        let body = match result {
            Ok(ServerMessage::Ok {}) if cid.is_none() => return,
            Ok(message) => Body::new(&message),
            Err(Refusal(code, message)) => Body::new(&ServerMessage::Error { code, message, retry_after_ms: None }),
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(cid) = cid {
            session.remember_reply(cid, body.clone());
        }
        session.outbox.push(Lane::Control, cid, body);
        self.settle_outbox(id, now);
    }

    pub(super) fn leave(&mut self, id: SessionId, cid: Option<u64>, now: Instant) {
        self.reply(id, cid, Ok(ServerMessage::Ok {}), now);
        if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
            self.to_edge.push_back(ToEdge::Close { connection, code: CloseCode::Left });
        }
        self.end(id, LeaveReason::Left, now);
    }
}

/// What a repeated request gets when its reply is no longer kept.
fn forgotten() -> Body {
    let message = "this request came before and its reply is no longer kept; ask again under a new cid".to_owned();
    Body::new(&ServerMessage::Error { code: ErrorCode::OutOfOrder, message, retry_after_ms: None })
}

/// Why a request was not carried out.
pub(super) struct Refusal(pub(super) ErrorCode, pub(super) String);

impl Refusal {
    pub(super) fn unknown_participant() -> Self {
        let message = "the addressee is not in this room, or has left it".to_owned();
        Self(ErrorCode::UnknownParticipant, message)
    }
}
