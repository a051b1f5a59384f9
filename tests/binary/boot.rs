//! Starting, settings, stopping, and what the server says of itself.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use stoa_turn_relay_core::stun::{BINDING, Builder, Class, Message, TransactionId, attribute};
use tempfile::TempDir;

use crate::server::{Server, stoa};

fn output(adjust: impl FnOnce(&mut Command)) -> Output {
    let mut command = stoa();
    adjust(&mut command);
    command.stderr(Stdio::piped()).output().unwrap()
}

#[track_caller]
fn refuses(status: i32, parts: &[&str], adjust: impl FnOnce(&mut Command)) {
    let output = output(adjust);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{said}");
    let line = said.lines().last().unwrap_or_default();
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in: {said}");
    }
}

#[test]
fn it_serves_the_page_and_says_that_it_is_well() {
    let server = Server::start();
    assert_eq!(server.url, format!("http://localhost:{}", server.http.port()));
    assert_eq!(server.get("/healthz", ""), (server.get("/healthz", "").0, "ok".into()));
    assert!(server.get("/readyz", "").0.starts_with("HTTP/1.1 200"));
    let (head, page) = server.get("/r/agora", "");
    assert!(head.starts_with("HTTP/1.1 200") && page.starts_with("<!doctype html>"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'self'"));
    assert!(server.get("/nothing/here", "").0.starts_with("HTTP/1.1 404"));
    assert!(server.get("/metrics", "").1.contains("stoa_signaling_rooms 0"));
    let mode = fs::metadata(&server.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the data folder is for its owner alone");
}

#[test]
fn it_answers_binding_requests_and_nothing_else() {
    let server = Server::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.udp).unwrap();
    let junk: [&[u8]; 4] = [b"", b"junk", &[0; 20], &[0x80; 200]];
    for datagram in junk {
        socket.send(datagram).unwrap();
    }
    let id = TransactionId(*b"transaction!");
    socket.send(&Builder::new(Class::Request, BINDING, id).finish_with_fingerprint()).unwrap();
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    let answer = Message::parse(&buffer[..length]).unwrap();
    assert_eq!((answer.class, answer.transaction), (Class::Success, id), "the junk got no answer");
    let wanted = Builder::new(Class::Success, BINDING, id).xor_mapped_address(socket.local_addr().unwrap()).finish();
    let wanted = Message::parse(&wanted).unwrap().attributes().next();
    assert_eq!(answer.attributes().next(), wanted);
    assert_eq!(wanted.unwrap().0, attribute::XOR_MAPPED_ADDRESS);
}

#[test]
fn sigterm_and_sigint_end_it_with_status_0() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stoa.toml");
    let of = |name: &str| folder.path().join(name).display().to_string();
    fs::write(&file, format!("[data]\ndir = {:?}\n[log]\nformat = \"json\"\n", of("file"))).unwrap();
    let data = |adjust: &dyn Fn(&mut Command)| {
        let mut command = stoa();
        command.args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--config"]).arg(&file);
        adjust(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let line = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()))
            .map(Result::unwrap)
            .find(|line| line.trim().starts_with("data"))
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line.split_whitespace().last().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(data(&|_| {}), "file");
    assert_eq!(
        data(&|command| {
            command.env("STOA_DATA", of("environment"));
        }),
        "environment"
    );
    let both = |command: &mut Command| {
        command.env("STOA_DATA", of("environment")).args(["--data", &of("flag")]);
    };
    assert_eq!(data(&both), "flag");
}

#[test]
fn wrong_settings_end_it_with_status_2_and_one_line() {
    refuses(2, &["http.listen", "\"nowhere\"", "127.0.0.1:8080"], |command| {
        command.args(["--listen", "nowhere"]);
    });
    refuses(2, &["udp.listen", "\"x\""], |command| {
        command.env("STOA_UDP", "127.0.0.1:0,x");
    });
    refuses(2, &["/no/such/file.toml", "--config"], |command| {
        command.args(["--config", "/no/such/file.toml"]);
    });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stoa.toml");
    fs::write(&file, "[http]\nlissten = \"127.0.0.1:0\"\n").unwrap();
    refuses(2, &["http.lissten", "stoa.toml", "listen"], |command| {
        command.arg("--config").arg(&file);
    });
    fs::write(&file, "[http\n").unwrap();
    refuses(2, &["stoa.toml"], |command| {
        command.arg("--config").arg(&file);
    });
    assert_eq!(
        output(|command| {
            command.arg("--no-such-flag");
        })
        .status
        .code(),
        Some(2)
    );
}

#[test]
fn taken_addresses_and_unusable_folders_are_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, folder) = (tcp.local_addr().unwrap().to_string(), TempDir::new().unwrap());
    let file = folder.path().join("file");
    let start = |command: &mut Command, listen: &str, udp: &str| {
        command.args(["--listen", listen, "--udp", udp, "--data"]).arg(folder.path());
    };
    refuses(1, &["TCP", &taken, "in use"], |command| start(command, &taken, "127.0.0.1:0"));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = udp.local_addr().unwrap().to_string();
    refuses(1, &["UDP", &taken, "in use", "--udp"], |command| start(command, "127.0.0.1:0", &taken));
    let running = Server::start();
    let taken = running.udp.to_string();
    refuses(1, &["UDP", &taken, "in use"], |command| start(command, "127.0.0.1:0", &taken));
    fs::write(&file, "not a folder").unwrap();
    refuses(1, &["data folder", "--data"], |command| {
        command.args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--data"]).arg(&file);
    });
}

#[test]
fn the_default_file_is_printed() {
    let output = output(|command| {
        command.args(["config", "--print-default"]);
    });
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("listen = \"127.0.0.1:8080\""), "{text}");
}

#[test]
fn logs_are_json_when_asked_for_and_carry_the_session() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut server = Server::start_with(|command| {
        command.args(["--log-format", "json"]).stderr(fs::File::create(&log).unwrap());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(async {
        let (_client, welcome) = crate::client::Client::enter(&server, "agora", "Ada").await;
        welcome["session"].clone()
    });
    server.signal("-TERM");
    server.wait();
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bound = lines.iter().find(|line| line["fields"]["message"] == "session bound").unwrap();
    assert_eq!(bound["span"]["id"], session);
}
