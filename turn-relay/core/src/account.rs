use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use foldhash::quality::FixedState;

use crate::rate::Bucket;
use crate::table::{Slab, SlabKey, Table};

/// What one user, one source address or everybody together may use. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// At a time.
    pub allocations: Option<u32>,
    /// At a time, over all allocations.
    pub permissions: Option<u32>,
    /// Payload per second, both ways together; a second's worth may come at once.
    pub bytes: Option<u64>,
    /// Relayed datagrams per second, both ways together.
    pub packets: Option<u64>,
    /// Permissions for further addresses per second.
    pub new_peers: Option<u64>,
}

/// Whose limits an allocation counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    User(Arc<str>),
    Source(IpAddr),
    Everybody,
}

#[derive(Debug)]
pub(crate) struct Account {
    owner: Owner,
    quota: Quota,
    allocations: u32,
    permissions: u32,
    bytes: Bucket,
    packets: Bucket,
    new_peers: Bucket,
}

/// The accounts of one allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accounts {
    pub(crate) user: SlabKey,
    pub(crate) source: SlabKey,
    pub(crate) everybody: SlabKey,
}

impl Accounts {
    const fn each(self) -> [SlabKey; 3] {
        [self.user, self.source, self.everybody]
    }
}

/// All accounts that are in use, and some whose buckets are not full yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: Slab<Account>,
    by_owner: Table<Owner, SlabKey>,
    /// Accounts without allocations, in the order in which they can be forgotten at the latest.
    idle: std::collections::VecDeque<SlabKey>,
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        let by_owner = Table::with_hasher(FixedState::with_seed(seed));
        Self { accounts: Slab::new(), by_owner, idle: std::collections::VecDeque::new() }
    }

    /// Counts one more allocation; `None` when a quota is used up.
    pub(crate) fn open(&mut self, owners: [(Owner, Quota); 3], now: Instant) -> Option<Accounts> {
        self.forget_idle(now);
        let [user, source, everybody] = owners.map(|(owner, quota)| self.account(owner, quota, now));
        let accounts = Accounts { user, source, everybody };
        let has_room = |key| {
            let account: &Account = self.accounts.get(key)?;
            (account.quota.allocations.is_none_or(|most| account.allocations < most)).then_some(())
        };
        let is_good = accounts.each().into_iter().all(|key| has_room(key).is_some());
        for key in accounts.each() {
            match self.accounts.get_mut(key) {
                Some(account) if is_good => account.allocations += 1,
                Some(account) if account.allocations == 0 => self.idle.push_back(key),
                Some(_) | None => {}
            }
        }
        is_good.then_some(accounts)
    }

    /// Counts one allocation less, with its permissions.
    pub(crate) fn close(&mut self, accounts: Accounts, permissions: u32) {
        accounts.each().into_iter().for_each(|key| self.leave(key, permissions));
    }

    fn leave(&mut self, key: SlabKey, permissions: u32) {
        let Some(account) = self.accounts.get_mut(key) else { return };
        account.allocations -= 1;
        account.permissions -= permissions;
        if account.allocations == 0 {
            self.idle.push_back(key);
        }
    }

    /// Counts `count` permissions for addresses that had none; `false` when there are too many.
    pub(crate) fn permit(&mut self, accounts: Accounts, count: u32, now: Instant) -> bool {
        let is_good = accounts.each().into_iter().all(|key| {
            self.accounts.get(key).is_some_and(|account| {
                account.quota.permissions.is_none_or(|most| account.permissions + count <= most)
                    && account.quota.new_peers.is_none_or(|rate| account.new_peers.has(u64::from(count), rate, now))
            })
        });
        for key in accounts.each().into_iter().filter(|_| is_good) {
            let Some(account) = self.accounts.get_mut(key) else { continue };
            account.permissions += count;
            if let Some(rate) = account.quota.new_peers {
                account.new_peers.take(u64::from(count), rate, now);
            }
        }
        is_good
    }

    /// Lets another source pay for an allocation with its permissions; `None`, and nothing changed, when it cannot.
    pub(crate) fn change_source(
        &mut self,
        accounts: Accounts,
        (owner, quota): (Owner, Quota),
        permissions: u32,
        now: Instant,
    ) -> Option<Accounts> {
        let source = self.account(owner, quota, now);
        if source == accounts.source {
            return Some(accounts);
        }
        let account = self.accounts.get_mut(source)?;
        let has_room = quota.allocations.is_none_or(|most| account.allocations < most)
            && quota.permissions.is_none_or(|most| account.permissions + permissions <= most);
        if !has_room {
            if account.allocations == 0 {
                self.idle.push_back(source);
            }
            return None;
        }
        account.allocations += 1;
        account.permissions += permissions;
        self.leave(accounts.source, permissions);
        Some(Accounts { source, ..accounts })
    }

    /// Counts `count` permissions less.
    pub(crate) fn forbid(&mut self, accounts: Accounts, count: u32) {
        for key in accounts.each() {
            if let Some(account) = self.accounts.get_mut(key) {
                account.permissions -= count;
            }
        }
    }

    /// Takes one datagram of `bytes` out of all buckets; `false`, and nothing taken, when one of them lacks it.
    pub(crate) fn charge(&mut self, accounts: Accounts, bytes: usize, now: Instant) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let is_good = accounts.each().into_iter().all(|key| {
            self.accounts.get(key).is_some_and(|account| {
                account.quota.bytes.is_none_or(|rate| account.bytes.has(bytes, rate, now))
                    && account.quota.packets.is_none_or(|rate| account.packets.has(1, rate, now))
            })
        });
        if is_good {
            accounts.each().into_iter().for_each(|key| self.take(key, bytes, now));
        }
        is_good
    }

    fn take(&mut self, key: SlabKey, bytes: u64, now: Instant) {
        let Some(account) = self.accounts.get_mut(key) else { return };
        if let Some(rate) = account.quota.bytes {
            account.bytes.take(bytes, rate, now);
        }
        if let Some(rate) = account.quota.packets {
            account.packets.take(1, rate, now);
        }
    }

    fn account(&mut self, owner: Owner, quota: Quota, now: Instant) -> SlabKey {
        if let Some(key) = self.by_owner.get(&owner) {
            if let Some(account) = self.accounts.get_mut(*key) {
                account.quota = quota;
            }
            return *key;
        }
        let full = Bucket::new(now);
        let account = Account {
            owner: owner.clone(),
            quota,
            allocations: 0,
            permissions: 0,
            bytes: full,
            packets: full,
            new_peers: full,
        };
        let key = self.accounts.insert(account);
        self.by_owner.insert(owner, key);
        key
    }

    /// Forgets a few accounts that nobody uses and whose buckets are full, so that a new allocation finds them as they were.
    fn forget_idle(&mut self, now: Instant) {
        for _ in 0..IDLE_STEPS.min(self.idle.len()) {
            let Some(key) = self.idle.pop_front() else { return };
            let Some(account) = self.accounts.get(key).filter(|account| account.allocations == 0) else { continue };
            let buckets = [account.bytes, account.packets, account.new_peers];
            if buckets.iter().all(|bucket| bucket.is_full(now)) || self.idle.len() >= MAX_IDLE {
                self.by_owner.remove(&account.owner);
                self.accounts.remove(key);
            } else {
                self.idle.push_back(key);
            }
        }
    }
}

