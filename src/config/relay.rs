//! The table `[relay]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::IpNet;
use stoa_turn_relay_core::{Limits, Quota};

use super::{ConfigError, addresses, bad, networks};
use crate::settings::{self, List, PortRange, Settings, Word};

/// Who may relay what, and by which doors.
#[derive(Clone, PartialEq)]
pub(crate) struct Relay {
    pub(crate) realm: String,
    pub(crate) users: BTreeMap<String, String>,
    /// Without one, the secret of time-limited credentials is a random one.
    pub(crate) secret: Option<String>,
    pub(crate) allow_peers: Vec<IpNet>,
    pub(crate) deny_peers: Vec<IpNet>,
    /// Without one, relayed addresses exist within this process only.
    pub(crate) ports: Option<(u16, u16)>,
    /// Without it, the UDP addresses, where they are free.
    pub(crate) tcp_listen: Option<Vec<SocketAddr>>,
    pub(crate) tls_listen: Vec<SocketAddr>,
    /// What clients may use.
    pub(crate) limits: Limits,
}

/// Passwords are never shown.
impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("realm", &self.realm).field("ports", &self.ports).finish_non_exhaustive()
    }
}

pub(super) fn check(settings: &Settings) -> Result<Relay, ConfigError> {
    let relay = &settings.relay;
    let tls_listen = listen("relay.tls_listen", &relay.tls_listen)?;
    if let (Some(address), None) = (tls_listen.first(), &settings.tls.cert) {
        return Err(bad("relay.tls_listen", &address.to_string(), "set tls.cert and tls.key too: TLS needs both"));
    }
    Ok(Relay {
        realm: realm(relay.realm.as_ref())?,
        users: relay.users.iter().map(user).collect::<Result<_, _>>()?,
        secret: secret(relay.secret.as_ref())?,
        allow_peers: networks("relay.allow_peers", &relay.allow_peers)?,
        deny_peers: networks("relay.deny_peers", &relay.deny_peers)?,
        ports: ports(relay.port_range.as_ref())?,
        tcp_listen: relay.tcp_listen.as_ref().map(|list| listen("relay.tcp_listen", list)).transpose()?,
        tls_listen,
        limits: Limits { allocation: allocation(relay), ..Limits::default() },
    })
}

/// What one allocation may use; 0 is no limit.
fn allocation(relay: &settings::Relay) -> Quota {
    let default = Limits::default().allocation;
    let or_default = |key: Option<u64>, default| key.map_or(default, |most| Some(most).filter(|most| *most > 0));
    Quota {
        bytes: or_default(relay.allocation_kbits.map(|kbits| kbits.saturating_mul(1000 / 8)), default.bytes),
        packets: or_default(relay.allocation_packets, default.packets),
        new_peers: or_default(relay.allocation_new_peers, default.new_peers),
        ..default
    }
}

/// It stands between quotes in challenges, RFC 8489 § 14.9.
fn realm(realm: Option<&Word>) -> Result<String, ConfigError> {
    let realm = realm.map_or_else(|| "stoa".to_owned(), Word::to_text);
    let is_good = (1..=127).contains(&realm.len()) && !realm.contains(['"', '\\']) && !realm.contains(char::is_control);
    if is_good {
        Ok(realm)
    } else {
        Err(bad("relay.realm", &realm, "write 1 to 127 bytes without quotes, such as \"stoa\""))
    }
}

fn user((name, password): (&String, &Word)) -> Result<(String, String), ConfigError> {
    if name.is_empty() || name.len() > 508 || name.contains(char::is_control) {
        return Err(bad("relay.users", name, "write a name of 1 to 508 bytes"));
    }
    let password = password.to_text();
    if password.is_empty() {
        return Err(bad(&format!("relay.users.{name}"), "", "write a password, or leave the user out"));
    }
    Ok((name.clone(), password))
}

fn secret(secret: Option<&Word>) -> Result<Option<String>, ConfigError> {
    let secret = secret.map(Word::to_text);
    if secret.as_ref().is_some_and(String::is_empty) {
        return Err(bad("relay.secret", "", "write a long random text, or leave it out for a new one at each start"));
    }
    Ok(secret)
}

