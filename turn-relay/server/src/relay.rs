use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use stoa_base_net::{Handler, Mailbox};
use stoa_turn_relay_core::{Credentials, Discovery, Limits, PeerPolicy, Ports, RelayAddress, rest_password};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::control::{MAX_ORDERS, RelayControl, deliver};
use crate::door::{Door, Doorkeeper};
use crate::handler::RelayHandler;
use crate::shared::{Settings, Shared};

/// What the relay is told at the start.
#[derive(Clone)]
pub struct Config {
    /// Workers of the group that it will be on.
    pub workers: usize,
    /// The realm of all credentials.
    pub realm: String,
    /// Users with their passwords.
    pub users: BTreeMap<String, String>,
    /// Signs time-limited credentials.
    pub secret: Vec<u8>,
    /// Where relayed transport addresses come from.
    pub addresses: Vec<RelayAddress>,
    /// The ports of relayed transport addresses.
    pub ports: Ports,
    /// Who may be a peer.
    pub policy: PeerPolicy,
    /// What clients may use, over all workers.
    pub limits: Limits,
    /// The addresses of RFC 5780, if there are such.
    pub discovery: Option<Discovery>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("realm", &self.realm).field("ports", &self.ports).finish_non_exhaustive()
    }
}

/// The relay of a process: a handler for each media worker, and doors for TCP and TLS.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    realm: String,
    secret: Arc<[u8]>,
}

impl Relay {
    /// A relay without clients.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let Config { workers, realm, users, secret, addresses, ports, policy, limits, discovery } = config;
        let credentials = Credentials::new(&realm, users, vec![secret.clone()]);
        let workers = workers.max(1);
        let settings = Settings { credentials, policy, limits };
        let shared = Arc::new(Shared::new(workers, addresses, ports, discovery, settings));
        Self { shared, realm, secret: secret.into() }
    }

    /// Makes the handler of each worker.
    pub fn handlers(&self) -> impl Fn(usize) -> Box<dyn Handler> + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |worker| Box::new(RelayHandler::new(Arc::clone(&shared), worker))
    }

    /// Begins to serve at the doors, once the workers run; `mailbox` leads to its handlers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(&self, mailbox: Mailbox, doors: Vec<Door>) -> RelayControl {
        // Started twice, the first mailbox is as good.
        let _ = self.shared.mailbox.set(mailbox);
        let _ = self.shared.runtime.set(Handle::current());
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        tokio::spawn(deliver(Arc::clone(&self.shared), inbox));
        let doorkeeper = Doorkeeper::new(Arc::clone(&self.shared));
        for door in doors {
            tokio::spawn(doorkeeper.clone().keep(door));
        }
        RelayControl::new(Arc::clone(&self.shared), orders, self.realm.clone())
    }

    /// The password of a time-limited username `expiry:user`; `expiry` is in seconds since 1970.
    #[must_use]
    pub fn password(&self) -> Arc<dyn Fn(&str) -> String + Send + Sync> {
        let secret = Arc::clone(&self.secret);
        Arc::new(move |username| rest_password(&secret, username.as_bytes()))
    }
}
