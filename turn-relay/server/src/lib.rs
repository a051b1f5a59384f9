//! STUN on the UDP port: the handler that plugs `turn-relay/core` into the media workers' loop.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use stoa_base_net::Handler;
use stoa_base_types::{Arrival, Transmit};
use stoa_turn_relay_core::{Dropped, answer_binding, stun};

/// Answers Binding requests and drops everything else that looks like STUN.
#[derive(Debug, Default)]
pub struct StunHandler {
    /// Emptied after every batch, so it never holds more than a batch's answers.
    outgoing: VecDeque<Transmit>,
}

impl Handler for StunHandler {
    fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
        stun::is_stun(datagram)
    }

    fn handle_datagram(&mut self, datagram: &[u8], arrival: Arrival, _: Instant) {
        match answer_binding(datagram, arrival.from) {
            Ok(payload) => {
                metrics::counter!("stoa_stun_bindings_total").increment(1);
                self.outgoing.push_back(Transmit { to: arrival.from, local: arrival.local, payload });
            }
            Err(Dropped::Malformed(_)) => count_dropped("malformed_stun"),
            Err(Dropped::NotBindingRequest) => count_dropped("not_binding_request"),
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outgoing.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn count_dropped(why: &'static str) {
    metrics::counter!("stoa_udp_dropped_total", "why" => why).increment(1);
}
