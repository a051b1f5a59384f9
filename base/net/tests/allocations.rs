//! In steady state no datagram costs a heap allocation.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(unsafe_code, reason = "an allocator is unsafe by nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stoa_base_net::{BindOptions, Context, Datagram, Features, Group, Handler, Passed, SocketId};

/// Counts what the workers' threads allocate.
struct Counting;

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_WORKER.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Sends what arrives over a socket of its own to that socket, passes it from there to the other worker (if there is one) and that one
/// back, and then to where it came from.
#[derive(Default)]
struct RoundTrip {
    extra: Option<(SocketId, SocketAddr)>,
    clients: Vec<SocketAddr>,
}

impl Handler for RoundTrip {
    fn claims(&self, _: &[u8], _: SocketAddr) -> bool {
        IS_WORKER.set(true);
        true
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        let (id, address) = *self.extra.get_or_insert_with(|| {
            let id = context.bind("127.0.0.1:0".parse().unwrap(), BindOptions::default()).unwrap();
            (id, context.local_addr(id).unwrap())
        });
        if datagram.socket != id {
            self.clients.retain(|client| *client != datagram.from);
            self.clients.push(datagram.from);
            return context.send(datagram.socket, address, None, &[datagram.bytes]);
        }
        let other = (context.worker() + 1) % context.workers();
        let from = *self.clients.last().unwrap();
        assert!(context.pass(other, Passed { tag: 0, from, bytes: datagram.bytes }));
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        let (one, two) = passed.bytes.split_at(passed.bytes.len() / 2);
        context.send(SocketId(0), passed.from, None, &[one, two]);
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// One burst out and back; bursts of several lengths so that there are runs and single ones.
fn burst(socket: &UdpSocket, to: SocketAddr) {
    const LONG: [u8; 1200] = [7; 1200];
    let mut buffer = [0; 2000];
    for bytes in [&[7; 100][..], &[7; 100], &[7; 100], &[7; 100], &LONG, &LONG, &LONG, &[7; 50], &[7], &[7]] {
        socket.send_to(bytes, to).unwrap();
    }
    for _ in 0..10 {
        socket.recv_from(&mut buffer).unwrap();
    }
}

#[test]
fn receiving_sending_and_passing_allocate_nothing() {
    for features in [Features::ALL, Features::NONE] {
        for workers in [1, 2] {
            let make = |_| -> Vec<Box<dyn Handler>> { vec![Box::new(RoundTrip::default())] };
            let group = Group::start_with(&["127.0.0.1:0".parse().unwrap()], workers, features, make).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            for _ in 0..100 {
                burst(&socket, group.addresses()[0]);
            }
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            assert!(before > 0, "the counter counts");
            for _ in 0..1000 {
                burst(&socket, group.addresses()[0]);
            }
            let after = ALLOCATIONS.load(Ordering::Relaxed);
            // A buffer may find its size late; 10,000 round trips of datagrams must not show.
            assert!(after - before < 20, "{} allocations, {features:?}, {workers} workers", after - before);
            group.stop();
        }
    }
}
