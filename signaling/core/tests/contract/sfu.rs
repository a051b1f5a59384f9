//! Rooms with the SFU: topology, tracks, wishes, who speaks. The test plays the SFU.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_signaling_core::token::{AccessClaims, Keys, mint};
use stoa_signaling_core::{Command, Limits, MediaReport, MediaRequest};

use crate::support::World;

fn sfu_world(limits: Limits) -> World {
    let mut world = World::new(limits);
    world.control.set_media(true);
    world
}

/// A room that is always by way of the SFU.
fn always() -> World {
    sfu_world(Limits { mesh_max: 0, ..Limits::default() })
}

fn asked(world: &mut World) -> Vec<MediaRequest> {
    std::iter::from_fn(|| world.control.poll_media()).collect()
}

fn report(world: &mut World, report: MediaReport) {
    world.command(Command::Media(report));
}

/// Offers; returns room, leg and the sections passed on.
fn offer(
    world: &mut World,
    socket: u64,
    connection: u32,
    offer_id: u32,
    tracks: &Value,
) -> (u64, u64, Vec<(String, u64)>) {
    let frame = json!({"type": "sfu_offer", "connection": connection, "offer_id": offer_id, "sdp": "v=0\r\n", "tracks": tracks});
    world.say(socket, frame);
    let offer = asked(world).into_iter().find_map(|request| {
        let MediaRequest::Offer { room, leg, sections, .. } = request else { return None };
        Some((room, leg, sections.into_iter().map(|section| (section.mid, section.track)).collect()))
    });
    offer.unwrap_or_else(|| panic!("no offer was passed on: {:?}", world.frames[&socket].last()))
}

fn answer(world: &mut World, leg: u64, offer: u64) {
    report(world, MediaReport::Answer { leg, offer, sdp: format!("answer {offer}") });
}

/// Joins the SFU with these sources, all published; returns room, leg and tracks.
fn publish(world: &mut World, socket: u64, sources: &[&str]) -> (u64, u64, Vec<u64>) {
    let tracks: Vec<_> =
        sources.iter().enumerate().map(|(mid, source)| json!({"mid": mid.to_string(), "source": source})).collect();
    let (room, leg, sections) = offer(world, socket, 1, 1, &json!(tracks));
    answer(world, leg, 1);
    let tracks: Vec<_> = sections.into_iter().map(|(_, track)| track).collect();
    for track in &tracks {
        report(world, MediaReport::Published { leg, track: *track, codec: "vp8", layers: 3 });
    }
    (room, leg, tracks)
}

fn wish(world: &mut World, socket: u64, track: u64) {
    world.say(socket, json!({"type": "sfu_wish", "connection": 1, "wishes": [{"track": track, "wish": {"layer": 1}}]}));
}

fn kinds(world: &World, socket: u64) -> Vec<String> {
    world.frames[&socket].iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
}

const ALL_ON: &str = r#"{"microphone": true, "camera": true, "screen": true}"#;

fn enter_live(world: &mut World, name: &str) -> (u64, Value) {
    let media: Value = serde_json::from_str(ALL_ON).unwrap();
    world.hello(json!({"room": "agora", "name": name, "media": media}))
}

#[test]
fn the_one_who_makes_it_necessary_finds_the_sfu_and_the_others_hear_of_it_first() {
    let mut world = sfu_world(Limits::default());
    let sockets: Vec<_> = ["Ada", "Bob", "Cyd"].map(|name| world.enter("agora", name).0).into();
    assert!(world.got(sockets[0], "topology_changed").is_empty());
    let (fourth, welcome) = world.enter("agora", "Dan");
    assert_eq!(welcome["room"]["topology"], json!({"mode": "sfu", "epoch": 2}));
    assert!(world.got(fourth, "topology_changed").is_empty());
    for socket in sockets {
        let kinds = kinds(&world, socket);
        assert_eq!(kinds[kinds.len() - 2..], ["topology_changed", "participant_joined"], "{kinds:?}");
        assert_eq!(world.got(socket, "topology_changed")[0]["topology"], json!({"mode": "sfu", "epoch": 2}));
    }
}

