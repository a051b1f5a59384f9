use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use foldhash::quality::FixedState;

use crate::config::Limits;
use crate::rate::{SharedBucket, Ticks};
use crate::table::Table;

/// What one allocation, one user, one source address or everybody together may use. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// At a time. Means nothing for one allocation.
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

/// What users and sources use, counted over all workers that share it.
///
/// Looking an account up takes a lock, which only new allocations and mobility do; charging one is a few atomic operations.
#[derive(Debug)]
pub struct Ledger {
    ticks: Ticks,
    hasher: FixedState,
    everybody: Arc<Account>,
    shards: Box<[Mutex<Shard>]>,
}

/// Accounts that are in use, and some that are not full again yet.
#[derive(Debug)]
struct Shard {
    by_owner: Table<Owner, Arc<Account>>,
    /// With so many accounts, those that need not be remembered are looked for.
    sweep_at: usize,
}

/// Whose limits an allocation counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    User(Arc<str>),
    Source(IpAddr),
}

#[derive(Debug, Default)]
struct Account {
    allocations: AtomicU32,
    permissions: AtomicU32,
    bytes: SharedBucket,
    packets: SharedBucket,
    new_peers: SharedBucket,
}

/// What one allocation pays with. Whatever becomes of the allocation, its end gives back what it had.
#[derive(Debug)]
pub(crate) struct Accounts {
    ticks: Ticks,
    own: Arc<Account>,
    user: Arc<Account>,
    source: Arc<Account>,
    everybody: Arc<Account>,
    permissions: u32,
}

/// Pays for what another thread carries for an allocation: the payload of its TCP connections.
#[derive(Debug, Clone)]
pub struct Meter {
    ticks: Ticks,
    payers: [(Arc<Account>, Quota); 4],
}

impl Meter {
    /// Takes so many bytes of payload; `false`, and nothing taken, when they have to wait.
    #[must_use]
    pub fn charge(&self, bytes: usize, now: Instant) -> bool {
        charge(self.payers.each_ref().map(|(account, quota)| (&**account, quota)), bytes, self.ticks.at(now))
    }
}

impl Ledger {
    /// In which nothing is used yet; `seed` is random.
    #[must_use]
    pub fn new(seed: u64, now: Instant) -> Self {
        let hasher = FixedState::with_seed(seed);
        let shard = || Shard { by_owner: Table::with_hasher(hasher.clone()), sweep_at: SWEEP_LEAST };
        let shards = (0..SHARDS).map(|_| Mutex::new(shard())).collect();
        Self { ticks: Ticks::since(now), hasher, everybody: Arc::default(), shards }
    }

    /// Counts one more allocation; `None` when a quota is used up.
    pub(crate) fn open(&self, user: &Arc<str>, source: IpAddr, limits: &Limits, now: Instant) -> Option<Accounts> {
        let user = self.account(Owner::User(Arc::clone(user)), now);
        let source = self.account(Owner::Source(source), now);
        let everybody = Arc::clone(&self.everybody);
        let most = [limits.user.allocations, limits.source.allocations, limits.everybody.allocations];
        for (index, (account, most)) in [&user, &source, &everybody].into_iter().zip(most).enumerate() {
            if !add(&account.allocations, 1, most) {
                for account in [&user, &source, &everybody].into_iter().take(index) {
                    subtract(&account.allocations, 1);
                }
                return None;
            }
        }
        Some(Accounts { ticks: self.ticks, own: Arc::default(), user, source, everybody, permissions: 0 })
    }

    fn account(&self, owner: Owner, now: Instant) -> Arc<Account> {
        let mut shard = self.shard(&owner);
        if let Some(account) = shard.by_owner.get(&owner) {
            return Arc::clone(account);
        }
        if shard.by_owner.len() >= shard.sweep_at {
            shard.sweep(self.ticks.at(now));
        }
        let account = Arc::<Account>::default();
        shard.by_owner.insert(owner, Arc::clone(&account));
        account
    }

    fn shard(&self, owner: &Owner) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(self.hasher.hash_one(owner)).unwrap_or_default() % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "there are `SHARDS` shards")]
        let shard = &self.shards[index];
        // A panic elsewhere cannot leave a table half changed.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Forgets accounts that nobody uses and whose buckets are full: a new one would be the same.
    fn sweep(&mut self, ticks: u64) {
        self.by_owner.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_full(ticks));
        self.sweep_at = (self.by_owner.len() * 2).max(SWEEP_LEAST);
    }
}

impl Accounts {
    /// Counts `count` permissions for addresses that had none; `false`, and nothing counted, when there are too many.
    pub(crate) fn permit(&mut self, limits: &Limits, count: u32, now: Instant) -> bool {
        let ticks = self.ticks.at(now);
        let is_good = take_all(
            self.payers(limits),
            |account, quota| account.permit(quota, count, ticks),
            |account, quota| account.forbid(quota, count),
        );
        self.permissions += if is_good { count } else { 0 };
        is_good
    }

