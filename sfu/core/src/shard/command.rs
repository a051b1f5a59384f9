use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::demux::prefix;
use super::room::Published;
use super::{
    Announced, Command, Due, Event, MOST_PUBLISHED, MOST_ROOMS, MOST_SESSIONS, MOST_WISHES, Member, RoomKey, SETUP,
    SessionKey, Shard, ShardError,
};
use crate::forward::{Before, TrackConfig, Wish};
use crate::packet::{Kind, TrackId};
use crate::session::{Answer, Guest, Section, SectionUse, Session};

impl Shard {
    /// Carries out an order.
    ///
    /// # Errors
    /// If it names what does not exist, or there is no room for more. Nothing has changed then.
    pub fn handle_command(&mut self, command: Command, now: Instant) -> Result<(), ShardError> {
        // What was forwarded until now goes where it was meant to.
        self.dispatch(now);
        match command {
            Command::Join { session, room } => self.join(session, room, now),
            Command::Offer { session, offer, sdp, tracks } => self.handle_offer(session, offer, &sdp, &tracks, now),
            Command::Wish { session, track, wish } => self.handle_wish(session, track, wish, now),
            Command::Mute { room, track, is_muted } => {
                let forwarder = self.rooms.get_mut(&room).map(|room| &mut room.forwarder);
                let outcome = forwarder.map(|forwarder| forwarder.set_muted(track, is_muted, now));
                self.settle(room, now);
                outcome.and_then(Result::ok).ok_or(ShardError::UnknownTrack(track))
            }
            Command::Stop { room, track } => {
                let published = self.rooms.get(&room).and_then(|room| room.tracks.get(&track));
                let session = published.map(|published| published.session).ok_or(ShardError::UnknownTrack(track))?;
                self.unpublish(room, session, track, now);
                Ok(())
            }
            Command::Send { session, label, is_binary, bytes } => {
                let member = self.members.get_mut(&session).ok_or(ShardError::UnknownSession(session))?;
                let is_sent = member.session.send(&label, is_binary, &bytes);
                self.touch(session, now);
                if is_sent { Ok(()) } else { Err(ShardError::NoChannel(session)) }
            }
            Command::Relay { session, label, prefix, may_send } => {
                self.set_relay(session, label, prefix, may_send, now).ok_or(ShardError::UnknownSession(session))
            }
            Command::Leave { session } => {
                let member = self.members.get_mut(&session).ok_or(ShardError::UnknownSession(session))?;
                member.session.close(now, &mut self.outbox);
                self.outbox.notices.clear();
                self.remove(session, now);
                Ok(())
            }
        }
    }

    fn join(&mut self, key: SessionKey, room: RoomKey, now: Instant) -> Result<(), ShardError> {
        if self.members.contains_key(&key) {
            return Err(ShardError::Duplicate(key));
        }
        let is_new = !self.rooms.contains_key(&room);
        if self.members.len() >= MOST_SESSIONS || is_new && self.rooms.len() >= MOST_ROOMS {
            return Err(ShardError::Full);
        }
        let config = &self.config;
        let prefix = prefix(config.worker);
        let session = Session::new(&config.certificate, &config.addresses, &prefix, self.is_paced, now);
        let member = Member {
            session,
            room,
            wishes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            published: BTreeMap::new(),
            clock: None,
            is_touched: false,
            asked: (0, 0),
            relay: None,
        };
        self.members.insert(key, member);
        self.rooms.entry(room).or_default().members.insert(key);
        Ok(())
    }

    fn handle_offer(
        &mut self,
        key: SessionKey,
        offer: u64,
        sdp: &str,
        tracks: &[Announced],
        now: Instant,
    ) -> Result<(), ShardError> {
        let member = self.members.get_mut(&key).ok_or(ShardError::UnknownSession(key))?;
        let waiting = self.rooms.get(&member.room).map(|room| room.waiting(member)).unwrap_or_default();
        let answer = match member.session.handle_offer(sdp, &waiting, now, &mut self.outbox) {
            Ok(answer) => answer,
            Err(why) => {
                self.tell(Event::Refused { session: key, offer, why });
                self.follow_up(key, now);
                return Ok(());
            }
        };
        let (ufrag, room) = (member.session.ufrag(), member.room);
        self.demux.name(key, ufrag);
        if !member.session.is_open() && self.deadlines.at(Due::End(key)).is_none() {
            self.deadlines.set(Due::End(key), now + SETUP);
        }
        let Answer { sdp, sections, unseated } = answer;
        self.tell(Event::Answer { session: key, offer, sdp });
        for track in unseated {
            self.unsubscribe(key, track, now);
        }
        self.publish_sections(key, room, &sections, tracks, now);
        self.seat_waiting(key, now);
        self.follow_up(key, now);
        Ok(())
    }

