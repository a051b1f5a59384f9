use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::Relay;
use super::request::{Reply, Request};
use crate::address::canonical;
use crate::allocation::AllocationId;
use crate::policy::Denial;
use crate::refusal::Refusal;
use crate::stun::attribute::{self, Family};

impl Relay {
    /// Handles CreatePermission, [RFC 8656 § 10.2](https://www.rfc-editor.org/rfc/rfc8656#section-10.2): all of the
    /// addresses get in, or none.
    pub(super) fn handle_create_permission(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        let (id, _) = self.own_allocation(request)?;
        let mut ips = Vec::new();
        for (_, value) in request.message.protected().filter(|(kind, _)| *kind == attribute::XOR_PEER_ADDRESS) {
            let peer = attribute::read_xored(value, request.message.transaction).ok_or(Refusal::BadRequest)?;
            if ips.len() >= MAX_ADDRESSES {
                return Err(Refusal::InsufficientCapacity);
            }
            ips.push(canonical(peer).ip());
        }
        if ips.is_empty() {
            return Err(Refusal::BadRequest);
        }
        self.permit(id, &ips, now)?;
        Ok(Reply::Success(request.success()))
    }

    /// Handles ChannelBind, [RFC 8656 § 12.2](https://www.rfc-editor.org/rfc/rfc8656#section-12.2).
    pub(super) fn handle_channel_bind(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        let (id, allocation) = self.own_allocation(request)?;
        if allocation.is_tcp {
            return Err(Refusal::BadRequest);
        }
        let number = request.exact::<4>(attribute::CHANNEL_NUMBER)?.ok_or(Refusal::BadRequest)?;
        let number = u16::from_be_bytes([number[0], number[1]]);
        let peer = request.message.first(attribute::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        let peer = attribute::read_xored(peer, request.message.transaction).ok_or(Refusal::BadRequest)?;
        let peer = canonical(peer);
        let is_free = allocation.may_bind(number, peer, now);
        let last = if self.narrow_channels { 0x4FFF } else { 0x7FFE };
        if !(0x4000..=last).contains(&number) || !is_free {
            return Err(Refusal::BadRequest);
        }
        self.check_peer(peer).map_err(Refusal::Forbidden)?;
        self.sweep_if_full(id, 1, now);
        let is_full = |relay: &Self| {
            let allocation = relay.allocations.get(id)?;
            Some(allocation.number(peer, now).is_none() && allocation.channel_count() >= relay.limits.permissions)
        };
        if is_full(self).unwrap_or(true) {
            return Err(Refusal::InsufficientCapacity);
        }
        self.permit(id, &[peer.ip()], now)?;
        if let Some(allocation) = self.allocations.get_mut(id) {
            allocation.bind(number, peer, now);
        }
        self.set_allocation_timer(id);
        Ok(Reply::Success(request.success()))
    }

    /// Whether a peer may be reached: the policy lets it, or it may be a relayed address of our own.
    pub(super) fn check_peer(&self, peer: SocketAddr) -> Result<(), Denial> {
        if peer.port() != 0 && (self.is_relayed(peer) || self.policy.is_media(peer)) {
            return Ok(());
        }
        match self.policy.check(peer) {
            // Whose relayed address it is may only turn out later.
            Err(denial @ (Denial::SpecialPurpose | Denial::Configured)) if !self.is_relay_ip(peer.ip()) => Err(denial),
            Err(denial @ (Denial::OwnService | Denial::PortZero | Denial::NoSockets)) => Err(denial),
            Ok(()) | Err(Denial::SpecialPurpose | Denial::Configured) => self.check_reach(peer.ip()),
        }
    }

    /// A relay without sockets reaches what is in this process alone.
    fn check_reach(&self, ip: IpAddr) -> Result<(), Denial> {
        if self.is_virtual && !self.is_inside(ip) { Err(Denial::NoSockets) } else { Ok(()) }
    }

    /// Whether relayed addresses or media of this process have this address.
    fn is_inside(&self, ip: IpAddr) -> bool {
        self.is_relay_ip(ip) || self.policy.has_media(ip)
    }

    /// Installs or refreshes permissions, all or none.
    pub(super) fn permit(&mut self, id: AllocationId, ips: &[IpAddr], now: Instant) -> Result<(), Refusal> {
        self.sweep_if_full(id, ips.len(), now);
        let allocation = self.allocations.get(id).ok_or(Refusal::AllocationMismatch)?;
        let mut new = Vec::new();
        for ip in ips {
            if allocation.relay(Family::of(*ip)).is_none() {
                return Err(Refusal::PeerFamilyMismatch);
            }
            if !self.is_inside(*ip) {
                self.policy.check_ip(*ip).map_err(Refusal::Forbidden)?;
            }
            self.check_reach(*ip).map_err(Refusal::Forbidden)?;
            if !allocation.has_place_for(*ip) && !new.contains(ip) {
                new.push(*ip);
            }
        }
        if allocation.permission_count() + new.len() > self.limits.permissions {
            return Err(Refusal::InsufficientCapacity);
        }
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let allocation = self.allocations.get_mut(id).ok_or(Refusal::AllocationMismatch)?;
        if !allocation.accounts.permit(&self.limits, count, now) {
            return Err(Refusal::QuotaReached);
        }
        for ip in ips {
            let is_outside = self.policy.check_ip(*ip).is_ok();
            if let Some(allocation) = self.allocations.get_mut(id) {
                allocation.permit(*ip, is_outside, now);
            }
        }
        self.set_allocation_timer(id);
        Ok(())
    }

    /// Expired permissions and channels shall not keep new ones out.
    fn sweep_if_full(&mut self, id: AllocationId, more: usize, now: Instant) {
        let Some(allocation) = self.allocations.get(id) else { return };
        if allocation.permission_count().max(allocation.channel_count()) + more > self.limits.permissions {
            self.sweep(id, now);
        }
    }
}

/// Addresses in one CreatePermission request.
const MAX_ADDRESSES: usize = 256;
