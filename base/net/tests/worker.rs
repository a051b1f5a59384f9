//! Workers over real loopback sockets, in every variant of features.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else is told fails the test")]
#![forbid(unsafe_code)]

mod support;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::channel;
use std::time::Duration;

use stoa_base_net::{BindOptions, Context, Datagram, Features, Group, Handler, Mailbox, Passed, SocketId};
use support::{Order, Stage, Told, VARIANTS, outsider, receive};

#[test]
fn bursts_of_all_lengths_come_back_in_order() {
    let lengths = [0, 1, 40, 40, 40, 1200, 1200, 1200, 1200, 700, 1200, 1, 1, 0, 3000, 3000, 20];
    for features in VARIANTS {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let stage = Stage::new(address, 2, features);
            let socket = outsider(address);
            for round in 0..8u8 {
                for (count, length) in (0u8..).zip(lengths) {
                    socket.send_to(&vec![round ^ count; length], stage.address()).unwrap();
                }
                for (count, length) in (0u8..).zip(lengths) {
                    let (bytes, from) = receive(&socket);
                    assert_eq!((bytes, from), (vec![round ^ count; length], stage.address()), "{features:?}");
                }
            }
            stage.group.stop();
        }
    }
}

/// The order that everything relies on: one turn, many flows mixed, runs and single ones.
#[test]
fn what_one_turn_sends_arrives_in_the_order_of_each_flow() {
    for features in VARIANTS {
        let stage = Stage::new("127.0.0.1:0", 1, features);
        let receivers: Vec<_> = (0..3).map(|_| outsider("127.0.0.1:0")).collect();
        let to: Vec<_> = receivers.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let lengths = [300usize, 300, 100, 300, 300, 300, 2000, 1, 300];
        stage.order(0, move |_, context| {
            for count in 0..90u8 {
                let payload = vec![count; lengths[usize::from(count) / 3 % lengths.len()]];
                context.send(SocketId(0), to[usize::from(count) % 3], None, &[&payload]);
            }
            String::new()
        });
        for count in 0..90u8 {
            let (bytes, _) = receive(&receivers[usize::from(count) % 3]);
            assert_eq!(bytes, vec![count; lengths[usize::from(count) / 3 % lengths.len()]], "{features:?}");
        }
        stage.group.stop();
    }
}

/// The address a reply leaves from matters on machines with several: 127.0.0.2 is asked, 127.0.0.2 answers.
#[test]
fn replies_leave_from_the_address_that_was_asked() {
    for features in VARIANTS.into_iter().filter(|features| features.packet_info) {
        let stage = Stage::new("0.0.0.0:0", 1, features);
        let port = stage.address().port();
        let socket = outsider("127.0.0.1:0");
        for asked in [[127, 0, 0, 2], [127, 0, 0, 1], [127, 0, 0, 3]] {
            socket.send_to(b"hello", (std::net::Ipv4Addr::from(asked), port)).unwrap();
            assert_eq!(receive(&socket).1, SocketAddr::from((asked, port)), "{features:?}");
        }
        stage.group.stop();
    }
}

#[test]
fn ipv4_and_ipv6_share_a_port_number_and_senders_are_canonical() {
    let stage = Stage::new("[::]:0", 1, Features::ALL);
    let port = stage.address().port();
    let socket = outsider("[::1]:0");
    socket.send_to(b"six", ("::1", port)).unwrap();
    assert_eq!(receive(&socket).0, b"six");
    let four = Stage::new(&format!("0.0.0.0:{port}"), 1, Features::ALL);
    let socket = outsider("127.0.0.1:0");
    socket.send_to(b"four", ("127.0.0.1", port)).unwrap();
    assert_eq!(receive(&socket).0, b"four");
    four.group.stop();
    stage.group.stop();
}

#[test]
fn a_taken_port_is_refused_even_if_its_owner_shares_it() {
    let first = Stage::new("127.0.0.1:0", 1, Features::ALL);
    let error = Group::start(first.group.addresses(), 1, Vec::new).err().unwrap();
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    first.group.stop();
}