    /// Counts `count` permissions less.
    pub(crate) fn forbid(&mut self, count: u32) {
        self.permissions = self.permissions.saturating_sub(count);
        for account in self.shared() {
            subtract(&account.permissions, count);
        }
        subtract(&self.own.permissions, count);
    }

    /// Takes one datagram of `bytes` out of all buckets; `false`, and nothing taken, when one of them lacks it.
    pub(crate) fn charge(&self, limits: &Limits, bytes: usize, now: Instant) -> bool {
        charge(self.payers(limits), bytes, self.ticks.at(now))
    }

    /// For other threads, with the limits as they are now.
    pub(crate) fn meter(&self, limits: &Limits) -> Meter {
        let accounts = [&self.own, &self.user, &self.source, &self.everybody].map(Arc::clone);
        let mut quotas = [limits.allocation, limits.user, limits.source, limits.everybody].into_iter();
        Meter { ticks: self.ticks, payers: accounts.map(|account| (account, quotas.next().unwrap_or_default())) }
    }

    /// Lets another source pay from here on; `false`, and nothing changed, when it cannot.
    pub(crate) fn change_source(&mut self, ledger: &Ledger, source: IpAddr, quota: Quota, now: Instant) -> bool {
        let source = ledger.account(Owner::Source(source), now);
        if Arc::ptr_eq(&source, &self.source) {
            return true;
        }
        if !add(&source.allocations, 1, quota.allocations) {
            return false;
        }
        if !add(&source.permissions, self.permissions, quota.permissions) {
            subtract(&source.allocations, 1);
            return false;
        }
        let old = std::mem::replace(&mut self.source, source);
        old.leave(self.permissions);
        true
    }

    fn payers<'a>(&'a self, limits: &'a Limits) -> [(&'a Account, &'a Quota); 4] {
        [
            (&*self.own, &limits.allocation),
            (&*self.user, &limits.user),
            (&*self.source, &limits.source),
            (&*self.everybody, &limits.everybody),
        ]
    }

    const fn shared(&self) -> [&Arc<Account>; 3] {
        [&self.user, &self.source, &self.everybody]
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        for account in self.shared() {
            account.leave(self.permissions);
        }
    }
}

impl Account {
    fn permit(&self, quota: &Quota, count: u32, ticks: u64) -> bool {
        if !add(&self.permissions, count, quota.permissions) {
            return false;
        }
        let has_rate = quota.new_peers.is_none_or(|rate| self.new_peers.take(count.into(), rate, ticks));
        if !has_rate {
            subtract(&self.permissions, count);
        }
        has_rate
    }

    /// Takes back what [`Self::permit`] did.
    fn forbid(&self, quota: &Quota, count: u32) {
        subtract(&self.permissions, count);
        if let Some(rate) = quota.new_peers {
            self.new_peers.give_back(count.into(), rate);
        }
    }

    fn charge(&self, quota: &Quota, bytes: u64, ticks: u64) -> bool {
        if quota.packets.is_some_and(|rate| !self.packets.take(1, rate, ticks)) {
            return false;
        }
        let has_bytes = quota.bytes.is_none_or(|rate| self.bytes.take(bytes, rate, ticks));
        if let (false, Some(rate)) = (has_bytes, quota.packets) {
            self.packets.give_back(1, rate);
        }
        has_bytes
    }

    /// Takes back what [`Self::charge`] did.
    fn refund(&self, quota: &Quota, bytes: u64) {
        if let Some(rate) = quota.packets {
            self.packets.give_back(1, rate);
        }
        if let Some(rate) = quota.bytes {
            self.bytes.give_back(bytes, rate);
        }
    }

    /// Counts one allocation less, with its permissions.
    fn leave(&self, permissions: u32) {
        subtract(&self.allocations, 1);
        subtract(&self.permissions, permissions);
    }

    fn is_full(&self, ticks: u64) -> bool {
        [&self.bytes, &self.packets, &self.new_peers].into_iter().all(|bucket| bucket.is_full(ticks))
    }
}

fn charge(payers: [(&Account, &Quota); 4], bytes: usize, ticks: u64) -> bool {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    take_all(
        payers,
        |account, quota| account.charge(quota, bytes, ticks),
        |account, quota| account.refund(quota, bytes),
    )
}

/// Takes from every payer, or from none.
fn take_all(
    payers: [(&Account, &Quota); 4],
    take: impl Fn(&Account, &Quota) -> bool,
    give_back: impl Fn(&Account, &Quota),
) -> bool {
    for (index, (account, quota)) in payers.into_iter().enumerate() {
        if !take(account, quota) {
            payers.into_iter().take(index).for_each(|(account, quota)| give_back(account, quota));
            return false;
        }
    }
    true
}

