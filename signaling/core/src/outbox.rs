use std::collections::VecDeque;

use stoa_base_types::ParticipantId;

use crate::frame::{Body, Frame};
use crate::limits::Limits;

/// Which of the two queues a frame waits in.
///
/// There is none for events that may be lost: lines of the chat, the only events that are neither state nor negotiation, come no faster than
/// their writers' rates allow, and who does not take them is cut off and owed them on coming back, as with everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Negotiation, roster and replies: in order, never dropped.
    Control,
    /// The latest state of something: a newer one takes the place of one that still waits.
    State(StateKey),
}

/// What a state is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateKey {
    Participant(ParticipantId),
    Speakers,
}

/// What one session is yet to be sent, and what it was sent and has not acknowledged.
///
/// A frame is numbered when it leaves its lane and is never altered afterwards; conflation happens before.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: VecDeque<Waiting>,
    state: VecDeque<(StateKey, Waiting)>,
    waiting_bytes: usize,
    /// Numbered and unacknowledged, oldest first.
    numbered: VecDeque<Frame>,
    numbered_bytes: usize,
    /// How many of `numbered` the present socket was given.
    given: usize,
    /// Of the newest numbered frame.
    last_seq: u64,
}

#[derive(Debug)]
struct Waiting {
    cid: Option<u64>,
    body: Body,
}

impl Outbox {
    /// Queues a message.
    pub(crate) fn push(&mut self, lane: Lane, cid: Option<u64>, body: Body) {
        self.waiting_bytes += body.len();
        let waiting = Waiting { cid, body };
        match lane {
            Lane::Control => self.control.push_back(waiting),
            Lane::State(key) => match self.state.iter_mut().find(|(waiting_key, _)| *waiting_key == key) {
                Some((_, stale)) => {
                    self.waiting_bytes -= stale.body.len();
                    *stale = waiting;
                }
                None => self.state.push_back((key, waiting)),
            },
        }
    }

    /// Drops a state that no longer matters, because its participant left.
    pub(crate) fn forget_state(&mut self, id: ParticipantId) {
        let key = StateKey::Participant(id);
        if let Some(at) = self.state.iter().position(|(waiting_key, _)| *waiting_key == key)
            && let Some((_, stale)) = self.state.remove(at)
        {
            self.waiting_bytes -= stale.body.len();
        }
    }

    /// The next frame for the present socket: first what an earlier one was given in vain, then the lanes.
    pub(crate) fn next_frame(&mut self, limits: &Limits) -> Option<Frame> {
        if let Some(numbered) = self.numbered.get(self.given) {
            self.given += 1;
            return Some(numbered.clone());
        }
        let waiting = match self.control.pop_front() {
            Some(waiting) => waiting,
            None => self.state.pop_front()?.1,
        };
        if self.control.is_empty() && self.control.capacity() > IDLE_CAPACITY {
            self.control = VecDeque::new();
        }
        let frame = self.number(waiting);
        self.given += 1;
        // A client that never acknowledges loses the right to resume, not the connection.
        while self.numbered.len() > limits.resume_frames || self.numbered_bytes > limits.resume_bytes {
            self.drop_oldest();
        }
        Some(frame)
    }

    fn number(&mut self, waiting: Waiting) -> Frame {
        self.waiting_bytes -= waiting.body.len();
        self.last_seq += 1;
        let frame = waiting.body.frame(self.last_seq, waiting.cid);
        self.numbered_bytes += frame.len();
        self.numbered.push_back(frame.clone());
        frame
    }

    /// Everything up to `seq` has arrived. A number that was never given is a mistake of the client and changes nothing.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        while seq <= self.last_seq && self.numbered.front().is_some_and(|frame| frame.seq() <= seq) {
            self.drop_oldest();
        }
    }

    /// Starts over on a new socket after `last_seq`; false if frames after it are no longer kept.
    pub(crate) fn rewind(&mut self, last_seq: u64) -> bool {
        let oldest = self.numbered.front().map_or(self.last_seq + 1, Frame::seq);
        if last_seq > self.last_seq || last_seq + 1 < oldest {
            return false;
        }
        self.acknowledge(last_seq);
        self.given = 0;
        true
    }

    /// Numbers everything that waits. A session that is resumed is owed all of it, so it no longer counts as a queue in front of
    /// a slow reader.
    pub(crate) fn number_waiting(&mut self) {
        let given = self.given;
        while let Some(waiting) =
            self.control.pop_front().or_else(|| self.state.pop_front().map(|(_, waiting)| waiting))
        {
            self.number(waiting);
        }
        self.given = given;
    }

    /// Whether a session without a socket has missed more than is kept for it.
    pub(crate) fn is_over_window(&self, limits: &Limits) -> bool {
        self.numbered.len() + self.control.len() + self.state.len() > limits.resume_frames
            || self.numbered_bytes + self.waiting_bytes > limits.resume_bytes
    }

    /// Bytes in the lanes.
    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Bytes of everything that is kept.
    pub(crate) const fn kept_bytes(&self) -> usize {
        self.waiting_bytes + self.numbered_bytes
    }

    /// Lets go of what the socket was given, oldest first, until no more than `share` is kept of it.
    pub(crate) fn shed(&mut self, share: usize) {
        while self.numbered_bytes > share && self.given > 0 {
            self.drop_oldest();
        }
    }

    /// Whether the present socket has everything.
    pub(crate) fn is_drained(&self) -> bool {
        self.given == self.numbered.len() && self.control.is_empty() && self.state.is_empty()
    }

    fn drop_oldest(&mut self) {
        if let Some(frame) = self.numbered.pop_front() {
            self.numbered_bytes -= frame.len();
            self.given = self.given.saturating_sub(1);
        }
        if self.numbered.is_empty() && self.numbered.capacity() > IDLE_CAPACITY {
            self.numbered = VecDeque::new();
        }
    }
}