#[test]
fn every_worker_answers() {
    let stage = Stage::new("127.0.0.1:0", 2, Features::ALL);
    // Sockets of different ports hash to different workers; 16 of them reach both.
    for _ in 0..16 {
        let socket = outsider("127.0.0.1:0");
        socket.send_to(b"hello", stage.address()).unwrap();
        assert_eq!(receive(&socket).0, b"hello");
    }
    stage.group.stop();
}

/// Two handlers: the first echoes what begins with `a`, the second everything else and keeps count.
struct Counting {
    all: bool,
    count: u8,
    socket: Option<SocketId>,
}

impl Handler for Counting {
    fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
        assert_ne!(datagram, b"panic in claims", "asked to");
        self.all || datagram.starts_with(b"a")
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        assert!(!datagram.bytes.ends_with(b"panic"), "asked to");
        self.count += 1;
        if datagram.bytes.ends_with(b"bind") {
            self.socket = Some(context.bind("127.0.0.1:0".parse().unwrap(), BindOptions::default()).unwrap());
        }
        let address = self.socket.and_then(|socket| context.local_addr(socket));
        let answer = format!("{} {}", self.count, address.map_or(0, |address| address.port()));
        context.send(datagram.socket, datagram.from, datagram.local, &[answer.as_bytes()]);
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        None
    }
}

#[test]
fn a_panic_costs_one_handler_its_state_and_sockets_and_nobody_else_anything() {
    let make = |_| -> Vec<Box<dyn Handler>> {
        vec![
            Box::new(Counting { all: false, count: 0, socket: None }),
            Box::new(Counting { all: true, count: 0, socket: None }),
        ]
    };
    let group = Group::start_with(&["127.0.0.1:0".parse().unwrap()], 1, Features::ALL, make).unwrap();
    let socket = outsider("127.0.0.1:0");
    let ask = |bytes: &[u8]| {
        socket.send_to(bytes, group.addresses()[0]).unwrap();
        let answer = String::from_utf8(receive(&socket).0).unwrap();
        let (count, port) = answer.split_once(' ').unwrap();
        (count.parse::<u8>().unwrap(), port.parse::<u16>().unwrap())
    };
    let (count, first) = ask(b"a bind");
    assert_eq!(count, 1);
    let (count, second) = ask(b"b bind");
    assert_eq!(count, 1);
    socket.send_to(b"b panic", group.addresses()[0]).unwrap();
    assert_eq!(ask(b"a"), (2, first), "the other handler goes on");
    assert_eq!(ask(b"b"), (1, 0), "this one began again");
    assert!(UdpSocket::bind(("127.0.0.1", second)).is_ok(), "its socket is closed");
    assert!(UdpSocket::bind(("127.0.0.1", first)).is_err(), "the other's is not");
    // The first one is asked first.
    socket.send_to(b"panic in claims", group.addresses()[0]).unwrap();
    assert_eq!(ask(b"a"), (1, 0));
    assert_eq!(ask(b"b"), (2, 0));
    group.stop();
}

#[test]
fn what_is_left_of_a_batch_is_not_given_to_a_handler_that_closed_the_socket() {
    for features in VARIANTS {
        let stage = Stage::new("127.0.0.1:0", 1, features);
        let (id, address) = stage.bind("127.0.0.1:0", BindOptions::default());
        let socket = outsider("127.0.0.1:0");
        // All of them wait in the socket while the handler carries out the order.
        stage.order(0, move |_, _| {
            for bytes in [&b"one"[..], b"two", b"close", b"late", b"later"] {
                socket.send_to(bytes, address).unwrap();
            }
            String::new()
        });
        for bytes in [&b"one"[..], b"two", b"close"] {
            assert_eq!(stage.hear(), Told::Got(id, bytes.to_vec()));
        }
        // What comes next is the answer and nothing that was left.
        stage.order(0, move |_, context| {
            assert_eq!(context.local_addr(id), None);
            context.send(id, "127.0.0.1:9".parse().unwrap(), None, &[b"lost"]);
            String::new()
        });
        assert!(UdpSocket::bind(address).is_ok(), "{features:?}");
        stage.group.stop();
    }
}

