//! The servers that are compared, and the generator of load that speaks to each.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::Outcome;
use crate::process::CpuMeter;
use crate::series::{FLOOR, OURS};
use crate::server::{self, Server};

/// A server, on a core of its own unless it says otherwise.
pub(crate) struct Venue {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    /// Removed after the server has ended.
    _settings: Option<TempDir>,
}

/// A child that does what a line says and answers with a line.
pub(crate) struct Generator {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What the load generator shall send.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Order {
    /// Messages per second.
    pub(crate) rate: f64,
    pub(crate) milliseconds: u64,
    /// Messages of one client that leave together.
    pub(crate) burst: u32,
    /// Bytes of a message.
    pub(crate) size: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Figures {
    pub(crate) sent: u32,
    pub(crate) received: u32,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Venue {
    pub(crate) fn ours() -> Outcome<Self> {
        Self::ours_on(SERVER_CORE)
    }

    /// It starts a media worker for each core that it may use.
    pub(crate) fn ours_on(cores: &str) -> Outcome<Self> {
        let users: Vec<String> = (0..USERS).map(|user| format!("stoa{user} = \"secret\"")).collect();
        let text = format!(
            "[relay]\nrealm = \"stoa.test\"\nusers = {{ {} }}\nallow_peers = [\"127.0.0.0/8\"]\n\
             port_range = [{FIRST_PORT}, 65535]\n\
             allocation_kbits = 0\nallocation_packets = 0\nallocation_new_peers = 0\n",
            users.join(", ")
        );
        let (settings, udp) = (TempDir::new()?, free_address()?);
        let path = settings.path().join("stoa.toml");
        fs::write(&path, text)?;
        Ok(Self { name: OURS, server: Server::stoa_on(cores, &path, udp)?, _settings: Some(settings) })
    }

    pub(crate) fn coturn() -> Outcome<Self> {
        let (settings, udp) = (TempDir::new()?, free_address()?);
        let folder = settings.path().display();
        let users: String = (0..USERS).map(|user| format!("user=stoa{user}:secret\n")).collect();
        let text = format!(
            "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={}\nrealm=stoa.test\nlt-cred-mech\n{users}\
             allow-loopback-peers\nno-cli\nno-tls\nno-dtls\nrelay-threads=1\nsimple-log\nlog-file=/dev/null\n\
             min-port={FIRST_PORT}\nmax-port=65535\nuserdb={folder}/users\npidfile={folder}/pid\n",
            udp.port()
        );
        let path = settings.path().join("turnserver.conf");
        fs::write(&path, text)?;
        let server = Server::coturn_on(SERVER_CORE, &path, udp)?;
        Ok(Self { name: "coturn", server, _settings: Some(settings) })
    }

    /// The bare forwarder.
    pub(crate) fn floor() -> Outcome<Self> {
        let server = Server::example_on(SERVER_CORE, GENERATOR, &["floor"])?;
        Ok(Self { name: FLOOR, server, _settings: None })
    }

    /// Clients and peers of this server, ready to send.
    pub(crate) fn load(&self, clients: u32, flow: &str) -> Outcome<Generator> {
        let kind = if self.name == FLOOR { FLOOR } else { "turn" };
        Generator::start(&["load", kind, &self.server.address.to_string(), &clients.to_string(), flow])
    }

    /// Sends, and measures the server's CPU seconds meanwhile.
    pub(crate) fn run(&self, generator: &mut Generator, order: Order) -> Outcome<(Figures, f64)> {
        let meter = CpuMeter::start(self.server.pid())?;
        let answer = generator.ask(&serde_json::to_string(&order)?)?;
        Ok((serde_json::from_str(&answer)?, meter.seconds()?))
    }
}

impl Generator {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut command = server::example_on(&generator_core()?, GENERATOR)?;
        let mut child = command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut generator = Self { child, input, output };
        match generator.answer()?.as_str() {
            "ready" => Ok(generator),
            other => Err(format!("the generator said {other:?}").into()),
        }
    }

    /// Says a line and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> Outcome<String> {
        self.input.write_all(line.as_bytes())?;
        self.input.write_all(b"\n")?;
        self.answer()
    }

    fn answer(&mut self) -> Outcome<String> {
        Ok(self.output.next().ok_or("the generator ended")??)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Outcome<SocketAddr> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?)
}

/// The last core, so that the first is left for the server.
fn generator_core() -> Outcome<String> {
    let cores = std::thread::available_parallelism()?.get();
    if cores < 2 {
        return Err("the relay's benchmark needs two cores: one for the server, one for the generator".into());
    }
    Ok((cores - 1).to_string())
}

/// Relayed ports.
const FIRST_PORT: u16 = 49_152;
const GENERATOR: &str = "bench-relay";
const SERVER_CORE: &str = "0";
/// Those whom the generator speaks for.
const USERS: u32 = 4;
