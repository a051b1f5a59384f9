//! Entering, seeing each other, negotiating, leaving.

use crate::support::World;
use serde_json::json;
use stoa_signaling_core::{CloseCode, Command, Limits};

#[test]
fn two_people_see_each_other() {
    let mut world = World::new(Limits::default());
    let (ada, welcome) = world.enter("agora", " Ada ");
    assert_eq!(welcome["room"]["participants"][0]["name"], "Ada");
    assert_eq!((&welcome["seq"], &welcome["resumed"]), (&json!(0), &json!(false)));
    let (_, second) = world.enter("AGORA", "Bob");
    assert_eq!(second["room"]["name"], "agora");
    let names: Vec<_> = second["room"]["participants"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, ["Ada", "Bob"]);
    let joined = &world.got(ada, "participant_joined")[0];
    assert_eq!((&joined["seq"], &joined["participant"]["name"]), (&json!(1), &json!("Bob")));
}

#[test]
fn a_third_person_is_told_in_words_that_the_room_is_full() {
    let mut world = World::new(Limits { room_participants: 2, ..Limits::default() });
    let (ada, _) = world.enter("agora", "Ada");
    world.enter("agora", "Bob");
    let (third, _) = world.enter("agora", "Cyd");
    let error = &world.got(third, "error")[0];
    assert_eq!(error["code"], "room_full");
    assert!(error["message"].as_str().unwrap().contains("holds 2 participants"), "{error}");
    assert_eq!(world.closed[&third], CloseCode::RoomFull);
    assert_eq!(world.got(ada, "participant_joined").len(), 1, "nobody hears of Cyd");
    let (elsewhere, _) = world.enter("stoa", "Cyd");
    assert!(!world.closed.contains_key(&elsewhere));
}

#[test]
fn negotiation_reaches_its_addressee_and_nobody_else() {
    let mut world = World::new(Limits { room_participants: 3, ..Limits::default() });
    let (ada, _) = world.enter("agora", "Ada");
    let (bob, bobs) = world.enter("agora", "Bob");
    let (cyd, _) = world.enter("agora", "Cyd");
    let (eve, eves) = world.enter("elsewhere", "Eve");
    let offer = json!({"type": "offer", "sdp": "v=0\r\n"});
    world
        .say(ada, json!({"type": "description", "to": bobs["participant"], "link": 3, "description": offer, "cid": 1}));
    let got = &world.got(bob, "description")[0];
    assert_eq!((&got["link"], &got["description"]), (&json!(3), &offer));
    assert_eq!(world.got(ada, "ok")[0]["cid"], 1);
    world.say(ada, json!({"type": "candidate", "to": eves["participant"], "link": 1, "candidate": null, "cid": 2}));
    assert_eq!(world.got(ada, "error")[0]["code"], "unknown_participant");
    for other in [cyd, eve] {
        assert!(world.got(other, "description").is_empty() && world.got(other, "candidate").is_empty());
    }
}

#[test]
fn changes_are_seen_by_the_others() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.say(bob, json!({"type": "media", "media": {"microphone": true}}));
    world.say(bob, json!({"type": "rename", "name": "Robert"}));
    let changes = world.got(ada, "participant_changed");
    assert_eq!(changes[0]["participant"]["media"], json!({"microphone": true, "camera": false, "screen": false}));
    assert_eq!(changes[1]["participant"]["name"], "Robert");
    assert!(world.got(bob, "participant_changed").is_empty());
}

#[test]
fn a_request_is_carried_out_once() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    for _ in 0..3 {
        world.say(bob, json!({"type": "rename", "name": "Robert", "cid": 7}));
    }
    assert_eq!(world.got(ada, "participant_changed").len(), 1);
    assert_eq!(world.got(bob, "ok").len(), 3);
    world.say(bob, json!({"type": "rename", "name": "Bobby", "cid": 6}));
    assert_eq!(world.got(bob, "error")[0]["code"], "out_of_order", "an old number is answered, not left open");
    assert_eq!(world.got(ada, "participant_changed").len(), 1);
}

#[test]
fn leaving_is_seen_at_once_and_frees_the_room() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, bobs) = world.enter("agora", "Bob");
    world.say(bob, json!({"type": "leave"}));
    let left = &world.got(ada, "participant_left")[0];
    assert_eq!((&left["participant"], &left["reason"]), (&bobs["participant"], &json!("left")));
    world.say(bob, json!({"type": "rename", "name": "Ghost"}));
    assert!(world.got(ada, "participant_changed").is_empty());
    world.say(ada, json!({"type": "leave"}));
    assert_eq!(world.control.stats().rooms, 0);
    assert_eq!(world.control.stats().sessions, 0);
    let (_, again) = world.enter("agora", "Ada");
    assert_ne!(again["participant"], adas["participant"]);
}

#[test]
fn a_closed_page_leaves_after_its_grace() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.close(bob, 1001);
    assert_eq!(world.got(ada, "participant_changed")[0]["participant"]["connected"], false);
    world.pass_secs(4);
    assert!(world.got(ada, "participant_left").is_empty());
    world.pass_secs(1);
    assert_eq!(world.got(ada, "participant_left")[0]["reason"], "left");
    assert_eq!(world.control.stats().sessions, 1);
}

#[test]
fn a_drained_server_says_when_to_return_and_lets_nobody_in() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    let silent = world.open();
    world.command(Command::Drain);
    let after = world.got(ada, "reconnect")[0]["after_ms"].as_u64().unwrap();
    assert!(after < 5_000);
    assert_eq!((world.closed[&ada], world.closed[&silent]), (CloseCode::Restarting, CloseCode::Restarting));
    let late = world.open();
    assert_eq!(world.closed[&late], CloseCode::Restarting);
}

#[test]
fn rooms_and_sockets_are_counted_and_bounded() {
    let mut world = World::new(Limits { rooms: 1, connections: 3, ..Limits::default() });
    world.enter("agora", "Ada");
    let (second, _) = world.enter("stoa", "Bob");
    assert_eq!(world.got(second, "error")[0]["code"], "server_full");
    assert_eq!(world.closed[&second], CloseCode::ServerFull);
    world.open();
    world.open();
    let fourth = world.open();
    assert_eq!(world.closed[&fourth], CloseCode::ServerFull);
}