/// Nothing ticks: a worker without datagrams, timers and mail stays in the one system call that it sleeps in.
#[test]
fn an_idle_worker_does_not_wake_up() {
    let stage = Stage::new("127.0.0.1:0", 1, Features::ALL);
    let task = stage.order(0, |_, _| std::fs::read_link("/proc/thread-self").unwrap().display().to_string());
    let status = || std::fs::read_to_string(format!("/proc/{task}/status")).unwrap();
    while !status().contains("State:\tS") {
        std::thread::yield_now();
    }
    let switches = || status().lines().find(|line| line.starts_with("voluntary")).unwrap().to_owned();
    let before = switches();
    // Nobody tells anything; this only lets time pass.
    assert!(stage.told.recv_timeout(Duration::from_millis(300)).is_err());
    assert_eq!(switches(), before);
    stage.group.stop();
}

#[test]
fn a_timer_fires_once_and_later_ones_can_be_set() {
    let stage = Stage::new("127.0.0.1:0", 1, Features::ALL);
    for _ in 0..3 {
        stage.order(0, |handler, context| {
            handler.deadline = Some(context.now() + Duration::from_millis(20));
            String::new()
        });
        assert_eq!(stage.hear(), Told::Fired(0));
    }
    stage.group.stop();
}

#[test]
fn two_thousand_sockets_are_bound_used_and_closed() {
    let stage = Stage::new("127.0.0.1:0", 1, Features::ALL);
    let socket = outsider("127.0.0.1:0");
    let to = socket.local_addr().unwrap();
    for _ in 0..2 {
        let answer = stage.order(0, move |handler, context| {
            let any = "127.0.0.1:0".parse().unwrap();
            for _ in 0..2000 {
                handler.bound.push(context.bind(any, BindOptions::default()).unwrap());
            }
            let mut distinct = handler.bound.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 2000);
            let last = *handler.bound.last().unwrap();
            context.send(last, to, None, &[b"from the last"]);
            format!("{}", context.local_addr(last).unwrap())
        });
        let last: SocketAddr = answer.parse().unwrap();
        assert_eq!(receive(&socket), (b"from the last".to_vec(), last));
        socket.send_to(b"to the last", last).unwrap();
        assert!(matches!(stage.hear(), Told::Got(_, bytes) if bytes == b"to the last"));
        stage.order(0, |handler, context| {
            handler.bound.drain(..).for_each(|socket| context.close(socket));
            String::new()
        });
    }
    stage.group.stop();
}

#[test]
fn icmp_errors_reach_the_handler_that_bound_the_socket() {
    for features in [Features::ALL, Features::NONE] {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let stage = Stage::new("127.0.0.1:0", 1, features);
            let (id, _) = stage.bind(address, BindOptions::default());
            let closed = UdpSocket::bind(address).unwrap().local_addr().unwrap();
            stage.order(0, move |_, context| {
                context.send(id, closed, None, &[b"anybody?"]);
                String::new()
            });
            let Told::Icmp(error) = stage.hear() else { panic!("no error") };
            assert_eq!((error.socket, error.peer, error.data), (id, closed, 0));
            // "Port unreachable" of ICMP and of ICMPv6.
            assert_eq!((error.kind, error.code), if closed.is_ipv4() { (3, 3) } else { (1, 4) });
            // The socket is as good as before.
            let (socket, to) = {
                let socket = outsider(address);
                let to = socket.local_addr().unwrap();
                (socket, to)
            };
            stage.order(0, move |_, context| {
                context.send(id, closed, None, &[b"anybody?"]);
                context.send(id, to, None, &[b"you"]);
                String::new()
            });
            assert_eq!(receive(&socket).0, b"you");
            stage.group.stop();
        }
    }
}

