//! Entering a room, and coming back.

use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use super::{Owner, Timer};
use crate::close::CloseCode;
use crate::frame::Body;
use crate::message::{DocumentsGrant, ErrorCode, IceServer, LeaveReason, Resume, ResumeFailure, ServerMessage};
use crate::name::RoomName;
use crate::outbox::{Lane, StateKey};
use crate::room::{Member, Room};
use crate::seam::{Hello, Refusal, Rights, ToEdge};
use crate::session::Session;
use crate::turn::is_relay;

/// How a session came to its socket.
#[derive(Debug, Clone, Copy)]
enum Welcome {
    /// The missed frames follow.
    CaughtUp,
    /// The client forgot its state on purpose: a reload.
    Reloaded,
    /// A new session, or one whose missed frames are lost.
    Fresh(Option<ResumeFailure>),
}

impl Owner {
    pub(super) fn enter(&mut self, connection: ConnectionId, mut hello: Hello, now: Instant) {
        let failure = match hello.resume.take() {
            None => None,
            Some(resume) => match self.resumable(&resume, &hello) {
                None => Some(ResumeFailure::UnknownSession),
                Some(session) => return self.resume(connection, session, resume, hello, now),
            },
        };
        let deferred = hello.deferred.take().map(|refusal| *refusal);
        if let Err(Refusal { error, message, code }) = deferred.map_or_else(|| self.may_enter(&hello), Err) {
            let cid = hello.cid;
            return self.to_edge.push_back(ToEdge::Refuse {
                connection,
                cid,
                error,
                message,
                retry_after_ms: None,
                code,
            });
        }
        for surplus in self.rooms.get(&hello.room).map(Room::surplus_hidden).unwrap_or_default() {
            self.end(surplus, LeaveReason::Lost, now);
        }
        let tokens_rule = self.keys.asks_for_tokens();
        let session = SessionId::from_bits(self.random_bits());
        let fresh = ParticipantId::from_bits(self.random_bits());
        let room = match self.rooms.entry(hello.room.clone()) {
            Entry::Occupied(room) => room.into_mut(),
            Entry::Vacant(place) => {
                let number = self.media.name_room(&hello.room);
                place.insert(Room::new(number, self.media.first_mode(&self.limits), tokens_rule))
            }
        };
        // Whoever proves to have been here keeps their id, so that their links outlive a restart of the server.
        let proven = hello.proven.filter(|proven| room.member(proven.id).is_none());
        let participant = proven.map_or(fresh, |proven| proven.id);
        let mut member = Member {
            id: participant,
            name: hello.name,
            media: hello.media,
            is_connected: true,
            is_present: true,
            is_moderator: false,
            has_proven_rank: false,
            identity: None,
            grants: hello.rights.grants.clone(),
            is_name_fixed: false,
            sessions: vec![session],
        };
        let expires = hello.rights.expires;
        member.set_rights(hello.rights);
        room.add(member);
        // A restart forgets who moderated; whoever proves it comes before those who merely returned first.
        let is_returning = now.saturating_duration_since(self.started) < self.limits.resume_window;
        let demoted = if is_returning && proven.is_some_and(|proven| proven.was_moderator) {
            room.restore_moderator(participant)
        } else {
            Vec::new()
        };
        room.appoint_successor();
        let view = room.member(participant).map(Member::view);
        self.sessions.insert(session, Session::new(session, participant, hello.room.clone(), String::new()));
        self.watch_token(session, expires, now);
        let topology = self.review_topology(&hello.room, now);
        self.bind(connection, session, None, false);
        self.welcome(session, hello.cid, Welcome::Fresh(failure), hello.ice_servers, now);
        if let Some(topology) = topology {
            self.broadcast(&hello.room, participant, Lane::Control, &topology, now);
        }
        if let Some(participant_view) = view {
            let joined = Body::new(&ServerMessage::ParticipantJoined { participant: participant_view });
            self.broadcast(&hello.room, participant, Lane::Control, &joined, now);
        }
        for id in demoted {
            self.announce_rank(&hello.room, id, now);
        }
    }

