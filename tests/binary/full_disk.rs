//! A disk that is full for a while, under the real binary: `crdt-sync/store/tests/power/power.c` stands between it and its files.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::document::{Follower, Said};
use crate::server::Server;

/// Compiled for this process alone, so that nobody reads what another one writes.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crdt-sync/store/tests/power/power.c");
    let object = folder.join("power.so");
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&object).arg(&source).args(["-ldl", "-lpthread"]);
    assert!(compiler.status().unwrap().success());
    object
}

#[tokio::test]
async fn a_full_disk_is_told_and_costs_nothing() {
    let folder = TempDir::new().unwrap();
    let (data, state) = (folder.path().join("data"), folder.path().join("state"));
    std::fs::create_dir(&state).unwrap();
    let shim = shim(folder.path());
    // The store is open after about 70 operations; every attempt to commit costs one or two.
    let server = Server::start_in_with(&data, |command| {
        command.env("LD_PRELOAD", &shim).env("POWER_DIR", &data).env("POWER_STATE", &state);
        command.env("POWER_FAIL", "full:200:207");
    });
    let mut ada = Follower::open(&server, "agora", 1).await;
    let reason = loop {
        ada.write("before ").await;
        let told = |said: &Said| matches!(said, Said::Ack(_) | Said::Storage(..));
        if let Said::Storage(1, reason) = ada.hear(told).await {
            break reason;
        }
    };
    assert!(reason.contains("full"), "{reason}");
    // Whoever comes meanwhile reads, and is told too; what is written reaches them and is not called saved.
    let mut bob = Follower::open(&server, "agora", 2).await;
    assert_eq!(bob.content(), ada.content());
    let acked = ada.acked;
    for _ in 0..20 {
        ada.write("meanwhile ").await;
    }
    bob.reads(&ada.content()).await;
    assert!(acked < ada.sent.len() as u64);
    // Then there is room again: without a restart everything is saved.
    ada.hear(|said| matches!(said, Said::Storage(0, _))).await;
    ada.saved().await;
    ada.write("after").await;
    ada.saved().await;
    let (text, whole) = (ada.content(), ada.state());
    server.signal("-KILL");
    drop(server);
    let server = Server::start_in(&data);
    let carol = Follower::open(&server, "agora", 3).await;
    assert_eq!((carol.content(), carol.state()), (text, whole));
}
