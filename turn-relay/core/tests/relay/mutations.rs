//! Damaged messages, and what another codec makes of them.

use stoa_turn_relay_core::stun::attribute;
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message, TransactionId};
use stun_rs::{DecoderContextBuilder, MessageClass, MessageDecoderBuilder};

use crate::support::*;

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.roll(4) {
        let length = bytes.len();
        match dice.roll(6) {
            0 if length > 0 => bytes.truncate(dice.roll(length)),
            1 => bytes.push(dice.byte()),
            2 if length > 3 => {
                let at = dice.roll(length - 1);
                bytes[at] = 0xFF;
                bytes[at + 1] = 0xFF;
            }
            3 if length > 8 => {
                // A length field that fits again: deeper layers see the message.
                let total = u16::try_from(length.saturating_sub(20)).unwrap();
                bytes[2..4].copy_from_slice(&total.to_be_bytes());
            }
            _ if length > 0 => {
                let at = dice.roll(length);
                bytes[at] ^= 1 << dice.roll(8);
            }
            _ => {}
        }
    }
}

/// One of everything, signed.
fn samples(ada: &Client) -> Vec<Vec<u8>> {
    let peer = "8.8.8.8:1".parse().unwrap();
    let id = TransactionId([3; 12]);
    let request = |method| Builder::new(Class::Request, method, id);
    let with_peer = |it: Builder| it.xored(attribute::XOR_PEER_ADDRESS, peer);
    let signed = [
        udp(request(stun::ALLOCATE)).number(attribute::LIFETIME, 700).attribute(attribute::EVEN_PORT, &[0x80]),
        request(stun::REFRESH).number(attribute::LIFETIME, 600).attribute(attribute::MOBILITY_TICKET, &[1; 32]),
        with_peer(request(stun::CREATE_PERMISSION)),
        with_peer(request(stun::CHANNEL_BIND).number(attribute::CHANNEL_NUMBER, 0x4000_0000)),
        with_peer(request(stun::CONNECT)),
        request(stun::CONNECTION_BIND).number(attribute::CONNECTION_ID, 7),
    ];
    let mut all: Vec<_> = signed.into_iter().map(|request| ada.sign(request).finish_with_fingerprint()).collect();
    let send = Builder::new(Class::Indication, stun::SEND, id);
    all.push(with_peer(send).attribute(attribute::DATA, b"payload").finish());
    all.push(request(stun::BINDING).attribute(attribute::CHANGE_REQUEST, &[0, 0, 0, 6]).finish());
    all.push(channel_data(0x4000, b"payload"));
    all
}

#[test]
fn two_hundred_thousand_damaged_messages_do_no_harm() {
    let mut dice = Dice(0x5EED);
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.greet(&mut world);
    let mut samples = samples(&ada);
    let mut answered = 0;
    for turn in 0..200_000u32 {
        let pick = dice.roll(samples.len());
        let mut bytes = samples[pick].clone();
        if turn % 50 > 0 {
            damage(&mut dice, &mut bytes);
        }
        answered += u32::from(world.send(ada.tuple, &bytes) != Got::Nothing);
        if turn % 1000 == 0 {
            world.pass(std::time::Duration::from_secs(1));
            if turn % 50_000 == 0 {
                ada.greet(&mut world);
                samples = self::samples(&ada);
            }
        }
    }
    assert!(answered > 1000, "only {answered} were answered");
}

#[test]
fn another_codec_reads_the_same_attributes() {
    let ada = Client { nonce: b"obMatJos2AAACnonce".to_vec(), ..Client::ada() };
    let mut sha256 = ada.clone();
    sha256.integrity = Integrity::Sha256;
    let samples: Vec<_> = samples(&ada).into_iter().chain(samples(&sha256)).collect();
    let context = DecoderContextBuilder::default().not_ignore().build();
    let decoder = MessageDecoderBuilder::default().with_context(context).build();
    let mut dice = Dice(0xD1CE);
    let (mut both, mut ours, mut theirs) = (0, 0, 0);
    for turn in 0..60_000u32 {
        let pick = dice.roll(samples.len());
        let mut bytes = samples[pick].clone();
        if turn % 10 > 0 {
            damage(&mut dice, &mut bytes);
        }
        let (read, decoded) = (Message::parse(&bytes), decoder.decode(&bytes));
        ours += u32::from(read.is_ok());
        theirs += u32::from(decoded.is_ok());
        let (Ok(read), Ok((decoded, _))) = (read, decoded) else { continue };
        both += 1;
        let class = match decoded.class() {
            MessageClass::Request => Class::Request,
            MessageClass::Indication => Class::Indication,
            MessageClass::SuccessResponse => Class::Success,
            MessageClass::ErrorResponse => Class::Error,
        };
        assert_eq!((read.class, read.method), (class, decoded.method().as_u16()));
        assert_eq!(&read.transaction.0, decoded.transaction_id().as_bytes());
        let kinds: Vec<_> = read.attributes().map(|(kind, _)| kind).collect();
        let expected: Vec<_> =
            decoded.attributes().iter().map(|attribute| attribute.attribute_type().as_u16()).collect();
        assert_eq!(kinds, expected, "{bytes:02x?}");
        for attribute in decoded.attributes() {
            let value = read.attributes().find(|(kind, _)| *kind == attribute.attribute_type().as_u16()).unwrap().1;
            compare(attribute, value, &read);
        }
    }
    assert!(both > 5000, "{both} of {ours} and {theirs}");
}

/// Values that both know.
fn compare(theirs: &stun_rs::StunAttribute, value: &[u8], message: &Message<'_>) {
    let kind = theirs.attribute_type().as_u16();
    if message.attributes().filter(|(found, _)| *found == kind).count() > 1 {
        return;
    }
    if let Ok(address) = theirs.as_xor_peer_address() {
        assert_eq!(attribute::read_xored(value, message.transaction), Some(*address.socket_address()));
    } else if let Ok(lifetime) = theirs.as_life_time() {
        assert_eq!(value, lifetime.as_u32().to_be_bytes());
    } else if let Ok(data) = theirs.as_data() {
        assert_eq!(value, data.as_bytes());
    } else if let Ok(name) = theirs.as_user_name() {
        assert_eq!(value, name.as_str().as_bytes());
    }
}
