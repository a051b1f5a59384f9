//! From a room to the sockets of its sessions.

use std::collections::VecDeque;
use std::time::Instant;

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use super::{Owner, Timer};
use crate::close::CloseCode;
use crate::frame::Body;
use crate::limits::Limits;
use crate::message::{LeaveReason, ServerMessage};
use crate::name::RoomName;
use crate::outbox::{Lane, StateKey};
use crate::seam::{Departure, ToEdge};
use crate::session::{Session, Stall};

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
        self.settle_outbox(id, now);
    }

    /// What follows each change of an outbox: the socket is given what it may have, and what is kept is counted.
    pub(super) fn settle_outbox(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let is_behind = give(session, &self.limits, &mut self.to_edge);
        self.kept_bytes = count(session, self.kept_bytes, &self.limits);
        match (is_behind, session.stall) {
            (Behind::No, Stall::Timed) => {
                session.stall = Stall::Idle;
                self.deadlines.clear(Timer::Stall(id));
            }
            (Behind::Somewhat, Stall::Idle) => {
                session.stall = Stall::Given;
                self.given.push((id, now));
            }
            (Behind::TooFar, _) => self.cut_off(id, now),
            (Behind::No | Behind::Somewhat, _) => {}
        }
    }

    /// Keeps the sum of what all outboxes hold up to date.
    pub(super) fn count_kept(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            self.kept_bytes = count(session, self.kept_bytes, &self.limits);
        }
    }

    /// The driver has handed out everything: the time begins of those sockets that have not taken what they were given.
    pub(crate) fn watch_stalls(&mut self) {
        while let Some((id, given_at)) = self.given.pop() {
            let Some(session) = self.sessions.get_mut(&id).filter(|session| session.stall == Stall::Given) else {
                continue;
            };
            let is_done = session.connection.is_none() || session.in_flight == 0 && session.outbox.is_drained();
            session.stall = if is_done { Stall::Idle } else { Stall::Timed };
            if !is_done {
                self.deadlines.set(Timer::Stall(id), given_at + self.limits.stall_timeout);
            }
        }
    }

    /// Stops watching a socket: it took something, or is gone.
    pub(super) fn forget_stall(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.stall == Stall::Timed
        {
            session.stall = Stall::Idle;
            self.deadlines.clear(Timer::Stall(id));
        }
    }

    pub(super) fn written(&mut self, id: SessionId, connection: ConnectionId, bytes: usize, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.connection == Some(connection)) else {
            return;
        };
        session.in_flight = session.in_flight.saturating_sub(bytes);
        if session.stall == Stall::Timed {
            self.forget_stall(id);
        }
        self.settle_outbox(id, now);
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
            let frame = Body::new(message).frame(0, cid);
            session.in_flight += frame.len();
            self.to_edge.push_back(ToEdge::Send { connection, frame });
        }
    }
}

/// Whether a socket has taken what is for it.
enum Behind {
    No,
    Somewhat,
    TooFar,
}

/// Gives the socket as much as it may hold unwritten.
fn give(session: &mut Session, limits: &Limits, to_edge: &mut VecDeque<ToEdge>) -> Behind {
    let Some(connection) = session.connection else { return Behind::No };
    while session.in_flight < limits.in_flight_bytes
        && let Some(frame) = session.outbox.next_frame(limits)
    {
        session.in_flight += frame.len();
        to_edge.push_back(ToEdge::Send { connection, frame });
    }
    // What the socket was given and does not write counts as waiting too.
    if session.outbox.is_drained() && session.in_flight == 0 {
        session.largest = 0;
        Behind::No
    } else if session.in_flight + session.outbox.waiting_bytes() > limits.queue_bytes + session.largest {
        Behind::TooFar
    } else {
        Behind::Somewhat
    }
}

/// Keeps the sum of all outboxes, and what it may be at most; returns the sum.
fn count(session: &mut Session, kept: usize, limits: &Limits) -> usize {
    let sum = |kept: usize, session: &mut Session| {
        let kept = kept - session.counted_bytes + session.outbox.kept_bytes();
        session.counted_bytes = session.outbox.kept_bytes();
        kept
    };
    let kept = sum(kept, session);
    let share = limits.kept_share_bytes;
    if kept <= limits.kept_bytes || session.counted_bytes <= share {
        return kept;
    }
    if session.connection.is_some() {
        session.outbox.shed(share);
    } else {
        session.start_over();
        session.is_over_window = true;
    }
    sum(kept, session)
}
