use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::counts::{Counts, Dropped};
use crate::features::Features;
use crate::outbox::{Outbox, Plan};
use crate::sockets::{BoundSocket, Sockets};
use crate::system_call::{Outgoing, SendCalls};

/// Sends what an outbox has gathered. What the kernel does not take is dropped and counted: a relay that waits is worse than one that
/// loses a datagram.
#[derive(Debug)]
pub(crate) struct Sender {
    calls: SendCalls,
    plan: Plan,
    features: Features,
    /// The datagrams of a run that has to be sent singly.
    singles: Vec<Range<usize>>,
}

impl Sender {
    pub(crate) fn new(features: Features) -> Self {
        Self { calls: SendCalls::default(), plan: Plan::new(), features, singles: Vec::new() }
    }

    /// Sends everything and empties the outbox.
    pub(crate) fn flush(&mut self, outbox: &mut Outbox, sockets: &Sockets, counts: &mut Counts) {
        let mut plan = std::mem::replace(&mut self.plan, Plan { messages: Vec::new(), pieces: Vec::new() });
        for (id, mut cursor) in outbox.sockets() {
            let socket = sockets.get(id);
            while outbox.plan(&mut cursor, self.features.gso, &mut plan) {
                match socket {
                    Some(socket) => self.send_plan(socket, outbox.arena(), &mut plan, counts),
                    None => plan.messages.iter().for_each(|lost| counts.drop_many(Dropped::NoSocket, lost.datagrams)),
                }
            }
        }
        self.plan = plan;
        outbox.clear();
    }

    fn send_plan(&mut self, socket: &BoundSocket, arena: &[u8], plan: &mut Plan, counts: &mut Counts) {
        let local = socket.local();
        for message in &mut plan.messages {
            // The socket leaves from its only address by itself.
            if message.source == local || !self.features.packet_info {
                message.source = None;
            }
        }
        let mut rest = plan.messages.as_slice();
        // An error of an earlier datagram (ICMP) is told once, to whichever call comes next; that one is worth another try.
        let mut may_retry = socket.owner().is_some();
        while let Some(first) = rest.first() {
            counts.send_calls += 1;
            let result = self.calls.send(socket.as_fd(), arena, &plan.pieces, rest, self.features.send_many);
            match result {
                Ok(sent) => {
                    let (done, later) = rest.split_at(sent.clamp(1, rest.len()));
                    counts.sent += done.iter().map(|message| message.datagrams as u64).sum::<u64>();
                    rest = later;
                    may_retry = socket.owner().is_some();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if may_retry && is_of_earlier(&error) => may_retry = false,
                Err(error) if Dropped::from_send(&error) == Dropped::SendFull => {
                    // The others would meet the same.
                    rest.iter().for_each(|lost| counts.drop_many(Dropped::SendFull, lost.datagrams));
                    return;
                }
                Err(error) => {
                    self.send_singly(socket, arena, &plan.pieces, first, &error, counts);
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
    }

    /// Deals with a message that the kernel refused: a run is sent once more, datagram by datagram, for it may be that only runs are not
    /// possible (a device without checksums) or not with this length (longer than the path's MTU, so that fragments are needed).
    fn send_singly(
        &mut self,
        socket: &BoundSocket,
        arena: &[u8],
        pieces: &[Range<usize>],
        refused: &Outgoing,
        error: &io::Error,
        counts: &mut Counts,
    ) {
        let Some(segment) = refused.segment else { return counts.drop_one(Dropped::from_send(error)) };
        if error.raw_os_error() == Some(libc::EIO) {
            self.features.gso = false;
        }
        self.singles.clear();
        for piece in pieces.get(refused.pieces.clone()).unwrap_or_default() {
            let starts = piece.clone().step_by(usize::from(segment).max(1));
            self.singles.extend(starts.map(|start| start..piece.end.min(start + usize::from(segment))));
        }
        for index in 0..self.singles.len() {
            let single = Outgoing { segment: None, pieces: index..index + 1, datagrams: 1, ..refused.clone() };
            counts.send_calls += 1;
            match self.calls.send(socket.as_fd(), arena, &self.singles, &[single], false) {
                Ok(_) => counts.sent += 1,
                Err(error) => counts.drop_one(Dropped::from_send(&error)),
            }
        }
    }
}

/// Whether the error may be about a datagram that was sent before.
fn is_of_earlier(error: &io::Error) -> bool {
    Dropped::from_send(error) == Dropped::Unreachable || error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// The longest payload of UDP, over IPv6.
pub(crate) const LONGEST: usize = 65_527;
