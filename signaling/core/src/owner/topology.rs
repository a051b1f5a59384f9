//! How media travels in a room, and who speaks there.

use std::time::Instant;

use stoa_base_types::ParticipantId;

use super::{Owner, Timer};
use crate::frame::Body;
use crate::message::{ServerMessage, TopologyMode, TrackSource};
use crate::name::RoomName;
use crate::outbox::{Lane, StateKey};
use crate::room::Room;

impl Owner {
    /// After somebody came or went. Returns what is to be told if media takes another way at once.
    pub(super) fn review_topology(&mut self, name: &RoomName, now: Instant) -> Option<Body> {
        let room = self.rooms.get_mut(name)?;
        let most = self.limits.mesh_max;
        if !self.media.is_there() || most < SMALLEST_MESH {
            return None;
        }
        let (timer, is_small) = (Timer::Calm(room.number), room.present() <= most);
        match (room.mode(), is_small) {
            (TopologyMode::Mesh, false) => {
                let topology = room.change_mode(TopologyMode::Sfu);
                return Some(Body::new(&ServerMessage::TopologyChanged { topology }));
            }
            (TopologyMode::Sfu, false) => self.deadlines.clear(timer),
            (TopologyMode::Sfu, true) if self.deadlines.at(timer).is_none() => {
                self.deadlines.set(timer, now + self.limits.mesh_calm);
            }
            (TopologyMode::Sfu | TopologyMode::Mesh, true) => {}
        }
        None
    }

    /// Nobody who goes makes a room larger, so there is nothing to tell at once.
    pub(super) fn review_departure(&mut self, name: &RoomName, now: Instant) {
        let _ = self.review_topology(name, now);
    }

    /// A room has been small for long enough.
    pub(super) fn calm_down(&mut self, number: u64, now: Instant) {
        let Some(name) = self.media.room(number) else { return };
        let Some(room) = self.rooms.get_mut(&name) else { return };
        let topology = room.change_mode(TopologyMode::Mesh);
        let body = Body::new(&ServerMessage::TopologyChanged { topology });
        for session in room.sessions() {
            self.push(session, Lane::Control, body.clone(), now);
        }
    }

    /// The SFU says who speaks.
    pub(super) fn hear_speakers(&mut self, number: u64, tracks: &[u64], now: Instant) {
        let Some(name) = self.media.room(number) else { return };
        let Some(room) = self.rooms.get(&name) else { return };
        let mut speakers = Vec::new();
        for track in tracks.iter().filter_map(|track| room.tracks.get(track)) {
            if track.source == TrackSource::Microphone && !speakers.contains(&track.participant) {
                speakers.push(track.participant);
            }
        }
        self.set_speakers(&name, speakers, now);
    }

    /// After tracks ended: who has none does not speak any more.
    pub(super) fn review_speakers(&mut self, name: &RoomName, now: Instant) {
        let Some(room) = self.rooms.get(name) else { return };
        let has_track = |id: &ParticipantId| room.tracks.values().any(|track| track.participant == *id);
        let speakers = room.speakers.iter().copied().filter(has_track).collect();
        self.set_speakers(name, speakers, now);
    }

    fn set_speakers(&mut self, name: &RoomName, speakers: Vec<ParticipantId>, now: Instant) {
        let Some(room) = self.rooms.get_mut(name).filter(|room| room.speakers != speakers) else { return };
        room.speakers = speakers;
        if room.mode() == TopologyMode::Mesh {
            return;
        }
        let body = Body::new(&ServerMessage::Speakers { participants: room.speakers.clone() });
        for session in room.sessions() {
            self.push(session, Lane::State(StateKey::Speakers), body.clone(), now);
        }
    }
}

impl Room {
    /// What somebody who comes is told of those who speak, if anybody does.
    pub(super) fn speakers_notice(&self) -> Option<Body> {
        let is_told = self.mode() == TopologyMode::Sfu && !self.speakers.is_empty();
        is_told.then(|| Body::new(&ServerMessage::Speakers { participants: self.speakers.clone() }))
    }
}

/// A mesh of fewer is none.
pub(super) const SMALLEST_MESH: usize = 2;
