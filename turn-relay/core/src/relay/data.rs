//! Payload: the way of nearly every message. No heap, and a fixed number of look-ups.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::{FromClient, Head, Relay, ToClient, ToPeer};
use crate::address::{FiveTuple, canonical};
use crate::allocation::{AllocationId, Permission, RelayId};
use crate::policy::Denial;
use crate::refusal::Dropped;
use crate::stun::attribute::{self, AddressValue, Family};
use crate::stun::{self, Class, MAGIC_COOKIE, Message, TransactionId, join_kind, read_u16};
use crate::timeline::Moment;

impl Relay {
    /// Handles ChannelData, [RFC 8656 § 12.6](https://www.rfc-editor.org/rfc/rfc8656#section-12.6).
    pub(super) fn handle_channel_data(
        &mut self,
        tuple: &FiveTuple,
        bytes: &[u8],
        now: Instant,
    ) -> Result<FromClient<'static>, Dropped> {
        let number = read_u16(bytes, 0).filter(|number| (0x4000..=0x7FFE).contains(number)).ok_or(Dropped::NotTurn)?;
        let length = usize::from(read_u16(bytes, 2).ok_or(Dropped::Truncated)?);
        let payload = CHANNEL_HEADER..CHANNEL_HEADER + length;
        if payload.end > bytes.len() {
            return Err(Dropped::Truncated);
        }
        let id = *self.clients.get(tuple).ok_or(Dropped::NoAllocation)?;
        let allocation = self.allocations.get_mut(id).ok_or(Dropped::NoAllocation)?;
        // A channel is a permission to send, whatever became of the permission that came with it.
        let (peer, permission) = allocation.way_out(number, now).ok_or(Dropped::NoChannel)?;
        self.forward(id, peer, permission, payload, false, now)
    }

    /// Handles a Send indication, [RFC 8656 § 11.2](https://www.rfc-editor.org/rfc/rfc8656#section-11.2).
    pub(super) fn handle_send(
        &mut self,
        message: &Message<'_>,
        tuple: &FiveTuple,
        now: Instant,
    ) -> Result<FromClient<'static>, Dropped> {
        if super::request::unknown(message).next().is_some() {
            return Err(Dropped::BadIndication);
        }
        let peer = message.first(attribute::XOR_PEER_ADDRESS).ok_or(Dropped::BadIndication)?;
        let peer = attribute::read_xored(peer, message.transaction).map(canonical).ok_or(Dropped::BadIndication)?;
        let payload = message.first_range(attribute::DATA).ok_or(Dropped::BadIndication)?;
        let dont_fragment = message.first(attribute::DONT_FRAGMENT).is_some();
        let id = *self.clients.get(tuple).ok_or(Dropped::NoAllocation)?;
        let allocation = self.allocations.get(id).ok_or(Dropped::NoAllocation)?;
        let permission = allocation.permission(peer.ip(), now).ok_or(Dropped::NoPermission)?;
        self.forward(id, peer, Some(permission), payload, dont_fragment, now)
    }

    /// Sends payload towards a peer that the client may send to.
    fn forward(
        &mut self,
        id: AllocationId,
        peer: SocketAddr,
        permission: Option<Permission>,
        payload: Range<usize>,
        dont_fragment: bool,
        now: Instant,
    ) -> Result<FromClient<'static>, Dropped> {
        let allocation = self.allocations.get_mut(id).ok_or(Dropped::NoAllocation)?;
        let relay = *allocation.relay(Family::of(peer.ip())).ok_or(Dropped::NoRelay)?;
        if allocation.is_tcp || allocation.pending.is_some() {
            return Err(Dropped::NoRelay);
        }
        let bytes = payload.len();
        if !allocation.accounts.charge(&self.limits, bytes, now) {
            return Err(Dropped::OverQuota);
        }
        let inner = self.addresses.iter().position(|address| address.external == peer.ip());
        let forward = match inner {
            Some(_) if self.relayed.contains_key(&peer) => self.hand_over(relay.external, peer, payload, now),
            Some(address) if self.shared_ports.has(address, peer.port()) && !self.is_mine(address, peer.port()) => {
                let worker = self.udp_ports.get(address).map_or(0, |pool| pool.worker_of(peer.port()));
                FromClient::ToWorker { worker, to: peer, from: relay.external, payload }
            }
            _ if self.policy.is_media(peer) => FromClient::ToMedia { to: peer, from: relay.external, payload },
            _ => {
                let is_outside = permission.map_or_else(|| self.policy.check_ip(peer.ip()).is_ok(), |it| it.is_outside);
                self.check_outside(id, peer, is_outside, now)?;
                let socket = relay.socket.ok_or(Dropped::PeerDenied)?;
                FromClient::ToPeer(ToPeer { socket, peer, payload, dont_fragment })
            }
        };
        if let Some(allocation) = self.allocations.get_mut(id) {
            allocation.timeline.sent(bytes, now);
        }
        self.stats.to_peers.0 += 1;
        self.stats.to_peers.1 += u64::try_from(bytes).unwrap_or(u64::MAX);
        Ok(forward)
    }

    /// From one of our relayed addresses to another one of this worker. What is dropped there is counted there.
    fn hand_over(
        &mut self,
        from: SocketAddr,
        peer: SocketAddr,
        payload: Range<usize>,
        now: Instant,
    ) -> FromClient<'static> {
        let to = self.relayed.get(&peer).copied();
        let to = to.and_then(|relay| self.deliver(relay, from, payload.len(), true, now));
        to.map_or(FromClient::Nothing, |to| FromClient::Hairpin { to, payload })
    }

    /// A last look before payload leaves the process: permissions are for addresses, but rules are for ports as well.
    fn check_outside(
        &mut self,
        id: AllocationId,
        peer: SocketAddr,
        is_outside: bool,
        now: Instant,
    ) -> Result<(), Dropped> {
        let denial = if peer.port() == 0 {
            Denial::PortZero
        } else if self.policy.is_own_service(peer) {
            Denial::OwnService
        } else if !is_outside {
            Denial::SpecialPurpose
        } else {
            return Ok(());
        };
        if let Some(allocation) = self.allocations.get_mut(id)
            && allocation.timeline.drops(Dropped::PeerDenied) == 0
        {
            allocation.timeline.note(Moment::PeerRefused(denial), now);
        }
        Err(Dropped::PeerDenied)
    }

    /// Feeds one datagram that arrived on a relayed address,
    /// [RFC 8656 § 11.3](https://www.rfc-editor.org/rfc/rfc8656#section-11.3).
    pub fn handle_peer_datagram(
        &mut self,
        relay: RelayId,
        from: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) -> Option<ToClient> {
        self.deliver(relay, canonical(from), payload.len(), false, now)
    }

    /// Feeds one datagram of another worker's allocation: what [`FromClient::ToWorker`] asked for.
    pub fn handle_passed(
        &mut self,
        to: SocketAddr,
        from: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) -> Option<ToClient> {
        let Some(relay) = self.relayed.get(&to).copied() else {
            self.stats.dropped(Dropped::NoAllocation);
            return None;
        };
        self.deliver(relay, from, payload.len(), true, now)
    }

    /// Feeds one datagram that the media handlers of this process sent to a relayed address: what answers
    /// [`FromClient::ToMedia`]. `from` is the address that the client knows them by.
    pub fn handle_media(&mut self, to: SocketAddr, from: SocketAddr, payload: &[u8], now: Instant) -> Option<ToClient> {
        self.handle_passed(to, from, payload, now)
    }

    /// Feeds an ICMP error that a datagram to `peer` caused: the client is told,
    /// [RFC 8656 § 11.5](https://www.rfc-editor.org/rfc/rfc8656#section-11.5). `data` is the MTU where there is one.
    pub fn handle_icmp(
        &mut self,
        relay: RelayId,
        peer: SocketAddr,
        (kind, code, data): (u8, u8, u32),
        now: Instant,
    ) -> Option<ToClient> {
        let peer = canonical(peer);
        let id = relay.allocation;
        let allocation = self.allocations.get(id)?;
        let is_told = match relay.family {
            Family::V4 => matches!(kind, 3 | 11),
            Family::V6 => matches!(kind, 1..=3),
        };
        if !is_told || allocation.pending.is_some() || allocation.permission(peer.ip(), now).is_none() {
            return None;
        }
        if !allocation.accounts.charge(&self.limits, 0, now) {
            return None;
        }
        let client = allocation.tuple;
        let [high, low] = (u16::from(kind) << 9 | u16::from(code)).to_be_bytes();
        let [a, b, c, d] = data.to_be_bytes();
        let mut head = self.data_indication(peer, 12);
        head.push(&attribute::ICMP.to_be_bytes());
        head.push(&[0, 8, 0, 0, high, low, a, b, c, d]);
        Some(ToClient { client, head, padding: 0 })
    }

    fn deliver(
        &mut self,
        relay: RelayId,
        from: SocketAddr,
        bytes: usize,
        is_inner: bool,
        now: Instant,
    ) -> Option<ToClient> {
        let result = self.try_deliver(relay, from, bytes, is_inner, now);
        if let Err(cause) = result {
            self.stats.dropped(cause);
        }
        let allocation = self.allocations.get_mut(relay.allocation)?;
        match result {
            Ok(to) => {
                allocation.timeline.received(bytes, now);
                self.stats.from_peers.0 += 1;
                self.stats.from_peers.1 += u64::try_from(bytes).unwrap_or(u64::MAX);
                self.stats.hairpins += u64::from(is_inner);
                Some(to)
            }
            Err(cause) => {
                allocation.timeline.dropped(cause, now);
                None
            }
        }
    }

    fn try_deliver(
        &mut self,
        relay: RelayId,
        from: SocketAddr,
        bytes: usize,
        is_inner: bool,
        now: Instant,
    ) -> Result<ToClient, Dropped> {
        let allocation = self.allocations.get_mut(relay.allocation).ok_or(Dropped::NoAllocation)?;
        if allocation.pending.is_some() || allocation.is_tcp || allocation.relay(relay.family).is_none() {
            return Err(Dropped::NoRelay);
        }
        let (permission, number) = allocation.way_in(from, now).ok_or(Dropped::NoPermission)?;
        // What comes from our own address by way of the kernel is some other service of this host.
        if !is_inner && !permission.is_outside {
            return Err(Dropped::PeerDenied);
        }
        let length = u16::try_from(bytes).map_err(|_| Dropped::TooLarge)?;
        if bytes > LARGEST_PAYLOAD {
            return Err(Dropped::TooLarge);
        }
        if !allocation.accounts.charge(&self.limits, bytes, now) {
            return Err(Dropped::OverQuota);
        }
        let client = allocation.tuple;
        let padding = bytes.next_multiple_of(4) - bytes;
        let Some(number) = number else {
            let mut head = self.data_indication(from, 4 + bytes + padding);
            head.push(&attribute::DATA.to_be_bytes());
            head.push(&length.to_be_bytes());
            return Ok(ToClient { client, head, padding });
        };
        let mut head = Head::new();
        head.push(&number.to_be_bytes());
        head.push(&length.to_be_bytes());
        // Streams need the padding, datagrams do not, RFC 8656 § 12.5.
        Ok(ToClient { client, head, padding: if client.transport.is_stream() { padding } else { 0 } })
    }

    /// The header and XOR-PEER-ADDRESS of a Data indication with `rest` more bytes of attributes.
    fn data_indication(&mut self, peer: SocketAddr, rest: usize) -> Head {
        let (upper, lower) = (self.random.quick().to_be_bytes(), self.random.quick().to_be_bytes());
        let mut transaction = [0; 12];
        transaction.iter_mut().zip(upper.into_iter().chain(lower)).for_each(|(place, byte)| *place = byte);
        let value = AddressValue::xored(peer, TransactionId(transaction));
        let value = value.as_bytes();
        let length = u16::try_from(4 + value.len() + rest).unwrap_or(u16::MAX);
        let mut head = Head::new();
        head.push(&join_kind(Class::Indication, stun::DATA).to_be_bytes());
        head.push(&length.to_be_bytes());
        head.push(&MAGIC_COOKIE);
        head.push(&transaction);
        head.push(&attribute::XOR_PEER_ADDRESS.to_be_bytes());
        head.push(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.push(value);
        head
    }

    fn is_mine(&self, address: usize, port: u16) -> bool {
        self.udp_ports.get(address).is_some_and(|pool| pool.worker_of(port) == self.worker)
    }

    /// Whether a peer is a relayed address of this process.
    pub(super) fn is_relayed(&self, peer: SocketAddr) -> bool {
        let address = self.addresses.iter().position(|address| address.external == peer.ip());
        address.is_some_and(|address| self.shared_ports.has(address, peer.port()))
    }
}

const CHANNEL_HEADER: usize = 4;
/// So that a Data indication with its attributes still has a length.
const LARGEST_PAYLOAD: usize = 65_535 - 36;