fn ports(range: Option<&PortRange>) -> Result<Option<(u16, u16)>, ConfigError> {
    match range {
        None => Ok(None),
        Some(PortRange::Ports([lo, hi])) if *lo == 0 || lo > hi => {
            let value = format!("[{lo}, {hi}]");
            Err(bad("relay.port_range", &value, "write [lo, hi] with 1 <= lo <= hi, or \"none\""))
        }
        Some(PortRange::Ports([lo, hi])) => Ok(Some((*lo, *hi))),
        Some(PortRange::Word(word)) if word == "none" => Ok(None),
        Some(PortRange::Word(word)) => Err(bad("relay.port_range", word, "write [lo, hi] or \"none\"")),
    }
}

/// Addresses, or "none".
fn listen(key: &str, list: &List) -> Result<Vec<SocketAddr>, ConfigError> {
    if list.items() == ["none"] { Ok(Vec::new()) } else { addresses(key, list) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Relay, String> {
        use figment::Figment;
        use figment::providers::{Format, Toml};
        let settings: Settings =
            Figment::new().merge(Toml::string(toml)).extract().map_err(|error| error.to_string())?;
        check(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_taken() {
        let relay = read(
            "[tls]\ncert = \"c\"\nkey = \"k\"\n[relay]\nrealm = \"example.org\"\nsecret = 12345\nusers = { ada = \"x\", bob = 7 }\n\
             allow_peers = \"10.0.0.0/8\"\ndeny_peers = [\"192.0.2.1\", \"2001:db8::/32\"]\nport_range = [50000, 50009]\n\
             tcp_listen = \"none\"\ntls_listen = \"0.0.0.0:5349\"",
        );
        let relay = relay.unwrap();
        assert_eq!((relay.realm.as_str(), relay.secret.as_deref()), ("example.org", Some("12345")));
        assert_eq!(relay.users.get("bob").map(String::as_str), Some("7"));
        assert_eq!((relay.allow_peers.len(), relay.deny_peers.len()), (1, 2));
        assert_eq!((relay.ports, relay.tcp_listen), (Some((50_000, 50_009)), Some(vec![])));
        assert_eq!(relay.tls_listen, ["0.0.0.0:5349".parse().unwrap()]);
    }

    #[test]
    fn the_default_opens_no_port_but_the_one() {
        let relay = read("").unwrap();
        assert_eq!((relay.ports, relay.tcp_listen, relay.tls_listen), (None, None, vec![]));
        assert_eq!(relay.realm, "stoa");
        assert_eq!(read("[relay]\nport_range = \"none\"").unwrap().ports, None);
    }

    #[test]
    fn limits_of_an_allocation_have_defaults_and_0_is_none() {
        let limits = |toml: &str| read(toml).unwrap().limits.allocation;
        let default = limits("");
        assert_eq!((default.bytes, default.packets, default.new_peers), (Some(12_500_000), Some(20_000), Some(100)));
        let set = limits("[relay]\nallocation_kbits = 8\nallocation_packets = 0\nallocation_new_peers = 7");
        assert_eq!((set.bytes, set.packets, set.new_peers), (Some(1000), None, Some(7)));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (toml, parts) in [
            ("realm = \"\"", ["relay.realm", "127"]),
            ("realm = 'a\"b'", ["relay.realm", "quotes"]),
            ("users = { ada = \"\" }", ["relay.users.ada", "password"]),
            ("users = { \"\" = \"x\" }", ["relay.users", "508"]),
            ("secret = \"\"", ["relay.secret", "random"]),
            ("port_range = [0, 9]", ["relay.port_range", "[0, 9]"]),
            ("port_range = \"all\"", ["relay.port_range", "\"all\""]),
            ("tcp_listen = \"3478\"", ["relay.tcp_listen", "\"3478\""]),
            ("tls_listen = \"0.0.0.0:5349\"", ["relay.tls_listen", "tls.cert"]),
            ("deny_peers = \"x\"", ["relay.deny_peers", "\"x\""]),
        ] {
            let line = read(&format!("[relay]\n{toml}")).expect_err(toml);
            assert!(parts.iter().all(|part| line.contains(part)) && !line.contains('\n'), "{line}");
        }
    }
}