#[test]
fn a_datagram_too_long_for_df_is_reported_as_a_router_would() {
    let stage = Stage::new("127.0.0.1:0", 1, Features::ALL);
    for (address, too_long) in [("127.0.0.1:0", 65_500), ("[::1]:0", 65_520)] {
        let options = BindOptions { dont_fragment: true, ..BindOptions::default() };
        let (id, own) = stage.bind(address, options);
        stage.order(0, move |_, context| {
            context.send(id, own, None, &[&vec![0; too_long]]);
            String::new()
        });
        match stage.hear() {
            Told::Icmp(error) => {
                assert_eq!((error.kind, error.code), if own.is_ipv4() { (3, 4) } else { (2, 0) });
                assert!(error.data > 1000, "{error:?}");
            }
            // The loopback device takes nearly everything.
            Told::Got(_, bytes) => assert_eq!(bytes.len(), too_long),
            other => panic!("{other:?}"),
        }
    }
    stage.group.stop();
}

#[test]
fn bad_receivers_and_lengths_cost_only_their_own_datagrams() {
    for features in VARIANTS {
        let stage = Stage::new("127.0.0.1:0", 1, features);
        let socket = outsider("127.0.0.1:0");
        let to = socket.local_addr().unwrap();
        stage.order(0, move |_, context| {
            let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
            for count in 0..20u8 {
                context.send(SocketId(0), to, None, &[&[count]]);
                context.send(SocketId(0), nobody, None, &[b"port 0"]);
                context.send(SocketId(0), "255.255.255.255:9".parse().unwrap(), None, &[b"broadcast"]);
                context.send(SocketId(0), "[::1]:9".parse().unwrap(), None, &[b"other family"]);
                context.send(SocketId(0), to, None, &[&vec![0; 65_520]]);
                context.send(SocketId(0), to, None, &[&vec![0; 70_000]]);
                context.send(SocketId(4_000_000), to, None, &[b"no socket"]);
            }
            String::new()
        });
        for count in 0..20 {
            assert_eq!(receive(&socket).0, [count], "{features:?}");
        }
        stage.group.stop();
    }
}

#[test]
fn passed_datagrams_arrive_in_order_on_the_right_worker_until_the_ring_is_full() {
    let stage = Stage::new("127.0.0.1:0", 3, Features::ALL);
    let taken = stage.order(0, |_, context| {
        assert_eq!((context.worker(), context.workers()), (0, 3));
        let from = "192.0.2.1:7".parse().unwrap();
        let pass = |context: &mut Context<'_>, worker, tag| context.pass(worker, Passed { tag, from, bytes: b"over" });
        assert!(!pass(context, 3, 0), "there is no such worker");
        assert!(pass(context, 2, 77));
        // Worker 1 sees nothing before this turn ends, so nobody empties the ring.
        (0..).take_while(|tag| pass(context, 1, *tag)).count().to_string()
    });
    let taken: u64 = taken.parse().unwrap();
    assert!((1000..10_000).contains(&taken), "{taken}");
    let mut tags = Vec::new();
    // One of them is worker 2's.
    while tags.len() <= usize::try_from(taken).unwrap() {
        let Told::Passed(worker, tag, bytes) = stage.hear() else { panic!("something else") };
        assert_eq!(bytes, b"over");
        tags.push((worker, tag));
    }
    let (one, two): (Vec<_>, Vec<_>) = tags.into_iter().partition(|(worker, _)| *worker == 1);
    assert!(one.iter().map(|(_, tag)| *tag).eq(0..taken), "not in order");
    assert_eq!(two, [(2, 77)]);
    // Once emptied, the ring takes again.
    assert_eq!(
        stage.order(0, |_, context| {
            context.pass(0, Passed { tag: 5, from: context.listening(0), bytes: b"self" }).to_string()
        }),
        "true"
    );
    assert_eq!(stage.hear(), Told::Passed(0, 5, b"self".to_vec()));
    stage.group.stop();
}

