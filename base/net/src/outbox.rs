use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::handler::SocketId;
use crate::system_call::Outgoing;

/// Datagrams gathered during a turn, sorted by socket and flow as they come in; the order within a flow is kept.
#[derive(Debug)]
pub(crate) struct Outbox {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    flows: Vec<Flow>,
    sockets: Vec<Touched>,
    /// Finds the flow of a datagram: slots of the flow's number, valid if their round is the current one.
    table: Box<[(u32, u32)]>,
    /// Likewise by the socket's id: its number among the touched ones.
    by_socket: Vec<(u32, u32)>,
    round: u32,
    /// Makes it impossible to choose addresses that all fall on the same slot.
    secret: u64,
}

/// A datagram in the arena, and the next one of its flow.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    next: u32,
}

/// What a datagram leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FlowKey {
    socket: SocketId,
    to: SocketAddr,
    source: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    key: FlowKey,
    first: u32,
    last: u32,
    /// The next flow of the same socket.
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct Touched {
    socket: SocketId,
    first: u32,
    last: u32,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            arena: Vec::with_capacity(ARENA_BYTES),
            entries: Vec::with_capacity(ENTRIES_MAX),
            flows: Vec::with_capacity(ENTRIES_MAX),
            sockets: Vec::with_capacity(ENTRIES_MAX),
            table: vec![(0, 0); TABLE_SLOTS].into_boxed_slice(),
            by_socket: Vec::new(),
            round: 1,
            secret: RandomState::new().hash_one(0u8) | 1,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a datagram of this length still fits. One always fits into an empty outbox if UDP can carry it.
    pub(crate) const fn has_room(&self, length: usize) -> bool {
        self.entries.len() < ENTRIES_MAX && self.arena.len() + length <= ARENA_BYTES
    }

    /// Adds a datagram; the parts make up its payload.
    pub(crate) fn push(&mut self, socket: SocketId, to: SocketAddr, source: Option<IpAddr>, parts: &[&[u8]]) {
        let start = self.arena.len();
        for part in parts {
            self.arena.extend_from_slice(part);
        }
        let number = number(self.entries.len());
        self.entries.push(Entry { start, end: self.arena.len(), next: NONE });
        let key = FlowKey { socket, to, source };
        let flow = self.flow(key, number);
        if let Some(flow) = self.flows.get_mut(index(flow)) {
            if flow.last != number
                && let Some(last) = self.entries.get_mut(index(flow.last))
            {
                last.next = number;
            }
            flow.last = number;
        }
    }

    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// The sockets that have something to send, each with its first flow.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (SocketId, FlowCursor)> {
        self.sockets.iter().map(|touched| (touched.socket, FlowCursor { flow: touched.first, entry: None }))
    }

    /// Whether this socket has something to send.
    pub(crate) fn has(&self, socket: SocketId) -> bool {
        self.by_socket.get(index(socket.0)).is_some_and(|(round, _)| *round == self.round)
    }

    /// Plans the next messages of a socket, at most [`MESSAGES_MAX`]; false when there are none left. With `gso`, runs of datagrams
    /// become one message.
    pub(crate) fn plan(&self, cursor: &mut FlowCursor, gso: bool, plan: &mut Plan) -> bool {
        plan.messages.clear();
        plan.pieces.clear();
        while let Some(flow) = self.flows.get(index(cursor.flow)) {
            let mut next = cursor.entry.unwrap_or(flow.first);
            while next != NONE {
                if plan.messages.len() == MESSAGES_MAX {
                    cursor.entry = Some(next);
                    return true;
                }
                next = self.plan_message(flow.key, next, gso, plan);
            }
            *cursor = FlowCursor { flow: flow.next, entry: None };
        }
        !plan.messages.is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.entries.clear();
        self.flows.clear();
        self.sockets.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.table.fill((0, 0));
            self.by_socket.fill((0, 0));
            self.round = 1;
        }
    }

    /// Plans one message that begins with entry `first`; returns the entry to go on with.
    fn plan_message(&self, key: FlowKey, first: u32, gso: bool, plan: &mut Plan) -> u32 {
        let start = plan.pieces.len();
        let (mut count, mut bytes, mut segment) = (0, 0, 0);
        let mut next = first;
        while let Some(entry) = self.entries.get(index(next)) {
            let length = entry.end - entry.start;
            if count == 0 {
                segment = length;
            } else if !gso || count == SEGMENTS_MAX || length > segment || length == 0 || bytes + length > RUN_BYTES {
                break;
            }
            count += 1;
            bytes += length;
            next = entry.next;
            match plan.pieces.get_mut(start..).and_then(<[_]>::last_mut) {
                Some(Range { end, .. }) if *end == entry.start => *end = entry.end,
                _ => plan.pieces.push(entry.start..entry.end),
            }
            // A shorter one ends the run.
            if length < segment {
                break;
            }
        }
        let segment = if count > 1 { u16::try_from(segment).ok() } else { None };
        let pieces = start..plan.pieces.len();
        plan.messages.push(Outgoing { to: key.to, source: key.source, segment, pieces, datagrams: count });
        next
    }

    /// The flow of a new entry: found, or begun with it.
    fn flow(&mut self, key: FlowKey, entry: u32) -> u32 {
        let last = number(self.flows.len()).wrapping_sub(1);
        if self.flows.last().is_some_and(|flow| flow.key == key) {
            return last;
        }
        let mut slot = self.slot(&key);
        loop {
            slot &= TABLE_SLOTS - 1;
            let Some((round, flow)) = self.table.get_mut(slot) else { return NONE };
            if *round != self.round {
                (*round, *flow) = (self.round, last.wrapping_add(1));
                break;
            }
            if self.flows.get(index(*flow)).is_some_and(|flow| flow.key == key) {
                return *flow;
            }
            slot += 1;
        }
        self.begin(key, entry)
    }

    fn begin(&mut self, key: FlowKey, entry: u32) -> u32 {
        let flow = number(self.flows.len());
        self.flows.push(Flow { key, first: entry, last: entry, next: NONE });
        let slot = index(key.socket.0);
        if slot >= self.by_socket.len() {
            self.by_socket.resize(slot + 1, (0, 0));
        }
        let touched = number(self.sockets.len());
        match self.by_socket.get_mut(slot) {
            Some((round, touched)) if *round == self.round => {
                if let Some(touched) = self.sockets.get_mut(index(*touched)) {
                    if let Some(before) = self.flows.get_mut(index(touched.last)) {
                        before.next = flow;
                    }
                    touched.last = flow;
                }
            }
            Some(first) => {
                *first = (self.round, touched);
                self.sockets.push(Touched { socket: key.socket, first: flow, last: flow });
            }
            None => {}
        }
        flow
    }

    fn slot(&self, key: &FlowKey) -> usize {
        let ip = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => self.mix((ip.to_bits() >> 64) as u64) ^ (ip.to_bits() & LOW) as u64,
        };
        let to = self.mix(ip(key.to.ip()) ^ u64::from(key.to.port()) << 32);
        let source = key.source.map_or(0, ip);
        let hash = self.mix(to ^ source.rotate_left(17) ^ u64::from(key.socket.0));
        usize::try_from(hash >> 33).unwrap_or_default()
    }

    /// Multiplies into 128 bits and folds the halves.
    fn mix(&self, value: u64) -> u64 {
        let product = u128::from(value ^ self.secret.rotate_left(32)) * u128::from(self.secret);
        (product >> 64) as u64 ^ (product & LOW) as u64
    }
}

