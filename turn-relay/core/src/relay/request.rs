//! The way of every STUN message: form, credentials, unknown attributes, and then its method.

use std::time::Instant;

use super::{Answer, FromClient, Relay};
use crate::address::{FiveTuple, source_of};
use crate::allocation::{Allocation, AllocationId};
use crate::auth::Authenticated;
use crate::refusal::{Dropped, Refusal};
use crate::stun::attribute::{self, Family};
use crate::stun::{self, Builder, Class, Message};
use crate::timeline::Moment;

/// A request whose sender has proved who it is.
pub(super) struct Request<'a> {
    pub(super) message: Message<'a>,
    pub(super) tuple: FiveTuple,
    pub(super) who: Authenticated,
}

/// What a method's handler makes of a request.
pub(super) enum Reply {
    /// A success response, still without integrity.
    Success(Builder),
    /// A response that is complete.
    Finished(Box<[u8]>),
    /// The response follows.
    Later,
    /// Another worker has to handle the request.
    Elsewhere(usize),
}

impl Request<'_> {
    /// Begins the success response.
    pub(super) fn success(&self) -> Builder {
        Builder::new(Class::Success, self.message.method, self.message.transaction)
    }

    /// A value that has to have `N` bytes. `None` when the attribute is absent.
    pub(super) fn exact<const N: usize>(&self, kind: u16) -> Result<Option<[u8; N]>, Refusal> {
        self.message.first(kind).map(|value| value.try_into().map_err(|_| Refusal::BadRequest)).transpose()
    }

    /// The family in REQUESTED- or ADDITIONAL-ADDRESS-FAMILY.
    pub(super) fn family(&self, kind: u16) -> Result<Option<Family>, Refusal> {
        let Some([code, ..]) = self.exact::<4>(kind)? else { return Ok(None) };
        Family::from_code(code).map(Some).ok_or(Refusal::AddressFamilyNotSupported)
    }
}

impl Relay {
    pub(super) fn handle_stun(&mut self, tuple: FiveTuple, bytes: &[u8], now: Instant) -> FromClient<'_> {
        let Ok(message) = Message::parse(bytes) else {
            return self.drop_from_client(&tuple, Dropped::Malformed, now);
        };
        if message.class == Class::Request && self.is_nobody(&tuple) {
            return self.drop_from_client(&tuple, Dropped::Unexpected, now);
        }
        match (message.class, message.method) {
            (Class::Request, stun::BINDING) => self.handle_binding(&message, &tuple, now),
            (Class::Request, _) if is_known(message.method) => self.handle_request(message, tuple, now),
            (Class::Indication, stun::SEND) => match self.handle_send(&message, &tuple, now) {
                Ok(forward) => forward,
                Err(cause) => self.drop_from_client(&tuple, cause, now),
            },
            // Keeps a NAT's binding alive and wants nothing else.
            (Class::Indication, stun::BINDING) => FromClient::Nothing,
            (Class::Request | Class::Indication | Class::Success | Class::Error, _) => {
                self.drop_from_client(&tuple, Dropped::Unexpected, now)
            }
        }
    }

    /// Whether a datagram claims to come from where no client can be: nowhere, or our own UDP sockets, which would begin a loop.
    ///
    /// Clients on this host may well have the port of a TCP service of ours, or one that is relayed within the process only.
    fn is_nobody(&self, tuple: &FiveTuple) -> bool {
        let client = tuple.client;
        let is_own = || client == tuple.server || self.policy.is_media(client);
        let is_relayed = || !self.is_virtual && self.is_relayed(client);
        !tuple.transport.is_stream() && (client.port() == 0 || is_own() || is_relayed())
    }

    fn handle_request(&mut self, message: Message<'_>, tuple: FiveTuple, now: Instant) -> FromClient<'_> {
        let who = match self.auth.verify(&message, tuple.client, self.clock.seconds(now)) {
            Ok(who) => who,
            Err(refusal) => return self.refuse_stranger(&message, &tuple, refusal, now),
        };
        let request = Request { message, tuple, who };
        let reply = if unknown(&request.message).next().is_some() {
            Err(Refusal::UnknownAttribute)
        } else {
            self.dispatch(&request, now)
        };
        match reply {
            Ok(Reply::Success(response)) => self.scratch = finish(response, &request.message, &request.who),
            Ok(Reply::Finished(bytes)) => {
                self.scratch.clear();
                self.scratch.extend_from_slice(&bytes);
            }
            Ok(Reply::Later) => return FromClient::Nothing,
            Ok(Reply::Elsewhere(worker)) => return self.send_elsewhere(&tuple, worker, now),
            Err(refusal) => self.refuse(&request, refusal, now),
        }
        FromClient::Answer(Answer { bytes: &self.scratch, to: tuple.client, from: tuple.server })
    }

    fn dispatch(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        match request.message.method {
            stun::ALLOCATE => self.handle_allocate(request, now),
            stun::REFRESH => self.handle_refresh(request, now),
            stun::CREATE_PERMISSION => self.handle_create_permission(request, now),
            stun::CHANNEL_BIND => self.handle_channel_bind(request, now),
            stun::CONNECT => self.handle_connect(request, now),
            _ => self.handle_connection_bind(request, now),
        }
    }

    /// The allocation of a request, if it is there and the user's own,
    /// [RFC 8656 § 5](https://www.rfc-editor.org/rfc/rfc8656#section-5).
    pub(super) fn own_allocation(&mut self, request: &Request<'_>) -> Result<(AllocationId, &mut Allocation), Refusal> {
        let id = *self.clients.get(&request.tuple).ok_or(Refusal::AllocationMismatch)?;
        let allocation = self.allocations.get_mut(id).ok_or(Refusal::AllocationMismatch)?;
        if allocation.user != request.who.user {
            return Err(Refusal::WrongCredentials);
        }
        // Until it was answered, the client cannot know of it.
        if allocation.pending.is_some() { Err(Refusal::AllocationMismatch) } else { Ok((id, allocation)) }
    }

    /// Refuses a request whose sender has proved nothing. Nothing is stored, and the answer is as short as can be.
    fn refuse_stranger(
        &mut self,
        message: &Message<'_>,
        tuple: &FiveTuple,
        refusal: Refusal,
        now: Instant,
    ) -> FromClient<'_> {
        if !self.strangers.take(source_of(tuple.client), self.limits.unauthenticated, now) {
            return self.drop_from_client(tuple, Dropped::TooManyChallenges, now);
        }
        self.stats.refused(message.method, refusal);
        self.note(tuple, Moment::Refused { method: message.method, refusal }, now);
        let scratch = std::mem::take(&mut self.scratch);
        let mut response =
            Builder::reusing(scratch, Class::Error, message.method, message.transaction).error_code(refusal.code(), "");
        if matches!(refusal, Refusal::Unauthenticated(_) | Refusal::StaleNonce) {
            // Who has a connection is where it says it is.
            let fingerprint = if message.has_fingerprint { FINGERPRINT } else { 0 };
            let room = (!tuple.transport.is_stream()).then(|| message.length().saturating_sub(fingerprint));
            response = self.auth.challenge(response, tuple.client, self.clock.seconds(now), room);
        }
        self.scratch = if message.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() };
        FromClient::Answer(Answer { bytes: &self.scratch, to: tuple.client, from: tuple.server })
    }

    /// Writes the refusal of an authenticated request into the scratch buffer.
    fn refuse(&mut self, request: &Request<'_>, refusal: Refusal, now: Instant) {
        let message = &request.message;
        self.stats.refused(message.method, refusal);
        self.note(&request.tuple, Moment::Refused { method: message.method, refusal }, now);
        let mut response =
            Builder::new(Class::Error, message.method, message.transaction).error_code(refusal.code(), "");
        if refusal == Refusal::UnknownAttribute {
            response = list_unknown(response, unknown(message).take(MAX_UNKNOWN));
        }
        if matches!(refusal, Refusal::Unauthenticated(_)) {
            response = self.auth.challenge(response, request.tuple.client, self.clock.seconds(now), None);
        }
        self.scratch = finish(response, message, &request.who);
    }
}