#[test]
fn media_goes_directly_again_when_few_have_been_there_for_a_while() {
    let mut world = sfu_world(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    let others = ["Bob", "Cyd", "Dan"].map(|name| world.enter("agora", name).0);
    world.say(others[2], json!({"type": "leave"}));
    world.pass_secs(9);
    let (dan, _) = world.enter("agora", "Dan");
    world.pass_secs(60);
    assert_eq!(world.got(ada, "topology_changed").len(), 1, "the calm was broken");
    world.say(dan, json!({"type": "leave"}));
    world.say(others[1], json!({"type": "leave"}));
    world.pass(Duration::from_millis(9_999));
    assert_eq!(world.got(ada, "topology_changed").len(), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.got(ada, "topology_changed")[1]["topology"], json!({"mode": "mesh", "epoch": 3}));
}

#[test]
fn the_configured_size_of_a_mesh_counts() {
    let mut world = sfu_world(Limits { mesh_max: 1, ..Limits::default() });
    let (_, welcome) = world.enter("agora", "Ada");
    assert_eq!(welcome["room"]["topology"]["mode"], "sfu", "below 2 it always is");
    let mut world = sfu_world(Limits { mesh_max: 2, ..Limits::default() });
    world.enter("agora", "Ada");
    assert_eq!(world.enter("agora", "Bob").1["room"]["topology"]["mode"], "mesh");
    assert_eq!(world.enter("agora", "Cyd").1["room"]["topology"]["mode"], "sfu");
}

#[test]
fn without_an_sfu_rooms_stay_a_mesh_and_offers_are_refused() {
    let mut world = World::new(Limits { mesh_max: 0, ..Limits::default() });
    let (ada, welcome) = world.enter("agora", "Ada");
    assert_eq!(welcome["room"]["topology"]["mode"], "mesh");
    world.say(ada, json!({"type": "sfu_offer", "connection": 1, "offer_id": 1, "sdp": "", "tracks": []}));
    assert_eq!(world.got(ada, "error")[0]["code"], "unavailable");
}

#[test]
fn somebody_who_comes_back_from_hiding_makes_a_room_large_again() {
    let mut world = sfu_world(Limits { mesh_max: 2, ..Limits::default() });
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.break_socket(ada);
    world.pass_secs(10);
    world.enter("agora", "Cyd");
    assert!(world.got(bob, "topology_changed").is_empty(), "two are present");
    let (again, _) = world.resume(&adas, 1);
    assert_eq!(world.got(bob, "topology_changed").len(), 1);
    let kinds = kinds(&world, bob);
    assert_eq!(kinds[kinds.len() - 2..], ["topology_changed", "participant_joined"]);
    assert_eq!(world.got(again, "topology_changed").len(), 1, "she caught up and has no fresh room");
}

#[test]
fn an_offer_gets_its_answer_and_its_tracks_are_told_to_the_others() {
    let mut world = always();
    let (ada, adas) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (_, _, tracks) = publish(&mut world, ada, &["microphone", "camera"]);
    let got = &world.got(ada, "sfu_answer")[0];
    assert_eq!((&got["connection"], &got["offer_id"], &got["sdp"]), (&json!(1), &json!(1), &json!("answer 1")));
    let told = world.got(bob, "track_published");
    let camera =
        json!({"id": tracks[1], "participant": adas["participant"], "source": "camera", "codec": "vp8", "layers": 3});
    assert_eq!((told.len(), &told[1]["track"]), (2, &camera));
    assert!(world.got(ada, "track_published").is_empty(), "one's own are not told");
    let (_, cyds) = enter_live(&mut world, "Cyd");
    assert_eq!(cyds["room"]["tracks"][1], camera);
    assert_eq!(cyds["room"]["tracks"].as_array().unwrap().len(), 2);
}

#[test]
fn sections_keep_their_tracks_until_they_carry_something_else() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (room, leg, tracks) = publish(&mut world, ada, &["microphone", "camera"]);
    let (_, again, sections) =
        offer(&mut world, ada, 1, 2, &json!([{"mid": "0", "source": "microphone"}, {"mid": "1", "source": "screen"}]));
    assert_eq!((again, sections[0].1), (leg, tracks[0]), "the same leg, the same track");
    assert_ne!(sections[1].1, tracks[1]);
    answer(&mut world, leg, 2);
    assert_eq!(asked(&mut world), [MediaRequest::Stop { room, track: tracks[1] }]);
    report(&mut world, MediaReport::Ended { room, track: tracks[1] });
    report(&mut world, MediaReport::Ended { room, track: tracks[1] });
    assert_eq!(world.got(bob, "track_ended").len(), 1, "once");
    // Not announced any more.
    offer(&mut world, ada, 1, 3, &json!([]));
    report(&mut world, MediaReport::Refused { leg, offer: 3, why: "no".to_owned() });
    assert_eq!(world.got(ada, "sfu_refused")[0]["message"], "no");
    assert!(asked(&mut world).is_empty(), "what was refused changes nothing");
    offer(&mut world, ada, 1, 4, &json!([]));
    answer(&mut world, leg, 4);
    assert_eq!(asked(&mut world).len(), 2);
}

