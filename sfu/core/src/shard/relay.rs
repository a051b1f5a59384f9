use std::time::{Duration, Instant};

use super::{Event, SessionKey, Shard};

/// A data channel whose messages go to the others of the room.
#[derive(Debug)]
pub(super) struct Relay {
    label: String,
    prefix: Vec<u8>,
    may_send: bool,
    /// When as much may be sent at once as at first.
    full_at: Instant,
}

impl Relay {
    /// Whether a message may pass; it is counted then.
    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let micros = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / BYTES_PER_SECOND;
        let full_at = self.full_at.max(now) + Duration::from_micros(micros);
        // The others get it with the prefix before it.
        let is_short = bytes.saturating_add(self.prefix.len()) <= MOST_BYTES;
        let is_within = self.may_send && is_short && full_at <= now + BURST;
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

impl Shard {
    /// Says where a session's messages go from now on; `None` if there is no such session.
    pub(super) fn set_relay(
        &mut self,
        key: SessionKey,
        label: String,
        prefix: Vec<u8>,
        may_send: bool,
        now: Instant,
    ) -> Option<()> {
        let member = self.members.get_mut(&key)?;
        let full_at = member.relay.as_ref().map_or(now, |relay| relay.full_at);
        member.relay = Some(Relay { label, prefix, may_send, full_at });
        Some(())
    }

    pub(super) fn handle_message(
        &mut self,
        key: SessionKey,
        label: String,
        is_binary: bool,
        bytes: Vec<u8>,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(relay) = &mut member.relay else {
            return self.tell(Event::Message { session: key, label, is_binary, bytes });
        };
        if !is_binary || label != relay.label || !relay.take(bytes.len(), now) {
            self.stats.lost_messages += 1;
            return;
        }
        let message = [relay.prefix.as_slice(), &bytes].concat();
        let (prefix, room) = (relay.prefix.clone(), member.room);
        let others: Vec<_> = self.rooms.get(&room).into_iter().flat_map(|room| &room.members).copied().collect();
        for other in others {
            self.hand_over(other, &label, &prefix, &message, now);
        }
    }

    /// Gives a message to one of the others, if it is one and its channel is up.
    fn hand_over(&mut self, key: SessionKey, label: &str, prefix: &[u8], message: &[u8], now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let is_other = member.relay.as_ref().is_some_and(|relay| relay.prefix != prefix);
        if !is_other || !member.session.has_channel(label) {
            return;
        }
        if member.session.send(label, true, message) {
            self.stats.relayed_messages += 1;
            self.touch(key, now);
        } else {
            self.stats.lost_messages += 1;
        }
    }
}

/// The longest message that is handed on, in bytes, prefix included: browsers take no longer ones unless they say so.
const MOST_BYTES: usize = 64 << 10;

/// What one session may have handed on.
const BYTES_PER_SECOND: u64 = 2 << 20;

/// So long may a session send as fast as it can.
const BURST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let now = Instant::now();
        let mut relay = Relay { label: String::new(), prefix: vec![0; 26], may_send: true, full_at: now };
        assert!(!relay.take(MOST_BYTES - 25, now), "too long");
        let passed = (0..1_000).take_while(|_| relay.take(MOST_BYTES - 26, now)).count();
        assert_eq!(passed, 64, "4 MiB");
        assert!(relay.take(1_000, now + Duration::from_millis(1)));
        relay.may_send = false;
        assert!(!relay.take(1, now + BURST));
    }
}
