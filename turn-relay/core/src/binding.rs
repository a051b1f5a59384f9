use std::net::SocketAddr;

use crate::stun::{BINDING, Builder, Class, Malformed, Message, attribute};

/// Why a datagram was ignored. Counted, never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Not a well-formed STUN message.
    Malformed(Malformed),
    /// A message that calls for no answer here: a response, an indication, or another method.
    NotBindingRequest,
}

/// Answers a Binding request, [RFC 8489 § 6.3.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.3.1): the sender learns
/// its address as seen from here.
///
/// The answer is at most 24 bytes longer than the smallest request, so the server is of no use as an amplifier.
///
/// # Errors
/// [`Dropped`] when nothing shall be sent.
pub fn answer_binding(datagram: &[u8], from: SocketAddr) -> Result<Vec<u8>, Dropped> {
    let request = Message::parse(datagram).map_err(Dropped::Malformed)?;
    if request.class != Class::Request || request.method != BINDING {
        return Err(Dropped::NotBindingRequest);
    }
    let unknown: Vec<u8> = request
        .attributes()
        .filter(|(kind, _)| !is_understood(*kind))
        .flat_map(|(kind, _)| kind.to_be_bytes())
        .collect();
    let response = if unknown.is_empty() {
        Builder::new(Class::Success, BINDING, request.transaction).xor_mapped_address(canonical(from))
    } else {
        let listed = unknown.get(..unknown.len().min(MAX_UNKNOWN_BYTES)).unwrap_or_default();
        Builder::new(Class::Error, BINDING, request.transaction)
            .error_code(420, "")
            .attribute(attribute::UNKNOWN_ATTRIBUTES, listed)
    };
    Ok(if request.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() })
}

/// Comprehension-optional attributes (0x8000 and up) may be ignored. USERNAME, MESSAGE-INTEGRITY and the ICE attributes are
/// known but mean nothing without credentials, and no client sends them to a STUN server; they are refused by name.
fn is_understood(kind: u16) -> bool {
    kind >= 0x8000
}

/// A dual-stack socket reports IPv4 senders as mapped IPv6 addresses, which no client could use.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// So that the list never makes the answer much larger than the request.
const MAX_UNKNOWN_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stun::TransactionId;

    const ID: TransactionId = TransactionId([3; 12]);

    fn request() -> Builder {
        Builder::new(Class::Request, BINDING, ID)
    }

    #[test]
    fn the_sender_learns_its_address() {
        let answer = answer_binding(&request().finish(), "198.51.100.7:4000".parse().unwrap()).unwrap();
        let message = Message::parse(&answer).unwrap();
        assert_eq!((message.class, message.transaction, message.has_fingerprint), (Class::Success, ID, false));
        let expected = request().xor_mapped_address("198.51.100.7:4000".parse().unwrap()).finish();
        assert_eq!(message.attributes().next(), Message::parse(&expected).unwrap().attributes().next());
    }

    #[test]
    fn a_mapped_ipv4_address_is_told_as_ipv4() {
        let plain = answer_binding(&request().finish(), "198.51.100.7:4000".parse().unwrap());
        assert_eq!(answer_binding(&request().finish(), "[::ffff:198.51.100.7]:4000".parse().unwrap()), plain);
    }

    #[test]
    fn a_fingerprint_is_answered_with_one() {
        let answer = answer_binding(&request().finish_with_fingerprint(), "198.51.100.7:1".parse().unwrap()).unwrap();
        assert!(Message::parse(&answer).unwrap().has_fingerprint);
    }

    #[test]
    fn unknown_required_attributes_are_named() {
        let bytes = request().attribute(0x7ABC, b"x").attribute(0x8ABC, b"y").finish();
        let answer = answer_binding(&bytes, "198.51.100.7:1".parse().unwrap()).unwrap();
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.class, Class::Error);
        let attributes: Vec<_> = message.attributes().collect();
        assert_eq!(attributes[0], (attribute::ERROR_CODE, &[0, 0, 4, 20][..]));
        assert_eq!(attributes[1], (attribute::UNKNOWN_ATTRIBUTES, &[0x7A, 0xBC][..]));
    }

    #[test]
    fn responses_and_indications_are_never_answered() {
        for class in [Class::Success, Class::Error, Class::Indication] {
            let bytes = Builder::new(class, BINDING, ID).finish();
            assert_eq!(answer_binding(&bytes, "198.51.100.7:1".parse().unwrap()), Err(Dropped::NotBindingRequest));
        }
    }

    proptest! {
        #[test]
        fn an_answer_is_never_much_larger_than_its_request(values in prop::collection::vec((any::<u16>(), 0usize..40), 0..20)) {
            let bytes = values.iter().fold(request(), |builder, (kind, length)| builder.attribute(*kind, &vec![0; *length])).finish();
            if let Ok(answer) = answer_binding(&bytes, "[2001:db8::1]:9".parse().unwrap()) {
                prop_assert!(answer.len() <= bytes.len() + 24);
            }
        }
    }
}
