//! One event to a room of a thousand sockets, beside a bare program that writes the same bytes to as many.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::milliseconds;
use crate::Outcome;
use crate::client::{Client, Heard, Manner, Writer};
use crate::member::{Member, hello};
use crate::process;
use crate::report::{Report, Row, quantile};
use crate::server::Server;

/// One who speaks and many who listen.
struct Crowd {
    speaker: Writer,
    listeners: Vec<Listener>,
    arrivals: Arc<Arrivals>,
    /// Says the next event.
    event: fn(usize, &Self) -> String,
    /// Whether arrivals must be acknowledged from time to time.
    acknowledges: bool,
    /// The last event as it arrived.
    sample: Arc<Mutex<String>>,
}

struct Listener {
    writer: Writer,
    seen: Arc<AtomicU64>,
}

/// Who has got the present event, and when.
#[derive(Default)]
struct Arrivals {
    state: Mutex<Present>,
    complete: Notify,
}

#[derive(Default)]
struct Present {
    sent: Option<Instant>,
    missing: usize,
    latencies: Vec<Duration>,
}

/// Milliseconds from sending.
#[derive(Default)]
struct Round {
    /// To every listener.
    each: Vec<f64>,
    /// To the last listener.
    last: Vec<f64>,
}

/// Over all rounds.
#[derive(Default)]
struct Figures {
    each_p50: Vec<f64>,
    each_p99: Vec<f64>,
    last_p50: Vec<f64>,
    last_p99: Vec<f64>,
    /// Of the server, in milliseconds per event.
    cpu: Vec<f64>,
}

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    // One thread reads for all, so that arrivals cost the same for both.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut ours, mut floor) = runtime.block_on(async {
        let (room, bare) = (Server::bench("room")?, Server::bench("floor")?);
        let ours = open_room(room.address).await?;
        ours.round(WARM_UP).await?;
        let floor = open_floor(bare.address, &ours).await?;
        let (mut our_figures, mut floor_figures) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            our_figures.add_round(&ours, room.pid()).await?;
            floor_figures.add_round(&floor, bare.pid()).await?;
        }
        Outcome::Ok((our_figures, floor_figures))
    })?;
    let mut row = |name: &str, pick: fn(&mut Figures) -> &mut Vec<f64>| {
        let (ours, floor) = (quantile(pick(&mut ours), 0.5), quantile(pick(&mut floor), 0.5));
        Row::new(format!("event to a room of 1,000: {name}"), "ms", ours).with_floor(floor)
    };
    report.add(row("last of 999, p50", |figures| &mut figures.last_p50).ratio_at_most(1.5));
    report.add(row("last of 999, p99", |figures| &mut figures.last_p99).at_most(20.0).ratio_at_most(1.5));
    report.add(row("each of 999, p50", |figures| &mut figures.each_p50));
    report.add(row("each of 999, p99", |figures| &mut figures.each_p99));
    report.add(row("server's CPU time", |figures| &mut figures.cpu));
    Ok(())
}

/// Fills a room of our server.
async fn open_room(server: SocketAddr) -> Outcome<Crowd> {
    let hello = hello("agora");
    let speaker = Member::enter(server, 0, Manner::Usual, &hello).await?.into_client();
    let mut crowd = Crowd::new(speaker.writer(), true, |index, _| {
        json!({"type": "media", "media": {"camera": index.is_multiple_of(2)}}).to_string()
    });
    tokio::spawn(skip_all(speaker, crowd.speaker.clone()));
    for index in 1..ROOM {
        crowd.listen(Member::enter(server, index, Manner::Usual, &hello).await?.into_client());
    }
    crowd.acknowledge().await?;
    Ok(crowd)
}

/// Connects as many to the floor, which passes on what the first one says.
async fn open_floor(server: SocketAddr, ours: &Crowd) -> Outcome<Crowd> {
    let speaker = Client::connect(server, 0, Manner::Usual).await?;
    let mut crowd = Crowd::new(speaker.writer(), false, |_, crowd| lock(&crowd.sample).clone());
    crowd.sample = Arc::clone(&ours.sample);
    tokio::spawn(skip_all(speaker, crowd.speaker.clone()));
    for index in 1..ROOM {
        crowd.listen(Client::connect(server, index, Manner::Usual).await?);
    }
    Ok(crowd)
}

impl Crowd {
    fn new(speaker: Writer, acknowledges: bool, event: fn(usize, &Self) -> String) -> Self {
        let (arrivals, sample) = (Arc::default(), Arc::default());
        Self { speaker, listeners: Vec::new(), arrivals, event, acknowledges, sample }
    }

