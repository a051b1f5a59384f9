use serde::Serialize;
use stoa_turn_relay_core::{Dropped, FiveTuple, Moment, Relay, Timeline, Transport};

use crate::counters::method_name;

/// What one worker tells of its allocations.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which worker.
    pub worker: usize,
    /// How many allocations it has.
    pub count: usize,
    /// Ports that it may still give out.
    pub free_ports: usize,
    /// The stories of at most 1,000 of them.
    pub allocations: Vec<Story>,
}

/// The story of one allocation.
#[derive(Debug, Serialize)]
pub struct Story {
    /// Whose it is: a configured user, or `:` and the user's part of a time-limited username.
    pub user: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// The client's address.
    pub client: String,
    /// Our address that the client talks to.
    pub server: String,
    /// The relayed addresses, as peers see them.
    pub relayed: Vec<String>,
    /// Payload bytes from the client to peers.
    pub bytes_to_peers: u64,
    /// Payload bytes from peers to the client.
    pub bytes_from_peers: u64,
    /// Datagrams from the client to peers.
    pub packets_to_peers: u64,
    /// Datagrams from peers to the client.
    pub packets_from_peers: u64,
    /// What was dropped, by cause.
    pub drops: Vec<(&'static str, u32)>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// Steps that were not kept.
    pub forgotten: u32,
}

/// One thing that happened.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Milliseconds after the first step.
    pub at_ms: u64,
    /// What.
    pub what: &'static str,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Report {
    pub(crate) fn of(relay: &Relay, worker: usize) -> Self {
        let stories = relay.timelines().take(MAX_STORIES);
        let story = |(tuple, user, timeline): (FiveTuple, &str, &Timeline)| {
            let relayed = relay.relayed_addresses(&tuple).map(|address| address.to_string()).collect();
            Story::of(&tuple, user, relayed, timeline)
        };
        Self { worker, count: relay.len(), free_ports: relay.free_ports(), allocations: stories.map(story).collect() }
    }
}

impl Story {
    fn of(tuple: &FiveTuple, user: &str, relayed: Vec<String>, timeline: &Timeline) -> Self {
        let transport = match tuple.transport {
            Transport::Udp => "udp",
            Transport::Tcp(_) => "tcp",
            Transport::Tls(_) => "tls",
        };
        let drops = Dropped::ALL.map(|cause| (cause.label(), timeline.drops(cause)));
        let steps = timeline.moments().map(|(at, moment)| {
            let (what, detail) = describe(moment);
            Step { at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX), what, detail }
        });
        Self {
            user: user.to_owned(),
            transport,
            client: tuple.client.to_string(),
            server: tuple.server.to_string(),
            relayed,
            bytes_to_peers: timeline.bytes_to_peers,
            bytes_from_peers: timeline.bytes_from_peers,
            packets_to_peers: timeline.packets_to_peers,
            packets_from_peers: timeline.packets_from_peers,
            drops: drops.into_iter().filter(|(_, count)| *count > 0).collect(),
            steps: steps.collect(),
            forgotten: timeline.forgotten,
        }
    }
}

fn describe(moment: Moment) -> (&'static str, Option<String>) {
    match moment {
        Moment::Refused { method, refusal } => {
            ("refused", Some(format!("{} {} ({refusal:?})", method_name(method), refusal.code())))
        }
        Moment::Allocated => ("allocated", None),
        Moment::Refreshed => ("refreshed", None),
        Moment::Moved => ("moved", None),
        Moment::PeerRefused(denial) => ("peer_refused", Some(format!("{denial:?}"))),
        Moment::FirstFromPeer => ("first_from_peer", None),
        Moment::FirstToPeer => ("first_to_peer", None),
        Moment::Dropped(cause) => ("dropped", Some(cause.label().to_owned())),
    }
}

/// A worker does nothing else while it tells them.
const MAX_STORIES: usize = 1000;
