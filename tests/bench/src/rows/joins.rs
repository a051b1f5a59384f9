//! Joins with a token, per second of the server's CPU time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::runtime;
use crate::Outcome;
use crate::client::Manner;
use crate::member::{Member, hello};
use crate::process;
use crate::report::{Report, Row, quantile};
use crate::server::Server;

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    let hellos: Arc<Vec<Value>> = Arc::new((0..WARM_UP + JOINS).map(hello_with_token).collect::<Outcome<_>>()?);
    let (mut per_cpu_second, mut per_second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (joins_per_cpu_second, joins_per_second) = runtime()?.block_on(round(&hellos))?;
        per_cpu_second.push(joins_per_cpu_second);
        per_second.push(joins_per_second);
    }
    let ours = quantile(&mut per_cpu_second, 0.5);
    report.add(Row::new("joins with token", "per CPU-second", ours).at_least(3_000.0));
    report.add(Row::new("joins with token, clients on the same cores", "per second", quantile(&mut per_second, 0.5)));
    Ok(())
}

async fn round(hellos: &Arc<Vec<Value>>) -> Outcome<(f64, f64)> {
    let server = Server::stoa(&[
        ("STOA_AUTH_KEY", KEY),
        ("STOA_LIMITS_IDENTITY_RATE", "1000000"),
        ("STOA_LIMITS_IDENTITY_BURST", "1000000"),
    ])?;
    if Member::enter(server.address, 0, Manner::Usual, &hello("room-0")).await.is_ok() {
        return Err("the server lets in whoever has no token".into());
    }
    let warm_up = join_all(&server, hellos, 0, WARM_UP).await?;
    let (cpu, start) = (process::cpu_seconds(server.pid())?, Instant::now());
    let members = join_all(&server, hellos, WARM_UP, WARM_UP + JOINS).await?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = process::cpu_seconds(server.pid())? - cpu;
    let joined = server.metric("stoa_signaling_connections").await?;
    if joined != u64::try_from(warm_up.len() + members.len())? {
        return Err(format!("only {joined} are joined").into());
    }
    let joins = f64::from(u32::try_from(JOINS)?);
    Ok((joins / cpu, joins / wall))
}

/// Each pipeline takes the next hello, joins, keeps the socket, and so on. Departures are not part of the figure.
async fn join_all(server: &Server, hellos: &Arc<Vec<Value>>, from: usize, to: usize) -> Outcome<Vec<Member>> {
    let (address, next) = (server.address, Arc::new(AtomicUsize::new(from)));
    let mut pipelines = JoinSet::new();
    for _ in 0..PIPELINES {
        let (hellos, next) = (Arc::clone(hellos), Arc::clone(&next));
        pipelines.spawn(async move {
            let mut members = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match hellos.get(index).filter(|_| index < to) {
                    Some(hello) => members.push(Member::enter(address, index, Manner::Usual, hello).await?),
                    None => return Outcome::Ok(members),
                }
            }
        });
    }
    let mut members = Vec::new();
    while let Some(joined) = pipelines.join_next().await {
        members.extend(joined??);
    }
    Ok(members)
}

/// Rooms of two, everybody with an identity and a token of their own.
fn hello_with_token(index: usize) -> Outcome<Value> {
    let room = format!("room-{}", index / 2);
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3_600;
    let claims = json!({"sub": format!("person-{index}@example.org"), "room": [room], "exp": expires, "name": "Ada"});
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?;
    let mut hello = hello(&room);
    if let Some(fields) = hello.as_object_mut() {
        fields.insert("token".to_owned(), token.into());
    }
    Ok(hello)
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const ROUNDS: usize = 3;
const WARM_UP: usize = 400;
/// Few enough that a round is over before the first heartbeat.
const JOINS: usize = 8_000;
const PIPELINES: usize = 32;
