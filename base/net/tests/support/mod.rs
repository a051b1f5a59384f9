//! A handler that follows orders, and the groups that it runs in.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use stoa_base_net::{BindOptions, Context, Datagram, Features, Group, Handler, IcmpError, Passed, SocketId};

/// All ways in which a group can work, from everything that the kernel has to one system call per datagram.
pub(crate) const VARIANTS: [Features; 6] = [
    Features::ALL,
    Features { gso: false, ..Features::ALL },
    Features { gro: false, ..Features::ALL },
    Features { receive_many: false, send_many: false, ..Features::ALL },
    Features { receive_many: true, send_many: true, ..Features::NONE },
    Features::NONE,
];

/// What a handler tells the test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A worker's handler was made.
    Made(usize),
    /// An order was carried out; its answer.
    Did(usize, String),
    /// A datagram came on a socket that the handler bound.
    Got(SocketId, Vec<u8>),
    /// A datagram came from another worker: to worker, tag, bytes.
    Passed(usize, u64, Vec<u8>),
    /// An ICMP error was reported.
    Icmp(IcmpError),
    /// A timer fired.
    Fired(usize),
}

/// An order sent by mail.
pub(crate) type Order = Box<dyn FnOnce(&mut Obedient, &mut Context<'_>) -> String + Send>;

/// Echoes what it claims and tells about all else. A datagram `panic` makes it panic, and `close` close the socket.
pub(crate) struct Obedient {
    pub(crate) worker: usize,
    pub(crate) tell: Sender<Told>,
    pub(crate) bound: Vec<SocketId>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) forward_to: Option<(SocketId, SocketAddr)>,
}

impl Handler for Obedient {
    fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
        assert_ne!(datagram, b"panic in claims", "asked to");
        !datagram.starts_with(b"not for me")
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        assert_ne!(datagram.bytes, b"panic", "asked to");
        if self.bound.contains(&datagram.socket) {
            let _ = self.tell.send(Told::Got(datagram.socket, datagram.bytes.to_vec()));
            if datagram.bytes == b"close" {
                context.close(datagram.socket);
            }
        } else if let Some((socket, to)) = self.forward_to {
            context.send(socket, to, None, &[datagram.bytes]);
        } else {
            let (one, two) = datagram.bytes.split_at(datagram.bytes.len() / 2);
            context.send(datagram.socket, datagram.from, datagram.local, &[one, two]);
        }
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        let _ = self.tell.send(Told::Passed(context.worker(), passed.tag, passed.bytes.to_vec()));
    }

    fn handle_icmp(&mut self, _: &mut Context<'_>, error: IcmpError) {
        let _ = self.tell.send(Told::Icmp(error));
    }

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn std::any::Any + Send>) {
        let order = mail.downcast::<Order>().unwrap();
        let answer = order(self, context);
        let _ = self.tell.send(Told::Did(self.worker, answer));
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) {
        self.deadline = None;
        let _ = self.tell.send(Told::Fired(self.worker));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

/// A group of obedient handlers on one loopback address.
pub(crate) struct Stage {
    pub(crate) group: Group,
    pub(crate) told: Receiver<Told>,
}

impl Stage {
    pub(crate) fn new(address: &str, workers: usize, features: Features) -> Self {
        let (tell, told) = channel();
        let make = move |worker| -> Vec<Box<dyn Handler>> {
            let _ = tell.send(Told::Made(worker));
            vec![Box::new(Obedient { worker, tell: tell.clone(), bound: Vec::new(), deadline: None, forward_to: None })]
        };
        let group = Group::start_with(&[address.parse().unwrap()], workers, features, make).unwrap();
        let stage = Self { group, told };
        for _ in 0..workers {
            assert!(matches!(stage.hear(), Told::Made(_)));
        }
        stage
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.group.addresses()[0]
    }

    /// The next thing told; a test that waits in vain fails.
    pub(crate) fn hear(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    /// Has a worker's handler carry out an order; its answer.
    pub(crate) fn order(
        &self,
        worker: usize,
        order: impl FnOnce(&mut Obedient, &mut Context<'_>) -> String + Send + 'static,
    ) -> String {
        let order: Order = Box::new(order);
        self.group.mailbox(0).send(worker, Box::new(order)).unwrap();
        match self.hear() {
            Told::Did(_, answer) => answer,
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// Has worker 0 bind a socket; its id and address.
    pub(crate) fn bind(&self, address: &str, options: BindOptions) -> (SocketId, SocketAddr) {
        let address: SocketAddr = address.parse().unwrap();
        let answer = self.order(0, move |handler, context| {
            let id = context.bind(address, options).unwrap();
            handler.bound.push(id);
            format!("{} {}", id.0, context.local_addr(id).unwrap())
        });
        let (id, address) = answer.split_once(' ').unwrap();
        (SocketId(id.parse().unwrap()), address.parse().unwrap())
    }
}

/// A plain socket of a test's own.
pub(crate) fn outsider(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (length, from) = loop {
        match socket.recv_from(&mut buffer) {
            // The whole process was stopped for a while: with a time limit on the socket the kernel does not try again by itself.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => break result.unwrap(),
        }
    };
    buffer.truncate(length);
    (buffer, from)
}

/// After this a test that waits has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
