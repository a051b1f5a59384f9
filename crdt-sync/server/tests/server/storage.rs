//! What becomes of updates when the disk is slow or refuses.

use stoa_crdt_sync_server::Config;
use yrs::{ReadTxn, StateVector, Transact};

use crate::client::{Follower, Heard, Style};
use crate::faults::Faulty;
use crate::server::Server;

fn native() -> Style {
    Style::Native("agora".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_an_update_before_the_disk_does_and_its_author_is_told_after() {
    let dir = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::open(dir.path());
    let server = Server::on(store, &Config::new(dir.path())).await;
    let url = server.url("/yjs/agora");
    let mut one = Follower::open(&url, native()).await;
    let mut two = Follower::open(&url, native()).await;
    one.until(|heard| *heard == Heard::Ack(1)).await;
    disk.stall(true);
    one.write("a").await;
    two.shows("a").await;
    // The same again from another one, who must not be told that it is saved either.
    two.say_sync(2, &whole(&two)).await;
    for follower in [&mut one, &mut two] {
        follower.say(&[3], &[]).await;
        let heard = follower.until(|heard| matches!(heard, Heard::Awareness(_) | Heard::Ack(2..))).await;
        assert!(matches!(heard, Heard::Awareness(_)), "acknowledged before it is on disk");
    }
    disk.stall(false);
    one.until(|heard| matches!(heard, Heard::Ack(2..))).await;
    two.until(|heard| matches!(heard, Heard::Ack(2..))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_makes_documents_read_only_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::open(dir.path());
    let server = Server::on(store, &Config::new(dir.path())).await;
    let url = server.url("/yjs/agora");
    let mut native_one = Follower::open(&url, native()).await;
    let mut plain = Follower::open(&url, Style::Plain).await;
    native_one.write("before ").await;
    native_one.until(|heard| *heard == Heard::Ack(2)).await;
    plain.shows("before ").await;

    disk.fail(true);
    native_one.write("meanwhile ").await;
    plain.shows("before meanwhile ").await;
    native_one.until(|heard| *heard == Heard::Storage(1)).await;
    plain.write("stock ").await;
    native_one.shows("before meanwhile stock ").await;
    let mut late = Follower::connect(&url, native()).await;
    late.say(&[100], &[1, 0]).await;
    assert_eq!(late.hear().await, Heard::Opened { epoch: 1, access: 2, storage: 1 });
    let answer =
        crate::rest::call(&server, "PUT", "/v1/docs/agora?root=note", &[("content-type", "text/plain")], b"x").await;
    assert_eq!(answer.status, 503);

    disk.fail(false);
    native_one.until_all(&[Heard::Ack(3), Heard::Storage(0)]).await;
    native_one.write("after").await;
    native_one.until(|heard| *heard == Heard::Ack(4)).await;
    server.stop().await;
    let server = Server::start(dir.path()).await;
    let again = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    assert_eq!(again.shown(), "before meanwhile stock after");
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_clients_write_into_bounded_memory_while_the_disk_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let (store, disk) = Faulty::open(dir.path());
    let server = Server::on(store, &Config::new(dir.path())).await;
    let url = server.url("/yjs/agora");
    let mut native_one = Follower::open(&url, native()).await;
    let mut plain = Follower::open(&url, Style::Plain).await;
    plain.write("first").await;
    native_one.shows("first").await;
    disk.fail(true);
    plain.write("second").await;
    native_one.until(|heard| *heard == Heard::Storage(1)).await;
    let text = "0123456789abcdef".repeat(1 << 16);
    for _ in 0..12 {
        let update = plain.write_silently(&text);
        let mut message = vec![0, 2];
        crate::client::bytes(&mut message, &update);
        // At some point nobody listens any more.
        let _ =
            futures_util::SinkExt::send(&mut plain.socket, tokio_tungstenite::tungstenite::Message::binary(message))
                .await;
    }
    let end = loop {
        let heard = plain.hear().await;
        if matches!(heard, Heard::End { .. }) {
            break heard;
        }
    };
    assert!(matches!(end, Heard::End { code: 1011 | 1006, .. }), "{end:?}");
    disk.fail(false);
    native_one.until(|heard| *heard == Heard::Storage(0)).await;
    let mut again = Follower::connect(&url, Style::Plain).await;
    again.apply(&whole(&plain));
    again.sync().await;
    again.until(|heard| matches!(heard, Heard::Step1(_))).await;
    native_one.shows(&format!("firstsecond{}", text.repeat(12))).await;
    assert_eq!(native_one.state(), plain.state());
}

fn whole(follower: &Follower) -> Vec<u8> {
    follower.doc.transact().encode_state_as_update_v1(&StateVector::default())
}
