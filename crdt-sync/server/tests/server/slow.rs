//! A follower that does not read.

use crate::client::{Follower, Heard, Style};
use crate::server::Server;

async fn falls_behind_and_catches_up(slow: Style) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url =
        |style: &Style| server.url(if matches!(style, Style::Hocuspocus(_)) { "/hocuspocus" } else { "/yjs/agora" });
    let mut slow = Follower::open(&url(&slow), slow).await;
    let mut writer = Follower::open(&url(&Style::Plain), Style::Plain).await;
    let mut reader = Follower::open(&url(&Style::Plain), Style::Plain).await;
    let text = "0123456789abcdef".repeat(1 << 12);
    for _ in 0..UPDATES {
        writer.write(&text).await;
    }
    writer.say_awareness(7, 1, "{}").await;
    let expected = text.repeat(UPDATES);
    reader.shows(&expected).await;
    let (mut updates, units) = (0, expected.len());
    while !slow.is_showing(&expected, units) {
        match slow.next().await {
            Heard::Update(_) => updates += 1,
            Heard::End { code, reason } => panic!("{code} {reason} after {updates} updates"),
            _ => {}
        }
    }
    // What the kernel holds comes one by one; what the server dropped comes as one.
    assert!(updates < UPDATES, "nothing was dropped");
    assert_eq!(slow.state(), writer.state());
    slow.until(|heard| matches!(heard, Heard::Awareness(_))).await;
    writer.write("and on").await;
    slow.shows(&format!("{expected}and on")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_y_websocket_client_that_does_not_read_gets_what_it_missed_at_once() {
    falls_behind_and_catches_up(Style::Plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_client_that_does_not_read_gets_what_it_missed_at_once() {
    falls_behind_and_catches_up(Style::Native("agora".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hocuspocus_provider_that_does_not_read_gets_what_it_missed_at_once() {
    falls_behind_and_catches_up(Style::Hocuspocus("agora".to_owned())).await;
}

/// 15 MiB: more than the kernel holds, and read by others long before the silence of one who does not read counts.
const UPDATES: usize = 240;
