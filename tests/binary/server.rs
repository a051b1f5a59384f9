use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

/// A running `stoa`.
pub(crate) struct Server {
    /// `None` for parts that a test has put together itself.
    child: Option<Process>,
    pub(crate) url: String,
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
    pub(crate) data: String,
    /// Removed after the process has ended.
    #[expect(dead_code, reason = "held for its Drop")]
    folder: Option<TempDir>,
}

/// Killed when dropped.
struct Process(Child);

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(adjust: impl FnOnce(&mut Command)) -> Self {
        Self::start_on("127.0.0.1:0", adjust)
    }

    /// With another UDP address.
    pub(crate) fn start_on(udp: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::new().unwrap();
        let server = Self::launch(&folder.path().join("data"), udp, adjust);
        Self { folder: Some(folder), ..server }
    }

    /// Starts the binary with a data folder that outlives it.
    pub(crate) fn start_in(data: &Path) -> Self {
        Self::launch(data, "127.0.0.1:0", |_| {})
    }

    pub(crate) fn start_in_with(data: &Path, adjust: impl FnOnce(&mut Command)) -> Self {
        Self::launch(data, "127.0.0.1:0", adjust)
    }

    /// Starts the binary and waits until it says that it is ready.
    fn launch(data: &Path, udp: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let mut command = stoa();
        command.args(["--listen", "127.0.0.1:0", "--udp", udp, "--data"]).arg(data);
        adjust(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("Stoa is ready."));
        let mut value = |key: &str| {
            let line = lines.next().unwrap();
            let (name, value) = line.trim().split_once(' ').unwrap();
            assert_eq!(name, key);
            value.trim().to_owned()
        };
        let (url, http, udp, data) = (value("open"), value("http"), value("udp"), value("data"));
        let udp = udp.split(", ").next().unwrap().parse().unwrap();
        Self { child: Some(Process(child)), url, http: http.parse().unwrap(), udp, data, folder: None }
    }

    /// Parts that a test has put together itself.
    pub(crate) fn of(http: SocketAddr, udp: SocketAddr) -> Self {
        Self { child: None, url: format!("http://{http}"), http, udp, data: String::new(), folder: None }
    }

    pub(crate) fn signal(&self, name: &str) {
        let child = &self.child.as_ref().unwrap().0;
        let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.as_mut().unwrap().0.wait().unwrap()
    }

    /// One plain HTTP exchange; returns head and body.
    pub(crate) fn get(&self, path: &str, headers: &str) -> (String, String) {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", self.http).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary without settings from the outside.
pub(crate) fn stoa() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STOA_")) {
        command.env_remove(name);
    }
    command.stderr(Stdio::null());
    command
}
