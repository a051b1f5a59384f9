//! Sessions' connections to the SFU. The SFU is elsewhere: it is asked by requests, and reports.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use stoa_base_types::{ParticipantId, SessionId};

use super::Owner;
use super::requests::Refusal;
use super::topology::SMALLEST_MESH;
use crate::frame::Body;
use crate::leg::{Leg, Sections};
use crate::limits::{Limits, milliseconds};
use crate::media::{MediaReport, MediaRequest, MediaSection};
use crate::message::{Announcement, ErrorCode, ServerMessage, TopologyMode, TrackWish};
use crate::name::RoomName;
use crate::outbox::Lane;
use crate::room::Published;

/// What goes to the SFU, and what its numbers mean.
#[derive(Debug, Default)]
pub(super) struct MediaBooks {
    is_there: bool,
    requests: VecDeque<MediaRequest>,
    legs: BTreeMap<u64, SessionId>,
    rooms: BTreeMap<u64, RoomName>,
    last_room: u64,
    last_leg: u64,
    last_track: u64,
}

impl MediaBooks {
    pub(super) const fn is_there(&self) -> bool {
        self.is_there
    }

    /// How media travels in a room that begins.
    pub(super) const fn first_mode(&self, limits: &Limits) -> TopologyMode {
        if self.is_there && limits.mesh_max < SMALLEST_MESH { TopologyMode::Sfu } else { TopologyMode::Mesh }
    }

    pub(super) fn name_room(&mut self, name: &RoomName) -> u64 {
        self.last_room += 1;
        self.rooms.insert(self.last_room, name.clone());
        self.last_room
    }

    pub(super) fn forget_room(&mut self, number: u64) {
        self.rooms.remove(&number);
    }

    pub(super) fn room(&self, number: u64) -> Option<RoomName> {
        self.rooms.get(&number).cloned()
    }

    fn ask(&mut self, request: MediaRequest) {
        self.requests.push_back(request);
    }
}

/// A client's offer.
pub(super) struct Offer {
    pub(super) connection: u32,
    pub(super) offer_id: u32,
    pub(super) sdp: String,
    pub(super) tracks: Vec<Announcement>,
}

impl Owner {
    pub(crate) const fn set_sfu(&mut self, is_there: bool) {
        self.media.is_there = is_there;
    }

    pub(crate) fn poll_media(&mut self) -> Option<MediaRequest> {
        self.media.requests.pop_front()
    }

    /// Passes an offer on; a new connection ends the one before it.
    pub(super) fn offer(&mut self, id: SessionId, offer: Offer, now: Instant) -> Result<(), Refusal> {
        if !self.media.is_there {
            return Err(Refusal(ErrorCode::Unavailable, "this server has no SFU".to_owned()));
        }
        self.check_sections(&offer.tracks)?;
        let (rate, burst) = (self.limits.offer_rate, self.limits.offer_burst);
        let session = self.sessions.get_mut(&id).ok_or_else(Refusal::unknown_participant)?;
        if let Err(wait) = session.offer_bucket(now).take(rate, burst, now) {
            let message = format!("too many offers; the next is taken in {} ms", milliseconds(wait).max(1));
            return Err(Refusal(ErrorCode::RateLimited, message));
        }
        let Offer { connection, offer_id, sdp, tracks } = offer;
        if session.leg().is_none_or(|leg| leg.connection != connection) {
            self.end_leg(id, now);
            self.begin_leg(id, connection)?;
        }
        if self.sessions.get(&id).and_then(|session| session.leg()).is_some_and(Leg::is_waiting) {
            let message = "wait for the answer to the offer before this one".to_owned();
            self.push(id, Lane::Control, Body::new(&ServerMessage::SfuRefused { connection, offer_id, message }), now);
            return Ok(());
        }
        self.pass_offer(id, offer_id.into(), sdp, tracks)
    }