    /// Brings a session's tracks in line with its media sections.
    fn publish_sections(
        &mut self,
        key: SessionKey,
        room: RoomKey,
        sections: &[Section],
        tracks: &[Announced],
        now: Instant,
    ) {
        let Some(member) = self.members.get(&key) else { return };
        let gone = |(mid, track): (&_, &TrackId)| {
            let is_kept = sections.iter().any(|section| section.is_published(*mid));
            let is_replaced = tracks.iter().any(|announced| announced.mid == *mid && announced.track != *track);
            (!is_kept || is_replaced).then_some(*track)
        };
        let gone: Vec<_> = member.published.iter().filter_map(gone).collect();
        gone.into_iter().for_each(|track| self.unpublish(room, key, track, now));
        for section in sections {
            let Some(published) = &section.published else { continue };
            let announced = tracks.iter().find(|announced| announced.mid == section.mid);
            if announced.is_some_and(|announced| (announced.kind == Kind::Audio) != section.is_audio) {
                continue;
            }
            self.publish_section(key, room, section, published, announced, now);
        }
    }

    fn publish_section(
        &mut self,
        key: SessionKey,
        room_key: RoomKey,
        section: &Section,
        published: &SectionUse,
        announced: Option<&Announced>,
        now: Instant,
    ) {
        let Some(member) = self.members.get(&key) else { return };
        let Some(room) = self.rooms.get(&room_key) else { return };
        let before = member.published.get(&section.mid).and_then(|id| Some((*id, room.tracks.get(id)?.clone())));
        let named = before.as_ref().map(|(id, track)| (*id, track.kind));
        let Some((id, kind)) = announced.map(|announced| (announced.track, announced.kind)).or(named) else { return };
        let Some(codec) = published.codec else { return };
        let track = Published { session: key, mid: section.mid, kind, codec, rids: published.rids.clone() };
        if before.is_some_and(|(_, before)| before == track) || member.published.len() >= MOST_PUBLISHED {
            return;
        }
        // Subscribers of a track that changes begin again with it.
        let wishes = self.wishes_for(room_key, id, key);
        let mut was_muted = false;
        if member_has(self.members.get(&key), section, id) {
            was_muted = self.rooms.get(&room_key).is_some_and(|room| room.forwarder.is_muted(id));
            self.withdraw(room_key, key, id, now);
        }
        let config = TrackConfig { publisher: key.publisher(), mid: track.mid, kind, codec, rids: track.rids.clone() };
        let layers = config.rids.len().max(1);
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        if room.forwarder.publish(id, config).is_err() {
            return;
        }
        room.tracks.insert(id, track);
        if was_muted {
            // It was published a moment ago.
            let _ = room.forwarder.set_muted(id, true, now);
        }
        if let Some(member) = self.members.get_mut(&key) {
            member.published.insert(section.mid, id);
        }
        self.tell(Event::Published { room: room_key, session: key, track: id, kind, codec, layers });
        for (session, wish) in wishes {
            // It had the track a moment ago.
            let _ = self.handle_wish(session, id, Some(wish), now);
        }
    }

    /// Who wishes for a track that is published already by this session.
    fn wishes_for(&self, room: RoomKey, track: TrackId, publisher: SessionKey) -> Vec<(SessionKey, Wish)> {
        let Some(room) = self.rooms.get(&room) else { return Vec::new() };
        if room.tracks.get(&track).is_none_or(|published| published.session != publisher) {
            return Vec::new();
        }
        let wish = |key: &SessionKey| Some((*key, *self.members.get(key)?.wishes.get(&track)?));
        room.members.iter().filter_map(wish).collect()
    }

    fn unpublish(&mut self, room_key: RoomKey, key: SessionKey, track: TrackId, now: Instant) {
        if self.rooms.get(&room_key).is_some_and(|room| room.tracks.contains_key(&track)) {
            self.tell(Event::Ended { room: room_key, track });
            self.withdraw(room_key, key, track, now);
        }
    }

    /// Takes a track from the room without saying so.
    fn withdraw(&mut self, room_key: RoomKey, key: SessionKey, track: TrackId, now: Instant) {
        let members: Vec<_> = self.rooms.get(&room_key).into_iter().flat_map(|room| &room.members).copied().collect();
        members.iter().for_each(|member| self.keep_numbers(*member, track));
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        room.forwarder.unpublish(track);
        if let Some(published) = room.tracks.remove(&track)
            && let Some(member) = self.members.get_mut(&key)
        {
            member.published.remove(&published.mid);
        }
        for key in members {
            let Some(member) = self.members.get_mut(&key) else { continue };
            member.subscribed.remove(&track);
            member.session.unseat(track);
            if member.wishes.remove(&track).is_some() {
                self.seat_waiting(key, now);
            }
        }
        self.settle(room_key, now);
    }

