use std::net::SocketAddr;
use std::time::Instant;

use super::request::{list_unknown, unknown};
use super::{Answer, FromClient, Relay};
use crate::address::{FiveTuple, source_of};
use crate::config::Discovery;
use crate::refusal::Dropped;
use crate::stun::attribute::{self, AddressValue};
use crate::stun::{BINDING, Builder, Class, Message};

/// Where an answer leaves from and goes to, RFC 5780 § 6.
struct Way {
    from: SocketAddr,
    to: SocketAddr,
}

impl Relay {
    /// Answers a Binding request, [RFC 8489 § 6.3.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.3.1): the client
    /// learns its address as seen from here. With a second address it may also ask for answers from elsewhere,
    /// [RFC 5780 § 6](https://www.rfc-editor.org/rfc/rfc5780#section-6).
    pub(super) fn handle_binding(&mut self, request: &Message<'_>, tuple: &FiveTuple, now: Instant) -> FromClient<'_> {
        if !self.strangers.take(source_of(tuple.client), self.limits.unauthenticated, now) {
            return self.drop_from_client(tuple, Dropped::TooManyChallenges, now);
        }
        let way = self.way(request, tuple);
        let scratch = std::mem::take(&mut self.scratch);
        let begin = |class| Builder::reusing(scratch, class, BINDING, request.transaction);
        let (response, way) = match way {
            Ok(way) => {
                self.stats.bindings += 1;
                let mut response = begin(Class::Success).xor_mapped_address(tuple.client);
                if let Some(discovery) = self.discovery_at(tuple) {
                    let other = AddressValue::plain(discovery.other(tuple.server, true, true));
                    response = response
                        .attribute(attribute::RESPONSE_ORIGIN, AddressValue::plain(way.from).as_bytes())
                        .attribute(attribute::OTHER_ADDRESS, other.as_bytes());
                    response = pad(response, request);
                }
                (response, way)
            }
            Err(code) => {
                let mut response = begin(Class::Error).error_code(code, "");
                if code == 420 {
                    response = list_unknown(response, self.unknown_in_binding(request, tuple).take(MAX_UNKNOWN));
                }
                (response, Way { from: tuple.server, to: tuple.client })
            }
        };
        self.scratch = if request.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() };
        FromClient::Answer(Answer { bytes: &self.scratch, to: way.to, from: way.from })
    }

    fn way(&self, request: &Message<'_>, tuple: &FiveTuple) -> Result<Way, u16> {
        let mut way = Way { from: tuple.server, to: tuple.client };
        if self.unknown_in_binding(request, tuple).next().is_some() {
            return Err(420);
        }
        let Some(discovery) = self.discovery_at(tuple) else { return Ok(way) };
        if let Some(change) = request.first(attribute::CHANGE_REQUEST) {
            let [.., flags] = <[u8; 4]>::try_from(change).map_err(|_| 400u16)?;
            way.from = discovery.other(tuple.server, flags & 4 != 0, flags & 2 != 0);
        }
        if let Some(port) = request.first(attribute::RESPONSE_PORT) {
            // Padding to a port that did not ask would be a gift to attackers, RFC 5780 § 7.5.
            let [high, low, ..] = <[u8; 4]>::try_from(port).map_err(|_| 400u16)?;
            if request.first(attribute::PADDING).is_some() {
                return Err(400);
            }
            way.to.set_port(u16::from_be_bytes([high, low]));
        }
        Ok(way)
    }

    /// The four addresses that a client has come to one of. It is about datagrams: a connection cannot be answered from elsewhere.
    fn discovery_at(&self, tuple: &FiveTuple) -> Option<&Discovery> {
        self.discovery.as_ref().filter(|discovery| !tuple.transport.is_stream() && discovery.covers(tuple.server))
    }

    /// The attributes of RFC 5780 are unknown to a server with one address.
    fn unknown_in_binding(&self, request: &Message<'_>, tuple: &FiveTuple) -> impl Iterator<Item = u16> {
        let of_discovery = [attribute::CHANGE_REQUEST, attribute::RESPONSE_PORT, attribute::PADDING];
        let has_discovery = self.discovery_at(tuple).is_some();
        unknown(request).filter(move |kind| !(has_discovery && of_discovery.contains(kind)))
    }
}

/// PADDING for who asks for it, up to what the request had: the answer is to be a long one, RFC 5780 § 7.6, but no gift.
fn pad(response: Builder, request: &Message<'_>) -> Builder {
    let Some(padding) = request.first(attribute::PADDING) else { return response };
    let room = request.length().saturating_sub(response.length() + 4).min(padding.len());
    response.attribute(attribute::PADDING, padding.get(..room - room % 4).unwrap_or_default())
}

/// So that the list never makes the answer much larger than the request.
const MAX_UNKNOWN: usize = 8;
