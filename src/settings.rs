//! The settings as they are written: one struct per table of the file. Values are checked in `config`.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) http: Http,
    pub(crate) udp: Udp,
    pub(crate) data: Data,
    pub(crate) tls: Tls,
    pub(crate) auth: Auth,
    pub(crate) relay: Relay,
    pub(crate) rooms: Rooms,
    pub(crate) limits: RateLimits,
    pub(crate) docs: Docs,
    pub(crate) admin: Admin,
    pub(crate) log: Log,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: String,
    pub(crate) trusted_proxies: List,
    pub(crate) allowed_origins: List,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".into(), trusted_proxies: List::default(), allowed_origins: List::default() }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Udp {
    pub(crate) listen: List,
    pub(crate) external_addresses: List,
    pub(crate) workers: u64,
}

impl Default for Udp {
    fn default() -> Self {
        Self { listen: List::Text("0.0.0.0:3478".into()), external_addresses: List::default(), workers: 0 }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Data {
    pub(crate) dir: String,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "./stoa-data".into() }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    pub(crate) key: Option<Word>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Relay {
    pub(crate) realm: Option<Word>,
    pub(crate) users: BTreeMap<String, Word>,
    pub(crate) secret: Option<Word>,
    pub(crate) allow_peers: List,
    pub(crate) deny_peers: List,
    pub(crate) port_range: Option<PortRange>,
    pub(crate) tcp_listen: Option<List>,
    pub(crate) tls_listen: List,
    pub(crate) allocation_kbits: Option<u64>,
    pub(crate) allocation_packets: Option<u64>,
    pub(crate) allocation_new_peers: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rooms {
    pub(crate) mesh_max: u64,
    pub(crate) max_participants: u64,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { mesh_max: 3, max_participants: 100 }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RateLimits {
    pub(crate) address_rate: u32,
    pub(crate) address_burst: u32,
    pub(crate) credentials_rate: u32,
    pub(crate) credentials_burst: u32,
    pub(crate) identity_rate: u32,
    pub(crate) identity_burst: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            address_rate: 20,
            address_burst: 200,
            credentials_rate: 5,
            credentials_burst: 200,
            identity_rate: 1,
            identity_burst: 20,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Docs {
    pub(crate) commit_interval_ms: u64,
    pub(crate) quota_mb: u64,
    pub(crate) document_mb: u64,
}

impl Default for Docs {
    fn default() -> Self {
        Self { commit_interval_ms: 12, quota_mb: 0, document_mb: 64 }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    pub(crate) token: Option<Word>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: "text".into() }
    }
}

/// A list, or a text with commas: the environment knows only texts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a list of texts, or one text with commas")]
pub(crate) enum List {
    Text(String),
    Items(Vec<String>),
}

impl Default for List {
    fn default() -> Self {
        Self::Items(Vec::new())
    }
}

impl List {
    pub(crate) fn items(&self) -> Vec<&str> {
        let items: Vec<&str> = match self {
            Self::Text(text) => text.split(',').collect(),
            Self::Items(items) => items.iter().map(String::as_str).collect(),
        };
        items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
    }
}

/// A text that may look like a number: a secret of digits is still a secret.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a text")]
pub(crate) enum Word {
    Text(String),
    Integer(i64),
}

impl Word {
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
        }
    }
}

/// `[lo, hi]`, or `"none"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "[lo, hi] or \"none\"")]
pub(crate) enum PortRange {
    Ports([u16; 2]),
    Word(String),
}
