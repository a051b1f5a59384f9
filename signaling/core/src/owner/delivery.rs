//! From a room to the sockets of its sessions.

use std::time::Instant;

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use super::{Owner, Timer};
use crate::close::CloseCode;
use crate::frame::Body;
use crate::message::{LeaveReason, ServerMessage};
use crate::name::RoomName;
use crate::outbox::{Lane, StateKey};
use crate::seam::{Departure, ToEdge};
use crate::session::Session;

impl Owner {
    pub(super) fn announce_change(&mut self, room: &RoomName, id: ParticipantId, now: Instant) {
        let member = self.rooms.get(room).and_then(|room| room.member(id));
        if let Some(member) = member.filter(|member| member.is_present) {
            let body = Body::new(&ServerMessage::ParticipantChanged { participant: member.view() });
            self.broadcast(room, id, Lane::State(StateKey::Participant(id)), &body, now);
        }
    }

    pub(super) fn announce_leave(&mut self, room: &RoomName, id: ParticipantId, reason: LeaveReason, now: Instant) {
        for session in self.rooms.get(room).map(|room| room.sessions_except(id)).unwrap_or_default() {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.outbox.forget_state(id);
            }
        }
        let body = Body::new(&ServerMessage::ParticipantLeft { participant: id, reason });
        self.broadcast(room, id, Lane::Control, &body, now);
    }

    /// Sends to everybody in a room but the one it is about.
    pub(super) fn broadcast(&mut self, room: &RoomName, except: ParticipantId, lane: Lane, body: &Body, now: Instant) {
        for session in self.rooms.get(room).map(|room| room.sessions_except(except)).unwrap_or_default() {
            self.push(session, lane, body.clone(), now);
        }
    }

    pub(super) fn push(&mut self, id: SessionId, lane: Lane, body: Body, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.is_over_window {
            return;
        }
        session.largest = session.largest.max(body.len());
        session.outbox.push(lane, None, body);
        let is_over = session.outbox.is_over_window(&self.limits)
            || session.is_slow && session.outbox.kept_bytes() > self.limits.slow_resume_bytes;
        if session.connection.is_none() && is_over {
            session.start_over();
            session.is_over_window = true;
        }
        self.flush(id, now);
        self.count_kept(id);
    }

    /// Keeps the sum of all outboxes, and what it may be at most.
    pub(super) fn count_kept(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let sum = |kept: usize, session: &mut Session| {
            let kept = kept - session.counted_bytes + session.outbox.kept_bytes();
            session.counted_bytes = session.outbox.kept_bytes();
            kept
        };
        self.kept_bytes = sum(self.kept_bytes, session);
        let share = self.limits.kept_share_bytes;
        if self.kept_bytes > self.limits.kept_bytes && session.counted_bytes > share {
            if session.connection.is_some() {
                session.outbox.shed(share);
            } else {
                session.start_over();
                session.is_over_window = true;
            }
            self.kept_bytes = sum(self.kept_bytes, session);
        }
    }

    /// Gives the socket as much as it may hold unwritten.
    pub(super) fn flush(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(connection) = session.connection else { return };
        while session.in_flight < self.limits.in_flight_bytes
            && let Some(bytes) = session.outbox.next_frame(&self.limits)
        {
            session.in_flight += bytes.len();
            self.to_edge.push_back(ToEdge::Send { connection, bytes });
        }
        // What the socket was given and does not write counts as waiting too.
        if session.outbox.is_drained() && session.in_flight == 0 {
            session.largest = 0;
            self.deadlines.clear(Timer::Stall(id));
        } else if session.in_flight + session.outbox.waiting_bytes() > self.limits.queue_bytes + session.largest {
            self.cut_off(id, now);
        } else if self.deadlines.at(Timer::Stall(id)).is_none() {
            self.deadlines.set(Timer::Stall(id), now + self.limits.stall_timeout);
        }
    }

    pub(super) fn written(&mut self, id: SessionId, connection: ConnectionId, bytes: usize, now: Instant) {
        if !self.carries(id, connection) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.in_flight = session.in_flight.saturating_sub(bytes);
        self.deadlines.clear(Timer::Stall(id));
        self.flush(id, now);
        self.count_kept(id);
    }

    /// Parts with a socket that does not take what is sent; the session may be resumed.
    pub(super) fn cut_off(&mut self, id: SessionId, now: Instant) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_slow = true;
        }
        self.part_with(id, CloseCode::SlowReader, now);
    }

    /// Closes the present socket of a session that may be resumed.
    pub(super) fn part_with(&mut self, id: SessionId, code: CloseCode, now: Instant) {
        if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
            self.to_edge.push_back(ToEdge::Close { connection, code });
            self.detach(id, Departure::Broken, now);
        }
    }

    /// Sends a frame about the socket itself: not numbered, not kept, and not queued for a reader who is behind.
    pub(super) fn about_socket(&mut self, id: SessionId, cid: Option<u64>, message: &ServerMessage) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(connection) = session.connection
            && session.in_flight < self.limits.in_flight_bytes
        {
            let bytes = Body::new(message).frame(0, cid);
            session.in_flight += bytes.len();
            self.to_edge.push_back(ToEdge::Send { connection, bytes });
        }
    }
}
