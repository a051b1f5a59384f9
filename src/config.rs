mod relay;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use stoa_signaling_core::token;
use stoa_signaling_server::TlsFiles;

use crate::cli::{LogFormat, ServeArguments};
pub(crate) use crate::config::relay::Relay;
use crate::settings::{List, RateLimits, Rooms, Settings, Word};

/// A settings file that holds every key with its default.
pub(crate) const DEFAULT_FILE: &str = include_str!("default.toml");

/// Settings whose values are known to be good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) http_listen: SocketAddr,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) auth_key: Option<String>,
    pub(crate) rates: RateLimits,
    pub(crate) udp_listen: Vec<SocketAddr>,
    pub(crate) external_addresses: Vec<IpAddr>,
    /// Threads for datagrams; 0 for one per core.
    pub(crate) udp_workers: usize,
    pub(crate) relay: Relay,
    pub(crate) data_dir: PathBuf,
    pub(crate) tls: Option<TlsFiles>,
    /// Most people whose media goes directly between them; below 2, it never does.
    pub(crate) mesh_max: usize,
    pub(crate) max_participants: usize,
    pub(crate) documents: Documents,
    pub(crate) admin_token: Option<String>,
    pub(crate) log_format: LogFormat,
}

/// How documents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Documents {
    pub(crate) commit_interval: Duration,
    /// On disk, of all documents together, in bytes.
    pub(crate) quota: Option<u64>,
    /// Of one document, in bytes.
    pub(crate) document_bytes: usize,
}

/// A setting that cannot be used: one line that names key, value and mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads file, environment and flags, in rising order of precedence.
pub(crate) fn load(arguments: &ServeArguments) -> Result<Config, ConfigError> {
    let file = arguments.config.clone().or_else(|| std::env::var_os("STOA_CONFIG").map(PathBuf::from));
    let mut figment = Figment::new();
    if let Some(file) = &file {
        if !file.is_file() {
            return Err(ConfigError(format!(
                "config: there is no file {}; name one with --config or STOA_CONFIG",
                file.display()
            )));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(Env::prefixed("STOA_").filter_map(|name| key_of(name.as_str()).map(Into::into)));
    for (key, value) in flags(arguments) {
        figment = figment.merge(Serialized::default(key, value));
    }
    let settings: Settings = figment.extract().map_err(|error| explain(error, file.as_deref()))?;
    check(&settings)
}

/// The key that an environment variable sets; its name comes without the prefix.
fn key_of(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "listen" => return Some("http.listen".into()),
        "udp" => return Some("udp.listen".into()),
        "data" => return Some("data.dir".into()),
        _ => {}
    }
    let (table, key) = name.split_once('_')?;
    TABLES.contains(&table).then(|| format!("{table}.{key}"))
}

fn flags(arguments: &ServeArguments) -> Vec<(&'static str, String)> {
    let format = arguments.log_format.map(|format| match format {
        LogFormat::Text => "text".to_owned(),
        LogFormat::Json => "json".to_owned(),
    });
    let flags = [
        ("http.listen", arguments.listen.clone()),
        ("udp.listen", arguments.udp.clone()),
        ("data.dir", arguments.data.clone()),
        ("log.format", format),
    ];
    flags.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect()
}

/// Turns the library's error into one line.
fn explain(error: figment::Error, file: Option<&Path>) -> ConfigError {
    let Some(error) = error.into_iter().next() else { return ConfigError("the settings cannot be read".into()) };
    let key = error.path.join(".");
    let origin = match &error.metadata {
        Some(metadata) if metadata.name.contains("environment") => "the environment".to_owned(),
        _ => file.map_or_else(|| "the settings".to_owned(), |file| file.display().to_string()),
    };
    let line = if let Kind::UnknownField(name, expected) = &error.kind {
        // The library puts the unknown key at the end of the path in some tables only.
        let full = if key.ends_with(name.as_str()) { key } else { format!("{key}.{name}") };
        format!("unknown key {} in {origin}; expected one of {}", full.trim_start_matches('.'), expected.join(", "))
    } else if let Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) = &error.kind {
        format!("{key}: found {actual} in {origin}; expected {expected}")
    } else {
        let place = if key.is_empty() { origin } else { format!("{key} in {origin}") };
        format!("{place}: {}", error.kind)
    };
    ConfigError(line.replace('\n', " "))
}

fn check(settings: &Settings) -> Result<Config, ConfigError> {
    let log_format = match settings.log.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(bad("log.format", other, "write \"text\" or \"json\"")),
    };
    let (mesh_max, max_participants) = rooms(&settings.rooms)?;
    if settings.data.dir.trim().is_empty() {
        return Err(bad("data.dir", "", "write the path of a folder, such as \"./stoa-data\""));
    }
    let udp_listen = addresses("udp.listen", &settings.udp.listen)?;
    if udp_listen.is_empty() {
        return Err(bad("udp.listen", "", "write at least one address with a port, such as \"0.0.0.0:3478\""));
    }
    Ok(Config {
        http_listen: address("http.listen", &settings.http.listen)?,
        allowed_origins: origins(&settings.http.allowed_origins)?,
        trusted_proxies: networks("http.trusted_proxies", &settings.http.trusted_proxies)?,
        auth_key: auth_key(settings)?,
        rates: rates(&settings.limits)?,
        udp_listen,
        external_addresses: ips("udp.external_addresses", &settings.udp.external_addresses)?,
        udp_workers: udp_workers(settings.udp.workers)?,
        relay: relay::check(settings)?,
        data_dir: PathBuf::from(&settings.data.dir),
        tls: tls(settings)?,
        mesh_max,
        max_participants,
        documents: documents(settings)?,
        admin_token: admin_token(settings)?,
        log_format,
    })
}