    fn handle_wish(
        &mut self,
        key: SessionKey,
        track: TrackId,
        wish: Option<Wish>,
        now: Instant,
    ) -> Result<(), ShardError> {
        let member = self.members.get_mut(&key).ok_or(ShardError::UnknownSession(key))?;
        let room_key = member.room;
        let Some(wish) = wish else {
            member.wishes.remove(&track).ok_or(ShardError::UnknownTrack(track))?;
            self.keep_numbers(key, track);
            if let Some(member) = self.members.get_mut(&key) {
                member.session.unseat(track);
            }
            self.unsubscribe(key, track, now);
            self.seat_waiting(key, now);
            return Ok(());
        };
        let room = self.rooms.get_mut(&room_key).filter(|room| room.tracks.contains_key(&track));
        let room = room.ok_or(ShardError::UnknownTrack(track))?;
        if member.wishes.len() >= MOST_WISHES && !member.wishes.contains_key(&track) {
            return Err(ShardError::Full);
        }
        member.wishes.insert(track, wish);
        if member.subscribed.contains(&track) {
            // Both are kept in step.
            let _ = room.forwarder.set_wish(key.sink(), track, wish, now);
            self.settle(room_key, now);
        } else {
            self.seat_waiting(key, now);
        }
        Ok(())
    }

    /// Gives free slots to tracks that wait for one, and asks for more slots if there are too few.
    fn seat_waiting(&mut self, key: SessionKey, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(room) = self.rooms.get(&member.room) else { return };
        let (mut asked, mut seated) = ((0, 0), Vec::new());
        let pairs = room.pairs();
        for track in member.wishes.keys() {
            let Some(published) = room.tracks.get(track).filter(|_| !member.session.is_seated(*track)) else {
                continue;
            };
            let (codec, person) = (published.codec, published.person());
            let has_other = person.is_some_and(|person| pairs.contains(&person));
            match member.session.seat(Guest { track: *track, codec, person, has_other }) {
                Some(mid) => seated.push(Event::Seated { session: key, track: *track, mid }),
                None if published.kind == Kind::Audio => asked.0 += 1,
                None => asked.1 += 1,
            }
        }
        let room_for = member.session.room_for_slots();
        let asked = (asked.0.min(room_for.0), asked.1.min(room_for.1));
        let has_news = asked != (0, 0) && asked != member.asked;
        member.asked = asked;
        if has_news {
            seated.push(Event::NeedSlots { session: key, audio: asked.0, video: asked.1 });
        }
        seated.into_iter().for_each(|event| self.tell(event));
        self.subscribe_seated(key, now);
    }

    /// Starts what has a slot, once there is a way to send it.
    pub(super) fn subscribe_seated(&mut self, key: SessionKey, now: Instant) {
        let Some(member) = self.members.get_mut(&key).filter(|member| member.session.is_open()) else { return };
        let room_key = member.room;
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        for (track, wish) in &member.wishes {
            if !member.session.is_seated(*track) || member.subscribed.contains(track) {
                continue;
            }
            let before = Before { numbers: member.session.last_numbers(*track), estimate: member.session.estimate() };
            if room.forwarder.subscribe_after(key.sink(), *track, *wish, before, now).is_ok() {
                member.subscribed.insert(*track);
            }
        }
        self.settle(room_key, now);
    }

    /// Whatever takes the place of a track goes on from the numbers it ended with.
    fn keep_numbers(&mut self, key: SessionKey, track: TrackId) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(room) = self.rooms.get(&member.room) else { return };
        if let Some(numbers) = room.forwarder.last_numbers(key.sink(), track) {
            member.session.keep_numbers(track, numbers);
        }
    }

    fn unsubscribe(&mut self, key: SessionKey, track: TrackId, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let room_key = member.room;
        if member.subscribed.remove(&track)
            && let Some(room) = self.rooms.get_mut(&room_key)
        {
            room.forwarder.unsubscribe(key.sink(), track, now);
        }
        self.settle(room_key, now);
    }

    /// A session is over.
    pub(super) fn end(&mut self, key: SessionKey, event: Event, now: Instant) {
        if self.members.contains_key(&key) {
            self.dispatch(now);
            self.tell(event);
            self.remove(key, now);
        }
    }

    fn remove(&mut self, key: SessionKey, now: Instant) {
        let Some(member) = self.members.get(&key) else { return };
        let room_key = member.room;
        let tracks: Vec<_> = member.published.values().copied().collect();
        tracks.into_iter().for_each(|track| self.unpublish(room_key, key, track, now));
        self.members.remove(&key);
        self.demux.remove(key);
        self.deadlines.clear(Due::Session(key));
        self.deadlines.clear(Due::End(key));
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        room.forwarder.remove_sink(key.sink(), now);
        room.members.remove(&key);
        if room.members.is_empty() {
            self.rooms.remove(&room_key);
            self.deadlines.clear(Due::Room(room_key));
        } else {
            self.settle(room_key, now);
        }
    }
}

fn member_has(member: Option<&Member>, section: &Section, track: TrackId) -> bool {
    member.is_some_and(|member| member.published.get(&section.mid) == Some(&track))
}
