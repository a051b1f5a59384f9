use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stoa_base_types::SessionId;

use crate::message::IceServer;

/// Makes the relay's credentials for sessions: usernames that say when they end, and the passwords that belong to them.
#[derive(Clone)]
pub struct TurnSigner {
    /// How long credentials are good. Each `welcome` brings new ones.
    pub lifetime: Duration,
    /// Tells the password of a username `expiry:session`, where `expiry` is in seconds since 1970.
    pub password: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl TurnSigner {
    /// Writes credentials into the entries that name a relay. All credentials of a session are of one user, the session's id.
    pub(crate) fn sign(&self, ice_servers: &mut [IceServer], session: SessionId, time_of_day: Duration) {
        for server in ice_servers.iter_mut().filter(|server| is_relay(server)) {
            let username = format!("{}:{session}", time_of_day.saturating_add(self.lifetime).as_secs());
            server.credential = Some((self.password)(&username));
            server.username = Some(username);
        }
    }
}

/// Whether an entry names a relay.
pub(crate) fn is_relay(server: &IceServer) -> bool {
    server.urls.iter().any(|url| url.starts_with("turn"))
}

impl fmt::Debug for TurnSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnSigner").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
