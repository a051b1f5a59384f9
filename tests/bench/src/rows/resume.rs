//! Ten thousand sockets break at once, each with a frame under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{open_pairs, runtime};
use crate::Outcome;
use crate::client::Manner;
use crate::member::{Member, hello, is};
use crate::report::{Report, Row, quantile};
use crate::server::Server;

/// Where a client's session is to go on.
struct Ticket {
    index: usize,
    hello: Value,
    mate: Value,
    seen: u64,
}

/// A client that is back.
struct Returned {
    member: Member,
    mate: Value,
    /// Whether the session went on and what was under way arrived once and in order.
    is_whole: bool,
}

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    runtime()?.block_on(async {
        let server = Server::stoa(&[])?;
        let pairs = open_pairs(&server, 0, CLIENTS / 2).await?;
        let pairs = send_unread(&server, pairs).await?;
        let (tickets, clients): (Vec<_>, Vec<_>) = pairs.into_iter().flat_map(part_with).unzip();
        let cut = Instant::now();
        for client in clients {
            client.reset()?;
        }
        let mut returned = Vec::new();
        let mut returning = JoinSet::new();
        let permits = Arc::new(Semaphore::new(CONNECTS_AT_ONCE));
        for ticket in tickets {
            let (address, permits) = (server.address, Arc::clone(&permits));
            returning.spawn(async move {
                let _permit = permits.acquire().await?;
                come_back(address, ticket).await
            });
        }
        let (mut took, mut failures) = (Vec::new(), 0);
        while let Some(result) = returning.join_next().await {
            took.push(cut.elapsed().as_secs_f64());
            match result? {
                Ok(client) => returned.push(client),
                Err(_) => failures += 1,
            }
        }
        let lost = failures + count_lost(returned).await?;
        report.add(Row::new("10,000 clients cut at once: all resumed", "s", quantile(&mut took, 1.0)).at_most(15.0));
        report.add(Row::new("10,000 clients cut at once: median resumed", "s", quantile(&mut took, 0.5)));
        report
            .add(Row::new("10,000 clients cut at once: sessions that lost", "sessions", f64::from(lost)).at_most(0.0));
        Ok(())
    })
}

/// Everybody sends their mate a candidate that nobody reads before the cut.
async fn send_unread(server: &Server, pairs: Vec<[Member; 2]>) -> Outcome<Vec<[Member; 2]>> {
    let mut settled = Vec::with_capacity(pairs.len());
    for [mut ada, bob] in pairs {
        ada.hear_of("participant_joined").await?;
        ada.acknowledge().await?;
        settled.push([ada, bob]);
    }
    let frames_before = wait_until_quiet(server).await?;
    for [ada, bob] in &settled {
        for (from, to) in [(ada, bob), (bob, ada)] {
            let candidate = json!({"candidate": from.participant()});
            from.say(
                &json!({"type": "candidate", "to": to.participant(), "link": 1, "candidate": candidate, "cid": 1}),
            )
            .await?;
        }
    }
    let heard = wait_until_quiet(server).await? - frames_before;
    if heard != u64::try_from(settled.len() * 2)? {
        return Err(format!("the server read {heard} candidates").into());
    }
    Ok(settled)
}

/// Waits until the server has read all that was sent; returns how many frames it has read.
async fn wait_until_quiet(server: &Server) -> Outcome<u64> {
    let mut count = 0;
    loop {
        sleep(Duration::from_millis(500)).await;
        let now = server.metric("stoa_signaling_frames_total{direction=\"in\"}").await?;
        if now == count {
            return Ok(count);
        }
        count = now;
    }
}

fn part_with(pair: [Member; 2]) -> [(Ticket, crate::client::Client); 2] {
    let [ada, bob] = pair;
    let (adas, bobs) = (ada.participant().clone(), bob.participant().clone());
    [(ada, bobs), (bob, adas)].map(|(member, mate)| {
        let field = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
        let room = member.welcome.pointer("/room/name").and_then(Value::as_str).unwrap_or_default();
        let mut hello = hello(room);
        if let Some(fields) = hello.as_object_mut() {
            let (session, secret) = (field(&member.welcome, "session"), field(&member.welcome, "resume_secret"));
            let proof = field(&member.welcome, "participant_proof");
            let resume =
                json!({"session": session, "secret": secret, "last_seq": member.seen, "participant_proof": proof});
            fields.insert("resume".to_owned(), resume);
        }
        let index = room.bytes().map(usize::from).sum();
        (Ticket { index, hello, mate, seen: member.seen }, member.into_client())
    })
}

/// Resumes, and reads until the mate's candidate and the reply to the own one have come.
async fn come_back(server: std::net::SocketAddr, ticket: Ticket) -> Outcome<Returned> {
    let mut member = Member::enter(server, ticket.index, Manner::Usual, &ticket.hello).await?;
    member.seen = ticket.seen;
    let is_resumed = member.welcome.get("resumed") == Some(&Value::Bool(true));
    let (mut replies, mut candidates) = (0, 0);
    let catching_up = async {
        while is_resumed && (replies == 0 || candidates == 0) {
            let frame = member.hear().await?;
            replies += u32::from(is(&frame, "ok"));
            candidates += u32::from(frame.pointer("/candidate/candidate") == Some(&ticket.mate));
        }
        member.acknowledge().await
    };
    let is_caught_up = matches!(timeout(PATIENCE, catching_up).await, Ok(Ok(())));
    let is_whole = is_resumed && is_caught_up && (replies, candidates) == (1, 1);
    Ok(Returned { member, mate: ticket.mate, is_whole })
}

/// A last event from everybody to their mate shows that nothing between is missing and that the pair sees each other.
async fn count_lost(returned: Vec<Returned>) -> Outcome<u32> {
    for client in &returned {
        client.member.say(&json!({"type": "media", "media": {"screen": true}})).await?;
    }
    let mut ending = JoinSet::new();
    for Returned { mut member, mate, is_whole, .. } in returned {
        ending.spawn(async move {
            let marker = async {
                loop {
                    let frame = member.hear().await?;
                    if frame.pointer("/participant/id") == Some(&mate)
                        && frame.pointer("/participant/media/screen") == Some(&Value::Bool(true))
                    {
                        return Outcome::Ok(frame.pointer("/participant/connected") == Some(&Value::Bool(true)));
                    }
                }
            };
            let sees_mate = matches!(timeout(PATIENCE, marker).await, Ok(Ok(true)));
            is_whole && sees_mate && member.gaps == 0
        });
    }
    let mut lost = 0;
    while let Some(is_whole) = ending.join_next().await {
        lost += u32::from(!is_whole?);
    }
    Ok(lost)
}

const CLIENTS: usize = 10_000;
const CONNECTS_AT_ONCE: usize = 500;
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(30);