/// Protects a response as its request was, RFC 8489 § 9.2.4, and adds FINGERPRINT if that had one.
pub(super) fn finish(response: Builder, request: &Message<'_>, who: &Authenticated) -> Vec<u8> {
    let response = response.integrity(who.integrity, who.key.as_bytes());
    if request.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() }
}

/// Appends UNKNOWN-ATTRIBUTES, [RFC 8489 § 14.13](https://www.rfc-editor.org/rfc/rfc8489#section-14.13).
pub(super) fn list_unknown(response: Builder, unknown: impl Iterator<Item = u16>) -> Builder {
    let listed: Vec<u8> = unknown.flat_map(u16::to_be_bytes).collect();
    response.attribute(attribute::UNKNOWN_ATTRIBUTES, &listed)
}

/// Comprehension-required attributes that no method here knows.
pub(super) fn unknown<'a>(message: &Message<'a>) -> impl Iterator<Item = u16> + use<'a> {
    message.protected().map(|(kind, _)| kind).filter(|kind| *kind < 0x8000 && !KNOWN.contains(kind))
}

const fn is_known(method: u16) -> bool {
    matches!(
        method,
        stun::ALLOCATE
            | stun::REFRESH
            | stun::CREATE_PERMISSION
            | stun::CHANNEL_BIND
            | stun::CONNECT
            | stun::CONNECTION_BIND
    )
}

/// An attribute that a method has no use for is ignored all the same, RFC 8489 § 14.
const KNOWN: [u16; 22] = [
    attribute::MAPPED_ADDRESS,
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::ERROR_CODE,
    attribute::UNKNOWN_ATTRIBUTES,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REALM,
    attribute::NONCE,
    attribute::XOR_RELAYED_ADDRESS,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::REQUESTED_TRANSPORT,
    attribute::DONT_FRAGMENT,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::PASSWORD_ALGORITHM,
    attribute::USERHASH,
    attribute::XOR_MAPPED_ADDRESS,
    attribute::RESERVATION_TOKEN,
    attribute::CONNECTION_ID,
];

/// Bytes of a FINGERPRINT attribute.
const FINGERPRINT: usize = 8;
/// Attribute types that a 420 lists at most.
const MAX_UNKNOWN: usize = 64;
