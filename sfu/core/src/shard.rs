//! The sessions and rooms of one worker.
mod command;
mod demux;
mod holdings;
mod message;
mod relay;
mod room;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stoa_base_types::Deadlines;

use crate::forward::Wish;
use crate::packet::{Outgoing, Publisher, ShortId, Sink, TrackId};
use crate::session::{Certificate, Notice, Outbox, Refused, Session, Shared, Transmit};
use demux::Demux;
pub use demux::{is_media, worker_of};
pub use holdings::Holdings;
pub use message::{Announced, Command, Event, RoomKey, SessionKey, ShardError, ShardStats};
use relay::Relay;
use room::Room;

/// What all sessions of a shard have in common.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// Our DTLS identity.
    pub certificate: Certificate,
    /// Where participants reach us, as they are told (host candidates). Datagrams come to and leave from these addresses.
    pub addresses: Vec<SocketAddr>,
    /// The number of the worker, which STUN messages for its sessions begin with ([`worker_of`]).
    pub worker: u8,
}

/// The sessions and rooms of one worker: datagrams and commands in, datagrams and events out.
///
/// After each call, [`Self::poll_transmit`] is to be emptied and [`Self::poll_event`] then. What is forwarded is gathered and leaves with the
/// next [`Self::handle_timeout`], which [`Self::poll_timeout`] asks for at once: a driver that feeds all datagrams of a turn first and the
/// timeout then sends the packets of each subscriber together.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    is_paced: bool,
    rooms: BTreeMap<RoomKey, Room>,
    members: BTreeMap<SessionKey, Member>,
    demux: Demux,
    deadlines: Deadlines<Due>,
    /// Sessions that have something to send.
    touched: Vec<SessionKey>,
    touched_at: Option<Instant>,
    /// The timeout that is under way: its moment, and how often it may still turn to sessions that were touched meanwhile.
    turn: Option<(Instant, usize)>,
    /// The sessions that it is still to look after, the next one last.
    round: Vec<SessionKey>,
    /// What goes to subscribers and is not written yet.
    outgoing: Vec<Outgoing>,
    /// The same by subscriber, while it is written.
    order: Vec<(Sink, usize)>,
    outbox: Outbox,
    shared: Shared,
    events: VecDeque<Event>,
    stats: ShardStats,
}

/// A session in its room.
#[derive(Debug)]
struct Member {
    session: Session,
    room: RoomKey,
    /// What it wants, with or without a slot.
    wishes: BTreeMap<TrackId, Wish>,
    /// What the forwarder sends it.
    subscribed: BTreeSet<TrackId>,
    published: BTreeMap<ShortId, TrackId>,
    /// A moment on the participant's clock and on ours. All its streams are measured by this one, so that they stay together.
    clock: Option<(u64, Instant)>,
    is_touched: bool,
    /// The slots that it was asked for: audio, video.
    asked: (usize, usize),
    relay: Option<Relay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Session(SessionKey),
    Room(RoomKey),
    /// It is given up.
    End(SessionKey),
}

