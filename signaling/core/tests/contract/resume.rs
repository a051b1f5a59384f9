//! Lost sockets, slow readers, silence.

use std::time::Duration;

use crate::support::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use stoa_signaling_core::{CloseCode, Limits};

#[test]
fn a_lost_socket_is_shown_and_its_session_goes_on() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.break_socket(ada);
    assert_eq!(world.got(bob, "participant_changed")[0]["participant"]["connected"], false);
    world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
    world.pass_secs(9);
    let (again, welcome) = world.resume(&adas, 1);
    assert_eq!((&welcome["resumed"], &welcome["participant"]), (&json!(true), &adas["participant"]));
    assert!(welcome.get("room").is_none());
    assert_eq!(world.got(again, "candidate")[0]["seq"], 2);
    assert_eq!(world.got(bob, "participant_changed")[1]["participant"]["connected"], true);
    world.pass_secs(300);
    assert!(world.got(bob, "participant_left").is_empty());
}

#[test]
fn somebody_lost_for_long_is_hidden_and_may_come_back() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.break_socket(ada);
    world.pass_secs(10);
    assert_eq!(world.got(bob, "participant_left")[0]["reason"], "lost");
    world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
    world.pass_secs(100);
    let (again, welcome) = world.resume(&adas, 1);
    assert_eq!(welcome["resumed"], true);
    assert_eq!(world.got(again, "candidate").len(), 1, "her link may be alive, so it is still negotiated");
    assert_eq!(world.got(bob, "participant_joined")[0]["participant"]["id"], adas["participant"]);
}

#[test]
fn whoever_comes_back_to_a_full_room_is_told_so() {
    let mut world = World::new(Limits { room_participants: 2, ..Limits::default() });
    let (ada, adas) = world.enter("agora", "Ada");
    world.enter("agora", "Bob");
    world.break_socket(ada);
    world.pass_secs(10);
    world.enter("agora", "Cyd");
    let (again, error) = world.resume(&adas, 1);
    assert_eq!((&error["code"], world.closed[&again]), (&json!("room_full"), CloseCode::RoomFull));
}

#[test]
fn the_window_ends() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    world.break_socket(ada);
    world.pass_secs(120);
    assert_eq!(world.control.stats().sessions, 0);
    let (_, welcome) = world.resume(&adas, 0);
    assert_eq!((&welcome["resumed"], &welcome["resume_failure"]), (&json!(false), &json!("unknown_session")));
    assert_ne!(welcome["participant"], adas["participant"]);
}

#[test]
fn a_welcome_that_was_lost_does_not_cost_the_session() {
    let mut world = World::new(Limits::default());
    let (_, adas) = world.enter("agora", "Ada");
    let (lost, _) = world.resume(&adas, 0);
    world.break_socket(lost);
    let (_, welcome) = world.resume(&adas, 0);
    assert_eq!((&welcome["resumed"], &welcome["participant"]), (&json!(true), &adas["participant"]));
}

#[test]
fn two_lost_welcomes_do_not_cost_the_session_either() {
    let mut world = World::new(Limits::default());
    let (_, adas) = world.enter("agora", "Ada");
    for _ in 0..3 {
        let (lost, welcome) = world.resume(&adas, 0);
        assert_eq!(welcome["resumed"], true);
        world.break_socket(lost);
    }
}

#[test]
fn a_large_backlog_is_given_whole_and_in_peace() {
    let mut world = World::new(Limits::default());
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.break_socket(ada);
    let large = json!({"candidate": "x".repeat(50_000)});
    for _ in 0..12 {
        world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": large}));
    }
    let accepted = 12 - world.got(bob, "error").len();
    let (again, welcome) = world.resume(&adas, 1);
    assert_eq!(welcome["resumed"], true);
    assert_eq!(world.got(again, "candidate").len(), accepted);
    assert!(!world.closed.contains_key(&again));
    let last = world.got(bob, "participant_changed").pop().unwrap();
    assert_eq!(last["participant"]["connected"], true);
}

#[test]
fn a_secret_is_good_once() {
    let mut world = World::new(Limits::default());
    let (first, adas) = world.enter("agora", "Ada");
    let (second, welcome) = world.resume(&adas, 0);
    assert_eq!(world.closed[&first], CloseCode::Replaced);
    assert_ne!(welcome["resume_secret"], adas["resume_secret"]);
    world.say(second, json!({"type": "ack", "ack": 0}));
    let (_, stolen) = world.resume(&adas, 0);
    assert_eq!((&stolen["resumed"], &stolen["resume_failure"]), (&json!(false), &json!("unknown_session")));
    assert!(!world.closed.contains_key(&second), "a replayed secret disturbs nobody");
}

