//! Rights that change, and those who rule.

use std::time::{Duration, Instant};

use stoa_base_types::{ParticipantId, SessionId};

use super::requests::Refusal;
use super::{Owner, Timer};
use crate::close::CloseCode;
use crate::frame::Body;
use crate::limits::milliseconds;
use crate::message::{ErrorCode, LeaveReason, ServerMessage, Source};
use crate::name::RoomName;
use crate::outbox::{Lane, StateKey};
use crate::room::Room;
use crate::seam::{Rights, ToEdge};

impl Owner {
    /// Switches off what another publishes, and tells them. Only they can switch it on again.
    pub(super) fn mute(
        &mut self,
        room: &RoomName,
        by: ParticipantId,
        whom: ParticipantId,
        source: Source,
        now: Instant,
    ) -> Result<(), Refusal> {
        let member = self.ruled(room, by)?.member_mut(whom).filter(|member| member.is_present);
        let member = member.ok_or_else(Refusal::unknown_participant)?;
        member.mute(source);
        let body = Body::new(&ServerMessage::Muted { source, by });
        for session in member.sessions.clone() {
            self.push(session, Lane::Control, body.clone(), now);
        }
        self.review_media(room, whom, now);
        self.announce_change(room, whom, now);
        Ok(())
    }

    /// Sends somebody out for as long as the room lasts.
    pub(super) fn remove(
        &mut self,
        room: &RoomName,
        by: ParticipantId,
        whom: ParticipantId,
        now: Instant,
    ) -> Result<(), Refusal> {
        let time = self.wall_clock.at(now) + Duration::from_millis(1);
        let ruled = self.ruled(room, by)?;
        if by == whom {
            return Err(Refusal(ErrorCode::Forbidden, "to go yourself, send leave".to_owned()));
        }
        ruled.member(whom).filter(|member| member.is_present).ok_or_else(Refusal::unknown_participant)?;
        let mut sessions = Vec::new();
        // Who is here twice goes twice.
        for id in ruled.same_identity(whom).into_iter().filter(|id| *id != by) {
            ruled.remember_removed(id);
            sessions.extend(ruled.member(id).map(|member| member.sessions.clone()).unwrap_or_default());
        }
        // Otherwise an invitation that is still about would bring them back under no name.
        ruled.invites_from = time;
        for id in sessions {
            if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
                let message = "a moderator sent you out of this room".to_owned();
                let (cid, error, code) = (None, ErrorCode::Removed, CloseCode::Removed);
                self.to_edge.push_back(ToEdge::Refuse { connection, cid, error, message, retry_after_ms: None, code });
            }
            self.end(id, LeaveReason::Removed, now);
        }
        Ok(())
    }

    pub(super) fn lock(
        &mut self,
        room: &RoomName,
        by: ParticipantId,
        locked: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        let ruled = self.ruled(room, by)?;
        if ruled.is_locked != locked {
            ruled.is_locked = locked;
            self.announce_room(room, now);
        }
        Ok(())
    }

    /// Tells everybody how the room stands.
    pub(super) fn announce_room(&mut self, name: &RoomName, now: Instant) {
        let Some(room) = self.rooms.get(name) else { return };
        let body = Body::new(&ServerMessage::RoomChanged { locked: room.is_locked, chat_enabled: room.is_chat_on });
        for session in room.sessions() {
            self.push(session, Lane::Control, body.clone(), now);
        }
    }

    /// The answer to `invite`.
    pub(super) fn invite(
        &mut self,
        room: &RoomName,
        by: ParticipantId,
        expires_in_ms: u64,
        now: Instant,
    ) -> Result<ServerMessage, Refusal> {
        self.ruled(room, by)?;
        let lifetime = Duration::from_millis(expires_in_ms);
        let most = self.limits.invite_lifetime;
        if lifetime > most || lifetime < Duration::from_secs(1) {
            let message = format!("an invitation lives from 1,000 to {} ms", milliseconds(most));
            return Err(Refusal(ErrorCode::BadFrame, message));
        }
        let time = self.wall_clock.at(now);
        let expires_at = time + lifetime;
        let invite = self.keys.mint_invite(room, time, expires_at);
        Ok(ServerMessage::Invited { invite, expires_at_ms: milliseconds(expires_at) })
    }

    /// Takes over a newer token.
    pub(super) fn refreshed(
        &mut self,
        id: SessionId,
        cid: Option<u64>,
        ack: Option<u64>,
        rights: Rights,
        now: Instant,
    ) {
        if !self.is_new_request(id, cid, ack, now) {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let (participant, room) = (session.participant, session.room.clone());
        self.watch_token(id, rights.expires, now);
        let member = self.rooms.get_mut(&room).and_then(|room| room.member_mut(participant));
        if let Some(member) = member.filter(|_| rights.identity.is_some()) {
            member.set_rights(rights);
            let documents = member.documents();
            if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
                self.to_edge.push_back(ToEdge::Documents { connection, documents });
            }
            self.review_media(&room, participant, now);
            self.announce_change(&room, participant, now);
        }
        self.reply(id, cid, Ok(ServerMessage::Ok {}), now);
    }

    /// Minds when a token ends.
    pub(super) fn watch_token(&mut self, id: SessionId, expires: Option<Instant>, now: Instant) {
        self.deadlines.clear(Timer::TokenNotice(id));
        self.deadlines.clear(Timer::TokenEnd(id));
        if let Some(end) = expires {
            self.deadlines.set(Timer::TokenEnd(id), end);
            let notice = end.checked_sub(self.limits.token_notice).filter(|notice| *notice > now);
            // A token shorter than the notice is announced at once.
            self.deadlines.set(Timer::TokenNotice(id), notice.unwrap_or(now));
        }
    }

    pub(super) fn announce_token_end(&mut self, id: SessionId, now: Instant) {
        let end = self.deadlines.at(Timer::TokenEnd(id));
        let expires_in_ms = end.map_or(0, |end| milliseconds(end.saturating_duration_since(now)));
        self.push(id, Lane::Control, Body::new(&ServerMessage::TokenExpiring { expires_in_ms }), now);
    }

    /// After somebody left: sees to it that somebody moderates.
    pub(super) fn appoint_successor(&mut self, room: &RoomName, now: Instant) {
        if let Some(id) = self.rooms.get_mut(room).and_then(Room::appoint_successor) {
            self.announce_rank(room, id, now);
        }
    }

    /// Tells everybody who moderates now, and who no longer does: those whom it is about have to hear of it too.
    pub(super) fn announce_rank(&mut self, room: &RoomName, id: ParticipantId, now: Instant) {
        let Some(room) = self.rooms.get(room) else { return };
        let Some(member) = room.member(id) else { return };
        let body = Body::new(&ServerMessage::ParticipantChanged { participant: member.view() });
        for session in room.sessions() {
            self.push(session, Lane::State(StateKey::Participant(id)), body.clone(), now);
        }
    }

    /// The room, if the participant may rule it.
    pub(super) fn ruled(&mut self, room: &RoomName, by: ParticipantId) -> Result<&mut Room, Refusal> {
        let room = self.rooms.get_mut(room);
        let room = room.filter(|room| room.member(by).is_some_and(|member| member.is_moderator));
        room.ok_or_else(|| Refusal(ErrorCode::Forbidden, "only a moderator of the room may do this".to_owned()))
    }
}
