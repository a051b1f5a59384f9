//! What the relay takes from the heap: nothing per relayed packet, and little per allocation.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(unsafe_code, reason = "an allocator that counts can only be written with it")]

#[path = "relay/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use stoa_turn_relay_core::stun::attribute::Family;
use stoa_turn_relay_core::*;
use support::*;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn note(count: usize, bytes: isize) {
    COUNT.with(|cell| cell.set(cell.get() + count));
    BYTES.with(|cell| cell.set(cell.get() + bytes));
}

// SAFETY: everything is handed to the system's allocator; the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_relayed_packet_takes_from_the_heap() {
    let mut world = World::new();
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let from = ada.allocate(&mut world).relayed(Family::V4);
    let to = bob.allocate(&mut world).relayed(Family::V4);
    let peer = "8.8.4.4:5000".parse().unwrap();
    ada.bind(&mut world, 0x4000, "8.8.4.4:5000");
    ada.bind(&mut world, 0x4001, &to.to_string());
    ada.permit(&mut world, &["8.8.8.8:1"]);
    bob.bind(&mut world, 0x4000, &from.to_string());
    let relay_id = world.sockets.values().find(|(_, address)| *address == from).unwrap().0;
    let to_peer = channel_data(0x4000, &[1; 160]);
    let to_bob = channel_data(0x4001, &[1; 160]);
    let send = stun::Builder::new(stun::Class::Indication, stun::SEND, stun::TransactionId([1; 12]))
        .xored(stun::attribute::XOR_PEER_ADDRESS, peer)
        .attribute(stun::attribute::DATA, &[1; 160])
        .finish();
    let binding = stun::Builder::new(stun::Class::Request, stun::BINDING, stun::TransactionId([1; 12])).finish();
    let (now, stranger) = (world.now, "8.8.8.8:9".parse().unwrap());
    let round = |world: &mut World| {
        assert!(matches!(world.relay.handle_client(ada.tuple, &to_peer, now), FromClient::ToPeer(_)));
        assert!(matches!(world.relay.handle_client(ada.tuple, &to_bob, now), FromClient::Hairpin { .. }));
        assert!(matches!(world.relay.handle_client(ada.tuple, &send, now), FromClient::ToPeer(_)));
        assert!(world.relay.handle_peer_datagram(relay_id, peer, &[1; 160], now).is_some());
        assert!(world.relay.handle_peer_datagram(relay_id, stranger, &[1; 160], now).is_some());
    };
    // The first of everything is noted in the timeline.
    round(&mut world);
    let before = COUNT.with(Cell::get);
    for _ in 0..1000 {
        round(&mut world);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert!(matches!(world.relay.handle_client(ada.tuple, &binding, now), FromClient::Answer(_)));
    assert_eq!(world.relay.handle_client(ada.tuple, &[0xFF; 4], now), FromClient::Nothing);
}

#[test]
fn an_idle_allocation_takes_little() {
    const COUNT_OF_THEM: u16 = 8000;
    let mut world = World::with(Config {
        ports: Ports::Virtual,
        limits: Limits {
            user: Quota::default(),
            source: Quota::default(),
            unauthenticated: 100_000,
            ..Limits::default()
        },
        ..config()
    });
    let allocate = |world: &mut World, port: u16| {
        let mut client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        assert_eq!(client.allocate(world).code, 0);
        // As a call has it: one peer.
        assert_eq!(client.bind(world, 0x4000, "192.0.2.10:2000"), 0);
    };
    allocate(&mut world, 1);
    let before = BYTES.with(Cell::get);
    for port in 2..=COUNT_OF_THEM {
        allocate(&mut world, port);
    }
    let each = (BYTES.with(Cell::get) - before) / isize::try_from(COUNT_OF_THEM - 1).unwrap();
    assert!(each <= 4096, "{each} bytes each");
    assert!(each > 500, "{each} bytes each: too good to be true");
}

#[test]
fn strangers_leave_nothing_behind() {
    let mut world = World::new();
    let request = stun::Builder::new(stun::Class::Request, stun::ALLOCATE, stun::TransactionId([1; 12])).finish();
    let server = "192.0.2.10:3478".parse().unwrap();
    let send = |world: &mut World, source: u32| {
        let client = (std::net::IpAddr::from(source.to_be_bytes()), 4000).into();
        let tuple = FiveTuple::new(Transport::Udp, client, server);
        assert!(matches!(world.relay.handle_client(tuple, &request, world.now), FromClient::Answer(_)));
    };
    (0..1000).for_each(|source| send(&mut world, source));
    let before = BYTES.with(Cell::get);
    (1000..1_001_000).for_each(|source| send(&mut world, source));
    let grown = BYTES.with(Cell::get) - before;
    assert!(grown <= 0, "{grown} bytes");
}
