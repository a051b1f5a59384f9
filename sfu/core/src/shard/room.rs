use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Due, Event, Member, RoomKey, SessionKey, Shard};
use crate::forward::{self, Forwarder};
use crate::packet::{Codec, Kind, Publisher, ShortId, TrackId};
use crate::rewrite::SenderReport;

/// A room's sessions and media.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) forwarder: Forwarder,
    pub(super) members: BTreeSet<SessionKey>,
    pub(super) tracks: BTreeMap<TrackId, Published>,
}

/// A track that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) session: SessionKey,
    pub(super) mid: ShortId,
    pub(super) kind: Kind,
    pub(super) codec: Codec,
    pub(super) rids: Vec<ShortId>,
}

impl Published {
    /// Whose microphone or camera it is; `None` for a screen, which goes with nothing else.
    pub(super) const fn person(&self) -> Option<Publisher> {
        match self.kind {
            Kind::Audio | Kind::Video => Some(self.session.publisher()),
            Kind::Screen => None,
        }
    }
}

impl Room {
    /// Those who have a microphone and a camera.
    pub(super) fn pairs(&self) -> BTreeSet<Publisher> {
        let of = |kind| {
            let tracks = self.tracks.values().filter(move |track| track.kind == kind);
            tracks.map(|track| track.session.publisher()).collect::<BTreeSet<_>>()
        };
        of(Kind::Audio).intersection(&of(Kind::Video)).copied().collect()
    }

    /// Whose microphone (true) or camera a participant wishes for without having a slot for it.
    pub(super) fn waiting(&self, member: &Member) -> Vec<(Publisher, bool)> {
        let wished = member.wishes.keys().filter(|track| !member.session.is_seated(**track));
        let tracks = wished.filter_map(|track| self.tracks.get(track));
        tracks.filter_map(|track| Some((track.person()?, track.kind == Kind::Audio))).collect()
    }
}

impl Shard {
    /// Does what is due in a room.
    pub(super) fn run_room(&mut self, key: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(&key) else { return };
        room.forwarder.handle_timeout(now, &mut self.outgoing);
        self.settle(key, now);
    }

    /// Hands on what a room's forwarder has to send and to say.
    pub(super) fn settle(&mut self, key: RoomKey, now: Instant) {
        self.announce_outgoing(now);
        while let Some(event) = self.rooms.get_mut(&key).and_then(|room| room.forwarder.poll_event()) {
            match event {
                forward::Event::RequestKeyframe { publisher, ssrc } => {
                    let session = SessionKey(publisher.0);
                    if let Some(member) = self.members.get_mut(&session) {
                        member.session.request_keyframe(ssrc);
                        self.touch(session, now);
                    }
                }
                // The engine has asked already.
                forward::Event::Nack { .. } => {}
                forward::Event::Speakers(tracks) => self.tell(Event::Speakers { room: key, tracks }),
                forward::Event::Wanted { sink, bitrate, is_starved, is_stale } => {
                    let session = SessionKey(sink.0);
                    if let Some(member) = self.members.get_mut(&session) {
                        member.session.set_wanted(bitrate, is_starved);
                        if is_stale {
                            member.session.estimate_anew();
                        }
                        self.touch(session, now);
                    }
                }
            }
        }
        let due = self.rooms.get(&key).and_then(|room| room.forwarder.poll_timeout());
        self.set_deadline(Due::Room(key), due);
    }

    /// Sees to it that what goes to subscribers is sent. It is gathered until then, so that each session is gone through once for all of it.
    fn announce_outgoing(&mut self, now: Instant) {
        if !self.outgoing.is_empty() {
            self.touched_at.get_or_insert(now);
        }
        if self.outgoing.len() >= MOST_OUTGOING {
            self.dispatch(now);
        }
    }

    /// Writes what goes to subscribers, session by session. It leaves when they are looked after next.
    pub(super) fn dispatch(&mut self, now: Instant) {
        if self.outgoing.is_empty() {
            return;
        }
        let mut outgoing = std::mem::take(&mut self.outgoing);
        // Stable: the packets of a session keep their order.
        let mut order = std::mem::take(&mut self.order);
        order.extend(outgoing.iter().zip(0_usize..).map(|(packet, place)| (packet.sink, place)));
        order.sort_unstable();
        for packets in order.chunk_by(|(a, _), (b, _)| a == b) {
            let Some(key) = packets.first().map(|(sink, _)| SessionKey(sink.0)) else { continue };
            let packets = packets.iter().filter_map(|(_, place)| outgoing.get(*place));
            let Some(member) = self.members.get_mut(&key).filter(|member| member.session.is_open()) else {
                self.stats.unsent += u64::try_from(packets.count()).unwrap_or_default();
                continue;
            };
            for packet in packets {
                if member.session.write(packet, self.shared.payload(packet), now) {
                    self.stats.forwarded += 1;
                } else {
                    self.stats.unsent += 1;
                }
            }
            if !std::mem::replace(&mut member.is_touched, true) {
                self.touched.push(key);
            }
        }
        self.touched_at.get_or_insert(now);
        self.shared.clear();
        outgoing.clear();
        order.clear();
        (self.outgoing, self.order) = (outgoing, order);
    }

    /// Tells all subscribers what a publisher's clock says.
    pub(super) fn handle_sender_report(&mut self, key: SessionKey, ssrc: u32, report: SenderReport, at: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let (ntp, then) = *member.clock.get_or_insert((report.ntp, at));
        let mut moment = moment(ntp, then, report.ntp);
        if moment > at || at.saturating_duration_since(moment) > MOST_DRIFT {
            // No report comes before it was sent: the one that was believed was held up on its way. Or the participant's clock was set.
            member.clock = Some((report.ntp, at));
            moment = at;
        }
        let Some(room) = self.rooms.get_mut(&member.room) else { return };
        let mut told = Vec::new();
        room.forwarder.handle_sender_report(key.publisher(), ssrc, report, &mut told);
        for (sink, track, report) in told {
            if let Some(member) = self.members.get_mut(&SessionKey(sink.0)) {
                member.session.set_clock(track, report, moment);
            }
        }
    }
}

/// The moment `ntp` on our clock, if it was `then` at `before`.
fn moment(before: u64, then: Instant, ntp: u64) -> Instant {
    let span = |difference: u64| {
        Duration::from_micros(u64::try_from((u128::from(difference) * 1_000_000) >> 32).unwrap_or_default())
    };
    let ahead = ntp.wrapping_sub(before);
    if ahead < 1 << 63 { then + span(ahead) } else { then.checked_sub(span(ahead.wrapping_neg())).unwrap_or(then) }
}

/// Packets for subscribers that wait to be written.
const MOST_OUTGOING: usize = 16_384;

/// How far a participant's clock may run away from ours before it counts as set anew.
const MOST_DRIFT: Duration = Duration::from_secs(5);