fn rooms(rooms: &Rooms) -> Result<(usize, usize), ConfigError> {
    let within = |key: &str, value: u64, least: usize, most: usize, mend: &str| {
        let number = usize::try_from(value).ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| bad(key, &value.to_string(), mend))
    };
    let mend = "write a number from 0 to 4; 0 if media shall always go by way of the server";
    let mesh_max = within("rooms.mesh_max", rooms.mesh_max, 0, 4, mend)?;
    let mend = "write a number from 1 to 1000";
    Ok((mesh_max, within("rooms.max_participants", rooms.max_participants, 1, 1_000, mend)?))
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    match (&settings.tls.cert, &settings.tls.key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.into(), key: key.into() })),
        (None, None) => Ok(None),
        (Some(cert), None) => Err(bad("tls.cert", cert, "set tls.key too: HTTPS needs both")),
        (None, Some(key)) => Err(bad("tls.key", key, "set tls.cert too: HTTPS needs both")),
    }
}

fn udp_workers(workers: u64) -> Result<usize, ConfigError> {
    let number = usize::try_from(workers).ok().filter(|number| *number <= 256);
    number.ok_or_else(|| bad("udp.workers", &workers.to_string(), "write a number from 0 to 256; 0 for one per core"))
}

fn address(key: &str, value: &str) -> Result<SocketAddr, ConfigError> {
    value
        .trim()
        .parse()
        .map_err(|_| bad(key, value, "write an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\""))
}

fn addresses(key: &str, list: &List) -> Result<Vec<SocketAddr>, ConfigError> {
    list.items().into_iter().map(|item| address(key, item)).collect()
}

fn ips(key: &str, list: &List) -> Result<Vec<IpAddr>, ConfigError> {
    let parse = |item: &str| {
        item.parse().map_err(|_| bad(key, item, "write an IP address without a port, such as \"198.51.100.1\""))
    };
    list.items().into_iter().map(parse).collect()
}

/// Networks; an address alone is a network of one.
fn networks(key: &str, list: &List) -> Result<Vec<IpNet>, ConfigError> {
    let parse = |item: &str| {
        let network = item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| bad(key, item, "write a network, such as \"192.0.2.0/24\" or \"2001:db8::/32\""))
    };
    list.items().into_iter().map(parse).collect()
}

/// The key itself is never shown.
fn auth_key(settings: &Settings) -> Result<Option<String>, ConfigError> {
    let Some(key) = settings.auth.key.as_ref().map(Word::to_text) else { return Ok(None) };
    token::check_key(&key).map_err(|why| ConfigError(format!("auth.key: (hidden) cannot be used; {why}")))?;
    Ok(Some(key))
}

fn documents(settings: &Settings) -> Result<Documents, ConfigError> {
    let docs = &settings.docs;
    if docs.commit_interval_ms > 1_000 {
        return Err(bad(
            "docs.commit_interval_ms",
            &docs.commit_interval_ms.to_string(),
            "write a number from 0 to 1000",
        ));
    }
    let document_bytes = usize::try_from(docs.document_mb).ok().filter(|size| (1..=1_024).contains(size));
    let document_bytes = document_bytes
        .ok_or_else(|| bad("docs.document_mb", &docs.document_mb.to_string(), "write a number from 1 to 1024"))?
        << 20;
    let quota = docs.quota_mb.checked_mul(1 << 20);
    let quota = quota
        .ok_or_else(|| bad("docs.quota_mb", &docs.quota_mb.to_string(), "write a number of MiB, or 0 for no limit"))?;
    let commit_interval = Duration::from_millis(docs.commit_interval_ms);
    Ok(Documents { commit_interval, quota: Some(quota).filter(|quota| *quota > 0), document_bytes })
}

/// The token itself is never shown.
fn admin_token(settings: &Settings) -> Result<Option<String>, ConfigError> {
    let token = settings.admin.token.as_ref().map(Word::to_text);
    if token.as_ref().is_some_and(|token| token.len() < 16) {
        return Err(ConfigError(
            "admin.token: (hidden) cannot be used; write at least 16 characters of a random text".into(),
        ));
    }
    Ok(token)
}

fn rates(limits: &RateLimits) -> Result<RateLimits, ConfigError> {
    for (key, value) in [
        ("limits.address_rate", limits.address_rate),
        ("limits.address_burst", limits.address_burst),
        ("limits.credentials_rate", limits.credentials_rate),
        ("limits.credentials_burst", limits.credentials_burst),
        ("limits.identity_rate", limits.identity_rate),
        ("limits.identity_burst", limits.identity_burst),
    ] {
        if !(1..=1_000_000).contains(&value) {
            return Err(bad(key, &value.to_string(), "write a number from 1 to 1000000"));
        }
    }
    Ok(limits.clone())
}

