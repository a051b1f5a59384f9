//! Tokens, moderators, invitations, limits per address and identity.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stoa_signaling_core::message::{DocumentsGrant, Grants, IceServer, Source};
use stoa_signaling_core::token::{AccessClaims, Keys, mint};
use stoa_signaling_core::{CloseCode, Limits, TurnSigner};

use crate::support::{SINCE_1970, World};

const KEY: &str = "a key of at least thirty-two bytes";

fn guarded(limits: Limits) -> World {
    World::with_keys(limits, Keys::new(Some(KEY.into()), [9; 32]))
}

fn token(sub: &str, seconds: u64, grants: Grants) -> String {
    let exp = SINCE_1970.as_secs() + seconds;
    let claims = AccessClaims { sub: sub.into(), room: vec!["agora".into()], exp, nbf: None, name: None, grants };
    mint(KEY, &claims).unwrap()
}

fn moderator() -> Grants {
    Grants { moderate: true, ..Grants::default() }
}

fn three() -> Limits {
    Limits { room_participants: 3, ..Limits::default() }
}

#[track_caller]
fn refused(world: &World, socket: u64) -> (Value, CloseCode) {
    (world.got(socket, "error").pop().unwrap()["code"].clone(), world.closed[&socket])
}

#[test]
fn with_a_key_only_good_tokens_enter() {
    let mut world = guarded(Limits::default());
    let enter = |world: &mut World, hello: Value| world.hello(hello).0;
    let none = enter(&mut world, json!({"room": "agora", "name": "Ada"}));
    assert_eq!(refused(&world, none), (json!("unauthenticated"), CloseCode::Authenticate));
    let old = enter(&mut world, json!({"room": "agora", "name": "Ada", "token": token("ada", 0, Grants::default())}));
    world.pass_secs(10);
    let late = token("ada", 0, Grants::default());
    let late = enter(&mut world, json!({"room": "agora", "name": "Ada", "token": late}));
    assert_eq!(refused(&world, late), (json!("unauthenticated"), CloseCode::Authenticate));
    assert!(world.got(late, "error")[0]["message"].as_str().unwrap().contains("exp"));
    assert_eq!(world.closed.get(&old), Some(&CloseCode::Authenticate), "the token ended while in the room");
    let good = token("ada", 600, Grants::default());
    let elsewhere = enter(&mut world, json!({"room": "stoa", "name": "Ada", "token": good}));
    assert_eq!(refused(&world, elsewhere), (json!("forbidden"), CloseCode::Forbidden));
    let (_, welcome) = world.hello(json!({"room": "agora", "name": "Ada", "token": good}));
    assert_eq!(welcome["grants"]["moderate"], false, "being first does not count where tokens rule");
}

#[test]
fn a_token_is_renewed_on_the_same_socket() {
    let mut world = guarded(Limits::default());
    let hello = json!({"room": "agora", "name": "Ada", "token": token("ada", 100, Grants::default())});
    let (ada, _) = world.hello(hello);
    // 60 s before the end, for which 5 s of leeway are given.
    world.pass_secs(45);
    assert_eq!(world.got(ada, "token_expiring")[0]["expires_in_ms"], 60_000);
    for (bad, why) in [(token("eve", 600, moderator()), "sub"), ("junk".into(), "form")] {
        world.say(ada, json!({"type": "refresh", "token": bad, "cid": 1}));
        let error = world.got(ada, "error").pop().unwrap();
        assert_eq!(error["code"], "unauthenticated");
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    }
    world.say(ada, json!({"type": "refresh", "token": token("ada", 300, moderator()), "cid": 2}));
    assert_eq!(world.got(ada, "ok")[0]["cid"], 2);
    world.pass_secs(200);
    assert!(!world.closed.contains_key(&ada));
    world.say(ada, json!({"type": "lock", "locked": true, "cid": 3}));
    assert_eq!(world.got(ada, "room_changed")[0]["locked"], true, "the newer token's rights count");
    world.pass_secs(60);
    assert_eq!(world.closed[&ada], CloseCode::Authenticate);
}

#[test]
fn what_is_not_granted_is_not_announced() {
    let mut world = guarded(Limits::default());
    let listener = Grants { publish: vec![Source::Microphone], documents: DocumentsGrant::Read, ..Grants::default() };
    let all = json!({"microphone": true, "camera": true, "screen": true});
    let hello = json!({"room": "agora", "name": "Ada", "media": all, "token": token("ada", 600, listener)});
    let (ada, welcome) = world.hello(hello);
    let only_sound = json!({"microphone": true, "camera": false, "screen": false});
    assert_eq!(welcome["room"]["participants"][0]["media"], only_sound);
    let (bob, _) = world.hello(json!({"room": "agora", "name": "Bob", "token": token("bob", 600, Grants::default())}));
    world.say(ada, json!({"type": "media", "media": all}));
    assert_eq!(world.got(bob, "participant_changed")[0]["participant"]["media"], only_sound);
}