    fn pass_offer(&mut self, id: SessionId, offer: u64, sdp: String, tracks: Vec<Announcement>) -> Result<(), Refusal> {
        let (name, participant) = self.place_of(id)?;
        let room = self.rooms.get(&name).ok_or_else(Refusal::unknown_participant)?;
        let member = room.member(participant).ok_or_else(Refusal::unknown_participant)?;
        let leg = self.sessions.get_mut(&id).and_then(|session| session.leg_mut());
        let leg = leg.ok_or_else(Refusal::unknown_participant)?;
        let mut sections = Sections::new();
        for Announcement { mid, source } in tracks {
            if member.grants.publish.contains(&source.source()) {
                let track = leg.track_in(&mid, source).unwrap_or_else(|| {
                    self.media.last_track += 1;
                    self.media.last_track
                });
                sections.insert(mid.into(), (source, track));
            }
        }
        leg.expect(offer, sections.clone());
        let section = |(mid, (source, track)): (Box<str>, _)| MediaSection { mid: mid.into(), track, source };
        let sections = sections.into_iter().map(section).collect();
        self.media.ask(MediaRequest::Offer { room: room.number, leg: leg.number, offer, sdp, sections });
        Ok(())
    }

    fn check_sections(&self, tracks: &[Announcement]) -> Result<(), Refusal> {
        let most = self.limits.sections;
        let is_mid = |mid: &str| (1..=MID_BYTES).contains(&mid.len());
        let is_repeated =
            |(place, track): (usize, &Announcement)| tracks.iter().take(place).any(|earlier| earlier.mid == track.mid);
        if tracks.len() > most
            || !tracks.iter().all(|track| is_mid(&track.mid))
            || tracks.iter().enumerate().any(is_repeated)
        {
            let message = format!("tracks names each section once, by 1 to {MID_BYTES} bytes, and at most {most}");
            return Err(Refusal(ErrorCode::BadFrame, message));
        }
        Ok(())
    }

