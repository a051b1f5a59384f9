//! STUN without sockets: the message codec of RFC 8489 and the answer to a plain Binding request.
//!
//! Whoever owns a socket calls [`answer_binding`] with each datagram that looks like STUN and sends what comes back.
#![forbid(unsafe_code)]

mod binding;
pub mod stun;

pub use binding::{Dropped, answer_binding};