#[test]
fn a_name_in_the_token_is_the_name() {
    let mut world = guarded(Limits::default());
    let claims = AccessClaims {
        sub: "ada".into(),
        room: vec!["*".into()],
        exp: SINCE_1970.as_secs() + 60,
        nbf: None,
        name: Some("Ada L.".into()),
        grants: Grants::default(),
    };
    let (ada, welcome) = world.hello(json!({"room": "agora", "name": "Eve", "token": mint(KEY, &claims).unwrap()}));
    assert_eq!(welcome["room"]["participants"][0]["name"], "Ada L.");
    world.say(ada, json!({"type": "rename", "name": "Eve", "cid": 1}));
    assert_eq!(world.got(ada, "error")[0]["code"], "forbidden");
    let (bob, _) = world.hello(json!({"room": "agora", "name": "Bob", "token": token("bob", 60, Grants::default())}));
    let newer = AccessClaims { name: Some("Lady L.".into()), ..claims };
    world.say(ada, json!({"type": "refresh", "token": mint(KEY, &newer).unwrap(), "cid": 2}));
    assert_eq!(world.got(bob, "participant_changed")[0]["participant"]["name"], "Lady L.");
}

#[test]
fn the_first_moderates_and_the_longest_present_follows() {
    let mut world = World::new(three());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    let (cyd, cyds) = world.enter("agora", "Cyd");
    assert_eq!((&adas["grants"]["moderate"], &cyds["grants"]["moderate"]), (&json!(true), &json!(false)));
    world.say(bob, json!({"type": "lock", "locked": true, "cid": 1}));
    assert_eq!(world.got(bob, "error")[0]["code"], "forbidden");
    world.break_socket(ada);
    world.pass_secs(10);
    for socket in [bob, cyd] {
        let change = world.got(socket, "participant_changed").pop().unwrap();
        assert_eq!(
            (&change["participant"]["name"], &change["participant"]["moderator"]),
            (&json!("Bob"), &json!(true))
        );
    }
    let (_, back) = world.resume(&adas, 2);
    assert_eq!(back["grants"]["moderate"], false, "there is a moderator now");
    world.say(bob, json!({"type": "leave"}));
    let change = world.got(cyd, "participant_changed").pop().unwrap();
    assert_eq!(change["participant"]["name"], "Ada", "she came before Cyd");
}

#[test]
fn moderators_mute_but_nobody_unmutes_another() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let media = json!({"microphone": true, "camera": true});
    let (bob, bobs) = world.hello(json!({"room": "agora", "name": "Bob", "media": media}));
    world.say(bob, json!({"type": "mute", "participant": adas["participant"], "source": "microphone"}));
    assert_eq!(world.got(bob, "error")[0]["code"], "forbidden");
    world.say(ada, json!({"type": "mute", "participant": bobs["participant"], "source": "microphone", "cid": 1}));
    let muted = &world.got(bob, "muted")[0];
    assert_eq!((&muted["source"], &muted["by"]), (&json!("microphone"), &adas["participant"]));
    let seen = world.got(ada, "participant_changed").pop().unwrap();
    assert_eq!(seen["participant"]["media"], json!({"microphone": false, "camera": true, "screen": false}));
    world.say(bob, json!({"type": "media", "media": media}));
    let seen = world.got(ada, "participant_changed").pop().unwrap();
    assert_eq!(seen["participant"]["media"]["microphone"], true, "he may speak again by his own will");
    world.say(ada, json!({"type": "mute", "participant": "a".repeat(26), "source": "camera", "cid": 2}));
    assert_eq!(world.got(ada, "error")[0]["code"], "unknown_participant");
}