impl Shard {
    /// A shard without rooms.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        Self {
            config,
            is_paced: true,
            rooms: BTreeMap::new(),
            members: BTreeMap::new(),
            demux: Demux::default(),
            deadlines: Deadlines::new(),
            touched: Vec::new(),
            touched_at: None,
            turn: None,
            round: Vec::new(),
            outgoing: Vec::new(),
            order: Vec::new(),
            outbox: Outbox::default(),
            shared: Shared::default(),
            events: VecDeque::new(),
            stats: ShardStats::default(),
        }
    }

    /// A shard whose sessions send at once whatever they have, for paths that are known to be wide. Nothing is estimated, neither here nor by
    /// participants, and no layer is chosen by what the path carries.
    #[must_use]
    pub fn without_congestion_control(config: ShardConfig) -> Self {
        Self { is_paced: false, ..Self::new(config) }
    }

    /// Whether a datagram is for a session of this shard.
    #[must_use]
    pub fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool {
        self.demux.find(datagram, from).is_some()
    }

    /// Feeds a datagram that came from `from` to `local`, one of our announced addresses. What is malformed or not authentic is dropped and
    /// counted.
    pub fn handle_datagram(&mut self, local: SocketAddr, from: SocketAddr, bytes: &[u8], now: Instant) {
        self.stats.datagrams += 1;
        let Some(key) = self.demux.find(bytes, from) else {
            self.stats.unknown += 1;
            return;
        };
        let Some(member) = self.members.get_mut(&key) else { return };
        let before = self.outbox.transmits.len();
        if let Err(refused) = member.session.handle_datagram(local, from, bytes, now, &mut self.outbox) {
            self.stats.count(refused);
        }
        // Only authentic requests are answered.
        let is_authentic =
            demux::is_stun(bytes) && self.outbox.transmits.iter().skip(before).any(|sent| sent.to == from);
        // Nobody takes over the address of a session that is heard, whatever sender address is made up.
        let owner = self.demux.owner(from).filter(|owner| *owner != key).and_then(|owner| self.members.get(&owner));
        if is_authentic && owner.is_none_or(|owner| !owner.session.is_open()) {
            self.demux.bind(key, from);
        }
        self.follow_up(key, now);
    }

    /// Does everything that is due. What was gathered is sent while [`Self::poll_transmit`] is emptied, one session after the other, so that
    /// a burst for hundreds of subscribers never lies in memory as a whole.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.turn = Some((now, MOST_ROUNDS));
        self.run_due(now);
    }

    fn run_due(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.take_due(now) {
            match due {
                Due::Session(key) => self.touch(key, now),
                Due::Room(room) => self.run_room(room, now),
                Due::End(key) => self.end(key, Event::Failed { session: key }, now),
            }
        }
    }

    /// Looks after the next session that has something to send. It may touch others. False if there is none left.
    fn look_after_next(&mut self, now: Instant) -> bool {
        let Some((began, rounds)) = self.turn else { return false };
        let now = now.max(began);
        if self.round.is_empty() {
            self.run_due(now);
            self.dispatch(now);
            if self.touched.is_empty() || rounds == 0 {
                self.end_turn(now);
                return false;
            }
            self.turn = Some((began, rounds - 1));
            self.touched_at = None;
            std::mem::swap(&mut self.round, &mut self.touched);
            self.round.reverse();
        }
        if let Some(key) = self.round.pop()
            && let Some(member) = self.members.get_mut(&key)
        {
            member.is_touched = false;
            if let Err(refused) = member.session.handle_timeout(now, &mut self.outbox) {
                self.stats.count(refused);
            }
            self.follow_up(key, now);
        }
        true
    }

    /// Whatever is due again and again waits a little, so that a turn comes to an end.
    fn end_turn(&mut self, now: Instant) {
        self.turn = None;
        let late: Vec<_> = std::iter::from_fn(|| self.deadlines.take_due(now)).collect();
        late.into_iter().for_each(|due| self.deadlines.set(due, now + LEAST_WAIT));
        self.touched_at = self.touched_at.map(|_| now + LEAST_WAIT);
    }

    /// A datagram to send. Those of one participant come in a row.
    ///
    /// `now` goes on while a long turn is emptied: congestion control compares when datagrams left with when they arrived, and what waits here
    /// unnoticed looks like a path that is too narrow.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            if let Some(transmit) = self.outbox.transmits.pop_front() {
                return Some(transmit);
            }
            if !self.look_after_next(now) {
                return None;
            }
        }
    }

    /// What is to be told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due; `None` if nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.turn.map(|(now, _)| now), self.touched_at, self.deadlines.next()].into_iter().flatten().min()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> ShardStats {
        self.stats
    }

    /// How many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.members.len()
    }

    /// Does what a session's news ask for.
    fn follow_up(&mut self, key: SessionKey, now: Instant) {
        let mut notices = std::mem::take(&mut self.outbox.notices);
        let has_news = !notices.is_empty();
        for notice in notices.drain(..) {
            self.handle_notice(key, notice, now);
        }
        self.outbox.notices = notices;
        let Some(member) = self.members.get(&key) else { return };
        if !member.session.is_alive() {
            self.end(key, Event::Failed { session: key }, now);
            return;
        }
        let (room, due) = (member.room, member.session.poll_timeout());
        self.set_deadline(Due::Session(key), due);
        if has_news {
            self.settle(room, now);
        }
        let lost = self.outbox.transmits.len().saturating_sub(MOST_TRANSMITS);
        if lost > 0 {
            self.stats.overflowed += u64::try_from(lost).unwrap_or_default();
            self.outbox.transmits.truncate(MOST_TRANSMITS);
        }
    }

    fn handle_notice(&mut self, key: SessionKey, notice: Notice, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(room) = self.rooms.get_mut(&member.room) else { return };
        match notice {
            Notice::Packet(packet, codec) => {
                let track = packet.extensions.mid.and_then(|mid| member.published.get(&mid));
                if track.and_then(|track| room.tracks.get(track)).is_some_and(|track| track.codec == codec) {
                    room.forwarder.handle_packet(Publisher(key.0), &packet, now, &mut self.outgoing);
                } else {
                    self.stats.unannounced += 1;
                }
            }
            Notice::SenderReport { ssrc, report, at } => self.handle_sender_report(key, ssrc, report, at),
            Notice::KeyframeRequest(track) => room.forwarder.handle_keyframe_request(key.sink(), track, now),
            Notice::Congested(is_congested) => room.forwarder.set_congested(key.sink(), is_congested, now),
            Notice::Estimate(bitrate) => room.forwarder.set_estimate(key.sink(), bitrate, now),
            Notice::Connected => {
                self.deadlines.clear(Due::End(key));
                self.subscribe_seated(key, now);
                self.tell(Event::Connected { session: key });
            }
            Notice::Interrupted => {
                self.deadlines.set(Due::End(key), now + INTERRUPTION);
                self.tell(Event::Interrupted { session: key });
            }
            Notice::Resumed => {
                // What it missed it cannot decode from.
                for track in &member.subscribed {
                    room.forwarder.handle_keyframe_request(key.sink(), *track, now);
                }
                self.deadlines.clear(Due::End(key));
                self.tell(Event::Connected { session: key });
            }
            Notice::Closed => self.end(key, Event::Closed { session: key }, now),
            Notice::Channel { label } => self.tell(Event::Channel { session: key, label }),
            Notice::Message { label, is_binary, bytes } => self.handle_message(key, label, is_binary, bytes, now),
        }
    }

    fn touch(&mut self, key: SessionKey, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if !std::mem::replace(&mut member.is_touched, true) {
            self.touched.push(key);
        }
        self.touched_at.get_or_insert(now);
    }

    fn set_deadline(&mut self, due: Due, at: Option<Instant>) {
        if self.deadlines.at(due) == at {
            return;
        }
        match at {
            Some(at) => self.deadlines.set(due, at),
            None => self.deadlines.clear(due),
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            self.stats.lost_events += 1;
            return;
        }
        self.events.push_back(event);
    }
}

