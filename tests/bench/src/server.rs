//! Servers as children of the benchmark.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::Outcome;
use crate::client;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Removed after the process has ended.
    data: Option<TempDir>,
}

impl Server {
    /// The real binary, with settings from the environment.
    pub(crate) fn stoa(settings: &[(&str, &str)]) -> Outcome<Self> {
        let data = TempDir::new()?;
        let mut server = Self::stoa_in(data.path(), settings)?;
        server.data = Some(data);
        Ok(server)
    }

    /// The real binary with a data folder that outlives it.
    pub(crate) fn stoa_in(data: &Path, settings: &[(&str, &str)]) -> Outcome<Self> {
        let mut command = bare_command(&binaries()?.join("stoa"));
        command.args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--data"]).arg(data);
        command.envs(settings.iter().copied());
        Self::start(command, "http")
    }

    /// The example `bench-server`, as `room` or as `floor`.
    pub(crate) fn bench(kind: &str) -> Outcome<Self> {
        Self::example("bench-server", &[kind])
    }

    /// An example that prints its address.
    pub(crate) fn example(name: &str, arguments: &[&str]) -> Outcome<Self> {
        let mut command = example(name)?;
        command.args(arguments);
        Self::start(command, "address")
    }

    /// A program for Node that takes a port and prints where it listens.
    pub(crate) fn node(script: &Path) -> Outcome<Self> {
        let mut command = bare_command(Path::new("node"));
        command.arg(script).env("PORT", "0").env("NODE_ENV", "production");
        Self::start(command, "listening on")
    }

    /// The real binary on some cores, with a settings file and its UDP address.
    pub(crate) fn stoa_on(cores: &str, settings: &Path, udp: SocketAddr) -> Outcome<Self> {
        let data = TempDir::new()?;
        let mut command = on_cores(cores, &binaries()?.join("stoa"));
        command.args(["--listen", "127.0.0.1:0", "--udp", &udp.to_string(), "--data"]).arg(data.path());
        command.arg("--config").arg(settings);
        let mut server = Self::start(command, "http")?;
        server.data = Some(data);
        server.address = udp;
        Ok(server)
    }

    /// Debian's coturn on some cores, with a settings file that names its UDP address. It does not say when it is ready.
    pub(crate) fn coturn_on(cores: &str, settings: &Path, udp: SocketAddr) -> Outcome<Self> {
        let mut command = on_cores(cores, Path::new("turnserver"));
        command.arg("-c").arg(settings).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start turnserver: {error}; run make coturn"))?;
        Ok(Self { child, address: udp, data: None })
    }

    /// An example that prints its address, on some cores.
    pub(crate) fn example_on(cores: &str, name: &str, arguments: &[&str]) -> Outcome<Self> {
        let mut command = on_cores(cores, &example_path(name)?);
        command.args(arguments);
        Self::start(command, "address")
    }

    fn start(command: Command, key: &str) -> Outcome<Self> {
        let (child, address) = launch(command, key)?;
        Ok(Self { child, address, data: None })
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("no such process")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One value of `/metrics`; 0 when it was not counted yet.
    pub(crate) async fn metric(&self, name: &str) -> Outcome<u64> {
        let stream = TcpStream::connect(self.address).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        let answer = client::exchange(stream, &request).await?;
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.map_or(Ok(0), str::parse)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An example of this crate, without settings from the outside.
pub(crate) fn example(name: &str) -> Outcome<Command> {
    Ok(bare_command(&example_path(name)?))
}

/// The same, on some cores.
pub(crate) fn example_on(cores: &str, name: &str) -> Outcome<Command> {
    Ok(on_cores(cores, &example_path(name)?))
}

fn example_path(name: &str) -> Outcome<PathBuf> {
    Ok(binaries()?.join("examples").join(name))
}

/// A program that may use the cores of a list as `taskset` has it, such as `0,1`, and no others.
fn on_cores(cores: &str, program: &Path) -> Command {
    let mut command = bare_command(Path::new("taskset"));
    command.args(["--cpu-list", cores]).arg(program);
    command
}

/// The folder of this profile's binaries, this one included.
fn binaries() -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?.parent().ok_or("the benchmark runs from nowhere")?.to_owned())
}

/// Cargo's `target`.
pub(crate) fn target_folder() -> Outcome<PathBuf> {
    Ok(binaries()?.parent().ok_or("the benchmark is not in cargo's target folder")?.to_owned())
}

/// Without settings from the outside; the log is written, as it would be, but kept nowhere.
fn bare_command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STOA_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Starts it and reads the address that it prints after `key`.
fn launch(mut command: Command, key: &str) -> Outcome<(Child, SocketAddr)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let output = child.stdout.take().ok_or("no output")?;
    for line in BufReader::new(output).lines() {
        if let Some(address) = line?.trim().strip_prefix(key) {
            return Ok((child, address.trim().parse()?));
        }
    }
    Err(format!("{name} did not say where it listens").into())
}