#[test]
fn a_late_report_of_the_old_socket_does_not_touch_the_new_one() {
    let mut world = World::new(Limits::default());
    let (first, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.resume(&adas, 1);
    world.break_socket(first);
    world.pass_secs(60);
    assert!(world.got(bob, "participant_changed").is_empty() && world.got(bob, "participant_left").is_empty());
}

#[test]
fn what_was_missed_beyond_the_window_is_told_as_a_fresh_state() {
    let mut world = World::new(Limits { resume_frames: 3, ..Limits::default() });
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.break_socket(ada);
    for _ in 0..4 {
        world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
    }
    let (_, welcome) = world.resume(&adas, 1);
    assert_eq!((&welcome["resumed"], &welcome["resume_failure"]), (&json!(false), &json!("window_exceeded")));
    assert_eq!(welcome["participant"], adas["participant"], "still the same person");
    assert_eq!(welcome["room"]["participants"].as_array().unwrap().len(), 2);
}

#[test]
fn a_reader_that_takes_nothing_is_cut_off_and_may_resume() {
    let limits = Limits { in_flight_bytes: 1_000, queue_bytes: 4_000, ..Limits::default() };
    let mut world = World::new(limits);
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.deaf.insert(ada);
    let (mut sent, start) = (0, world.now);
    while !world.closed.contains_key(&ada) {
        let refused = world.got(bob, "error").len();
        world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
        if world.got(bob, "error").len() == refused {
            sent += 1;
        }
        world.pass(Duration::from_millis(100));
        assert!(world.now - start < Duration::from_secs(10), "never cut off");
    }
    assert_eq!(world.closed[&ada], CloseCode::SlowReader);
    assert_eq!(world.got(bob, "error")[0]["code"], "rate_limited", "the sender is told to wait");
    let seen = world.frames[&ada].last().unwrap()["seq"].as_u64().unwrap();
    let before = world.got(ada, "candidate").len();
    let (again, welcome) = world.resume(&adas, seen);
    assert_eq!(welcome["resumed"], true);
    assert_eq!(before + world.got(again, "candidate").len(), sent, "nothing lost");
}

#[test]
fn less_is_kept_for_a_reader_that_was_cut_off() {
    let world_after = |slow_resume_bytes, frames: usize| {
        let limits = Limits { slow_resume_bytes, ..Limits::default() };
        let mut world = World::new(limits);
        let (ada, adas) = world.enter("agora", "Ada");
        let (bob, _) = world.enter("agora", "Bob");
        world.deaf.insert(ada);
        world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
        world.pass(Duration::from_secs(4));
        assert_eq!(world.closed[&ada], CloseCode::SlowReader);
        for _ in 0..frames {
            world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
        }
        world.resume(&adas, 0).1["resumed"].clone()
    };
    assert_eq!(world_after(2_000, 3), true);
    assert_eq!(world_after(2_000, 30), false);
    assert_eq!(world_after(20_000, 30), true);
}

#[test]
fn a_reader_that_stalls_with_little_waiting_is_cut_off_in_time() {
    let limits = Limits { in_flight_bytes: 200, ..Limits::default() };
    let mut world = World::new(limits);
    world.reads = false;
    let (ada, adas) = world.enter("agora", "Ada");
    let (bob, _) = world.enter("agora", "Bob");
    world.say(bob, json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null}));
    world.pass(Duration::from_millis(3_999));
    assert!(!world.closed.contains_key(&ada));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.closed[&ada], CloseCode::SlowReader);
}

#[test]
fn a_reader_that_takes_not_even_one_frame_is_cut_off_in_time() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    world.deaf.insert(ada);
    world.enter("agora", "Bob");
    world.pass(Duration::from_millis(3_999));
    assert!(!world.closed.contains_key(&ada));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.closed[&ada], CloseCode::SlowReader);
}

#[test]
fn a_silent_socket_is_asked_and_then_given_up() {
    let mut world = World::new(Limits::default());
    world.reads = false;
    let (ada, _) = world.enter("agora", "Ada");
    world.pass_secs(15);
    assert_eq!(world.pings[&ada], 1);
    world.pass_secs(5);
    assert_eq!(world.closed[&ada], CloseCode::HeartbeatTimeout);
}