/// Where the planning of a socket's messages stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowCursor {
    flow: u32,
    entry: Option<u32>,
}

/// Messages for one call.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) messages: Vec<Outgoing>,
    pub(crate) pieces: Vec<Range<usize>>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self { messages: Vec::with_capacity(MESSAGES_MAX), pieces: Vec::with_capacity(ENTRIES_MAX) }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}

const fn index(number: u32) -> usize {
    number as usize
}

/// The lower half.
const LOW: u128 = u64::MAX as u128;

/// No entry, no flow.
const NONE: u32 = u32::MAX;

/// Datagrams gathered before they are sent, at most.
const ENTRIES_MAX: usize = 1024;

/// Their bytes. Small enough to stay in a core's cache between being written and being sent.
const ARENA_BYTES: usize = 256 << 10;

/// A power of two and twice as many as there can be flows, so that a free slot is near.
const TABLE_SLOTS: usize = 2 * ENTRIES_MAX;

/// Messages of one call.
const MESSAGES_MAX: usize = 64;

/// Datagrams in one run: the kernel's `UDP_MAX_SEGMENTS`.
const SEGMENTS_MAX: usize = 64;

/// Bytes of a run: the longest payload of UDP over IPv4.
const RUN_BYTES: usize = 65_507;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything planned for a socket, message by message: where to, and the datagrams as the kernel would cut them.
    fn planned(outbox: &Outbox, gso: bool) -> Vec<(SocketId, SocketAddr, Vec<Vec<u8>>)> {
        let mut all = Vec::new();
        let mut plan = Plan::new();
        for (socket, mut cursor) in outbox.sockets() {
            while outbox.plan(&mut cursor, gso, &mut plan) {
                assert!(plan.messages.len() <= MESSAGES_MAX);
                for message in &plan.messages {
                    let pieces = &plan.pieces[message.pieces.clone()];
                    let bytes: Vec<u8> =
                        pieces.iter().flat_map(|piece| &outbox.arena()[piece.clone()]).copied().collect();
                    assert!(bytes.len() <= RUN_BYTES && message.datagrams <= SEGMENTS_MAX);
                    let datagrams: Vec<_> = match message.segment {
                        Some(segment) => bytes.chunks(segment.into()).map(<[u8]>::to_vec).collect(),
                        None => vec![bytes],
                    };
                    assert_eq!(datagrams.len(), message.datagrams);
                    all.push((socket, message.to, datagrams));
                }
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn nothing_is_lost_and_flows_keep_their_order(
            sends in prop::collection::vec((0u32..4, 1u16..6, prop::sample::select(vec![0usize, 1, 5, 5, 5, 9])), 0..300),
            gso in any::<bool>(),
        ) {
            let mut outbox = Outbox::new();
            for round in 0..2 {
                let mut expected: std::collections::BTreeMap<_, Vec<Vec<u8>>> = std::collections::BTreeMap::new();
                for (count, (socket, port, length)) in sends.iter().enumerate() {
                    let payload = vec![u8::try_from(count % 251).unwrap() + round; *length];
                    let to = SocketAddr::from(([192, 0, 2, 1], *port));
                    let (one, two) = payload.split_at(length / 2);
                    outbox.push(SocketId(*socket), to, None, &[one, two]);
                    expected.entry((SocketId(*socket), to)).or_default().push(payload);
                }
                let mut got: std::collections::BTreeMap<_, Vec<Vec<u8>>> = std::collections::BTreeMap::new();
                for (socket, to, datagrams) in planned(&outbox, gso) {
                    prop_assert!(gso || datagrams.len() == 1);
                    got.entry((socket, to)).or_default().extend(datagrams);
                }
                prop_assert_eq!(got, expected);
                outbox.clear();
                prop_assert!(planned(&outbox, gso).is_empty());
            }
        }
    }

    #[test]
    fn interleaved_flows_become_one_run_each() {
        let mut outbox = Outbox::new();
        let to = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        for _ in 0..8 {
            outbox.push(SocketId(0), to(1), None, &[&[1; 100]]);
            outbox.push(SocketId(0), to(2), None, &[&[2; 200]]);
        }
        outbox.push(SocketId(0), to(1), None, &[&[1; 40]]);
        outbox.push(SocketId(0), to(1), None, &[&[1; 100]]);
        let lengths: Vec<_> = planned(&outbox, true).into_iter().map(|(_, to, run)| (to.port(), run.len())).collect();
        assert_eq!(lengths, [(1, 9), (1, 1), (2, 8)], "a shorter one ends a run");
        assert_eq!(planned(&outbox, false).len(), 18);
    }

    #[test]
    fn thousands_of_flows_fit_the_table() {
        let mut outbox = Outbox::new();
        let mut count = 0u16;
        while outbox.has_room(1) {
            count += 1;
            outbox.push(SocketId(u32::from(count)), SocketAddr::from(([192, 0, 2, 1], count)), None, &[b"x"]);
        }
        assert_eq!(usize::from(count), ENTRIES_MAX);
        assert_eq!(planned(&outbox, true).len(), ENTRIES_MAX);
        assert!(outbox.has(SocketId(1)) && !outbox.has(SocketId(0)));
    }
}