/// Places that an empty queue may keep: sessions idle far more than they burst.
const IDLE_CAPACITY: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{ErrorCode, ServerMessage};

    fn body(text: &str) -> Body {
        Body::new(&ServerMessage::Error { code: ErrorCode::BadFrame, message: text.into(), retry_after_ms: None })
    }

    fn seqs(outbox: &mut Outbox, limits: &Limits) -> Vec<u64> {
        let frames = std::iter::from_fn(|| outbox.next_frame(limits));
        frames
            .map(|frame| {
                let text: serde_json::Value = serde_json::from_slice(&frame.to_text()).unwrap();
                text["seq"].as_u64().unwrap()
            })
            .collect()
    }

    #[test]
    fn a_newer_state_takes_the_place_of_a_waiting_one() {
        let (limits, mut outbox) = (Limits::default(), Outbox::default());
        let key = StateKey::Participant(ParticipantId::from_bits(1));
        outbox.push(Lane::State(key), None, body("old"));
        outbox.push(Lane::Control, None, body("first"));
        outbox.push(Lane::State(key), None, body("new"));
        let frames: Vec<_> = std::iter::from_fn(|| outbox.next_frame(&limits)).collect();
        assert_eq!(frames.len(), 2);
        assert!(String::from_utf8_lossy(&frames[0].to_text()).contains("first"));
        assert!(String::from_utf8_lossy(&frames[1].to_text()).contains("new"));
        assert_eq!(outbox.waiting_bytes(), 0);
    }

    #[test]
    fn a_resume_gets_exactly_what_was_not_acknowledged() {
        let (limits, mut outbox) = (Limits::default(), Outbox::default());
        (0..5).for_each(|_| outbox.push(Lane::Control, None, body("x")));
        assert_eq!(seqs(&mut outbox, &limits), [1, 2, 3, 4, 5]);
        outbox.acknowledge(2);
        outbox.push(Lane::Control, None, body("x"));
        assert!(outbox.rewind(3));
        assert_eq!(seqs(&mut outbox, &limits), [4, 5, 6]);
        assert!(!outbox.rewind(2), "3 was acknowledged and is gone");
        assert!(!outbox.rewind(7), "7 was never given");
        assert!(outbox.rewind(6) && outbox.is_drained());
    }

    #[test]
    fn a_client_that_never_acknowledges_loses_the_window_only() {
        let (limits, mut outbox) = (Limits { resume_frames: 3, ..Limits::default() }, Outbox::default());
        (0..5).for_each(|_| outbox.push(Lane::Control, None, body("x")));
        assert_eq!(seqs(&mut outbox, &limits), [1, 2, 3, 4, 5]);
        assert!(!outbox.rewind(1));
        assert!(outbox.rewind(2));
        assert_eq!(seqs(&mut outbox, &limits), [3, 4, 5]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        State(u8),
        Give(usize),
        Acknowledge(usize),
        Rewind(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Push),
            (0u8..3).prop_map(Step::State),
            (0usize..4).prop_map(Step::Give),
            (0usize..8).prop_map(Step::Acknowledge),
            (0usize..8).prop_map(Step::Rewind),
        ]
    }

    proptest! {
        /// A receiver that drops what it has already seen gets every number once and in order, whatever happens.
        #[test]
        fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 0..200)) {
            let (limits, mut outbox) = (Limits::default(), Outbox::default());
            let mut arrived = 0;
            for step in steps {
                match step {
                    Step::Push => outbox.push(Lane::Control, None, body("x")),
                    Step::State(0) => outbox.push(Lane::State(StateKey::Speakers), None, body("s")),
                    Step::State(key) => {
                        let key = StateKey::Participant(ParticipantId::from_bits(key.into()));
                        outbox.push(Lane::State(key), None, body("s"));
                    }
                    Step::Give(count) => for _ in 0..count {
                        let Some(frame) = outbox.next_frame(&limits) else { break };
                        let text: serde_json::Value = serde_json::from_slice(&frame.to_text()).unwrap();
                        let seq = text["seq"].as_u64().unwrap();
                        prop_assert_eq!(seq, arrived + 1);
                        arrived = seq;
                    },
                    Step::Acknowledge(back) => outbox.acknowledge(arrived.saturating_sub(back as u64)),
                    // The socket died after `back` frames that were given never arrived.
                    Step::Rewind(back) => {
                        let seen = arrived.saturating_sub(back as u64);
                        if outbox.rewind(seen) { arrived = seen; }
                    }
                }
                let waiting: usize = outbox.control.iter().chain(outbox.state.iter().map(|(_, w)| w)).map(|w| w.body.len()).sum();
                prop_assert_eq!(waiting, outbox.waiting_bytes());
            }
        }
    }
}
