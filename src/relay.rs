//! Starts the relay and lends it to the other parts.
#![expect(clippy::disallowed_methods, reason = "driver: credentials end by the system's clock")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use rustix::rand::{GetRandomFlags, getrandom};
use stoa_base_net::Group;
use stoa_base_types::SessionId;
use stoa_signaling_core::TurnSigner;
use stoa_signaling_server::{StunAddress, TlsFiles, Turn};
use stoa_turn_relay_core::{Cidr, PeerPolicy, Ports};
use stoa_turn_relay_server::rest::{IsAdmin, RestOptions};
use stoa_turn_relay_server::{
    Config as RelayConfig, Door, Relay, RelayControl, discovery, interface_addresses, own_services, relay_addresses,
};
use tracing::warn;

use crate::config::{self, Config};

/// A relay whose workers are yet to be started.
pub(crate) struct Prepared {
    pub(crate) relay: Relay,
    settings: config::Relay,
    external: Vec<IpAddr>,
    /// This host's addresses.
    pub(crate) interfaces: Vec<IpAddr>,
    http: SocketAddr,
    tls: Option<TlsFiles>,
}

/// A relay in operation, and where clients find it.
pub(crate) struct Running {
    pub(crate) control: RelayControl,
    pub(crate) stun: StunAddress,
    password: Arc<dyn Fn(&str) -> String + Send + Sync>,
    external: Vec<IpAddr>,
    interfaces: Vec<IpAddr>,
}

/// Where TCP clients come in.
struct Doors {
    doors: Vec<Door>,
    /// The port of the first without TLS.
    tcp: Option<u16>,
    /// The port of the first with TLS.
    tls: Option<u16>,
}

/// Reads the settings and asks the kernel for this host's addresses.
pub(crate) fn prepare(config: &Config, workers: usize) -> Result<Prepared, String> {
    let interfaces = interface_addresses().unwrap_or_else(|error| {
        warn!(%error, "cannot list this host's addresses; name them with --udp if the relay does not work");
        vec![IpAddr::from([127, 0, 0, 1])]
    });
    let addresses = relay_addresses(&config.udp_listen, &config.external_addresses, &interfaces);
    let settings = config.relay.clone();
    let secret = settings.secret.clone().map_or_else(random_secret, |secret| Ok(secret.into_bytes()))?;
    let ports = settings.ports.map_or(Ports::Virtual, |(low, high)| Ports::Range(low, high));
    if settings.ports.is_some_and(|(low, high)| usize::from(high - low) + 1 < 2 * workers) {
        warn!(workers, "relay.port_range has fewer than two ports for each worker; some clients will get none");
    }
    let udp_services = own_services(&config.udp_listen, &config.external_addresses, &interfaces);
    let relay = Relay::new(RelayConfig {
        workers,
        realm: settings.realm.clone(),
        users: settings.users.clone(),
        secret,
        addresses,
        ports,
        policy: PeerPolicy {
            allow: blocks(&settings.allow_peers),
            deny: blocks(&settings.deny_peers),
            media: udp_services.clone(),
            own_services: udp_services,
        },
        limits: settings.limits,
        discovery: discovery(&config.udp_listen, &config.external_addresses),
    });
    let (external, tls) = (config.external_addresses.clone(), config.tls.clone());
    Ok(Prepared { relay, settings, external, interfaces, http: config.http_listen, tls })
}

impl Prepared {
    /// Opens the doors for TCP and TLS; `handler` is the relay's place among the handlers of each worker. To be called within a runtime.
    pub(crate) fn start(self, udp: &Group, handler: usize) -> Result<Running, String> {
        let Doors { doors, tcp, tls } = self.doors(udp.addresses())?;
        let listening: Vec<_> = udp
            .addresses()
            .iter()
            .copied()
            .chain(doors.iter().filter_map(|door| door.listener.local_addr().ok()))
            .collect();
        let control = self.relay.start(udp.mailbox(handler), doors);
        let password = self.relay.password();
        let revoke = control.clone();
        let ended = move |session: SessionId| {
            let until = (time_of_day() + LIFETIME + CLOCK_LEEWAY).as_secs();
            if let Err(error) = revoke.revoke_user(&session.to_string(), until) {
                warn!(%error, %session, "credentials of an ended session stay good until they expire");
            }
        };
        let signer = TurnSigner { lifetime: LIFETIME, password: Arc::clone(&password) };
        let turn = Turn { tcp, tls, signer, ended: Arc::new(ended) };
        let port = udp.addresses().first().map(SocketAddr::port);
        let stun = StunAddress { port, external: self.external.clone(), turn: Some(turn) };
        let running = Running { control, stun, password, external: self.external, interfaces: self.interfaces };
        running.deny(&listening);
        running.open_media(udp.addresses());
        Ok(running)
    }

