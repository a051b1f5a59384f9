//! Calls by way of the server, over its real WebSocket and its real UDP port, with two workers.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Server, stoa};
use crate::sfu_client::{Peer, until};

fn server() -> Server {
    Server::start_with(|command| {
        command.env("STOA_UDP_WORKERS", "2").env("STOA_ROOMS_MESH_MAX", "0");
    })
}

/// Two people who see and hear each other.
async fn pair(server: &Server) -> (Peer, Peer) {
    let (mut ada, mut bob) = (Peer::enter(server, "Ada", None).await, Peer::enter(server, "Bob", None).await);
    ada.publish().await;
    bob.publish().await;
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "all tracks", |peers| peers.iter().all(|peer| peer.tracks("", None).len() == 2)).await;
    for peer in peers.iter_mut() {
        let tracks = peer.tracks("", None);
        peer.wish(&tracks, json!({})).await;
    }
    until(peers, "media", |peers| peers.iter().all(|peer| hears_all(peer, 10))).await;
    (ada, bob)
}

fn hears_all(peer: &Peer, packets: usize) -> bool {
    peer.tracks("", None).iter().all(|track| peer.packets(*track).len() >= packets)
}

#[tokio::test]
async fn four_people_call_and_the_fourth_finds_the_sfu() {
    let server = Server::start_with(|command| {
        command.env("STOA_UDP_WORKERS", "2");
    });
    let mut peers = Vec::new();
    for name in ["Ada", "Bob", "Cyd", "Dan"] {
        peers.push(Peer::enter(&server, name, None).await);
    }
    let modes: Vec<_> = peers.iter().map(|peer| peer.welcome["room"]["topology"]["mode"].clone()).collect();
    assert_eq!(modes, ["mesh", "mesh", "mesh", "sfu"]);
    let mut peers: Vec<_> = peers.iter_mut().collect();
    until(&mut peers, "topology", |peers| peers[..3].iter().all(|peer| peer.got("topology_changed").len() == 1)).await;
    for peer in &mut peers {
        peer.publish().await;
    }
    until(&mut peers, "tracks", |peers| peers.iter().all(|peer| peer.tracks("", None).len() == 6)).await;
    for peer in &mut peers {
        let tracks = peer.tracks("", None);
        peer.wish(&tracks, json!({})).await;
    }
    until(&mut peers, "media of all", |peers| peers.iter().all(|peer| hears_all(peer, 20))).await;
    until(&mut peers, "speakers", |peers| peers.iter().all(|peer| !peer.got("speakers").is_empty())).await;
    let published = &peers[0].got("track_published")[0]["track"];
    assert_eq!((&published["codec"], &published["layers"]), (&json!("opus"), &json!(1)));
    // One goes and another comes: the sections are used again.
    let dans = peers[0].tracks("", Some(&peers[3].id));
    let seats: Vec<_> = dans.iter().map(|track| peers[0].seats[track].clone()).collect();
    let (dan, slots) = (peers.pop().unwrap(), peers[0].got("sfu_slots").len());
    dan.signal.say(&json!({"type": "leave"})).await;
    until(&mut peers, "Dan's end", |peers| peers.iter().all(|peer| !peer.got("participant_left").is_empty())).await;
    let kinds: Vec<_> = peers[0].frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    let left = kinds.iter().position(|kind| *kind == "participant_left").unwrap();
    assert_eq!(kinds[..left].iter().filter(|kind| **kind == "track_ended").count(), 2, "tracks end first");
    let mut eve = Peer::enter(&server, "Eve", None).await;
    eve.publish().await;
    let eve_id = eve.id.clone();
    peers.push(&mut eve);
    until(&mut peers, "Eve", |peers| peers[..3].iter().all(|peer| peer.tracks("", Some(&eve_id)).len() == 2)).await;
    let eves = peers[0].tracks("", Some(&eve_id));
    peers[0].wish(&eves, json!({})).await;
    until(&mut peers, "Eve's media", |peers| hears_all(peers[0], 20)).await;
    let reused: Vec<_> = eves.iter().map(|track| peers[0].seats[track].clone()).collect();
    assert_eq!((reused, peers[0].got("sfu_slots").len()), (seats, slots));
}