#[test]
fn a_full_mailbox_hands_mail_back_and_so_does_a_worker_that_ended() {
    let stage = Stage::new("127.0.0.1:0", 1, Features::ALL);
    let mailbox = stage.group.mailbox(0);
    let (entered, is_inside) = channel();
    let (release, may_leave) = channel::<()>();
    let block: Order = Box::new(move |_, _| {
        entered.send(()).unwrap();
        may_leave.recv().unwrap();
        String::from("out")
    });
    mailbox.send(0, Box::new(block)).unwrap();
    is_inside.recv().unwrap();
    let order = || -> Box<dyn std::any::Any + Send> {
        let order: Order = Box::new(|_, _| String::new());
        Box::new(order)
    };
    for _ in 0..Mailbox::capacity() {
        mailbox.send(0, order()).unwrap();
    }
    let full = mailbox.send(0, order()).unwrap_err();
    assert!(full.0.is::<Order>());
    assert!(mailbox.send(1, order()).is_err(), "there is no such worker");
    release.send(()).unwrap();
    assert_eq!(stage.hear(), Told::Did(0, "out".into()));
    for _ in 0..Mailbox::capacity() {
        assert_eq!(stage.hear(), Told::Did(0, String::new()));
    }
    mailbox.send(0, order()).unwrap();
    assert_eq!(stage.hear(), Told::Did(0, String::new()));
    stage.group.stop();
    assert!(mailbox.send(0, order()).is_err());
}

/// Everything waits in the sockets before the worker looks: so the order in which the handler sees it is the worker's choice alone.
#[test]
fn a_flood_on_one_socket_starves_no_other_and_no_mail_and_no_timer() {
    for features in VARIANTS {
        let stage = Stage::new("127.0.0.1:0", 1, features);
        let options = BindOptions { receive_buffer: Some(4 << 20), ..BindOptions::default() };
        let (flooded, to) = stage.bind("127.0.0.1:0", options);
        let (quiet, other) = stage.bind("127.0.0.1:0", BindOptions::default());
        let socket = outsider("127.0.0.1:0");
        let mailbox = stage.group.mailbox(0);
        stage.order(0, move |handler, context| {
            for _ in 0..1000 {
                socket.send_to(b"flood", to).unwrap();
            }
            socket.send_to(b"quiet", other).unwrap();
            let mail: Order = Box::new(|_, _| "mail".into());
            mailbox.send(0, Box::new(mail)).unwrap();
            handler.deadline = Some(context.now());
            "flooded".into()
        });
        let mut seen = [None; 3];
        let mut count = 0;
        while seen.contains(&None) {
            match stage.hear() {
                Told::Got(socket, _) if socket == flooded => count += 1,
                Told::Got(socket, _) if socket == quiet => seen[0] = Some(count),
                Told::Did(_, answer) if answer == "mail" => seen[1] = Some(count),
                Told::Fired(_) => seen[2] = Some(count),
                other => panic!("{other:?}"),
            }
        }
        // One batch of the flood may come first; never everything.
        assert!(seen.iter().all(|before| before.unwrap() <= 64), "{seen:?} {features:?}");
        stage.group.stop();
    }
}

#[test]
fn a_group_stops_while_it_is_flooded_and_with_mail_unread() {
    let stage = Stage::new("127.0.0.1:0", 2, Features::ALL);
    let address = stage.address();
    let (stop, stopped) = channel::<()>();
    let flood = std::thread::spawn(move || {
        let socket = outsider("127.0.0.1:0");
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            socket.send_to(b"not for me", address).unwrap();
        }
    });
    for _ in 0..100 {
        let order: Order = Box::new(|_, _| String::new());
        stage.group.mailbox(0).send(1, Box::new(order)).unwrap();
    }
    stage.group.stop();
    stop.send(()).unwrap();
    flood.join().unwrap();
    assert!(UdpSocket::bind(address).is_ok());
}
