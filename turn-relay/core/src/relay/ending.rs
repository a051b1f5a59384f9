use std::time::Instant;

use super::{End, Event, Relay, Timer};
use crate::allocation::{Allocation, AllocationId, RelaySocket};
use crate::stun::attribute::Family;

impl Relay {
    pub(super) fn handle_allocation_timeout(&mut self, id: AllocationId, now: Instant) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        if allocation.expires <= now {
            let end = if allocation.pending.is_some() { End::NoSocket } else { End::Expired };
            return self.end_allocation(id, end);
        }
        self.sweep(id, now);
        self.set_allocation_timer(id);
    }

    /// Makes room of what has expired.
    pub(super) fn sweep(&mut self, id: AllocationId, now: Instant) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        let gone = allocation.sweep(now);
        allocation.accounts.forbid(gone);
    }

    pub(super) fn end_all(&mut self, end: End, is_meant: impl Fn(&Self, &Allocation) -> bool) {
        let meant: Vec<_> =
            self.allocations.iter().filter(|(_, allocation)| is_meant(self, allocation)).map(|(id, _)| id).collect();
        for id in meant {
            self.end_allocation(id, end);
        }
    }

    /// Takes an allocation and everything of it out of all tables.
    pub(super) fn end_allocation(&mut self, id: AllocationId, end: End) {
        let Some(allocation) = self.allocations.remove(id) else { return };
        self.deadlines.clear(Timer::Allocation(id));
        self.clients.remove(&allocation.tuple);
        self.end_connections(id);
        for (_, relay) in allocation.relays() {
            self.release(&relay, allocation.is_tcp);
        }
        match end {
            End::Expired => self.stats.expired += 1,
            End::Revoked => self.stats.revoked += 1,
            End::Released | End::Closed | End::NoSocket => {}
        }
        let Allocation { tuple, user, pending, timeline, .. } = *allocation;
        self.cancel_reservation(pending);
        self.events.push_back(Event::Ended { allocation: id, tuple, user, end, timeline: Box::new(timeline) });
    }

    /// Gives up one of two relayed addresses.
    pub(super) fn end_family(&mut self, id: AllocationId, family: Family) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        let gone = allocation.give_up(family);
        let (relay, is_tcp) = (allocation.relay_mut(family).take(), allocation.is_tcp);
        allocation.accounts.forbid(gone);
        if let Some(relay) = relay {
            self.release(&relay, is_tcp);
        }
    }

    fn release(&mut self, relay: &RelaySocket, is_tcp: bool) {
        if !is_tcp {
            self.relayed.remove(&relay.external);
            self.shared_ports.clear(relay.address, relay.port);
        }
        self.events.extend(relay.socket.map(|socket| Event::Unbind { socket }));
        self.give_back(relay, is_tcp);
    }

    pub(super) fn give_back(&mut self, relay: &RelaySocket, is_tcp: bool) {
        let pools = if is_tcp { &mut self.tcp_ports } else { &mut self.udp_ports };
        if let Some(pool) = pools.get_mut(relay.address) {
            pool.give_back(relay.port);
        }
        self.tell_free_ports(relay.address, is_tcp);
    }
}
