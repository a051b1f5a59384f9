//! Frames that no honest client sends.

use crate::support::World;
use serde_json::{Value, json};
use stoa_base_types::ConnectionId;
use stoa_signaling_core::{CloseCode, Command, Limits};

#[test]
fn every_hostile_frame_gets_its_error_or_close_code() {
    let table: Vec<Value> = serde_json::from_str(include_str!("../../../testdata/hostile-frames.json")).unwrap();
    for case in table {
        let mut world = World::new(Limits::default());
        world.control.set_media(true);
        let socket = if case["after_hello"] == true { world.enter("agora", "Ada").0 } else { world.open() };
        world.text(socket, case["text"].as_str().unwrap());
        let error = world.got(socket, "error").pop().unwrap_or_else(|| panic!("no error: {case}"));
        assert_eq!(error["code"], case["error"], "{case}");
        assert!(error["message"].as_str().unwrap().len() < 400, "{error}");
        assert_eq!(json!(world.closed.get(&socket).map(|code| code.number())), case["close"], "{case}");
    }
}

#[test]
fn large_frames_are_refused_by_stage() {
    let mut world = World::new(Limits::default());
    let early = world.open();
    world.text(early, &" ".repeat(16 * 1024 + 1));
    assert_eq!(world.closed[&early], CloseCode::TooLarge);
    let (late, _) = world.enter("agora", "Ada");
    world.text(late, &format!("{{\"type\":\"ping\"{}}}", " ".repeat(255 * 1024)));
    assert_eq!(world.got(late, "pong").len(), 1);
    world.text(late, &" ".repeat(256 * 1024 + 1));
    assert_eq!(world.closed[&late], CloseCode::TooLarge);
}

#[test]
fn binary_frames_and_silence_before_hello_end_the_socket() {
    let mut world = World::new(Limits::default());
    let (binary, silent) = (world.open(), world.open());
    world.command(Command::Binary { connection: ConnectionId(binary) });
    assert_eq!(world.closed[&binary], CloseCode::ProtocolError);
    world.pass_secs(5);
    assert_eq!(world.closed[&silent], CloseCode::HelloTimeout);
    assert_eq!(world.control.stats().connections, 0);
}

#[test]
fn a_flood_is_slowed_and_then_ended_while_others_go_on() {
    let mut world = World::new(Limits::default());
    let (flood, _) = world.enter("agora", "Ada");
    let (other, _) = world.enter("stoa", "Bob");
    for _ in 0..300 {
        world.say(flood, json!({"type": "ping"}));
    }
    assert!(world.got(flood, "error").is_empty(), "a burst is fine");
    world.say(flood, json!({"type": "ping", "cid": 5}));
    let error = &world.got(flood, "error")[0];
    assert_eq!((&error["code"], &error["cid"]), (&json!("rate_limited"), &json!(5)));
    assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
    for _ in 0..64 {
        world.say(flood, json!({"type": "ping"}));
    }
    assert_eq!(world.closed[&flood], CloseCode::RateLimited);
    world.say(other, json!({"type": "ping"}));
    assert_eq!(world.got(other, "pong").len(), 1);
}

#[test]
fn endless_nonsense_ends_the_socket() {
    let mut world = World::new(Limits::default());
    let (socket, _) = world.enter("agora", "Ada");
    for _ in 0..65 {
        world.text(socket, "?");
    }
    assert_eq!(world.closed[&socket], CloseCode::ProtocolError);
}

#[test]
fn one_address_holds_so_many_sockets_and_no_more() {
    let limits = Limits { address_connections: 3, ..Limits::default() };
    let mut world = World::new(limits);
    let (here, there) = ("198.51.100.7".parse().ok(), "198.51.100.8".parse().ok());
    let held: Vec<_> = (0..3).map(|_| world.open_from(here)).collect();
    let refused = world.open_from(here);
    assert_eq!(world.closed[&refused], CloseCode::RateLimited);
    let other = world.open_from(there);
    assert!(!world.closed.contains_key(&other), "another address");
    world.break_socket(held[0]);
    let next = world.open_from(here);
    assert!(!world.closed.contains_key(&next), "one went");
}

#[test]
fn clients_that_never_acknowledge_share_a_bounded_memory() {
    let limits = Limits { kept_bytes: 40_000, kept_share_bytes: 4_000, ..Limits::default() };
    let mut world = World::new(limits);
    let rooms: Vec<_> = (0..10)
        .map(|room| {
            let name = format!("room-{room}");
            let ((ada, _), (bob, welcome)) = (world.enter(&name, "Ada"), world.enter(&name, "Bob"));
            (name, ada, bob, welcome)
        })
        .collect();
    let candidate = json!({"candidate": "x".repeat(900)});
    for _ in 0..10 {
        for (_, ada, _, welcome) in &rooms {
            let frame = json!({"type": "candidate", "to": welcome["participant"], "link": 1, "candidate": candidate});
            world.say(*ada, frame);
        }
    }
    // Everybody got everything; but who kept the most without acknowledging may no longer resume.
    let mut lost = 0;
    for (name, _, bob, welcome) in &rooms {
        assert_eq!(world.got(*bob, "candidate").len(), 10);
        world.break_socket(*bob);
        let socket = world.open();
        let resume = json!({"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": 0});
        world.say(socket, json!({"type": "hello", "room": name, "name": "Bob", "resume": resume}));
        lost += usize::from(world.got(socket, "welcome")[0]["resume_failure"] == "window_exceeded");
    }
    assert!(lost >= 5, "100 frames of 1 kB are kept within 40 kB: {lost}");
}

#[test]
fn only_who_does_not_take_a_frame_is_watched() {
    let limits = Limits::default();
    let mut world = World::new(limits);
    let [(ada, _), (bob, _)] = ["Ada", "Bob"].map(|name| world.enter("agora", name));
    let say = |world: &mut World, camera: bool| world.say(ada, json!({"type": "media", "media": {"camera": camera}}));
    say(&mut world, true);
    let next = |world: &mut World| world.control.poll_timeout().map(|at| at - world.now);
    assert_eq!(next(&mut world), Some(limits.heartbeat), "all was taken at once");
    world.deaf.insert(bob);
    say(&mut world, false);
    assert_eq!(next(&mut world), Some(limits.stall_timeout));
    world.pass(limits.stall_timeout / 2);
    say(&mut world, true);
    assert_eq!(next(&mut world), Some(limits.stall_timeout / 2), "more of the same does not put it off");
    world.pass(limits.stall_timeout / 2);
    assert_eq!(world.closed.get(&bob), Some(&CloseCode::SlowReader));
    assert!(!world.closed.contains_key(&ada));
}
