//! Documents in the real binary: followed, kept, killed, backed up.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use stoa_crdt_sync_core::update::{StateVector, Update};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::document::{Follower, Said, bytes, number};
use crate::server::{Server, stoa};

#[tokio::test]
async fn what_one_writes_the_other_reads_and_the_server_keeps() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::start_in(folder.path());
    let mut ada = Follower::open(&server, "agora", 1).await;
    let mut bob = Follower::open(&server, "agora", 2).await;
    ada.write("Hello ☂😀").await;
    bob.reads("Hello ☂😀").await;
    bob.write(", Ada").await;
    ada.reads("Hello ☂😀, Ada").await;
    ada.saved().await;
    bob.saved().await;
    server.signal("-TERM");
    assert!(server.wait().success());
    let server = Server::start_in(folder.path());
    let cyd = Follower::open(&server, "agora", 3).await;
    assert_eq!((cyd.content().as_str(), cyd.epoch), ("Hello ☂😀, Ada", 1));
    assert_eq!(cyd.state(), ada.state(), "structs and deletes");
}

/// The documents of a room travel on its signaling socket, too.
#[tokio::test]
async fn the_rooms_documents_are_followed_over_the_signaling_socket() {
    let server = Server::start();
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    let frame = |doc: &str, rest: &[u8]| Message::binary([&[0], &bytes(doc.as_bytes())[..], rest].concat());
    ada.send(frame("agora", &[&number(100)[..], &[1, 0]].concat())).await;
    let mut bob = Follower::open(&server, "agora", 2).await;
    bob.write("from outside").await;
    bob.saved().await;
    // Step 1 with an empty vector, after `opened`.
    ada.send(frame("agora", &[0, 0, 1, 0])).await;
    let found = ada.hear_binary(|message| message.windows(12).any(|window| window == b"from outside")).await;
    assert_eq!(found[0], 0);
    // Another room's document is not given out here.
    ada.send(frame("stoa", &[&number(100)[..], &[1, 0]].concat())).await;
    let closed = [&[0], &bytes(b"stoa")[..], &[107, 2]].concat();
    ada.hear_binary(|message| message.starts_with(&closed)).await;
    // The socket goes on.
    ada.say(&json!({"type": "ping"})).await;
    ada.hear("pong").await;
}

/// Kills the server while three people write, again and again: what was acknowledged is there afterwards, deletes included.
/// `STOA_CRASHES` says how often; some folders at a time, as a life is mostly waiting.
#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed() {
    let kills = std::env::var("STOA_CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(50_u64);
    let (folders, next) = (kills.div_ceil(LIVES), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..FOLDERS_AT_ONCE {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let folder = next.fetch_add(1, Ordering::Relaxed);
                    if folder >= folders {
                        return;
                    }
                    runtime.block_on(live(folder));
                }
            });
        }
    });
}

/// One folder lives through so many kills.
async fn live(seed: u64) {
    let folder = TempDir::new().unwrap();
    let mut promised: [Vec<Vec<u8>>; 3] = Default::default();
    for life in 0..LIVES {
        let server = Server::start_in(folder.path());
        let mut writers = Vec::new();
        for (index, promised) in promised.iter().enumerate() {
            let follower = Follower::open(&server, &format!("doc-{index}"), 1 + life * 3 + index as u64).await;
            let missing = missing(&follower, promised);
            assert!(
                missing.is_empty(),
                "folder {seed}, life {life}, doc-{index}: {missing:?} of the acknowledged are gone"
            );
            writers.push(follower);
        }
        write_until_killed(server, &mut writers, 1 + (seed * 11 + life * 7) % 40).await;
        for (writer, promised) in writers.iter_mut().zip(&mut promised) {
            // What the kernel had already taken counts as said.
            while !matches!(writer.next().await, Said::Gone(_)) {}
            let acked = usize::try_from(writer.acked).unwrap();
            promised.extend(writer.sent.drain(..).take(acked));
        }
    }
}

