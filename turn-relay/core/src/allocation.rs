use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::quality::FixedState;

use crate::account::Accounts;
use crate::address::FiveTuple;
use crate::auth::Authenticated;
use crate::stun::TransactionId;
use crate::stun::attribute::Family;
use crate::table::{SlabKey, Table};
use crate::timeline::Timeline;

/// An allocation, for as long as it lives.
pub type AllocationId = SlabKey;

/// One relayed transport address: an allocation has one or two, of different families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId {
    /// Whose it is.
    pub allocation: AllocationId,
    /// Its family.
    pub family: Family,
}

/// The driver's name for a socket that it bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketTag(pub u32);

/// A relayed transport address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelaySocket {
    /// Which of the configured relay addresses.
    pub(crate) address: usize,
    pub(crate) port: u16,
    /// As peers see it.
    pub(crate) external: SocketAddr,
    /// `None` while it is being bound, and for virtual ones.
    pub(crate) socket: Option<SocketTag>,
}

/// [RFC 8656 § 3.2](https://www.rfc-editor.org/rfc/rfc8656#section-3.2).
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) accounts: Accounts,
    /// Of the Allocate request, so that its retransmission gets the same answer.
    pub(crate) transaction: TransactionId,
    /// Empty while the sockets are being bound.
    pub(crate) answer: Box<[u8]>,
    pub(crate) pending: Option<Box<Pending>>,
    /// By family.
    relays: [Option<RelaySocket>; 2],
    pub(crate) expires: Instant,
    /// Relays TCP connections (RFC 6062) instead of datagrams.
    pub(crate) is_tcp: bool,
    /// The number in the newest mobility ticket; `None` without mobility.
    pub(crate) ticket: Option<u32>,
    pub(crate) timeline: Timeline,
    permissions: Table<IpAddr, Permission>,
    channels: Table<u16, Channel>,
    numbers: Table<SocketAddr, u16>,
    /// The one that carried payload last; `None` whenever one of the tables has changed.
    route: Option<Route>,
    swept_at: Instant,
}

/// What an Allocate request waits with until its sockets are bound.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) who: Authenticated,
    pub(crate) has_fingerprint: bool,
    pub(crate) lifetime: Duration,
    pub(crate) token: Option<[u8; 8]>,
    /// Why there is no address of the additional family.
    pub(crate) address_error: Option<(Family, u16)>,
    /// The family that is a bonus.
    pub(crate) additional: Option<Family>,
    /// EVEN-PORT: `Some(true)` reserves the next port.
    pub(crate) even: Option<bool>,
    /// Ports that may still be tried.
    pub(crate) tries: u8,
}

/// Lets a peer's address in and out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permission {
    expires: Instant,
    /// The policy lets any of its ports be a peer; otherwise only relayed addresses of our own.
    pub(crate) is_outside: bool,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    peer: SocketAddr,
    expires: Instant,
}

/// What payload needs to know of a peer, in one place: most allocations carry that of one peer on one channel, and looking into three
/// tables for each datagram costs more than all else that is done with it.
#[derive(Debug, Clone, Copy)]
struct Route {
    number: u16,
    peer: SocketAddr,
    /// Of the channel.
    expires: Instant,
    permission: Option<Permission>,
}

