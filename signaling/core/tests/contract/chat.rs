//! The chat of a room: the log orders and keeps it, everybody gets the same, nobody writes twice.

use serde_json::{Value, json};
use stoa_signaling_core::message::{ChatEntry, DocumentsGrant, Grants};
use stoa_signaling_core::token::{AccessClaims, Keys, mint};
use stoa_signaling_core::{ChatRequest, Command, Limits};

use crate::support::{SINCE_1970, World};

/// A log that keeps everything at once, when told to.
#[derive(Default)]
struct Log {
    lines: Vec<(String, ChatEntry)>,
}

impl Log {
    /// Answers everything that was asked.
    fn serve(&mut self, world: &mut World) {
        while let Some(request) = world.control.poll_chat() {
            let command = match request {
                ChatRequest::Append { request, room, participant, name, text } => {
                    let seq = self.lines.iter().filter(|(of, _)| *of == room).count() as u64 + 1;
                    let at_ms = SINCE_1970.as_millis().try_into().unwrap();
                    self.lines.push((room, ChatEntry { seq, at_ms, participant, name, text }));
                    Command::ChatAppended { request, result: Ok((seq, at_ms)) }
                }
                ChatRequest::Read { request, room, before, limit } => {
                    let of_room = self.lines.iter().filter(|(of, _)| *of == room).map(|(_, entry)| entry.clone());
                    let mut entries: Vec<_> =
                        of_room.filter(|entry| before.is_none_or(|before| entry.seq < before)).collect();
                    let cut = entries.len().saturating_sub(limit as usize);
                    Command::ChatRead { request, result: Ok((entries.split_off(cut), cut > 0)) }
                }
            };
            world.command(command);
        }
    }
}