    fn may_enter(&self, hello: &Hello) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(&hello.room) else {
            if self.rooms.len() >= self.limits.rooms {
                let message = "this server holds as many rooms as it can; try again later".to_owned();
                return Err(Refusal::new(ErrorCode::ServerFull, message, CloseCode::ServerFull));
            }
            return Ok(());
        };
        if room.was_removed(hello.proven.map(|proven| proven.id), hello.rights.identity.as_deref()) {
            let message = "a moderator sent you out of this room".to_owned();
            return Err(Refusal::new(ErrorCode::Removed, message, CloseCode::Removed));
        }
        let is_void = |made: Duration| made < room.invites_from;
        if hello.invited_at.is_some_and(is_void) && hello.rights.identity.is_none() {
            let message = "this invitation ended when somebody was sent out; ask for another".to_owned();
            return Err(Refusal::new(ErrorCode::BadInvite, message, CloseCode::BadInvite));
        }
        let is_invited = hello.invited_at.is_some_and(|made| !is_void(made));
        if room.is_locked && !is_invited && !hello.rights.grants.moderate {
            let message = "this room is locked; ask somebody in it for an invitation".to_owned();
            return Err(Refusal::new(ErrorCode::RoomLocked, message, CloseCode::RoomLocked));
        }
        self.has_space(room)
    }

    fn has_space(&self, room: &Room) -> Result<(), Refusal> {
        let most = self.limits.room_participants;
        if room.present() >= most {
            let message = format!("this room is full: it holds {most} participants");
            return Err(Refusal::new(ErrorCode::RoomFull, message, CloseCode::RoomFull));
        }
        Ok(())
    }

    /// The session that `resume` proves to own, if it is in this room and of this identity.
    fn resumable(&self, resume: &Resume, hello: &Hello) -> Option<SessionId> {
        let session = self.sessions.get(&resume.session)?;
        let member = self.rooms.get(&session.room)?.member(session.participant)?;
        let is_own = session.room == hello.room && session.is_secret(&resume.secret);
        (is_own && member.identity == hello.rights.identity).then_some(session.id)
    }

    fn resume(&mut self, connection: ConnectionId, id: SessionId, resume: Resume, mut hello: Hello, now: Instant) {
        let Some(participant) = self.sessions.get(&id).map(|session| session.participant) else { return };
        let Some(room) = self.rooms.get(&hello.room) else { return };
        let is_present = room.member(participant).is_some_and(|member| member.is_present);
        if !is_present && let Err(Refusal { error, message, code }) = self.has_space(room) {
            let cid = hello.cid;
            return self.to_edge.push_back(ToEdge::Refuse {
                connection,
                cid,
                error,
                message,
                retry_after_ms: None,
                code,
            });
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let welcome = match resume.last_seq {
            None => Welcome::Reloaded,
            Some(seq) if !session.is_over_window && session.outbox.rewind(seq) => Welcome::CaughtUp,
            Some(_) => Welcome::Fresh(Some(ResumeFailure::WindowExceeded)),
        };
        match welcome {
            // What was missed is within the window, so it is owed whole, however long it takes the socket.
            Welcome::CaughtUp => session.outbox.number_waiting(),
            Welcome::Fresh(_) => session.start_over(),
            Welcome::Reloaded => {
                session.start_over();
                session.forget_requests();
            }
        }
        self.forget_stall(id);
        for timer in Timer::all(id) {
            self.deadlines.clear(timer);
        }
        let rights = std::mem::take(&mut hello.rights);
        self.watch_token(id, rights.expires, now);
        self.bind(connection, id, Some(resume.secret), !matches!(welcome, Welcome::Fresh(_)));
        let (cid, ice_servers, name) = (hello.cid, std::mem::take(&mut hello.ice_servers), hello.room.clone());
        // The client's own state comes first, so that a welcome with the room in it is up to date.
        let notice = self.show_again(participant, hello, rights);
        let topology = self.review_topology(&name, now);
        self.welcome(id, cid, welcome, ice_servers, now);
        self.review_media(&name, participant, now);
        if let Some(topology) = topology {
            self.broadcast(&name, participant, Lane::Control, &topology, now);
            if matches!(welcome, Welcome::CaughtUp) {
                self.push(id, Lane::Control, topology, now);
            }
        }
        if let Some((room, lane, body)) = notice {
            self.broadcast(&room, participant, lane, &body, now);
        }
        self.settle_outbox(id, now);
    }

    /// Notes that somebody is back, under the name and with the media they have now; returns what the others are told.
    fn show_again(&mut self, id: ParticipantId, hello: Hello, rights: Rights) -> Option<(RoomName, Lane, Body)> {
        let room = self.rooms.get_mut(&hello.room)?;
        let member = room.member_mut(id)?;
        let before = (member.is_present, member.view());
        // A name that the token decides is set with its rights.
        member.name = hello.name;
        member.media = hello.media;
        member.set_rights(rights);
        (member.is_connected, member.is_present) = (true, true);
        room.appoint_successor();
        let view = room.member(id)?.view();
        match before {
            (false, _) => {
                let body = Body::new(&ServerMessage::ParticipantJoined { participant: view });
                Some((hello.room, Lane::Control, body))
            }
            (true, before) if before != view => {
                let body = Body::new(&ServerMessage::ParticipantChanged { participant: view });
                Some((hello.room, Lane::State(StateKey::Participant(id)), body))
            }
            (true, _) => None,
        }
    }

    fn bind(&mut self, connection: ConnectionId, id: SessionId, presented: Option<String>, resumed: bool) {
        let secret = format!("{:032x}{:032x}", self.random_bits(), self.random_bits());
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before = session.bind(connection, secret, presented);
        session.set_overdue(false);
        let (participant, room) = (session.participant, session.room.clone());
        let member = self.rooms.get(&room).and_then(|room| room.member(participant));
        let identity = member.and_then(|member| member.identity.clone());
        let documents = member.map_or(DocumentsGrant::None, Member::documents);
        // The new socket is bound before the old one is dropped: nobody is ever without one because of their own ghost.
        self.to_edge.push_back(ToEdge::Bind {
            connection,
            session: id,
            participant,
            room,
            identity,
            documents,
            resumed,
        });
        if let Some(connection) = before {
            self.to_edge.push_back(ToEdge::Close { connection, code: CloseCode::Replaced });
        }
    }

    fn welcome(
        &mut self,
        id: SessionId,
        cid: Option<u64>,
        welcome: Welcome,
        mut ice_servers: Vec<IceServer>,
        now: Instant,
    ) {
        match &self.turn {
            Some(turn) => turn.sign(&mut ice_servers, id, self.wall_clock.at(now)),
            // Without credentials a relay is of no use.
            None => ice_servers.retain(|server| !is_relay(server)),
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(room) = self.rooms.get(&session.room) else { return };
        let Some(member) = room.member(session.participant) else { return };
        let (resumed, is_whole, resume_failure) = match welcome {
            Welcome::CaughtUp => (true, false, None),
            Welcome::Reloaded => (true, true, None),
            Welcome::Fresh(failure) => (false, true, failure),
        };
        let mut grants = member.grants.clone();
        grants.moderate = member.is_moderator;
        let message = ServerMessage::Welcome {
            session: id,
            resume_secret: session.secret().to_owned(),
            participant: session.participant,
            participant_proof: self.keys.mint_proof(&session.room, session.participant, member.is_moderator),
            grants,
            resumed,
            resume_failure,
            room: is_whole.then(|| room.state(&session.room, session.participant)),
            ice_servers,
            limits: self.limits.on_the_wire(),
        };
        let speakers = room.speakers_notice().filter(|_| is_whole);
        self.about_socket(id, cid, &message);
        if let Some(speakers) = speakers {
            self.push(id, Lane::State(StateKey::Speakers), speakers, now);
        }
    }
}
