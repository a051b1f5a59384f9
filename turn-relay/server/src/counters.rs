use stoa_turn_relay_core::stun;
use stoa_turn_relay_core::{Dropped, Relay, Stats};

/// What one worker's relay has shown in the metrics so far. All labels are from fixed sets.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Payload for streams that do not read fast enough.
    pub(crate) lost_payload: u64,
    /// Clients' messages that no worker could take.
    pub(crate) lost_messages: u64,
    shown: Stats,
    shown_lost: (u64, u64),
    allocations: usize,
}

impl Counters {
    /// Brings the metrics up to date.
    pub(crate) fn show(&mut self, relay: &Relay) {
        let (now, before) = (relay.stats(), &self.shown);
        add("stoa_stun_bindings_total", now.bindings, before.bindings);
        add("stoa_relay_allocations_total", now.allocations, before.allocations);
        add("stoa_relay_allocations_expired_total", now.expired, before.expired);
        add("stoa_relay_allocations_revoked_total", now.revoked, before.revoked);
        add("stoa_relay_hairpin_packets_total", now.hairpins, before.hairpins);
        let flows = [("to_peer", now.to_peers, before.to_peers), ("to_client", now.from_peers, before.from_peers)];
        for (direction, (packets, bytes), (packets_before, bytes_before)) in flows {
            metrics::counter!("stoa_relay_packets_total", "direction" => direction).increment(packets - packets_before);
            metrics::counter!("stoa_relay_bytes_total", "direction" => direction).increment(bytes - bytes_before);
        }
        for cause in Dropped::ALL {
            let more = now.drops(cause) - before.drops(cause);
            if more > 0 {
                metrics::counter!("stoa_relay_dropped_total", "why" => cause.label()).increment(more);
            }
        }
        for (method, refusal, count) in now.refusals() {
            let known = before.refusals().find(|(known, why, _)| *known == method && *why == refusal);
            let more = count - known.map_or(0, |(_, _, count)| count);
            if more > 0 {
                let code = refusal.code().to_string();
                metrics::counter!("stoa_relay_refused_total", "method" => method_name(method), "code" => code)
                    .increment(more);
            }
        }
        for (why, now, before) in [
            ("slow_stream", self.lost_payload, self.shown_lost.0),
            ("busy_worker", self.lost_messages, self.shown_lost.1),
        ] {
            if now > before {
                metrics::counter!("stoa_relay_dropped_total", "why" => why).increment(now - before);
            }
        }
        self.shown = now.clone();
        self.shown_lost = (self.lost_payload, self.lost_messages);
        self.show_allocations(relay.len());
    }

    fn show_allocations(&mut self, count: usize) {
        let gauge = metrics::gauge!("stoa_relay_allocations");
        gauge.increment(to_f64(count));
        gauge.decrement(to_f64(self.allocations));
        self.allocations = count;
    }
}

impl Drop for Counters {
    /// The allocations of a lost relay are lost as well.
    fn drop(&mut self) {
        self.show_allocations(0);
    }
}

/// A method as RFC 8656 § 17 names it.
pub(crate) const fn method_name(method: u16) -> &'static str {
    match method {
        stun::ALLOCATE => "allocate",
        stun::REFRESH => "refresh",
        stun::CREATE_PERMISSION => "create_permission",
        stun::CHANNEL_BIND => "channel_bind",
        stun::CONNECT => "connect",
        stun::CONNECTION_BIND => "connection_bind",
        _ => "other",
    }
}

fn add(name: &'static str, now: u64, before: u64) {
    if now > before {
        metrics::counter!(name).increment(now - before);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of allocations are far below 2^52")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