/// Which of the updates the document does not hold, structs and deletes.
fn missing(follower: &Follower, promised: &[Vec<u8>]) -> Vec<usize> {
    let state = Update::read(follower.state().into()).unwrap();
    let vector: StateVector = state.authors().map(|(client, clocks)| (client, clocks.end)).collect();
    let is_there = |update: &Vec<u8>| Update::read(update.clone().into()).unwrap().is_known(&vector, state.deletes());
    promised.iter().enumerate().filter(|(_, update)| !is_there(update)).map(|(number, _)| number).collect()
}

/// As many acknowledgements as wanted, then the end, in the middle of everything.
async fn write_until_killed(server: Server, writers: &mut [Follower], wanted: u64) {
    for step in 0.. {
        for writer in &mut *writers {
            writer.write(&format!("{step} ")).await;
            if step % 3 == 2 {
                writer.remove_first().await;
            }
        }
        let count = writers.len();
        let writer = &mut writers[step % count];
        if writer.acked >= wanted {
            break;
        }
        writer.next().await;
    }
    server.signal("-KILL");
}

/// How often a folder's server is killed: what was acknowledged in all lives is asked for in each.
const LIVES: u64 = 10;

const FOLDERS_AT_ONCE: usize = 4;

#[tokio::test]
async fn chats_are_kept_and_read_by_latecomers() {
    let folder = TempDir::new().unwrap();
    let server = Server::start_in(folder.path());
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    ada.say(&json!({"type": "chat", "text": "one", "cid": 1})).await;
    assert_eq!(ada.hear("chat").await["entry"]["seq"], 1);
    assert_eq!(ada.hear("ok").await["cid"], 1);
    server.signal("-KILL");
    drop(server);
    let server = Server::start_in(folder.path());
    let (mut bob, _) = Client::enter(&server, "agora", "Bob").await;
    bob.say(&json!({"type": "chat_history", "cid": 1})).await;
    let history = bob.hear("chat_entries").await;
    assert_eq!((&history["entries"][0]["text"], &history["more"]), (&json!("one"), &json!(false)));
    assert_eq!(history["entries"][0]["name"], "Ada");
    bob.say(&json!({"type": "chat", "text": "two"})).await;
    assert_eq!(bob.hear("chat").await["entry"]["seq"], 2);
}

fn docs(data: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = stoa();
    let output = command.arg("docs").args(arguments).arg("--data").arg(data).stderr(std::process::Stdio::piped());
    let output = output.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn documents_are_backed_up_listed_exported_and_imported() {
    let folder = TempDir::new().unwrap();
    let (data, backup, export) = (folder.path().join("data"), folder.path().join("b.db"), folder.path().join("x.yjs"));
    let mut server = Server::start_in(&data);
    let mut ada = Follower::open(&server, "agora", 1).await;
    ada.write("kept").await;
    ada.saved().await;
    // While it serves.
    let (ok, text) = docs(&data, &["backup", backup.to_str().unwrap()]);
    assert!(ok && backup.is_file(), "{text}");
    let (ok, text) = docs(&data, &["backup", backup.to_str().unwrap()]);
    assert!(!ok && text.contains("b.db"), "never over another file: {text}");
    let (ok, text) = docs(&data, &["list"]);
    assert!(ok && text.lines().any(|line| line.starts_with("agora\t1\t")), "{text}");
    let (ok, text) = docs(&data, &["export", "agora", export.to_str().unwrap()]);
    assert!(ok, "{text}");
    let (ok, text) = docs(&data, &["import", "copy", export.to_str().unwrap()]);
    assert!(!ok && text.contains("server"), "not while a server runs: {text}");
    server.signal("-TERM");
    assert!(server.wait().success());
    let (ok, text) = docs(&data, &["import", "copy", export.to_str().unwrap()]);
    assert!(ok, "{text}");
    let (ok, text) = docs(&data, &["verify"]);
    assert!(ok, "{text}");
    let (ok, text) = docs(&data, &["export", "nothing", folder.path().join("y").to_str().unwrap()]);
    assert!(!ok && text.contains("nothing"), "{text}");
    // The copy, and the backup under its own roof.
    let restored = folder.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::copy(&backup, restored.join("stoa.db")).unwrap();
    for (data, name) in [(&data, "copy"), (&restored, "agora")] {
        let server = Server::start_in(data);
        assert_eq!(Follower::open(&server, name, 2).await.content(), "kept");
    }
}
