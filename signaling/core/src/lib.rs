//! The control plane without sockets: who is in which room, who may say what to whom, and in which order it arrives.
//!
//! ```text
//!  sockets ── Command ──► edge ── ToOwner ──► owner (rooms, sessions)
//!         ◄── Outgoing ──      ◄── ToEdge ──
//! ```
//!
//! The edge knows sockets, the owner knows rooms. They talk by messages alone, so that they may live on different nodes.
//! [`Control`] joins the two for a single process:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use stoa_base_types::ConnectionId;
//! use stoa_signaling_core::token::Keys;
//! use stoa_signaling_core::{Action, Command, Control, Limits, WallClock};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
//! let now = Instant::now();
//! let (keys, wall_clock) = (Keys::new(None, [0; 32]), WallClock::new(now, Duration::from_secs(1_800_000_000)));
//! let mut control = Control::new(Limits::default(), keys, [0; 32], wall_clock);
//! let connection = ConnectionId(1);
//! control.handle_command(Command::Opened { connection, address: None, ice_servers: vec![] }, now);
//! let hello = r#"{"type":"hello","room":"agora","name":"Ada"}"#;
//! control.handle_command(Command::Text { connection, text: hello.into() }, now);
//! let outgoing = std::iter::from_fn(|| control.poll_transmit()).last().unwrap();
//! let Action::Send(welcome) = outgoing.action else { panic!("expected a frame") };
//! assert!(welcome.to_text().starts_with(br#"{"seq":0,"type":"welcome""#));
//! ```
#![forbid(unsafe_code)]

mod clock;
mod close;
mod control;
mod edge;
mod frame;
mod leg;
mod limits;
mod media;
pub mod message;
mod name;
mod outbox;
mod owner;
mod rate;
mod room;
mod seam;
mod session;
pub mod token;
mod turn;
#[cfg(test)]
mod typescript;

pub use clock::WallClock;
pub use close::CloseCode;
pub use control::{Action, Bound, ChatRequest, Command, Control, Event, Outgoing, Stats};
pub use frame::Frame;
pub use limits::Limits;
pub use media::{MediaReport, MediaRequest, MediaSection};
pub use turn::TurnSigner;