fn texts(frames: &[Value]) -> Vec<String> {
    frames.iter().map(|frame| frame["entry"]["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn everybody_gets_the_same_lines_once_they_are_kept() {
    let (mut world, mut log) = (World::new(Limits::default()), Log::default());
    let ((ada, _), (bob, _)) = (world.enter("agora", "Ada"), world.enter("agora", "Bob"));
    let (eve, _) = world.enter("stoa", "Eve");
    world.say(ada, json!({"type": "chat", "text": "  one\n", "cid": 1}));
    world.say(bob, json!({"type": "chat", "text": "two", "cid": 1}));
    assert!(world.got(ada, "chat").is_empty() && world.got(ada, "ok").is_empty(), "nothing is kept yet");
    log.serve(&mut world);
    for socket in [ada, bob] {
        assert_eq!(texts(&world.got(socket, "chat")), ["one", "two"]);
        assert_eq!(world.got(socket, "ok")[0]["cid"], 1);
    }
    assert_eq!(world.got(bob, "chat")[0]["entry"]["name"], "Ada");
    assert_eq!(world.got(bob, "chat")[1]["entry"]["seq"], 2);
    assert!(world.got(eve, "chat").is_empty(), "another room");
}

#[test]
fn a_line_that_is_sent_again_after_a_lost_socket_is_kept_once() {
    let (mut world, mut log) = (World::new(Limits::default()), Log::default());
    let (ada, welcome) = world.enter("agora", "Ada");
    let line = json!({"type": "chat", "text": "once", "cid": 1});
    world.say(ada, line.clone());
    world.break_socket(ada);
    let (again, welcome) = world.resume(&welcome, 0);
    world.say(again, line.clone());
    log.serve(&mut world);
    assert_eq!((log.lines.len(), texts(&world.got(again, "chat"))), (1, vec!["once".to_owned()]));
    assert_eq!(world.got(again, "ok").len(), 1);
    world.break_socket(again);
    let (third, _) = world.resume(&welcome, 2);
    world.say(third, line);
    log.serve(&mut world);
    assert_eq!((log.lines.len(), world.got(third, "ok").len()), (1, 1), "its reply is repeated");
}

#[test]
fn latecomers_read_what_was_written_before() {
    let (mut world, mut log) = (World::new(Limits { chat_burst: 100, ..Limits::default() }), Log::default());
    let (ada, _) = world.enter("agora", "Ada");
    for number in 1..=60 {
        world.say(ada, json!({"type": "chat", "text": format!("line {number}")}));
        log.serve(&mut world);
    }
    let (bob, _) = world.enter("agora", "Bob");
    let ask = |world: &mut World, log: &mut Log, question: Value| {
        world.say(bob, question);
        log.serve(world);
        let answer = world.got(bob, "chat_entries").pop().unwrap();
        let seqs: Vec<_> = answer["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
        (seqs[0], seqs.len(), answer["more"].as_bool().unwrap())
    };
    assert_eq!(ask(&mut world, &mut log, json!({"type": "chat_history", "cid": 1})), (11, 50, true));
    let earlier = json!({"type": "chat_history", "before": 11, "limit": 20, "cid": 2});
    assert_eq!(ask(&mut world, &mut log, earlier), (1, 10, false));
    // What does not fit into one frame is left for the next question.
    for _ in 0..20 {
        world.pass_secs(5);
        world.say(ada, json!({"type": "chat", "text": "x".repeat(4_000)}));
        log.serve(&mut world);
    }
    let (first, count, more) = ask(&mut world, &mut log, json!({"type": "chat_history", "cid": 3}));
    assert!(more && count < 20 && first == 81 - count as u64, "{first} {count}");
}

#[test]
fn what_is_no_message_is_refused_in_words() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    for text in ["", " \n ", &"x".repeat(4_001), "a\u{0}b", "a\u{1b}[2J"] {
        world.say(ada, json!({"type": "chat", "text": text, "cid": 1}));
        assert_eq!(world.got(ada, "error").pop().unwrap()["code"], "bad_frame", "{text:?}");
    }
    assert_eq!(world.control.poll_chat(), None);
}

#[test]
fn who_writes_too_fast_waits() {
    let (mut world, mut log) = (World::new(Limits::default()), Log::default());
    let (ada, _) = world.enter("agora", "Ada");
    for _ in 0..8 {
        world.say(ada, json!({"type": "chat", "text": "x"}));
    }
    world.say(ada, json!({"type": "chat", "text": "the ninth before any is kept"}));
    assert_eq!(world.got(ada, "error").pop().unwrap()["code"], "rate_limited");
    log.serve(&mut world);
    for _ in 0..20 {
        world.say(ada, json!({"type": "chat", "text": "x"}));
        log.serve(&mut world);
    }
    assert!(log.lines.len() <= 10, "{}", log.lines.len());
    world.pass_secs(1);
    world.say(ada, json!({"type": "chat", "text": "later"}));
    log.serve(&mut world);
    assert_eq!(log.lines.last().unwrap().1.text, "later");
}

#[test]
fn moderators_switch_the_chat_off_and_on() {
    let mut world = World::new(Limits::default());
    let ((ada, _), (bob, _)) = (world.enter("agora", "Ada"), world.enter("agora", "Bob"));
    world.say(bob, json!({"type": "set_chat", "enabled": false, "cid": 1}));
    assert_eq!(world.got(bob, "error")[0]["code"], "forbidden");
    world.say(ada, json!({"type": "set_chat", "enabled": false, "cid": 1}));
    assert_eq!(world.got(bob, "room_changed")[0]["chat_enabled"], false);
    world.say(bob, json!({"type": "chat", "text": "hello", "cid": 2}));
    assert_eq!(world.got(bob, "error")[1]["code"], "chat_disabled");
    world.say(ada, json!({"type": "set_chat", "enabled": true}));
    world.say(bob, json!({"type": "chat", "text": "hello", "cid": 3}));
    assert!(world.control.poll_chat().is_some());
}

#[test]
fn who_may_not_send_data_sees_no_chat() {
    let mut world = World::with_keys(Limits::default(), Keys::new(Some("k".repeat(32)), [9; 32]));
    let token = |sub: &str, data: bool| {
        let grants = Grants { data, documents: DocumentsGrant::Read, subscribe: false, ..Grants::default() };
        let (exp, room) = (SINCE_1970.as_secs() + 60, vec!["agora".into()]);
        mint(&"k".repeat(32), &AccessClaims { sub: sub.into(), room, exp, nbf: None, name: None, grants }).unwrap()
    };
    let (ada, _) = world.hello(json!({"room": "agora", "name": "Ada", "token": token("ada", true)}));
    let (bob, welcome) = world.hello(json!({"room": "agora", "name": "Bob", "token": token("bob", false)}));
    let rights = &welcome["room"]["participants"][1]["rights"];
    assert_eq!(*rights, json!({"subscribe": false, "data": false, "documents": "read"}), "the others must know");
    world.say(ada, json!({"type": "chat", "text": "hello"}));
    Log::default().serve(&mut world);
    assert_eq!((world.got(ada, "chat").len(), world.got(bob, "chat").len()), (1, 0));
    for frame in [json!({"type": "chat", "text": "hi", "cid": 1}), json!({"type": "chat_history", "cid": 2})] {
        world.say(bob, frame);
        assert_eq!(world.got(bob, "error").pop().unwrap()["code"], "forbidden");
    }
}

#[test]
fn a_log_that_fails_is_told_to_the_writer_alone() {
    let mut world = World::new(Limits::default());
    let ((ada, _), (bob, _)) = (world.enter("agora", "Ada"), world.enter("agora", "Bob"));
    world.say(ada, json!({"type": "chat", "text": "hello", "cid": 1}));
    let Some(ChatRequest::Append { request, .. }) = world.control.poll_chat() else { panic!("nothing was asked") };
    world.command(Command::ChatAppended { request, result: Err("the disk is full".into()) });
    let error = world.got(ada, "error").pop().unwrap();
    assert_eq!((&error["code"], &error["cid"]), (&json!("unavailable"), &json!(1)));
    assert!(error["message"].as_str().unwrap().contains("disk is full"));
    assert!(world.got(bob, "chat").is_empty());
    // A late second answer means nothing.
    world.command(Command::ChatAppended { request, result: Ok((1, 1)) });
    assert!(world.got(bob, "chat").is_empty());
}