fn origins(list: &List) -> Result<Vec<String>, ConfigError> {
    let parse = |item: &str| {
        let authority = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
        match authority {
            Some(authority) if !authority.is_empty() && !authority.contains(['/', '*', ' ']) => Ok(item.to_owned()),
            _ => Err(bad(
                "http.allowed_origins",
                item,
                "write scheme and host without a path, such as \"https://example.org\"",
            )),
        }
    };
    list.items().into_iter().map(parse).collect()
}

fn bad(key: &str, value: &str, mend: &str) -> ConfigError {
    ConfigError(format!("{key}: {value:?} cannot be used; {mend}"))
}

const TABLES: [&str; 11] = ["http", "udp", "data", "tls", "auth", "relay", "rooms", "limits", "docs", "admin", "log"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Config, ConfigError> {
        let figment = Figment::new().merge(Toml::string(toml));
        let settings: Settings = figment.extract().map_err(|error| explain(error, Some(Path::new("stoa.toml"))))?;
        check(&settings)
    }

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        assert_eq!(read(DEFAULT_FILE), read(""));
        let config = read("").unwrap();
        assert_eq!(config.http_listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(config.udp_listen, ["0.0.0.0:3478".parse().unwrap()]);
        assert_eq!((config.relay.ports, config.relay.tcp_listen, config.udp_workers), (None, None, 0));
        assert_eq!((config.mesh_max, config.max_participants), (3, 100));
    }

    #[test]
    fn every_table_is_in_the_default_file() {
        for table in TABLES {
            assert!(DEFAULT_FILE.contains(&format!("\n[{table}]\n")), "{table}");
        }
    }

    #[test]
    fn errors_name_key_value_and_mend() {
        let cases = [
            ("[http]\nlisten = \"here\"", ["http.listen", "\"here\"", "127.0.0.1:8080"]),
            ("[http]\nlisten = 8080", ["http.listen", "8080", "string"]),
            ("[http]\nlisten_on = \"x\"", ["http.listen_on", "stoa.toml", "trusted_proxies"]),
            ("[htp]\nlisten = \"x\"", ["htp", "stoa.toml", "http"]),
            ("[udp]\nlisten = [\"0.0.0.0:3478\", \"x\"]", ["udp.listen", "\"x\"", "port"]),
            ("[udp]\nlisten = []", ["udp.listen", "at least one", "0.0.0.0:3478"]),
            ("[udp]\nexternal_addresses = \"1.2.3\"", ["udp.external_addresses", "\"1.2.3\"", "IP address"]),
            ("[tls]\ncert = \"c.pem\"", ["tls.cert", "c.pem", "tls.key"]),
            ("[rooms]\nmesh_max = 9", ["rooms.mesh_max", "\"9\"", "0 to 4"]),
            ("[rooms]\nmax_participants = 0", ["rooms.max_participants", "\"0\"", "1 to 1000"]),
            ("[udp]\nworkers = 1000", ["udp.workers", "\"1000\"", "0 to 256"]),
            ("[relay]\nport_range = [9, 2]", ["relay.port_range", "[9, 2]", "lo <= hi"]),
            ("[relay]\nallow_peers = [\"10.0.0.0/33\"]", ["relay.allow_peers", "10.0.0.0/33", "192.0.2.0/24"]),
            ("[http]\nallowed_origins = [\"example.org\"]", ["http.allowed_origins", "example.org", "https://"]),
            ("[auth]\nkey = \"secret-words\"", ["auth.key", "hidden", "32 characters"]),
            ("[admin]\ntoken = \"secret-words\"", ["admin.token", "hidden", "16 characters"]),
            ("[docs]\ncommit_interval_ms = 5000", ["docs.commit_interval_ms", "\"5000\"", "0 to 1000"]),
            ("[docs]\ndocument_mb = 0", ["docs.document_mb", "\"0\"", "1 to 1024"]),
            ("[log]\nformat = \"xml\"", ["log.format", "\"xml\"", "json"]),
        ];
        for (toml, parts) in cases {
            let line = read(toml).expect_err(toml).to_string();
            assert!(!line.contains('\n') && !line.contains("secret-words"), "{line}");
            for part in parts {
                assert!(line.contains(part), "{part:?} is missing in: {line}");
            }
        }
    }

    #[test]
    fn environment_names_are_keys() {
        assert_eq!(key_of("LISTEN").as_deref(), Some("http.listen"));
        assert_eq!(key_of("UDP").as_deref(), Some("udp.listen"));
        assert_eq!(key_of("TLS_CERT").as_deref(), Some("tls.cert"));
        assert_eq!(key_of("LOG_FORMAT").as_deref(), Some("log.format"));
        assert_eq!(key_of("WEB_CLIENT"), None);
        assert_eq!(key_of("CONFIG"), None);
    }
}
