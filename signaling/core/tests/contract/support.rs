//! A hand-driven control plane: sockets are numbers, time moves when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoa_base_types::ConnectionId;
use stoa_signaling_core::message::IceServer;
use stoa_signaling_core::token::Keys;
use stoa_signaling_core::{Action, CloseCode, Command, Control, Limits, WallClock};

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) now: Instant,
    /// What each socket was sent, and how it was closed.
    pub(crate) frames: BTreeMap<u64, Vec<Value>>,
    pub(crate) closed: BTreeMap<u64, CloseCode>,
    pub(crate) pings: BTreeMap<u64, usize>,
    /// Sockets that take what they are given; the others never report a write.
    pub(crate) reads: bool,
    pub(crate) deaf: BTreeSet<u64>,
    next: u64,
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with_keys(limits, Keys::new(None, [9; 32]))
    }

    pub(crate) fn with_keys(limits: Limits, keys: Keys) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
        let now = Instant::now();
        Self {
            control: Control::new(limits, keys, [7; 32], WallClock::new(now, SINCE_1970)),
            now,
            frames: BTreeMap::new(),
            closed: BTreeMap::new(),
            pings: BTreeMap::new(),
            reads: true,
            deaf: BTreeSet::new(),
            next: 0,
        }
    }

    pub(crate) fn open(&mut self) -> u64 {
        self.open_from(None)
    }

    pub(crate) fn open_from(&mut self, address: Option<IpAddr>) -> u64 {
        self.open_with(address, vec![])
    }

    /// With what its client is told to use for ICE.
    pub(crate) fn open_with(&mut self, address: Option<IpAddr>, ice_servers: Vec<IceServer>) -> u64 {
        self.next += 1;
        self.command(Command::Opened { connection: ConnectionId(self.next), address, ice_servers });
        self.next
    }

    pub(crate) fn say(&mut self, socket: u64, frame: Value) {
        self.text(socket, &frame.to_string());
    }

    pub(crate) fn text(&mut self, socket: u64, text: &str) {
        self.command(Command::Text { connection: ConnectionId(socket), text: text.to_owned() });
    }

    /// Opens a socket and enters a room; returns socket and welcome.
    pub(crate) fn enter(&mut self, room: &str, name: &str) -> (u64, Value) {
        self.hello(json!({"room": room, "name": name}))
    }

    /// Opens a socket and says this hello; returns socket and welcome, or `null`.
    pub(crate) fn hello(&mut self, mut hello: Value) -> (u64, Value) {
        let socket = self.open();
        hello["type"] = json!("hello");
        self.say(socket, hello);
        let welcome = self.frames[&socket].iter().find(|frame| frame["type"] == "welcome").cloned();
        (socket, welcome.unwrap_or(Value::Null))
    }

    /// Takes up the session of `welcome` on a new socket.
    pub(crate) fn resume(&mut self, welcome: &Value, last_seq: u64) -> (u64, Value) {
        let socket = self.open();
        self.say(
            socket,
            json!({"type": "hello", "room": "agora", "name": "Ada", "resume":
                {"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": last_seq}}),
        );
        (socket, self.frames[&socket][0].clone())
    }

    pub(crate) fn break_socket(&mut self, socket: u64) {
        self.command(Command::Closed { connection: ConnectionId(socket), code: None });
    }

    pub(crate) fn close(&mut self, socket: u64, code: u16) {
        self.command(Command::Closed { connection: ConnectionId(socket), code: Some(code) });
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.control.handle_command(command, self.now);
        self.drain();
    }

    /// Moves the clock, stopping at every deadline on the way.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.control.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.control.handle_timeout(at);
            assert!(self.control.poll_timeout().is_none_or(|next| next > at), "asked to be woken in the past");
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn pass_secs(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Frames of one type that a socket got.
    pub(crate) fn got(&self, socket: u64, kind: &str) -> Vec<Value> {
        self.frames.get(&socket).into_iter().flatten().filter(|frame| frame["type"] == kind).cloned().collect()
    }

    fn drain(&mut self) {
        while let Some(outgoing) = self.control.poll_transmit() {
            let socket = outgoing.connection.0;
            match outgoing.action {
                Action::Bind(_) | Action::Documents(_) => {}
                Action::Send(sent) => {
                    let frame = serde_json::from_slice(&sent.to_text()).unwrap();
                    self.frames.entry(socket).or_default().push(frame);
                    if self.reads && !self.deaf.contains(&socket) {
                        let written = Command::Written { connection: outgoing.connection, bytes: sent.len() };
                        self.control.handle_command(written, self.now);
                    }
                }
                Action::Ping => {
                    *self.pings.entry(socket).or_default() += 1;
                    if self.reads && !self.deaf.contains(&socket) {
                        let heard = Command::Heard { connection: outgoing.connection };
                        self.control.handle_command(heard, self.now);
                    }
                }
                Action::Close(code) => {
                    self.closed.insert(socket, code);
                }
            }
        }
    }
}

/// The time of day at which every world begins.
pub(crate) const SINCE_1970: Duration = Duration::from_secs(1_000_000);