#[test]
fn one_offer_is_outstanding_at_a_time() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (_, leg, _) = offer(&mut world, ada, 1, 1, &json!([]));
    world.say(ada, json!({"type": "sfu_offer", "connection": 1, "offer_id": 2, "sdp": "", "tracks": [], "cid": 7}));
    assert_eq!(world.got(ada, "sfu_refused")[0]["offer_id"], 2);
    assert_eq!(world.got(ada, "ok")[0]["cid"], 7);
    assert!(asked(&mut world).is_empty());
    answer(&mut world, leg, 2);
    assert!(world.got(ada, "sfu_answer").is_empty(), "an answer to no offer");
    answer(&mut world, leg, 1);
    offer(&mut world, ada, 1, 3, &json!([]));
}

#[test]
fn offers_come_only_so_fast() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    for connection in 0..20 {
        offer(&mut world, ada, connection, 1, &json!([]));
    }
    world.say(ada, json!({"type": "sfu_offer", "connection": 77, "offer_id": 1, "sdp": "", "tracks": []}));
    assert_eq!(world.got(ada, "error")[0]["code"], "rate_limited");
    assert!(asked(&mut world).is_empty(), "the connection before goes on");
    world.pass_secs(1);
    offer(&mut world, ada, 77, 1, &json!([]));
}

#[test]
fn another_connection_ends_the_one_before() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (room, leg, tracks) = publish(&mut world, ada, &["camera"]);
    asked(&mut world);
    world.say(ada, json!({"type": "sfu_offer", "connection": 2, "offer_id": 1, "sdp": "", "tracks": []}));
    let requests = asked(&mut world);
    assert_eq!(requests[0], MediaRequest::Leave { room, leg });
    assert!(matches!(requests[1], MediaRequest::Join { leg: next, .. } if next > leg));
    assert_eq!(world.got(bob, "track_ended")[0]["track"], tracks[0]);
    // What the old one still says means nothing.
    report(&mut world, MediaReport::Published { leg, track: tracks[0], codec: "vp8", layers: 1 });
    report(&mut world, MediaReport::Closed { leg });
    assert_eq!(world.got(bob, "track_published").len(), 1);
    assert!(world.got(ada, "sfu_closed").is_empty());
    world.say(ada, json!({"type": "sfu_close", "connection": 1}));
    assert!(asked(&mut world).is_empty(), "not the present one");
    world.say(ada, json!({"type": "sfu_close", "connection": 2}));
    assert!(matches!(asked(&mut world)[..], [MediaRequest::Leave { .. }]));
}

#[test]
fn a_lost_connection_is_told_to_its_client_and_its_tracks_end() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (_, leg, _) = publish(&mut world, ada, &["camera"]);
    report(&mut world, MediaReport::Closed { leg });
    assert_eq!(world.got(ada, "sfu_closed")[0]["connection"], 1);
    assert_eq!(world.got(bob, "track_ended").len(), 1);
    offer(&mut world, ada, 2, 1, &json!([]));
}

#[test]
fn what_is_switched_off_is_silent_at_the_sfu() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, bobs) = world.hello(json!({"room": "agora", "name": "Bob", "media": {"microphone": true}}));
    let (room, _, tracks) = publish(&mut world, bob, &["microphone", "camera"]);
    let mute = |track, is_muted| MediaRequest::Mute { room, track, is_muted };
    assert_eq!(asked(&mut world), [mute(tracks[1], true)], "the camera is announced and not on");
    world.say(bob, json!({"type": "media", "media": {"microphone": true, "camera": true}}));
    assert_eq!(asked(&mut world), [mute(tracks[1], false)]);
    world.say(ada, json!({"type": "mute", "participant": bobs["participant"], "source": "microphone"}));
    assert_eq!(asked(&mut world), [mute(tracks[0], true)]);
    world.say(bob, json!({"type": "media", "media": {"microphone": true, "camera": true}}));
    assert_eq!(asked(&mut world), [mute(tracks[0], false)], "only they can switch it on again");
    world.say(bob, json!({"type": "rename", "name": "Robert"}));
    assert!(asked(&mut world).is_empty());
}

