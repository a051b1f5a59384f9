//! Calls without sockets: which datagram is for whom, which packet goes to whom, and how it must be changed so that nobody notices a switch.
//!
//! ```text
//!  datagrams, commands ──► Shard ──► datagrams, events
//!                            │
//!            Session ── Packet ──► Forwarder ── Outgoing ──► Session, recorder, node
//!                    ◄── Event ───    │
//!                                     └ payload, rewrite, layer, keyframe, retransmit, speaker, allocate
//! ```
//!
//! A [`Shard`] holds the sessions and rooms of one worker. Its sessions encrypt, pace and estimate; a [`Forwarder`] holds one room's media and
//! works on plain packets: header fields, decoded extensions, a shared payload.
#![forbid(unsafe_code)]

pub mod allocate;
mod forward;
mod keyframe;
mod layer;
mod packet;
pub mod payload;
mod retransmit;
mod rewrite;
mod sequence;
mod session;
mod shard;
mod speaker;

pub use forward::{Before, CommandError, Event, Forwarder, SenderReport, Stats, TrackConfig, Wish};
pub use layer::Quality;
pub use packet::{Codec, Extensions, Kind, Outgoing, Packet, Prefix, Publisher, ShortId, Sink, Stream, TrackId};
pub use rewrite::LastNumbers;
pub use session::{Certificate, OfferError, Transmit};
pub use shard::{
    Announced, Command, Event as ShardEvent, Holdings, RoomKey, SessionKey, Shard, ShardConfig, ShardError, ShardStats,
    is_media, worker_of,
};