#[test]
fn whoever_is_removed_stays_out() {
    let mut world = guarded(Limits::default());
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, moderator())}));
    let bobs_token = token("bob", 600, Grants::default());
    let (bob, bobs) = world.hello(json!({"room": "agora", "name": "Bob", "token": bobs_token}));
    world.say(ada, json!({"type": "remove", "participant": bobs["participant"], "cid": 1}));
    assert_eq!(refused(&world, bob), (json!("removed"), CloseCode::Removed));
    assert_eq!(world.got(ada, "participant_left")[0]["reason"], "removed");
    let (again, _) = world.hello(json!({"room": "agora", "name": "Bob", "token": bobs_token}));
    assert_eq!(refused(&world, again), (json!("removed"), CloseCode::Removed));
    let secret = json!({"session": bobs["session"], "secret": bobs["resume_secret"], "last_seq": 0});
    let (again, _) = world.hello(json!({"room": "agora", "name": "B", "token": bobs_token, "resume": secret}));
    assert_eq!(world.closed[&again], CloseCode::Removed);
}

#[test]
fn whoever_is_removed_goes_everywhere_and_does_not_return_as_a_guest() {
    let mut world = guarded(Limits { room_participants: 4, ..Limits::default() });
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, moderator())}));
    let bobs_token = token("bob", 600, Grants::default());
    let bobs = [(); 2].map(|()| world.hello(json!({"room": "agora", "name": "Bob", "token": bobs_token})));
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1}));
    let old = world.got(ada, "invited")[0]["invite"].clone();
    world.say(ada, json!({"type": "remove", "participant": bobs[0].1["participant"], "cid": 2}));
    assert!(bobs.iter().all(|(socket, _)| world.closed[socket] == CloseCode::Removed));
    let (guest, _) = world.hello(json!({"room": "agora", "name": "B", "invite": old}));
    assert_eq!(refused(&world, guest), (json!("bad_invite"), CloseCode::BadInvite));
    world.pass_secs(1);
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 3}));
    let new = world.got(ada, "invited")[1]["invite"].clone();
    assert_eq!(world.hello(json!({"room": "agora", "name": "Cyd", "invite": new})).1["type"], "welcome");
}

#[test]
fn a_guest_never_moderates_where_tokens_rule() {
    let mut world = guarded(Limits::default());
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, moderator())}));
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1}));
    let invite = world.got(ada, "invited")[0]["invite"].clone();
    let (guest, _) = world.hello(json!({"room": "agora", "name": "Guest", "invite": invite}));
    world.say(ada, json!({"type": "leave"}));
    world.say(guest, json!({"type": "lock", "locked": true, "cid": 1}));
    assert_eq!(world.got(guest, "error")[0]["code"], "forbidden");
}

#[test]
fn a_locked_room_opens_to_invitations_and_to_those_who_were_in_it() {
    let mut world = World::new(three());
    let (ada, adas) = world.enter("agora", "Ada");
    world.say(ada, json!({"type": "lock", "locked": true}));
    let (late, _) = world.enter("agora", "Bob");
    assert_eq!(refused(&world, late), (json!("room_locked"), CloseCode::RoomLocked));
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1}));
    let invited = world.got(ada, "invited").pop().unwrap();
    assert_eq!(invited["expires_at_ms"], (SINCE_1970.as_secs() + 60) * 1_000);
    let (_, welcome) = world.hello(json!({"room": "agora", "name": "Bob", "invite": invited["invite"]}));
    assert_eq!(welcome["room"]["locked"], true);
    world.break_socket(ada);
    assert_eq!(world.resume(&adas, 0).1["resumed"], true);
    world.pass_secs(70);
    let (late, _) = world.hello(json!({"room": "agora", "name": "Cyd", "invite": invited["invite"]}));
    assert_eq!(refused(&world, late), (json!("bad_invite"), CloseCode::BadInvite));
    let (stranger, _) = world.hello(json!({"room": "stoa", "name": "Cyd", "invite": invited["invite"]}));
    assert_eq!(refused(&world, stranger), (json!("bad_invite"), CloseCode::BadInvite));
}

#[test]
fn an_invitation_stands_in_for_a_token() {
    let mut world = guarded(Limits::default());
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, moderator())}));
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1}));
    let invite = world.got(ada, "invited")[0]["invite"].clone();
    let (_, welcome) = world.hello(json!({"room": "agora", "name": "Guest", "invite": invite}));
    assert_eq!(welcome["grants"]["moderate"], false);
    for (cid, lifetime) in [(2, 0), (3, 999), (4, u64::MAX)] {
        world.say(ada, json!({"type": "invite", "expires_in_ms": lifetime, "cid": cid}));
        assert_eq!(world.got(ada, "error").pop().unwrap()["cid"], cid, "{lifetime}");
    }
}