#[test]
fn wishes_are_passed_on_for_tracks_that_there_are() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (_, _, tracks) = publish(&mut world, ada, &["camera"]);
    let (room, leg, own) = publish(&mut world, bob, &["camera"]);
    asked(&mut world);
    wish(&mut world, bob, tracks[0]);
    let wished = stoa_signaling_core::message::Wish { layer: Some(1), paused: false, priority: 0 };
    let passed = MediaRequest::Wish { room, leg, track: tracks[0], wish: Some(wished) };
    assert_eq!(asked(&mut world), [passed]);
    wish(&mut world, bob, own[0]);
    wish(&mut world, bob, 12_345);
    assert!(asked(&mut world).is_empty() && world.got(bob, "error").is_empty(), "skipped in silence");
    world.say(bob, json!({"type": "sfu_wish", "connection": 9, "wishes": [{"track": tracks[0], "wish": {}}]}));
    assert!(asked(&mut world).is_empty(), "for another connection");
    world.say(bob, json!({"type": "sfu_wish", "connection": 1, "wishes": [{"track": tracks[0], "wish": null}]}));
    assert_eq!(asked(&mut world), [MediaRequest::Wish { room, leg, track: tracks[0], wish: None }]);
    report(&mut world, MediaReport::NeedSlots { leg, audio: 1, video: 2 });
    report(&mut world, MediaReport::Seated { leg, track: tracks[0], mid: "5".to_owned() });
    let slots = &world.got(bob, "sfu_slots")[0];
    assert_eq!((&slots["connection"], &slots["audio"], &slots["video"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(world.got(bob, "sfu_seated")[0]["mid"], "5");
}

#[test]
fn wishes_are_bounded() {
    let mut world = sfu_world(Limits { mesh_max: 0, wishes: 2, ..Limits::default() });
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (room, _, tracks) = publish(&mut world, ada, &["microphone", "camera", "screen"]);
    publish(&mut world, bob, &[]);
    asked(&mut world);
    tracks.iter().for_each(|track| wish(&mut world, bob, *track));
    assert_eq!(asked(&mut world).len(), 2);
    assert_eq!(world.got(bob, "error")[0]["code"], "bad_frame");
    wish(&mut world, bob, tracks[0]);
    assert_eq!(asked(&mut world).len(), 1, "one that is known may change");
    // What has ended does not count, although nobody took the wish back.
    let (room, track) = (room, tracks[0]);
    report(&mut world, MediaReport::Ended { room, track });
    wish(&mut world, bob, tracks[2]);
    assert_eq!(asked(&mut world).len(), 1, "the place of one that has ended");
}

#[test]
fn who_speaks_is_told_when_it_changes_and_to_whoever_comes() {
    let mut world = always();
    let (ada, adas) = enter_live(&mut world, "Ada");
    let (bob, bobs) = enter_live(&mut world, "Bob");
    let (room, _, adas_tracks) = publish(&mut world, ada, &["microphone", "screen_audio"]);
    let (_, _, bobs_tracks) = publish(&mut world, bob, &["microphone"]);
    let say = |world: &mut World, tracks: &[u64]| {
        report(world, MediaReport::Speakers { room, tracks: tracks.to_vec() });
    };
    say(&mut world, &[adas_tracks[1]]);
    assert!(world.got(bob, "speakers").is_empty(), "a film speaks, nobody else");
    say(&mut world, &[bobs_tracks[0], adas_tracks[0]]);
    say(&mut world, &[bobs_tracks[0], adas_tracks[1], adas_tracks[0]]);
    let order = json!([bobs["participant"], adas["participant"]]);
    assert_eq!((world.got(ada, "speakers").len(), &world.got(ada, "speakers")[0]["participants"]), (1, &order));
    let (cyd, _) = enter_live(&mut world, "Cyd");
    assert_eq!(world.got(cyd, "speakers")[0]["participants"], order);
    world.say(bob, json!({"type": "leave"}));
    assert_eq!(world.got(ada, "speakers").last().unwrap()["participants"], json!([adas["participant"]]));
}

#[test]
fn only_the_newest_speakers_wait_for_somebody_who_is_behind() {
    let mut world = sfu_world(Limits { mesh_max: 0, in_flight_bytes: 1, ..Limits::default() });
    let (ada, _) = enter_live(&mut world, "Ada");
    let (room, _, tracks) = publish(&mut world, ada, &["microphone"]);
    let (bob, _) = enter_live(&mut world, "Bob");
    world.deaf.insert(bob);
    world.say(bob, json!({"type": "rename", "name": "Robert", "cid": 1}));
    for round in 0..10 {
        let tracks = if round % 2 == 0 { tracks.clone() } else { Vec::new() };
        report(&mut world, MediaReport::Speakers { room, tracks });
    }
    world.deaf.remove(&bob);
    let bytes = serde_json::to_vec(world.frames[&bob].last().unwrap()).unwrap().len();
    world.command(Command::Written { connection: stoa_base_types::ConnectionId(bob), bytes });
    let heard = world.got(bob, "speakers");
    assert!(heard.len() <= 2, "{heard:?}");
    assert_eq!(heard.last().unwrap()["participants"], json!([]));
    assert_eq!(world.got(ada, "speakers").len(), 10);
}

#[test]
fn tracks_end_before_their_participant_leaves() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (room, leg, _) = publish(&mut world, bob, &["camera"]);
    world.say(bob, json!({"type": "leave"}));
    let kinds = kinds(&world, ada);
    assert_eq!(kinds[kinds.len() - 2..], ["track_ended", "participant_left"]);
    assert_eq!(asked(&mut world).last(), Some(&MediaRequest::Leave { room, leg }));
}

#[test]
fn whose_media_flows_is_not_hidden_until_it_stops() {
    let mut world = always();
    let (ada, _) = enter_live(&mut world, "Ada");
    let (bob, bobs) = enter_live(&mut world, "Bob");
    let (_, leg, _) = publish(&mut world, bob, &["camera"]);
    report(&mut world, MediaReport::Connected { leg });
    world.break_socket(bob);
    world.pass_secs(60);
    assert!(world.got(ada, "participant_left").is_empty() && world.got(ada, "track_ended").is_empty());
    report(&mut world, MediaReport::Interrupted { leg });
    let kinds = kinds(&world, ada);
    assert_eq!(kinds[kinds.len() - 2..], ["track_ended", "participant_left"]);
    let (again, _) = world.resume(&bobs, 0);
    assert_eq!(world.got(again, "sfu_closed").len(), 1, "it ended with the tile");
    // Interrupted within the grace: hidden at its end.
    let (_, leg, _) = offer(&mut world, again, 5, 1, &json!([]));
    report(&mut world, MediaReport::Connected { leg });
    world.break_socket(again);
    world.pass_secs(5);
    report(&mut world, MediaReport::Interrupted { leg });
    assert_eq!(world.got(ada, "participant_left").len(), 1);
    world.pass_secs(5);
    assert_eq!(world.got(ada, "participant_left").len(), 2);
}

#[test]
fn the_connection_outlives_a_lost_socket_and_ends_with_the_session() {
    let mut world = always();
    let (ada, adas) = enter_live(&mut world, "Ada");
    let (bob, _) = enter_live(&mut world, "Bob");
    let (room, leg, tracks) = publish(&mut world, ada, &["camera"]);
    report(&mut world, MediaReport::Connected { leg });
    asked(&mut world);
    world.break_socket(ada);
    world.pass_secs(3);
    let media: Value = serde_json::from_str(ALL_ON).unwrap();
    let socket = world.open();
    let resume = json!({"session": adas["session"], "secret": adas["resume_secret"], "last_seq": 1});
    world.say(socket, json!({"type": "hello", "room": "agora", "name": "Ada", "media": media, "resume": resume}));
    assert!(asked(&mut world).is_empty(), "nothing changes for the SFU");
    assert!(world.got(bob, "track_ended").is_empty());
    let (_, again, sections) = offer(&mut world, socket, 1, 2, &json!([{"mid": "0", "source": "camera"}]));
    assert_eq!((again, sections[0].1), (leg, tracks[0]));
    world.break_socket(socket);
    world.pass_secs(120);
    assert_eq!(asked(&mut world).last(), Some(&MediaRequest::Leave { room, leg }));
}

const KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

fn token(sub: &str, grants: &Value) -> String {
    let grants = serde_json::from_value(grants.clone()).unwrap();
    let claims =
        AccessClaims { sub: sub.into(), room: vec!["agora".into()], exp: 2_000_000, nbf: None, name: None, grants };
    mint(KEY, &claims).unwrap()
}

fn guarded() -> World {
    let limits = Limits { mesh_max: 0, ..Limits::default() };
    let mut world = World::with_keys(limits, Keys::new(Some(KEY.into()), [9; 32]));
    world.control.set_media(true);
    world
}

fn enter_as(world: &mut World, name: &str, grants: &Value) -> (u64, Value) {
    let media: Value = serde_json::from_str(ALL_ON).unwrap();
    world.hello(json!({"room": "agora", "name": name, "media": media, "token": token(name, grants)}))
}

#[test]
fn what_may_not_be_published_is_no_track() {
    let mut world = guarded();
    let (ada, _) = enter_as(&mut world, "Ada", &json!({"publish": ["microphone"]}));
    let tracks = json!([{"mid": "0", "source": "microphone"}, {"mid": "1", "source": "camera"}, {"mid": "2", "source": "screen_audio"}]);
    let (_, _, sections) = offer(&mut world, ada, 1, 1, &tracks);
    assert_eq!(sections.len(), 1);
    assert_eq!(sections[0].0, "0");
}

#[test]
fn who_may_not_subscribe_gets_no_wish_through() {
    let mut world = guarded();
    let (ada, _) = enter_as(&mut world, "Ada", &json!({}));
    let (bob, _) = enter_as(&mut world, "Bob", &json!({"subscribe": false}));
    let (_, _, tracks) = publish(&mut world, ada, &["camera"]);
    publish(&mut world, bob, &[]);
    asked(&mut world);
    wish(&mut world, bob, tracks[0]);
    assert_eq!(world.got(bob, "error")[0]["code"], "forbidden");
    assert!(asked(&mut world).is_empty());
}

#[test]
fn rights_that_are_taken_away_end_what_they_allowed() {
    let mut world = guarded();
    let (ada, _) = enter_as(&mut world, "Ada", &json!({}));
    let (bob, _) = enter_as(&mut world, "Bob", &json!({"moderate": true}));
    let (room, leg, tracks) = publish(&mut world, ada, &["microphone", "camera"]);
    let (_, _, bobs_tracks) = publish(&mut world, bob, &["camera"]);
    wish(&mut world, ada, bobs_tracks[0]);
    asked(&mut world);
    let newer = token("Ada", &json!({"publish": ["microphone"], "subscribe": false, "data": false}));
    world.say(ada, json!({"type": "refresh", "token": newer}));
    let requests = asked(&mut world);
    assert!(requests.contains(&MediaRequest::Stop { room, track: tracks[1] }), "{requests:?}");
    assert!(requests.contains(&MediaRequest::Wish { room, leg, track: bobs_tracks[0], wish: None }), "{requests:?}");
    assert!(requests.iter().any(|request| matches!(request, MediaRequest::Data { may_send: false, .. })));
    assert_eq!((requests.len(), world.got(bob, "track_ended").len()), (3, 1));
    assert_eq!(world.got(bob, "track_ended")[0]["track"], tracks[1]);
}

#[test]
fn data_goes_to_others_only_from_those_who_may_send_it() {
    let mut world = guarded();
    for (grants, expected) in [(json!({}), true), (json!({"data": false}), false)] {
        let (socket, welcome) = enter_as(&mut world, "Ada", &grants);
        world.say(socket, json!({"type": "sfu_offer", "connection": 1, "offer_id": 1, "sdp": "", "tracks": []}));
        let requests = asked(&mut world);
        let MediaRequest::Join { participant, may_send, .. } = &requests[0] else { panic!("{requests:?}") };
        assert_eq!((json!(participant.to_string()), *may_send), (welcome["participant"].clone(), expected));
    }
}

#[test]
fn large_descriptions_do_not_go_to_other_participants() {
    let mut world = always();
    let (ada, _) = world.enter("agora", "Ada");
    let (bob, bobs) = world.enter("agora", "Bob");
    let description = json!({"type": "offer", "sdp": "x".repeat(65 * 1024)});
    world.say(ada, json!({"type": "description", "to": bobs["participant"], "link": 1, "description": description}));
    assert_eq!(world.got(ada, "error")[0]["code"], "too_large");
    assert!(world.got(bob, "description").is_empty());
}