impl Allocation {
    /// Without relayed addresses yet.
    pub(crate) fn new(
        tuple: FiveTuple,
        transaction: TransactionId,
        who: &Authenticated,
        accounts: Accounts,
        seed: u64,
        now: Instant,
    ) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            tuple,
            username: who.username.clone(),
            user: who.user.clone(),
            accounts,
            transaction,
            answer: Box::default(),
            pending: None,
            relays: [None; 2],
            expires: now + BIND_TIMEOUT,
            is_tcp: false,
            ticket: None,
            timeline: Timeline::new(now),
            permissions: Table::with_hasher(hasher.clone()),
            channels: Table::with_hasher(hasher.clone()),
            numbers: Table::with_hasher(hasher),
            route: None,
            swept_at: now,
        }
    }

    pub(crate) const fn relay(&self, family: Family) -> Option<&RelaySocket> {
        let [v4, v6] = &self.relays;
        match family {
            Family::V4 => v4.as_ref(),
            Family::V6 => v6.as_ref(),
        }
    }

    pub(crate) const fn relay_mut(&mut self, family: Family) -> &mut Option<RelaySocket> {
        let [v4, v6] = &mut self.relays;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    pub(crate) fn relays(&self) -> impl Iterator<Item = (Family, RelaySocket)> + use<> {
        Family::ALL.into_iter().zip(self.relays).filter_map(|(family, relay)| relay.map(|relay| (family, relay)))
    }

    pub(crate) fn permission(&self, ip: IpAddr, now: Instant) -> Option<Permission> {
        self.permissions.get(&ip).filter(|permission| permission.expires > now).copied()
    }

    /// The peer of a channel, and the permission that it has.
    pub(crate) fn way_out(&mut self, number: u16, now: Instant) -> Option<(SocketAddr, Option<Permission>)> {
        let known = self.route.as_ref().filter(|route| route.number == number);
        let route = match known {
            Some(route) => route,
            None => self.route.insert(self.look_up(number)?),
        };
        (route.expires > now).then(|| (route.peer, route.permission.filter(|permission| permission.expires > now)))
    }

    /// The permission of a peer, and its channel if it has one; `None` without permission.
    pub(crate) fn way_in(&mut self, peer: SocketAddr, now: Instant) -> Option<(Permission, Option<u16>)> {
        if let Some(route) = self.route.as_ref().filter(|route| route.peer == peer) {
            let permission = route.permission.filter(|permission| permission.expires > now)?;
            return Some((permission, (route.expires > now).then_some(route.number)));
        }
        let permission = self.permission(peer.ip(), now)?;
        let number = self.number(peer, now);
        if let Some(route) = number.and_then(|number| self.look_up(number)) {
            self.route = Some(route);
        }
        Some((permission, number))
    }

    fn look_up(&self, number: u16) -> Option<Route> {
        let Channel { peer, expires } = *self.channels.get(&number)?;
        Some(Route { number, peer, expires, permission: self.permissions.get(&peer.ip()).copied() })
    }

    /// How many permissions are counted, expired ones that were not swept among them.
    pub(crate) fn permission_count(&self) -> usize {
        self.permissions.len()
    }

    /// Whether `ip` takes no further place among the permissions.
    pub(crate) fn has_place_for(&self, ip: IpAddr) -> bool {
        self.permissions.contains_key(&ip)
    }

    /// Installs or refreshes a permission.
    pub(crate) fn permit(&mut self, ip: IpAddr, is_outside: bool, now: Instant) {
        self.route = None;
        self.permissions.insert(ip, Permission { expires: now + PERMISSION_LIFETIME, is_outside });
    }

    /// The peer of a channel.
    pub(crate) fn channel(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|channel| channel.expires > now).map(|channel| channel.peer)
    }

    /// The channel of a peer.
    pub(crate) fn number(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let number = *self.numbers.get(&peer)?;
        self.channel(number, now).map(|_| number)
    }

    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Whether channel and peer are free, or bound to each other.
    pub(crate) fn may_bind(&self, number: u16, peer: SocketAddr, now: Instant) -> bool {
        self.channel(number, now).is_none_or(|bound| bound == peer)
            && self.number(peer, now).is_none_or(|bound| bound == number)
    }

    /// Binds a channel, or refreshes it.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) {
        self.route = None;
        if let Some(old) = self.channels.insert(number, Channel { peer, expires: now + CHANNEL_LIFETIME }) {
            self.numbers.remove(&old.peer);
        }
        if let Some(old) = self.numbers.insert(peer, number).filter(|old| *old != number) {
            self.channels.remove(&old);
        }
    }

    /// Removes what has expired; tells how many permissions that were.
    pub(crate) fn sweep(&mut self, now: Instant) -> u32 {
        let before = self.permissions.len();
        self.route = None;
        self.permissions.retain(|_, permission| permission.expires > now);
        self.channels.retain(|_, channel| channel.expires > now);
        let channels = &self.channels;
        self.numbers.retain(|_, number| channels.contains_key(number));
        self.swept_at = now;
        u32::try_from(before - self.permissions.len()).unwrap_or(u32::MAX)
    }

    /// When it wants to be looked at again: at its end, or to sweep.
    pub(crate) fn deadline(&self) -> Instant {
        let is_clean = self.permissions.is_empty() && self.channels.is_empty();
        if is_clean { self.expires } else { self.expires.min(self.swept_at + SWEEP_INTERVAL) }
    }

    /// Drops permissions and channels of a family that is given up; tells how many permissions that were.
    pub(crate) fn give_up(&mut self, family: Family) -> u32 {
        let before = self.permissions.len();
        self.route = None;
        self.permissions.retain(|ip, _| Family::of(*ip) != family);
        self.channels.retain(|_, channel| Family::of(channel.peer.ip()) != family);
        self.numbers.retain(|peer, _| Family::of(peer.ip()) != family);
        u32::try_from(before - self.permissions.len()).unwrap_or(u32::MAX)
    }
}

/// [RFC 8656 § 9](https://www.rfc-editor.org/rfc/rfc8656#section-9).
pub(crate) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// [RFC 8656 § 12](https://www.rfc-editor.org/rfc/rfc8656#section-12).
pub(crate) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// How long expired permissions and channels may keep their memory. They relay nothing meanwhile.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// A driver that does not tell whether a socket could be bound loses the allocation.
const BIND_TIMEOUT: Duration = Duration::from_secs(5);