#[test]
fn a_guest_comes_back_after_the_invitation_has_ended() {
    let mut world = guarded(Limits::default());
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, moderator())}));
    world.say(ada, json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1}));
    let invite = world.got(ada, "invited")[0]["invite"].clone();
    let (guest, welcome) = world.hello(json!({"room": "agora", "name": "Guest", "invite": invite}));
    world.pass_secs(100);
    world.break_socket(guest);
    let resume = |secret: &Value| json!({"session": welcome["session"], "secret": secret, "last_seq": 0});
    let stolen = json!({"room": "agora", "name": "Guest", "invite": invite, "resume": resume(&json!("guess"))});
    let (thief, _) = world.hello(stolen);
    assert_eq!(refused(&world, thief), (json!("bad_invite"), CloseCode::BadInvite));
    let (thief, _) = world.hello(json!({"room": "agora", "name": "Guest", "resume": resume(&json!("guess"))}));
    assert_eq!(refused(&world, thief), (json!("unauthenticated"), CloseCode::Authenticate));
    let own = json!({"room": "agora", "name": "Guest", "invite": invite, "resume": resume(&welcome["resume_secret"])});
    assert_eq!(world.hello(own).1["resumed"], true);
}

#[test]
fn a_reload_keeps_the_participant_and_tells_the_whole_state() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.say(ada, json!({"type": "rename", "name": "A.", "cid": 5}));
    world.close(ada, 1001);
    let resume = json!({"session": adas["session"], "secret": adas["resume_secret"]});
    let (again, _) = world.hello(json!({"room": "agora", "name": "Ada", "resume": resume}));
    let welcome = &world.frames[&again][0];
    assert_eq!((&welcome["resumed"], &welcome["participant"]), (&json!(true), &adas["participant"]));
    assert_eq!(welcome["room"]["participants"].as_array().unwrap().len(), 2);
    assert_eq!(welcome["room"]["participants"][0]["connected"], true, "her own state is that of now");
    world.say(bob, json!({"type": "rename", "name": "Robert"}));
    assert_eq!(world.got(again, "participant_changed")[0]["seq"], 1);
    world.say(again, json!({"type": "rename", "name": "Ada L.", "cid": 1}));
    assert_eq!(world.got(again, "ok")[0]["cid"], 1, "her requests are numbered from the start too");
    world.pass_secs(30);
    assert!(world.got(bob, "participant_left").is_empty() && world.got(bob, "participant_joined").is_empty());
}

#[test]
fn a_restarted_server_knows_its_participants_by_their_proof() {
    let mut before = World::new(Limits::default());
    let (_, adas) = before.enter("agora", "Ada");
    let mut after = World::new(Limits::default());
    after.enter("elsewhere", "somebody, so that random ids differ");
    let resume = json!({"session": adas["session"], "secret": adas["resume_secret"], "last_seq": 3,
        "participant_proof": adas["participant_proof"]});
    let hello = json!({"room": "agora", "name": "Ada", "resume": resume});
    let (_, welcome) = after.hello(hello.clone());
    assert_eq!((&welcome["resumed"], &welcome["participant"]), (&json!(false), &adas["participant"]));
    let (_, second) = after.hello(hello);
    assert_ne!(second["participant"], adas["participant"], "an id that is in use is nobody else's");
    let mut foreign = World::with_keys(Limits::default(), Keys::new(None, [8; 32]));
    foreign.enter("elsewhere", "somebody");
    let (_, welcome) = foreign.hello(json!({"room": "agora", "name": "Ada", "resume": {"session": adas["session"],
        "secret": "", "last_seq": 0, "participant_proof": adas["participant_proof"]}}));
    assert_ne!(welcome["participant"], adas["participant"], "another server's proof");
}

/// A `hello` of somebody whose session the server has forgotten.
fn returning(name: &str, welcome: &Value) -> Value {
    let resume = json!({"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": 1,
        "participant_proof": welcome["participant_proof"]});
    json!({"room": "agora", "name": name, "resume": resume})
}

#[test]
fn after_a_restart_the_moderator_moderates_whoever_returns_first() {
    let mut before = World::new(Limits::default());
    let ((_, adas), (_, bobs)) = (before.enter("agora", "Ada"), before.enter("agora", "Bob"));
    let mut after = World::new(Limits::default());
    after.enter("elsewhere", "somebody, so that random ids differ");
    let (bob, welcome) = after.hello(returning("Bob", &bobs));
    assert_eq!(welcome["grants"]["moderate"], true, "somebody has to");
    let (ada, welcome) = after.hello(returning("Ada", &adas));
    assert_eq!(welcome["grants"]["moderate"], true);
    let told = after.got(bob, "participant_changed").pop().unwrap();
    assert_eq!((&told["participant"]["id"], &told["participant"]["moderator"]), (&bobs["participant"], &json!(false)));
    after.say(bob, json!({"type": "lock", "locked": true, "cid": 1}));
    assert_eq!(after.got(bob, "error")[0]["code"], "forbidden");
    after.say(ada, json!({"type": "lock", "locked": true, "cid": 1}));
    assert_eq!(after.got(ada, "ok").len(), 1);
    // Long after the restart a proof of old gives no rank.
    let mut later = World::new(Limits::default());
    later.enter("elsewhere", "somebody, so that random ids differ");
    later.pass_secs(121);
    later.hello(returning("Bob", &bobs));
    let (_, welcome) = later.hello(returning("Ada", &adas));
    assert_eq!(welcome["grants"]["moderate"], false);
}