#[tokio::test]
async fn a_hundred_guests_come_and_go_and_nothing_is_negotiated_anew() {
    let server = server();
    let mut ada = Peer::enter(&server, "Ada", None).await;
    ada.publish().await;
    let mut negotiated = None;
    for guest in 0..100 {
        let mut bob = Peer::enter(&server, "Bob", None).await;
        bob.publish().await;
        let peers = &mut [&mut ada, &mut bob];
        until(peers, "Bob's tracks", |peers| peers[0].tracks("", None).len() == 2).await;
        let tracks = peers[0].tracks("", None);
        peers[0].wish(&tracks, json!({})).await;
        until(peers, "seats", |peers| tracks.iter().all(|track| peers[0].seats.contains_key(track))).await;
        if guest % 25 == 0 {
            until(peers, "media", |peers| hears_all(peers[0], 5)).await;
        }
        bob.signal.say(&json!({"type": "leave"})).await;
        until(&mut [&mut ada], "Bob's end", |peers| peers[0].tracks("", None).is_empty()).await;
        let answers = ada.got("sfu_answer");
        let sdp = answers.last().and_then(|answer| answer["sdp"].as_str()).unwrap_or_default();
        let now = (answers.len(), ada.got("sfu_slots").len(), sdp.len(), sdp.matches("m=").count());
        assert_eq!(*negotiated.get_or_insert(now), now, "guest {guest}");
    }
}

#[tokio::test]
async fn a_moderator_silences_somebody_who_goes_on_sending() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let (voice, camera) = (ada.tracks("microphone", None)[0], ada.tracks("camera", None)[0]);
    ada.signal.say(&json!({"type": "mute", "participant": bob.id, "source": "microphone"})).await;
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "being muted", |peers| !peers[1].got("muted").is_empty()).await;
    // What was under way arrives; then frames come and sound does not.
    let frames = peers[0].packets(camera).len();
    until(peers, "frames", |peers| peers[0].packets(camera).len() >= frames + 10).await;
    let (sound, frames) = (peers[0].packets(voice).len(), peers[0].packets(camera).len());
    until(peers, "more frames", |peers| peers[0].packets(camera).len() >= frames + 30).await;
    assert_eq!(peers[0].packets(voice).len(), sound, "silenced at the server");
    peers[1].signal.say(&json!({"type": "media", "media": {"microphone": true, "camera": true}})).await;
    until(peers, "sound again", |peers| peers[0].packets(voice).len() > sound + 10).await;
}

#[tokio::test]
async fn a_wish_chooses_the_size_and_its_end_ends_the_stream() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let (voice, camera) = (ada.tracks("microphone", None)[0], ada.tracks("camera", None)[0]);
    let peers = &mut [&mut ada, &mut bob];
    let size = |peer: &Peer| peer.packets(camera).last().map(|packet| packet.payload.len());
    for (layer, bytes) in [(0, 200), (2, 600), (1, 400)] {
        peers[0].wish(&[camera], json!({"layer": layer})).await;
        until(peers, "the size", |peers| size(peers[0]) == Some(bytes)).await;
    }
    peers[0].wish(&[camera], json!({"paused": true})).await;
    let sound = peers[0].packets(voice).len();
    until(peers, "sound", |peers| peers[0].packets(voice).len() >= sound + 10).await;
    let (sound, frames) = (peers[0].packets(voice).len(), peers[0].packets(camera).len());
    until(peers, "more sound", |peers| peers[0].packets(voice).len() >= sound + 30).await;
    assert_eq!(peers[0].packets(camera).len(), frames, "paused");
    peers[0].wish(&[camera], json!({})).await;
    until(peers, "the picture again", |peers| peers[0].packets(camera).len() > frames).await;
}

#[tokio::test]
async fn another_connection_takes_the_place_of_the_first() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let before = ada.tracks("", None);
    bob.publish().await;
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "other tracks", |peers| {
        let tracks = peers[0].tracks("", None);
        tracks.len() == 2 && !tracks.iter().any(|track| before.contains(track))
    })
    .await;
    for peer in peers.iter_mut() {
        let tracks = peer.tracks("", None);
        peer.wish(&tracks, json!({})).await;
    }
    until(peers, "media", |peers| peers.iter().all(|peer| hears_all(peer, 20))).await;
    assert!(peers[1].got("sfu_closed").is_empty(), "they ended it themselves");
    let connection = peers[0].connection;
    peers[0].signal.say(&json!({"type": "sfu_close", "connection": connection})).await;
    until(peers, "the end of Ada's", |peers| peers[1].tracks("", None).is_empty()).await;
}

