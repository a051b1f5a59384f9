mod deaf;
mod fan_out;
mod idle;
mod joins;
mod quiet;
mod resume;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::Manner;
use crate::member::{Member, hello};
use crate::server::Server;
use crate::{Outcome, Part};

/// What can be asked for, in the order in which it runs: what needs quiet comes first.
pub(crate) const PARTS: [(&str, Part); 6] = [
    ("quiet", quiet::measure),
    ("deaf", deaf::measure),
    ("idle", idle::measure),
    ("joins", joins::measure),
    ("resume", resume::measure),
    ("fan-out", fan_out::measure),
];

/// For the clients of a part.
fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Opens rooms of two, numbered from `first`; each pair comes back in the order of joining.
async fn open_pairs(server: &Server, first: usize, count: usize) -> Outcome<Vec<[Member; 2]>> {
    let (address, permits) = (server.address, Arc::new(Semaphore::new(JOINS_AT_ONCE)));
    let mut opening = JoinSet::new();
    for room in first..first + count {
        let permits = Arc::clone(&permits);
        opening.spawn(async move {
            let _permit = permits.acquire().await?;
            let hello = hello(&format!("room-{room}"));
            let ada = Member::enter(address, room, Manner::Usual, &hello).await?;
            let bob = Member::enter(address, room, Manner::Usual, &hello).await?;
            Outcome::Ok([ada, bob])
        });
    }
    let mut pairs = Vec::with_capacity(count);
    while let Some(pair) = opening.join_next().await {
        pairs.push(pair??);
    }
    Ok(pairs)
}

/// Lets members idle in the background; `lost` counts those whose socket ended.
fn let_idle(pairs: Vec<[Member; 2]>, lost: &Arc<AtomicUsize>) {
    for member in pairs.into_iter().flatten() {
        let lost = Arc::clone(lost);
        tokio::spawn(async move {
            let _ = member.idle().await;
            lost.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Makes sure that what was measured is what should have been.
async fn check_connected(server: &Server, expected: usize, lost: &AtomicUsize) -> Outcome<()> {
    let connections = server.metric("stoa_signaling_connections").await?;
    let lost = lost.load(Ordering::Relaxed);
    if connections != u64::try_from(expected)? || lost > 0 {
        return Err(format!("{connections} of {expected} sockets are open, {lost} clients were closed").into());
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

const JOINS_AT_ONCE: usize = 64;