impl ShardStats {
    const fn count(&mut self, refused: Refused) {
        match refused {
            Refused::Malformed => self.malformed += 1,
            Refused::Unauthentic => self.unauthentic += 1,
            Refused::TooManyStreams => self.too_many_streams += 1,
            Refused::Engine => self.engine += 1,
        }
    }
}

/// Sessions of one shard.
const MOST_SESSIONS: usize = 8_192;

/// Rooms of one shard.
const MOST_ROOMS: usize = 8_192;

/// Tracks that one session publishes.
const MOST_PUBLISHED: usize = 32;

/// Tracks that one session wishes for.
const MOST_WISHES: usize = 512;

/// Events that wait to be taken.
const MOST_EVENTS: usize = 65_536;

/// Datagrams that wait to be taken.
const MOST_TRANSMITS: usize = 65_536;

/// How often one timeout looks after sessions that others of the same timeout touched.
const MOST_ROUNDS: usize = 4;

/// Then they wait for so long.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// From the first offer to the end of the DTLS handshake.
const SETUP: Duration = Duration::from_secs(30);

/// How long a session that is not heard any more is kept ([RFC 7675 § 5.1](https://www.rfc-editor.org/rfc/rfc7675#section-5.1) has 30 s for
/// consent alone, which the engine has waited for already).
const INTERRUPTION: Duration = Duration::from_secs(30);