#[tokio::test]
async fn media_goes_on_while_the_signaling_socket_is_away() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let fresh = Client::connect(&server).await;
    std::mem::replace(&mut bob.signal, fresh).break_off();
    let is_away =
        |peer: &Peer| peer.got("participant_changed").iter().any(|frame| frame["participant"]["connected"] == false);
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "the loss", |peers| is_away(peers[0])).await;
    let counts =
        |peer: &Peer| -> Vec<_> { peer.tracks("", None).iter().map(|track| peer.packets(*track).len()).collect() };
    let before = [counts(peers[0]), counts(peers[1])];
    let grew = |before: &[usize], now: &[usize]| before.iter().zip(now).all(|(before, now)| *now > before + 20);
    until(peers, "media", |peers| (0..2).all(|at| grew(&before[at], &counts(peers[at])))).await;
    let last_seq = peers[1].frames.iter().filter_map(|frame| frame["seq"].as_u64()).max();
    let welcome = &peers[1].welcome;
    let resume = json!({"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": last_seq});
    let media = json!({"microphone": true, "camera": true});
    peers[1]
        .signal
        .say(&json!({"type": "hello", "room": "agora", "name": "Bob", "media": media, "resume": resume}))
        .await;
    until(peers, "the resume", |peers| peers[1].got("welcome").iter().any(|frame| frame["resumed"] == true)).await;
    let before = [counts(peers[0]), counts(peers[1])];
    until(peers, "media", |peers| (0..2).all(|at| grew(&before[at], &counts(peers[at])))).await;
    assert!(peers[0].got("track_ended").is_empty() && peers[1].got("sfu_closed").is_empty());
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn token(identity: &str, grants: &[&str]) -> String {
    let output = stoa()
        .env("STOA_AUTH_KEY", KEY)
        .args(["token", "--identity", identity, "--room", "agora"])
        .args(grants)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn tokens_decide_who_publishes_and_who_receives() {
    let server = Server::start_with(|command| {
        command.env("STOA_ROOMS_MESH_MAX", "0").env("STOA_AUTH_KEY", KEY);
    });
    let mut ada = Peer::enter(&server, "Ada", Some(&token("ada", &[]))).await;
    let mut bob =
        Peer::enter(&server, "Bob", Some(&token("bob", &["--publish", "microphone", "--no-subscribe"]))).await;
    ada.publish().await;
    bob.publish().await;
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "tracks", |peers| !peers[0].tracks("", None).is_empty() && peers[1].tracks("", None).len() == 2).await;
    let (adas, bobs) = (peers[1].tracks("", None), peers[0].tracks("", None));
    peers[1].wish(&adas, json!({})).await;
    peers[0].wish(&bobs, json!({})).await;
    until(peers, "sound", |peers| peers[0].packets(bobs[0]).len() > 20).await;
    until(peers, "the refusal", |peers| !peers[1].got("error").is_empty()).await;
    assert_eq!(peers[1].got("error")[0]["code"], "forbidden");
    assert_eq!(peers[0].tracks("camera", None), [0_u64; 0], "the camera that Bob sends is no track");
    assert!(peers[1].received.is_empty());
}

#[tokio::test]
async fn data_goes_from_channel_to_channel_with_its_senders_id() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let mut cyd = Peer::enter(&server, "Cyd", None).await;
    cyd.publish().await;
    let id = ada.id.clone();
    let peers = &mut [&mut ada, &mut bob, &mut cyd];
    until(peers, "Cyd", |peers| peers[2].is_connected).await;
    // Channels open one after the other, and what comes before that is not kept for them: it is said until both have heard it.
    let expected = [id.as_bytes(), b"hello"].concat();
    let heard = |peer: &Peer| peer.messages.contains(&expected);
    while !(heard(peers[1]) && heard(peers[2])) {
        let before = peers[0].tracks("", None).iter().map(|track| peers[0].packets(*track).len()).sum::<usize>();
        peers[0].send_data(b"hello");
        until(peers, "a moment", |peers| {
            peers[0].tracks("", None).iter().map(|track| peers[0].packets(*track).len()).sum::<usize>() > before + 20
        })
        .await;
    }
    assert!(peers[0].messages.is_empty(), "not to oneself");
}

#[tokio::test]
async fn the_relay_answers_on_the_address_that_media_comes_from() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    ada.socket.send_to(&request, server.udp).unwrap();
    let peers = &mut [&mut ada, &mut bob];
    let is_answer = |bytes: &Vec<u8>| bytes.starts_with(&[1, 1]) && bytes.get(8..20) == Some(&request[8..]);
    until(peers, "the Binding answer", |peers| peers[0].strays.iter().any(is_answer)).await;
}

#[tokio::test]
async fn offers_that_are_none_are_refused_and_the_call_goes_on() {
    let server = server();
    let (mut ada, mut bob) = pair(&server).await;
    let offer = |sdp: &str, id: u32| -> Value {
        json!({"type": "sfu_offer", "connection": ada.connection, "offer_id": id, "sdp": sdp, "tracks": []})
    };
    let (junk, empty) = (offer("junk", 100), offer("", 101));
    ada.signal.say(&junk).await;
    let peers = &mut [&mut ada, &mut bob];
    until(peers, "a refusal", |peers| peers[0].got("sfu_refused").len() == 1).await;
    peers[0].signal.say(&empty).await;
    until(peers, "another", |peers| peers[0].got("sfu_refused").len() == 2).await;
    let track = peers[0].tracks("microphone", None)[0];
    let before = peers[0].packets(track).len();
    until(peers, "sound", |peers| peers[0].packets(track).len() > before + 20).await;
    assert!(peers[1].got("track_ended").is_empty());
}