    fn listen(&mut self, client: Client) {
        let seen = Arc::new(AtomicU64::new(0));
        self.listeners.push(Listener { writer: client.writer(), seen: Arc::clone(&seen) });
        // The first listener keeps what it got, for the floor to send the same.
        let sample = (self.listeners.len() == 1).then(|| Arc::clone(&self.sample));
        tokio::spawn(listen(client, Arc::clone(&self.arrivals), seen, sample));
    }

    /// Sends events one after the other; the first ones do not count.
    async fn round(&self, events: usize) -> Outcome<Round> {
        let mut round = Round::default();
        for index in 0..events {
            if index.is_multiple_of(EVENTS_PER_ACK) {
                self.acknowledge().await?;
            }
            let text = (self.event)(index, self);
            self.arrivals.expect(self.listeners.len());
            self.speaker.say(&text).await?;
            let complete = timeout(PATIENCE, self.arrivals.complete.notified()).await;
            complete.map_err(|_| "an event did not reach everybody")?;
            let mut latencies = self.arrivals.take();
            if index >= WARM_UP {
                round.last.push(quantile(&mut latencies, 1.0));
                round.each.append(&mut latencies);
            }
            sleep(PAUSE).await;
        }
        Ok(round)
    }

    /// Outside of what is timed.
    async fn acknowledge(&self) -> Outcome<()> {
        if self.acknowledges {
            for listener in &self.listeners {
                let seen = listener.seen.load(Ordering::Relaxed);
                listener.writer.say(&json!({"type": "ack", "ack": seen}).to_string()).await?;
            }
        }
        sleep(SETTLING).await;
        Ok(())
    }
}

impl Arrivals {
    fn expect(&self, count: usize) {
        let latencies = Vec::with_capacity(count);
        *lock(&self.state) = Present { sent: Some(Instant::now()), missing: count, latencies };
    }

    fn note(&self) {
        let now = Instant::now();
        let mut present = lock(&self.state);
        if let Some(sent) = present.sent.filter(|_| present.missing > 0) {
            present.latencies.push(now.saturating_duration_since(sent));
            present.missing -= 1;
            if present.missing == 0 {
                self.complete.notify_one();
            }
        }
    }

    fn take(&self) -> Vec<f64> {
        std::mem::take(&mut lock(&self.state).latencies).into_iter().map(milliseconds).collect()
    }
}

impl Figures {
    async fn add_round(&mut self, crowd: &Crowd, server: u32) -> Outcome<()> {
        let cpu = process::cpu_seconds(server)?;
        let mut round = crowd.round(WARM_UP + EVENTS).await?;
        let events = f64::from(u32::try_from(WARM_UP + EVENTS)?);
        self.cpu.push((process::cpu_seconds(server)? - cpu) * 1000.0 / events);
        self.each_p50.push(quantile(&mut round.each, 0.5));
        self.each_p99.push(quantile(&mut round.each, 0.99));
        self.last_p50.push(quantile(&mut round.last, 0.5));
        self.last_p99.push(quantile(&mut round.last, 0.99));
        Ok(())
    }
}

async fn listen(mut client: Client, arrivals: Arc<Arrivals>, seen: Arc<AtomicU64>, sample: Option<Arc<Mutex<String>>>) {
    while let Ok(Heard::Text(text)) = client.next().await {
        arrivals.note();
        if let Some(seq) = seq_of(&text) {
            seen.store(seq, Ordering::Relaxed);
        }
        if let Some(sample) = &sample {
            *lock(sample) = String::from_utf8_lossy(&text).into_owned();
        }
    }
}

/// The speaker hears of newcomers; it acknowledges them and does no more.
async fn skip_all(mut client: Client, writer: Writer) {
    while let Ok(Heard::Text(text)) = client.next().await {
        if let Some(seq) = seq_of(&text) {
            let _ = writer.say(&json!({"type": "ack", "ack": seq}).to_string()).await;
        }
    }
}

/// Every frame of the server begins with its number.
fn seq_of(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"{\"seq\":")?;
    let digits = digits.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|seq| *seq > 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ROOM: usize = 1_000;
const ROUNDS: usize = 5;
const WARM_UP: usize = 20;
const EVENTS: usize = 200;
/// The protocol wants an acknowledgement every 64 frames at least.
const EVENTS_PER_ACK: usize = 50;
/// Between two events, so that each finds both programs at rest.
const PAUSE: Duration = Duration::from_millis(5);
const SETTLING: Duration = Duration::from_millis(300);
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(10);
