use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stoa_base_net::Full;
use stoa_turn_relay_core::{Credentials, Limits, PeerPolicy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::mail::{Mail, Order, Revocation, Whom};
use crate::shared::{Shared, lock};
use crate::story::Report;

/// A relay in operation, for those who administer it.
#[derive(Clone)]
pub struct RelayControl {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Wish>,
    realm: String,
}

/// The workers have too much to do to take an order, or to answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the relay has too much to do")
    }
}

impl std::error::Error for Busy {}

/// An order for all workers.
#[derive(Debug)]
pub(crate) enum Wish {
    Revoke(Revocation),
    Reconfigure,
    Drain,
    /// Answered once all workers have done what was wished for before.
    Settle(oneshot::Sender<()>),
}

impl RelayControl {
    pub(crate) fn new(shared: Arc<Shared>, orders: mpsc::Sender<Wish>, realm: String) -> Self {
        Self { shared, orders, realm }
    }

    /// Ends all allocations of a user at once: a configured name, or the user's part of a time-limited name. Credentials that
    /// expire up to `until` (seconds since 1970) are not accepted again. Never waits.
    ///
    /// # Errors
    /// [`Busy`] when too many orders wait; the allocations then go on until they expire.
    pub fn revoke_user(&self, user: &str, until: u64) -> Result<(), Busy> {
        self.revoke(Whom::User(user.into()), until)
    }

    /// Ends all allocations of one whole username, as above.
    ///
    /// # Errors
    /// [`Busy`], as above.
    pub fn revoke_username(&self, username: &str, until: u64) -> Result<(), Busy> {
        self.revoke(Whom::Username(username.into()), until)
    }

    /// Takes over other users, secrets (the newest first), rules for peers and limits. Allocations of users who are no
    /// longer known end.
    ///
    /// # Errors
    /// [`Busy`], as above.
    pub fn reconfigure(
        &self,
        users: BTreeMap<String, String>,
        secrets: Vec<Vec<u8>>,
        policy: PeerPolicy,
        limits: Limits,
    ) -> Result<(), Busy> {
        {
            let mut settings = lock(&self.shared.settings);
            settings.credentials = Credentials::new(&self.realm, users, secrets);
            (settings.policy, settings.limits) = (policy, limits);
        }
        self.wish(Wish::Reconfigure)
    }

    /// Adds addresses of our own that may not be peers.
    ///
    /// # Errors
    /// [`Busy`], as above.
    pub fn add_own_services(&self, services: &[SocketAddr]) -> Result<(), Busy> {
        lock(&self.shared.settings).policy.own_services.extend_from_slice(services);
        self.wish(Wish::Reconfigure)
    }

    /// Adds UDP addresses of our own behind which media handlers of this process are. Clients reach them in process only, and nothing
    /// else of what listens there.
    ///
    /// # Errors
    /// [`Busy`], as above.
    pub fn add_media(&self, addresses: &[SocketAddr]) -> Result<(), Busy> {
        lock(&self.shared.settings).policy.media.extend_from_slice(addresses);
        self.wish(Wish::Reconfigure)
    }

    /// Makes no new allocations from here on; those that are there go on.
    ///
    /// # Errors
    /// [`Busy`], as above.
    pub fn drain(&self) -> Result<(), Busy> {
        self.shared.is_draining.store(true, Ordering::Release);
        self.wish(Wish::Drain)
    }

    /// Waits until all workers have done what they were told before.
    ///
    /// # Errors
    /// [`Busy`], as above, or when that takes too long.
    pub async fn settled(&self) -> Result<(), Busy> {
        let (settle, settled) = oneshot::channel();
        self.wish(Wish::Settle(settle))?;
        timeout(REPORT_PATIENCE, settled).await.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    /// What each worker has to tell of its allocations.
    ///
    /// # Errors
    /// [`Busy`] when a worker takes no order or does not answer in time.
    pub async fn report(&self) -> Result<Vec<Report>, Busy> {
        let mailbox = self.shared.mailbox.get().ok_or(Busy)?;
        let mut answers = Vec::new();
        for worker in 0..mailbox.workers() {
            let (answer, answered) = oneshot::channel();
            mailbox.send(worker, Box::new(Mail::Order(Order::Report(answer)))).map_err(|_| Busy)?;
            answers.push(answered);
        }
        let mut reports = Vec::new();
        for answered in answers {
            reports.push(timeout(REPORT_PATIENCE, answered).await.map_err(|_| Busy)?.map_err(|_| Busy)?);
        }
        Ok(reports)
    }

    fn revoke(&self, whom: Whom, until: u64) -> Result<(), Busy> {
        let revocation = Revocation { whom, until };
        self.shared.remember(revocation.clone());
        self.wish(Wish::Revoke(revocation))
    }

    fn wish(&self, wish: Wish) -> Result<(), Busy> {
        self.orders.try_send(wish).map_err(|_| {
            metrics::counter!("stoa_relay_orders_lost_total").increment(1);
            Busy
        })
    }
}

impl fmt::Debug for RelayControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayControl").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// Brings orders to all workers, however busy they are.
pub(crate) async fn deliver(shared: Arc<Shared>, mut orders: mpsc::Receiver<Wish>) {
    while let Some(wish) = orders.recv().await {
        let mut answers = Vec::new();
        for worker in 0..shared.workers {
            let order = match &wish {
                Wish::Revoke(revocation) => Order::Revoke(revocation.clone()),
                Wish::Reconfigure => Order::Reconfigure,
                Wish::Drain => Order::Drain,
                Wish::Settle(_) => {
                    // Mail is read in order, so whoever answers this has read all that came before.
                    let (answer, answered) = oneshot::channel();
                    answers.push(answered);
                    Order::Report(answer)
                }
            };
            post(&shared, worker, Mail::Order(order)).await;
        }
        if let Wish::Settle(settle) = wish {
            drop(tokio::spawn(tell_when_answered(answers, settle)));
        }
    }
}

/// A worker that is gone gives no answer, and then nobody is told that it did what it should.
async fn tell_when_answered(answers: Vec<oneshot::Receiver<Report>>, settle: oneshot::Sender<()>) {
    for answered in answers {
        if answered.await.is_err() {
            return;
        }
    }
    // Nobody waits any more: then there is nobody to tell.
    let _ = settle.send(());
}

/// Leaves mail with a worker, and tries again while that takes none.
pub(crate) async fn post(shared: &Shared, worker: usize, mail: Mail) {
    let Some(mailbox) = shared.mailbox.get() else { return };
    let mut mail: Box<dyn std::any::Any + Send> = Box::new(mail);
    for _ in 0..MAX_TRIES {
        match mailbox.send(worker, mail) {
            Ok(()) => return,
            Err(Full(back)) => mail = back,
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Orders that wait to be brought to the workers.
pub(crate) const MAX_ORDERS: usize = 4096;
/// A turn of a worker takes far less.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// A worker that takes no mail for a minute has ended.
const MAX_TRIES: usize = 12_000;
const REPORT_PATIENCE: Duration = Duration::from_secs(5);
