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
    world.text(late, &format!("{{\"type\":\"ping\"{}}}", " ".repeat(63 * 1024)));
    assert_eq!(world.got(late, "pong").len(), 1);
    world.text(late, &" ".repeat(64 * 1024 + 1));
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