#[test]
fn an_answering_socket_stays() {
    let mut world = World::new(Limits::default());
    let (ada, _) = world.enter("agora", "Ada");
    world.pass_secs(600);
    assert!(world.closed.is_empty());
    assert!((39..=41).contains(&world.pings[&ada]), "one ping in 15 s: {}", world.pings[&ada]);
}

#[derive(Debug, Clone)]
enum Step {
    Send,
    /// The socket breaks and takes the last frames that were under way with it.
    Break {
        lose: usize,
    },
    Resume,
    /// A second resume while the first socket is still open, as from a client that believes it is dead.
    ResumeAgain,
    /// Somebody tries the first secret of all.
    Replay,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        4 => (0usize..6).prop_map(|lose| Step::Break { lose }),
        4 => Just(Step::Resume),
        1 => Just(Step::ResumeAgain),
        1 => Just(Step::Replay),
        2 => (0u64..25).prop_map(Step::Pass),
    ]
}

/// Ada's side of the conversation, over many sockets.
struct Ada {
    socket: u64,
    welcome: Value,
    first: Value,
    is_open: bool,
    /// Of the newest frame that arrived.
    seen: u64,
    /// Frames of the present socket that were looked at.
    taken: usize,
    arrived: Vec<u64>,
}

impl Ada {
    fn resume(&mut self, world: &mut World) -> Result<(), TestCaseError> {
        (self.socket, self.welcome) = world.resume(&self.welcome, self.seen);
        prop_assert_eq!(&self.welcome["resumed"], &json!(true), "{}", self.welcome);
        (self.taken, self.is_open) = (1, true);
        let seen = self.seen;
        world.say(self.socket, json!({"type": "ack", "ack": seen}));
        Ok(())
    }

    /// Takes in what the present socket got, but for the last `lose` frames.
    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn read(&mut self, world: &World, lose: usize) -> Result<(), TestCaseError> {
        let frames = &world.frames[&self.socket];
        let end = frames.len().saturating_sub(lose).max(self.taken);
        for frame in &frames[self.taken..end] {
            let seq = frame["seq"].as_u64().unwrap();
            if seq > 0 {
                prop_assert_eq!(seq, self.seen + 1, "{}", frame);
                self.seen = seq;
            }
            if frame["type"] == "candidate" {
                self.arrived.push(frame["candidate"]["candidate"].as_str().unwrap().parse().unwrap());
            }
        }
        self.taken = end;
        Ok(())
    }
}

proptest! {
    // About 10,000 broken sockets in all.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Bob sends numbered candidates to Ada, whose socket breaks (losing what was under way) and resumes at random.
    #[test]
    fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(Limits { frame_rate: 10_000, ..Limits::default() });
        let (socket, welcome) = world.enter("agora", "Ada");
        let (bob, _) = world.enter("agora", "Bob");
        let first = welcome.clone();
        let mut ada = Ada { socket, welcome, first, is_open: true, seen: 0, taken: 0, arrived: Vec::new() };
        let (mut sent, mut number, mut away) = (Vec::new(), 0u64, 0);
        for step in steps.into_iter().chain([Step::Break { lose: 2 }, Step::Resume]) {
            match step {
                Step::Send => {
                    number += 1;
                    let candidate = json!({"candidate": number.to_string()});
                    world.say(bob, json!({"type": "candidate", "to": ada.first["participant"], "link": 1, "candidate": candidate}));
                    sent.push(number);
                }
                Step::Break { lose } if ada.is_open => {
                    ada.read(&world, lose)?;
                    world.break_socket(ada.socket);
                    (ada.is_open, away) = (false, 0);
                }
                Step::Resume if !ada.is_open => ada.resume(&mut world)?,
                Step::ResumeAgain if ada.is_open => {
                    ada.read(&world, 0)?;
                    ada.resume(&mut world)?;
                }
                Step::Replay if ada.welcome["resume_secret"] != ada.first["resume_secret"] => {
                    let (thief, answer) = world.resume(&ada.first, 0);
                    prop_assert_ne!(&answer["resumed"], &json!(true));
                    world.say(thief, json!({"type": "leave"}));
                }
                Step::Pass(seconds) if ada.is_open || away + seconds < 120 => {
                    away += seconds;
                    world.pass_secs(seconds);
                }
                Step::Pass(_) | Step::Break { .. } | Step::Resume | Step::ResumeAgain | Step::Replay => {}
            }
            if ada.is_open {
                ada.read(&world, 0)?;
            }
        }
        prop_assert_eq!(ada.arrived, sent);
        prop_assert_eq!(world.control.stats().sessions, 2, "no ghost");
    }
}