    fn doors(&self, udp: &[SocketAddr]) -> Result<Doors, String> {
        let port_of = |doors: &[Door]| doors.first()?.listener.local_addr().ok().map(|address| address.port());
        let named = |key: &'static str| {
            move |address: &SocketAddr, error: std::io::Error| {
                format!("cannot listen on TCP {address}: {error}; change {key}")
            }
        };
        let mut doors = Vec::new();
        match &self.settings.tcp_listen {
            Some(addresses) => {
                for address in addresses {
                    let named = named("relay.tcp_listen");
                    doors.push(Door::bind(*address, None).map_err(|error| named(address, error))?);
                }
            }
            // Nobody asked for these: what is taken is left alone.
            None => {
                for address in udp.iter().filter(|address| address.port() != self.http.port()) {
                    match Door::bind(*address, None) {
                        Ok(door) => doors.push(door),
                        Err(error) => {
                            warn!(%error, %address, "the relay is not reachable over TCP; set relay.tcp_listen")
                        }
                    }
                }
            }
        }
        let tcp = port_of(&doors);
        let mut secure = Vec::new();
        if let Some(files) = self.tls.as_ref().filter(|_| !self.settings.tls_listen.is_empty()) {
            let acceptor = stoa_signaling_server::acceptor(files.clone(), ALPN).map_err(|error| error.to_string())?;
            for address in &self.settings.tls_listen {
                let named = named("relay.tls_listen");
                secure.push(Door::bind(*address, Some(acceptor.clone())).map_err(|error| named(address, error))?);
            }
        }
        let tls = port_of(&secure);
        doors.extend(secure);
        Ok(Doors { doors, tcp, tls })
    }
}

impl Running {
    /// Adds addresses of ours that nobody may reach by way of the relay.
    pub(crate) fn deny(&self, listening: &[SocketAddr]) {
        let services = own_services(listening, &self.external, &self.interfaces);
        if let Err(error) = self.control.add_own_services(&services) {
            warn!(%error, "the relay does not know all of our own ports");
        }
    }

    /// Waits until the workers know what they were told.
    pub(crate) async fn settled(&self) {
        if let Err(error) = self.control.settled().await {
            warn!(%error, "the relay does not know all of our own ports yet");
        }
    }

    /// Adds our own UDP addresses, which clients of the relay may speak to within the process.
    fn open_media(&self, udp: &[SocketAddr]) {
        let addresses = own_services(udp, &self.external, &self.interfaces);
        if let Err(error) = self.control.add_media(&addresses) {
            warn!(%error, "clients of the relay cannot reach rooms with a media server");
        }
    }

    /// What administrators may ask over HTTP.
    pub(crate) fn rest_options(&self, is_admin: Option<IsAdmin>) -> RestOptions {
        let stun = self.stun.clone();
        RestOptions {
            control: self.control.clone(),
            is_admin,
            password: Arc::clone(&self.password),
            uris: Arc::new(move |host| stun.turn_urls(host)),
            lifetime: LIFETIME,
        }
    }
}

fn blocks(networks: &[IpNet]) -> Vec<Cidr> {
    networks.iter().filter_map(|network| Cidr::new(network.addr(), network.prefix_len()).ok()).collect()
}

fn random_secret() -> Result<Vec<u8>, String> {
    let mut secret = vec![0; 32];
    match getrandom(&mut secret, GetRandomFlags::empty()) {
        Ok(32) => Ok(secret),
        Ok(_) | Err(_) => Err("the system gives no random bytes".to_owned()),
    }
}

fn time_of_day() -> Duration {
    // A clock before 1970 is no clock; credentials then count as not yet expired.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Longer than nearly every call; each `welcome` brings new credentials.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Credentials may have been made a moment after the session's end was noticed.
const CLOCK_LEEWAY: Duration = Duration::from_secs(60);
/// [RFC 7443 § 3](https://www.rfc-editor.org/rfc/rfc7443#section-3).
const ALPN: &[u8] = b"stun.turn";