#[test]
fn a_session_belongs_to_its_identity() {
    let mut world = guarded(Limits::default());
    let (_, adas) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", 600, Grants::default())}));
    let resume = json!({"session": adas["session"], "secret": adas["resume_secret"], "last_seq": 0});
    let thief =
        json!({"room": "agora", "name": "Eve", "token": token("eve", 600, Grants::default()), "resume": resume});
    let (_, welcome) = world.hello(thief);
    assert_eq!(welcome["resume_failure"], "unknown_session");
    assert_ne!(welcome["participant"], adas["participant"]);
}

#[test]
fn an_address_and_an_identity_have_their_rates() {
    let limits = Limits { address_rate: 1, address_burst: 2, identity_rate: 1, identity_burst: 2, ..Limits::default() };
    let mut world = guarded(limits);
    let (one, other) = ("198.51.100.1".parse().ok(), "198.51.100.2".parse().ok());
    let sockets = [one, one, one, other].map(|address| world.open_from(address));
    assert_eq!(refused(&world, sockets[2]), (json!("rate_limited"), CloseCode::RateLimited));
    assert!(world.got(sockets[2], "error")[0]["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(world.closed.len(), 1, "nobody else notices");
    let hello = json!({"room": "agora", "name": "Ada", "token": token("ada", 600, Grants::default())});
    let joins = [(); 3].map(|()| world.hello(hello.clone()).0);
    assert_eq!(refused(&world, joins[2]), (json!("rate_limited"), CloseCode::RateLimited));
    world.pass_secs(2);
    let again = world.open_from(one);
    assert!(!world.closed.contains_key(&again));
}

#[test]
fn an_address_gets_so_many_credentials_of_the_relay() {
    let limits = Limits { credentials_rate: 1, credentials_burst: 2, ..Limits::default() };
    let mut world = guarded(limits);
    world
        .control
        .set_turn(Some(TurnSigner { lifetime: Duration::from_secs(60), password: Arc::new(str::to_uppercase) }));
    let server = |url: &str| IceServer { urls: vec![url.to_owned()], username: None, credential: None };
    let (stun, turn) = (vec![server("stun:192.0.2.1")], vec![server("stun:192.0.2.1"), server("turn:192.0.2.1")]);
    let (home, other, loopback) = ("2001:db8::1".parse().ok(), "2001:db8:1::1".parse().ok(), "127.0.0.1".parse().ok());
    let enter = |world: &mut World, address, ice_servers: &Vec<IceServer>, who: usize| {
        let socket = world.open_with(address, ice_servers.clone());
        let token = token(&format!("guest{who}"), 600, Grants::default());
        world.say(socket, json!({"type": "hello", "room": "agora", "name": "Ada", "token": token}));
        socket
    };
    let first: Vec<_> = (0..3).map(|who| enter(&mut world, home, &turn, who)).collect();
    assert_eq!(
        world.got(first[1], "welcome")[0]["ice_servers"][1]["credential"].as_str().map(|it| it.is_empty()),
        Some(false)
    );
    assert_eq!(refused(&world, first[2]), (json!("rate_limited"), CloseCode::RateLimited));
    assert_eq!(world.got(first[2], "error")[0]["retry_after_ms"], 1000);
    // Elsewhere, on this machine, and without a relay nobody notices.
    for (who, (address, servers)) in
        [(other, &turn), (loopback, &turn), (None, &turn), (home, &stun)].into_iter().enumerate()
    {
        let socket = enter(&mut world, address, servers, 10 + who);
        assert_eq!(world.got(socket, "welcome").len(), 1, "{address:?}");
    }
    world.pass_secs(1);
    let again = enter(&mut world, home, &turn, 20);
    assert_eq!(world.got(again, "welcome").len(), 1, "who waited is let in");
    let soon = enter(&mut world, home, &turn, 21);
    assert!(world.closed.contains_key(&soon));
}
