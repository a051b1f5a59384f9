//! Documents without sockets: who follows which, what is known of each, what is handed to whom and when it is saved.
//!
//! ```text
//!  sockets ── wire ──► Input ──► Hub ── Transmit ──► wire ──► sockets
//!                       ▲         │
//!        store, workers └─────────┴─ Event ──► store, workers
//! ```
//!
//! The [`Hub`] holds all documents of one worker. It keeps none of them decoded: a document is the bytes of a snapshot, the
//! bytes that came since, and what [`update`] read of them. [`wire`] is the three dialects of `PROTOCOL.md`.
//!
//! A turn of the driver: hand in what arrived ([`Hub::handle_input`]), then take everything out ([`Hub::poll_transmit`] and
//! [`Hub::poll_event`] until both are `None`), then sleep until [`Hub::poll_timeout`] or the next input.
//!
//! ```
//! use std::time::Instant;
//! use bytes::Bytes;
//! use stoa_base_types::{Access, ConnectionId, DocName, Epoch, FollowerId};
//! use stoa_crdt_sync_core::wire::{ClientMessage, ServerMessage};
//! use stoa_crdt_sync_core::{Attach, Dialect, Event, Hub, Input, Limits};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
//! let now = Instant::now();
//! let mut hub = Hub::new(Limits::default());
//! let (follower, doc) = (FollowerId(1), DocName::new("agora").unwrap());
//! hub.handle_input(
//!     Input::Attach(Attach {
//!         follower,
//!         doc: doc.clone(),
//!         dialect: Dialect::Native,
//!         access: Access::Write,
//!         connection: ConnectionId(1),
//!         identity: None,
//!     }),
//!     now,
//! );
//! assert!(matches!(hub.poll_event(), Some(Event::Load { .. })));
//! hub.handle_input(Input::Loaded { doc: doc.clone(), result: Ok(None) }, now);
//! let opened = hub.poll_transmit().unwrap();
//! assert!(matches!(opened.message, ServerMessage::Opened { epoch: Epoch(1), .. }));
//!
//! // One author's first character. It is appended at once, and acknowledged when the store has committed it.
//! let update = Bytes::from_static(&[1, 1, 5, 0, 4, 1, 1, 116, 1, 97, 0]);
//! hub.handle_input(Input::Message { follower, message: ClientMessage::Update(update) }, now);
//! assert!(matches!(hub.poll_event(), Some(Event::Append { seq: 1, .. })));
//! hub.handle_input(Input::Committed { doc, epoch: Epoch(1), through: 1 }, now);
//! let sent: Vec<_> = std::iter::from_fn(|| hub.poll_transmit()).map(|transmit| transmit.message).collect();
//! assert!(sent.contains(&ServerMessage::Ack { count: 1 }));
//! ```
#![forbid(unsafe_code)]

mod awareness;
mod compaction;
mod document;
mod follower;
mod hub;
mod json;
mod limits;
mod seed;
pub mod update;
pub mod wire;

pub use compaction::{CompactJob, Compacted, Unproven};
pub use hub::{Attach, Dialect, Event, Hub, Input, Recipients, RequestError, Stats, Stored, StoredSnapshot, Transmit};
pub use limits::Limits;
pub use seed::seed_client_id;