/// Idle accounts that are looked at per new allocation: more than one can become idle.
const IDLE_STEPS: usize = 8;
/// Idle accounts that are kept at most; a second empties their buckets anyway.
const MAX_IDLE: usize = 4096;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    fn owners(user: &str, quota: Quota) -> [(Owner, Quota); 3] {
        let source = Owner::Source(IpAddr::from([192, 0, 2, 1]));
        [(Owner::User(user.into()), quota), (source, Quota::default()), (Owner::Everybody, Quota::default())]
    }

    #[test]
    fn what_is_closed_is_given_back() {
        let now = Instant::now();
        let mut ledger = Ledger::new(7);
        let quota = Quota { allocations: Some(1), permissions: Some(3), ..Quota::default() };
        for _ in 0..100 {
            let ada = ledger.open(owners("ada", quota), now).unwrap();
            assert!(ledger.open(owners("ada", quota), now).is_none());
            assert!(ledger.permit(ada, 3, now) && !ledger.permit(ada, 1, now));
            ledger.forbid(ada, 1);
            assert!(ledger.permit(ada, 1, now));
            ledger.close(ada, 3);
        }
    }

    #[test]
    fn users_who_left_are_forgotten() {
        let now = Instant::now();
        let mut ledger = Ledger::new(7);
        for user in 0..10_000 {
            let accounts = ledger.open(owners(&user.to_string(), Quota::default()), now).unwrap();
            ledger.close(accounts, 0);
        }
        assert!(ledger.accounts.len() < 20, "{}", ledger.accounts.len());
    }

    #[test]
    fn a_source_that_cannot_pay_changes_nothing() {
        let now = Instant::now();
        let mut ledger = Ledger::new(7);
        let ada = ledger.open(owners("ada", Quota::default()), now).unwrap();
        assert!(ledger.permit(ada, 2, now));
        let there = Owner::Source(IpAddr::from([192, 0, 2, 2]));
        let tight = Quota { permissions: Some(1), ..Quota::default() };
        assert!(ledger.change_source(ada, (there.clone(), tight), 2, now).is_none());
        let moved = ledger.change_source(ada, (there, Quota::default()), 2, now).unwrap();
        ledger.close(moved, 2);
    }
}
