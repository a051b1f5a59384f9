//! The test vectors of RFC 5769 and of RFC 8489 appendix B, the latter as corrected by erratum 6268.

use stoa_turn_relay_core::stun::attribute::{self, read_xored};
use stoa_turn_relay_core::stun::{Builder, Class, Integrity, Message, TransactionId};
use stoa_turn_relay_core::{Algorithm, Key, userhash};

/// RFC 5769 § 2.1.
const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// RFC 5769 § 2.2.
const RESPONSE_V4: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x0btest vector\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/// RFC 5769 § 2.3.
const RESPONSE_V6: &[u8] = b"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x0btest vector\x20\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/// RFC 5769 § 2.4.
const LONG_TERM: &[u8] = b"\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00\
\x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA\x00\x14\x00\x0bexample.org\x00\
\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

/// RFC 8489 § B.1.
const SHA256: &[u8] = b"\x00\x01\x00\x90\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
\x00\x1e\x00\x20\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f\
\x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04\
\x00\x15\x00\x29obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA\x00\x00\x00\x00\x14\x00\x0bexample.org\x00\
\x00\x1d\x00\x04\x00\x02\x00\x00\
\x00\x1c\x00\x20\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24\
\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65";

const SHORT_TERM_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const MATRIX: &str = "マトリックス";

#[test]
fn short_term_integrity_and_fingerprints_hold() {
    for vector in [REQUEST, RESPONSE_V4, RESPONSE_V6] {
        let message = Message::parse(vector).unwrap();
        assert!(message.has_fingerprint && message.verify(SHORT_TERM_PASSWORD));
        assert!(!message.verify(b"wrong"));
    }
}

#[test]
fn addresses_are_read() {
    for (vector, expected) in
        [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let message = Message::parse(vector).unwrap();
        let value = message.first(attribute::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(read_xored(value, message.transaction), Some(expected.parse().unwrap()));
    }
}

#[test]
fn long_term_integrity_holds() {
    let message = Message::parse(LONG_TERM).unwrap();
    let key = Key::long_term(Algorithm::Md5, MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    assert!(message.verify(key.as_bytes()));
    assert_eq!(message.first(attribute::USERNAME), Some(MATRIX.as_bytes()));
}

#[test]
fn sha256_integrity_and_userhash_hold() {
    let message = Message::parse(SHA256).unwrap();
    let key = Key::long_term(Algorithm::Sha256, MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert_eq!(message.first(attribute::USERHASH), Some(&userhash(MATRIX.as_bytes(), b"example.org")[..]));
    assert!(message.verify(key.as_bytes()));
}

#[test]
fn what_the_vectors_hold_is_built_byte_for_byte() {
    let id = TransactionId(*b"\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e");
    let key = Key::long_term(Algorithm::Sha256, MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    let built = Builder::new(Class::Request, stoa_turn_relay_core::stun::BINDING, id)
        .attribute(attribute::USERHASH, &userhash(MATRIX.as_bytes(), b"example.org"))
        .attribute(attribute::NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
        .attribute(attribute::REALM, b"example.org")
        .attribute(attribute::PASSWORD_ALGORITHM, &[0, 2, 0, 0])
        .integrity(Integrity::Sha256, key.as_bytes())
        .finish();
    assert_eq!(built, SHA256);
}

#[test]
fn sha256_may_be_truncated_to_16_bytes_in_steps_of_4() {
    let key = b"key";
    let whole = Builder::new(Class::Request, 1, TransactionId([5; 12])).attribute(attribute::REALM, b"r");
    for length in 0..=36usize {
        let at = whole.length();
        let mut bytes = Builder::new(Class::Request, 1, TransactionId([5; 12]))
            .attribute(attribute::REALM, b"r")
            .attribute(attribute::MESSAGE_INTEGRITY_SHA256, &vec![0; length])
            .finish();
        // The length in the header counts up to the end of the value, so it differs for each truncation.
        let mac = {
            use hmac::{Hmac, KeyInit as _, Mac as _};
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
            let covered = u16::try_from(at + 4 + length - 20).unwrap();
            mac.update(&bytes[..2]);
            mac.update(&covered.to_be_bytes());
            mac.update(&bytes[4..at]);
            mac.finalize().into_bytes()
        };
        let take = length.min(32);
        bytes[at + 4..at + 4 + take].copy_from_slice(&mac[..take]);
        let is_good = (16..=32).contains(&length) && length.is_multiple_of(4);
        assert_eq!(Message::parse(&bytes).unwrap().verify(key), is_good, "{length} bytes");
    }
}