    fn begin_leg(&mut self, id: SessionId, connection: u32) -> Result<(), Refusal> {
        let (name, participant) = self.place_of(id)?;
        let room = self.rooms.get(&name).ok_or_else(Refusal::unknown_participant)?;
        let may_send = room.member(participant).is_some_and(|member| member.grants.data);
        self.media.last_leg += 1;
        let (room, leg) = (room.number, self.media.last_leg);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.set_leg(Some(Leg::new(leg, connection, may_send)));
        }
        self.media.legs.insert(leg, id);
        self.media.ask(MediaRequest::Join { room, leg, participant, may_send });
        Ok(())
    }

    /// Ends a session's connection to the SFU, and its tracks.
    pub(super) fn end_leg(&mut self, id: SessionId, now: Instant) -> Option<Leg> {
        let session = self.sessions.get_mut(&id)?;
        let leg = session.set_leg(None)?;
        let name = session.room.clone();
        self.media.legs.remove(&leg.number);
        let room = self.rooms.get(&name)?;
        self.media.ask(MediaRequest::Leave { room: room.number, leg: leg.number });
        let theirs: Vec<_> =
            room.tracks.iter().filter(|(_, track)| track.leg == leg.number).map(|(track, _)| *track).collect();
        for track in theirs {
            self.end_track(&name, track, now);
        }
        self.review_speakers(&name, now);
        Some(leg)
    }

    /// Ends it, and tells the client.
    pub(super) fn lose_leg(&mut self, id: SessionId, now: Instant) {
        if let Some(Leg { connection, .. }) = self.end_leg(id, now) {
            self.push(id, Lane::Control, Body::new(&ServerMessage::SfuClosed { connection }), now);
        }
    }

    /// The client ends it.
    pub(super) fn close_leg(&mut self, id: SessionId, connection: u32, now: Instant) {
        let leg = self.sessions.get(&id).and_then(|session| session.leg());
        if leg.is_some_and(|leg| leg.connection == connection) {
            self.end_leg(id, now);
        }
    }

    /// Takes a track out of its room.
    fn end_track(&mut self, name: &RoomName, track: u64, now: Instant) {
        let Some(ended) = self.rooms.get_mut(name).and_then(|room| room.tracks.remove(&track)) else { return };
        let body = Body::new(&ServerMessage::TrackEnded { track });
        self.broadcast(name, ended.participant, Lane::Control, &body, now);
    }

    /// Passes wishes on. Those for an earlier connection, and for tracks that are gone, come too late and mean nothing.
    pub(super) fn wish(&mut self, id: SessionId, connection: u32, wishes: &[TrackWish]) -> Result<(), Refusal> {
        let (name, participant) = self.place_of(id)?;
        let room = self.rooms.get(&name).ok_or_else(Refusal::unknown_participant)?;
        let member = room.member(participant).ok_or_else(Refusal::unknown_participant)?;
        if !member.grants.subscribe {
            let message = "your token does not allow to receive what others publish".to_owned();
            return Err(Refusal(ErrorCode::Forbidden, message));
        }
        let most = self.limits.wishes;
        let too_many = || Refusal(ErrorCode::BadFrame, format!("there may be at most {most} wishes"));
        if wishes.len() > most {
            return Err(too_many());
        }
        let leg = self.sessions.get_mut(&id).and_then(|session| session.leg_mut());
        let Some(leg) = leg.filter(|leg| leg.connection == connection) else { return Ok(()) };
        leg.forget_ended(|track| room.tracks.contains_key(&track));
        for TrackWish { track, wish } in wishes {
            let is_there = room.tracks.get(track).is_some_and(|track| track.participant != participant);
            if wish.is_some() && !is_there {
                continue;
            }
            if !leg.wish(*track, wish.is_some(), most) {
                return Err(too_many());
            }
            let (room, leg) = (room.number, leg.number);
            self.media.ask(MediaRequest::Wish { room, leg, track: *track, wish: *wish });
        }
        Ok(())
    }

    /// After a participant's media or rights changed: what is switched off is silent at the SFU, what is not allowed ends.
    pub(super) fn review_media(&mut self, name: &RoomName, id: ParticipantId, now: Instant) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(member) = room.member(id) else { return };
        let (media, grants, sessions) = (member.media, member.grants.clone(), member.sessions.clone());
        let (number, mut forbidden) = (room.number, Vec::new());
        for (id, track) in room.tracks.iter_mut().filter(|(_, track)| track.participant == id) {
            let source = track.source.source();
            let is_muted = !media.is_on(source);
            if !grants.publish.contains(&source) {
                forbidden.push(*id);
            } else if std::mem::replace(&mut track.is_muted, is_muted) != is_muted {
                self.media.ask(MediaRequest::Mute { room: number, track: *id, is_muted });
            }
        }
        for track in forbidden {
            self.media.ask(MediaRequest::Stop { room: number, track });
            for session in &sessions {
                if let Some(leg) = self.sessions.get_mut(session).and_then(|session| session.leg_mut()) {
                    leg.forget(track);
                }
            }
            self.end_track(name, track, now);
        }
        for session in &sessions {
            let leg = self.sessions.get_mut(session).and_then(|session| session.leg_mut());
            let Some(leg) = leg else { continue };
            if leg.may_send != grants.data {
                leg.may_send = grants.data;
                let (room, leg, may_send) = (number, leg.number, grants.data);
                self.media.ask(MediaRequest::Data { room, leg, participant: id, may_send });
            }
            if !grants.subscribe {
                for track in leg.take_wishes() {
                    self.media.ask(MediaRequest::Wish { room: number, leg: leg.number, track, wish: None });
                }
            }
        }
    }

    /// The SFU has something to say.
    pub(crate) fn media_reported(&mut self, report: MediaReport, now: Instant) {
        match report {
            MediaReport::Answer { leg, offer, sdp } => self.answered(leg, offer, sdp, now),
            MediaReport::Refused { leg, offer, why } => self.refused(leg, offer, why, now),
            MediaReport::Published { leg, track, codec, layers } => self.published(leg, track, codec, layers, now),
            MediaReport::Ended { room, track } => {
                if let Some(name) = self.media.room(room) {
                    self.end_track(&name, track, now);
                    self.review_speakers(&name, now);
                }
            }
            MediaReport::Seated { leg, track, mid } => {
                self.tell(leg, |connection| ServerMessage::SfuSeated { connection, track, mid }, now);
            }
            MediaReport::NeedSlots { leg, audio, video } => {
                self.tell(leg, |connection| ServerMessage::SfuSlots { connection, audio, video }, now);
            }
            MediaReport::Speakers { room, tracks } => self.hear_speakers(room, &tracks, now),
            MediaReport::Connected { leg } => self.set_alive(leg, true, now),
            MediaReport::Interrupted { leg } => self.set_alive(leg, false, now),
            MediaReport::Closed { leg } => {
                self.set_alive(leg, false, now);
                if let Some(session) = self.media.legs.get(&leg).copied() {
                    self.lose_leg(session, now);
                }
            }
        }
    }

    fn answered(&mut self, leg: u64, offer: u64, sdp: String, now: Instant) {
        let Some((id, leg)) = self.leg_mut(leg) else { return };
        let (connection, Some(gone)) = (leg.connection, leg.accept(offer)) else { return };
        let Ok(offer_id) = u32::try_from(offer) else { return };
        let number = self.place_of(id).ok().and_then(|(name, _)| Some(self.rooms.get(&name)?.number));
        for (room, track) in number.into_iter().flat_map(|room| gone.iter().map(move |track| (room, *track))) {
            self.media.ask(MediaRequest::Stop { room, track });
        }
        self.push(id, Lane::Control, Body::new(&ServerMessage::SfuAnswer { connection, offer_id, sdp }), now);
    }

    fn refused(&mut self, leg: u64, offer: u64, message: String, now: Instant) {
        let Some((id, leg)) = self.leg_mut(leg) else { return };
        let (connection, true) = (leg.connection, leg.refuse(offer)) else { return };
        let Ok(offer_id) = u32::try_from(offer) else { return };
        self.push(id, Lane::Control, Body::new(&ServerMessage::SfuRefused { connection, offer_id, message }), now);
    }

    fn published(&mut self, number: u64, track: u64, codec: &'static str, layers: u8, now: Instant) {
        let Some((id, leg)) = self.leg_mut(number) else { return };
        let source = leg.source_of(track);
        let Ok((name, participant)) = self.place_of(id) else { return };
        let Some(room) = self.rooms.get_mut(&name) else { return };
        let Some(source) = source else {
            // It was forbidden while it was on its way.
            return self.media.ask(MediaRequest::Stop { room: room.number, track });
        };
        let is_muted = room.tracks.get(&track).is_some_and(|track| track.is_muted);
        let published = Published { participant, leg: number, source, codec, layers, is_muted };
        let body = Body::new(&ServerMessage::TrackPublished { track: published.view(track) });
        room.tracks.insert(track, published);
        self.review_media(&name, participant, now);
        if self.rooms.get(&name).is_some_and(|room| room.tracks.contains_key(&track)) {
            self.broadcast(&name, participant, Lane::Control, &body, now);
        }
    }

    fn set_alive(&mut self, leg: u64, is_alive: bool, now: Instant) {
        let Some((id, leg)) = self.leg_mut(leg) else { return };
        leg.is_alive = is_alive;
        let is_overdue = self.sessions.get(&id).is_some_and(|session| session.is_overdue());
        if !is_alive && is_overdue {
            self.hide(id, now);
        }
    }

    /// Tells a leg's client something about it.
    fn tell(&mut self, leg: u64, message: impl FnOnce(u32) -> ServerMessage, now: Instant) {
        if let Some((id, Leg { connection, .. })) = self.leg_mut(leg) {
            let body = Body::new(&message(*connection));
            self.push(id, Lane::Control, body, now);
        }
    }

    fn leg_mut(&mut self, number: u64) -> Option<(SessionId, &mut Leg)> {
        let id = *self.media.legs.get(&number)?;
        let leg = self.sessions.get_mut(&id)?.leg_mut()?;
        Some((id, leg))
    }
}

/// Longest name of a media section, as fits the header extension that carries it.
const MID_BYTES: usize = 16;