/// Adds up to `most`; `false`, and nothing added, when that would be exceeded.
fn add(count: &AtomicU32, more: u32, most: Option<u32>) -> bool {
    let most = most.unwrap_or(u32::MAX);
    let sum = |now: u32| now.checked_add(more).filter(|sum| *sum <= most);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
}

fn subtract(count: &AtomicU32, less: u32) {
    let before = count.fetch_sub(less, Ordering::Relaxed);
    debug_assert!(before >= less, "what is given back was taken");
}

/// Locks of the accounts; more than there are workers on most machines.
const SHARDS: usize = 16;
/// Accounts of a shard below which nothing is forgotten.
const SWEEP_LEAST: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use std::time::Duration;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn of_user(user: Quota) -> Limits {
        let free = Quota::default();
        Limits { allocation: free, user, source: free, everybody: free, ..Limits::default() }
    }

    #[test]
    fn what_is_closed_is_given_back() {
        let now = Instant::now();
        let (ledger, ada) = (Ledger::new(7, now), "ada".into());
        let limits = of_user(Quota { allocations: Some(1), permissions: Some(3), ..Quota::default() });
        for _ in 0..100 {
            let mut accounts = ledger.open(&ada, HOME, &limits, now).unwrap();
            assert!(ledger.open(&ada, HOME, &limits, now).is_none());
            assert!(accounts.permit(&limits, 3, now) && !accounts.permit(&limits, 1, now));
            accounts.forbid(1);
            assert!(accounts.permit(&limits, 1, now));
        }
    }

    #[test]
    fn users_who_left_are_forgotten() {
        let now = Instant::now();
        let ledger = Ledger::new(7, now);
        for user in 0..10_000 {
            drop(ledger.open(&user.to_string().into(), HOME, &Limits::default(), now).unwrap());
        }
        let known: usize = ledger.shards.iter().map(|shard| shard.lock().unwrap().by_owner.len()).sum();
        assert!(known <= SHARDS * SWEEP_LEAST, "{known}");
    }

    #[test]
    fn a_user_whose_bucket_is_empty_is_remembered() {
        let now = Instant::now();
        let (ledger, ada) = (Ledger::new(7, now), "ada".into());
        let limits = of_user(Quota { packets: Some(10), ..Quota::default() });
        let accounts = ledger.open(&ada, HOME, &limits, now).unwrap();
        assert_eq!((0..20).filter(|_| accounts.charge(&limits, 0, now)).count(), 10);
        drop(accounts);
        for user in 0..10_000 {
            drop(ledger.open(&user.to_string().into(), HOME, &limits, now).unwrap());
        }
        let again = ledger.open(&ada, HOME, &limits, now).unwrap();
        assert!(!again.charge(&limits, 0, now));
        assert!(again.charge(&limits, 0, now + Duration::from_millis(100)));
    }

    #[test]
    fn a_source_that_cannot_pay_changes_nothing() {
        let now = Instant::now();
        let (ledger, ada) = (Ledger::new(7, now), "ada".into());
        let limits = Limits::default();
        let mut accounts = ledger.open(&ada, HOME, &limits, now).unwrap();
        assert!(accounts.permit(&limits, 2, now));
        let there = IpAddr::from([192, 0, 2, 2]);
        let tight = Quota { permissions: Some(1), ..Quota::default() };
        assert!(!accounts.change_source(&ledger, there, tight, now));
        assert!(accounts.change_source(&ledger, there, Quota::default(), now));
        let source = Arc::clone(&accounts.source);
        assert_eq!(source.permissions.load(Ordering::Relaxed), 2);
        drop(accounts);
        let left = [&source.permissions, &source.allocations].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(left, [0, 0]);
    }

    #[test]
    fn threads_together_stay_within_a_quota() {
        let now = Instant::now();
        let (ledger, ada): (_, Arc<str>) = (Ledger::new(7, now), "ada".into());
        let quota = Quota { allocations: Some(100), packets: Some(1000), ..Quota::default() };
        let limits = of_user(quota);
        let work = || {
            let opened: Vec<_> = (0..100).filter_map(|_| ledger.open(&ada, HOME, &limits, now)).collect();
            let paid = opened.iter().cycle().take(2000).filter(|accounts| accounts.charge(&limits, 0, now)).count();
            // Both hold what they have until both have tried.
            (opened, paid)
        };
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(work);
            (work(), other.join().unwrap())
        });
        assert_eq!(one.0.len() + two.0.len(), 100);
        assert_eq!(one.1 + two.1, 1000);
    }
}
