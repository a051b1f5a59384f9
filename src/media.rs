//! Starts the SFU and joins it to the control plane: requests become orders for the media workers, their news becomes reports.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use stoa_base_net::{Group, SocketId};
use stoa_sfu_core::{
    Announced, Certificate, Codec, Command, Kind, Quality, RoomKey, SessionKey, ShardEvent, ShortId, TrackId, Wish,
};
use stoa_sfu_server::{Control, Endpoint, Endpoints, News, Order, SfuHandler, SfuOptions};
use stoa_signaling_core::message::{TrackSource, Wish as WireWish};
use stoa_signaling_core::{MediaReport, MediaRequest, MediaSection};
use stoa_signaling_server::{Media, MediaReports};
use stoa_turn_relay_server::relay_addresses;
use tracing::{error, warn};

/// An SFU whose workers are yet to be started.
pub(crate) struct Prepared {
    options: SfuOptions,
    news: Receiver<News>,
}

/// Makes the server's DTLS identity and lists its ways in. `interfaces` are this host's addresses.
pub(crate) fn prepare(listen: &[SocketAddr], external: &[IpAddr], interfaces: &[IpAddr]) -> Result<Prepared, String> {
    let certificate = Certificate::generate().ok_or("cannot make a certificate: the system gives no random bytes")?;
    let endpoints = endpoints(listen, external, interfaces);
    if endpoints.public().is_empty() {
        warn!("no address of this host can be told to participants; name one with --udp or udp.external_addresses");
    }
    let (sender, news) = sync_channel(MAX_NEWS);
    Ok(Prepared { options: SfuOptions { certificate, endpoints, news: sender }, news })
}

impl Prepared {
    /// Makes the handler of a worker.
    pub(crate) fn handlers(&self) -> impl Fn(usize) -> SfuHandler + Send + Sync + use<> {
        let options = self.options.clone();
        move |worker| SfuHandler::new(worker, &options)
    }

    /// Begins to carry requests and reports; `handler` is the SFU's place among the handlers of each worker.
    pub(crate) fn start(self, udp: &Group, handler: usize) -> Result<Arc<Sfu>, String> {
        let control = Control::new(udp.mailbox(handler));
        let backlogs = (0..control.workers()).map(|_| Mutex::default()).collect();
        let nudge = self.options.news;
        let sfu = Arc::new(Sfu { control, backlogs, legs: Mutex::default(), nudge, reports: OnceLock::new() });
        let (pump, news) = (Arc::clone(&sfu), self.news);
        let thread = std::thread::Builder::new().name("stoa-media-news".to_owned());
        thread.spawn(move || pump.carry_news(&news)).map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(sfu)
    }
}

/// The SFU in operation.
#[derive(Debug)]
pub(crate) struct Sfu {
    control: Control,
    /// For each worker, what it has not taken yet.
    backlogs: Vec<Mutex<VecDeque<Order>>>,
    /// On which worker each leg lives.
    legs: Mutex<BTreeMap<u64, usize>>,
    /// Wakes the thread that carries the news.
    nudge: SyncSender<News>,
    reports: OnceLock<MediaReports>,
}

impl Media for Sfu {
    fn report_to(&self, reports: MediaReports) {
        if self.reports.set(reports).is_err() {
            error!("media reports to one control plane only; this is a bug, please report it");
        }
    }

    fn carry_out(&self, requests: Vec<MediaRequest>) {
        for request in requests {
            let worker = self.worker_of(request.room());
            self.note_leg(&request, worker);
            for (ticket, command) in orders(request) {
                self.append(worker, Order { ticket, command });
            }
        }
        if !self.post() {
            // The thread that tries again may be waiting for news, and there may be none for long. If the channel is full, there is some.
            let _ = self.nudge.try_send(News::Nudge);
        }
    }
}

impl Sfu {
    /// A room lives on one worker.
    fn worker_of(&self, room: u64) -> usize {
        let workers = u64::try_from(self.control.workers()).unwrap_or(1).max(1);
        usize::try_from(room % workers).unwrap_or_default()
    }

    fn note_leg(&self, request: &MediaRequest, worker: usize) {
        match request {
            MediaRequest::Join { leg, .. } => {
                lock(&self.legs).insert(*leg, worker);
            }
            MediaRequest::Leave { leg, .. } => {
                lock(&self.legs).remove(leg);
            }
            MediaRequest::Offer { .. }
            | MediaRequest::Wish { .. }
            | MediaRequest::Mute { .. }
            | MediaRequest::Stop { .. }
            | MediaRequest::Data { .. } => {}
        }
    }

    fn append(&self, worker: usize, order: Order) {
        let Some(backlog) = self.backlogs.get(worker) else { return };
        let mut backlog = lock(backlog);
        if backlog.len() < MAX_BACKLOG {
            backlog.push_back(order);
        } else {
            metrics::counter!("stoa_sfu_lost_orders_total").increment(1);
        }
    }

    /// Sends what waits, as one piece of mail for each worker; false if somebody could not take it.
    fn post(&self) -> bool {
        let mut is_all_taken = true;
        for (worker, backlog) in self.backlogs.iter().enumerate() {
            // Held while sending, so that orders keep their order.
            let mut backlog = lock(backlog);
            if !backlog.is_empty()
                && let Err(orders) = self.control.order_all(worker, std::mem::take(&mut *backlog).into())
            {
                *backlog = orders.into();
                is_all_taken = false;
            }
        }
        is_all_taken
    }

    /// Turns news into reports until nobody is interested any more.
    fn carry_news(&self, news: &Receiver<News>) {
        loop {
            let patience = if self.post() { None } else { Some(RETRY) };
            let next = match patience {
                Some(patience) => news.recv_timeout(patience),
                None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let is_heard = match next {
                Ok(news) => self.reports_of(news).into_iter().all(|report| self.tell(report)),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !is_heard {
                return;
            }
        }
    }

    fn tell(&self, report: MediaReport) -> bool {
        // There are no legs, and so no news of them, before somebody listens.
        self.reports.get().is_none_or(|reports| reports.tell(report))
    }

    fn reports_of(&self, news: News) -> Vec<MediaReport> {
        match news {
            News::Began { worker } => self.lose(worker),
            News::Nudge => Vec::new(),
            News::Event { event, .. } => report(event).into_iter().collect(),
            News::Refused { ticket, why, .. } if ticket != NO_TICKET => {
                warn!(leg = ticket, %why, "the SFU refused a connection");
                vec![MediaReport::Closed { leg: ticket }]
            }
            News::Refused { why, .. } => {
                // Orders cross with ends; a full channel of data was counted.
                tracing::debug!(%why, "the SFU did not carry out an order");
                Vec::new()
            }
        }
    }

    /// A worker began with an empty shard: what lived on it is lost. What is ordered already may be carried out by the new one, so each leg
    /// is told to go there too.
    fn lose(&self, worker: usize) -> Vec<MediaReport> {
        let mut legs = lock(&self.legs);
        let lost: Vec<_> = legs.iter().filter(|(_, home)| **home == worker).map(|(leg, _)| *leg).collect();
        legs.retain(|_, home| *home != worker);
        drop(legs);
        for leg in &lost {
            self.append(worker, Order { ticket: NO_TICKET, command: Command::Leave { session: SessionKey(*leg) } });
        }
        lost.into_iter().map(|leg| MediaReport::Closed { leg }).collect()
    }
}

/// What a request is to a shard. With a ticket, the leg is over if it is refused.
fn orders(request: MediaRequest) -> Vec<(u64, Command)> {
    match request {
        MediaRequest::Join { room, leg, participant, may_send } => {
            let session = SessionKey(leg);
            let relay = relay(leg, &participant.to_string(), may_send);
            vec![(leg, Command::Join { session, room: RoomKey(room) }), (NO_TICKET, relay)]
        }
        MediaRequest::Offer { leg, offer, sdp, sections, .. } => {
            let tracks = sections.iter().filter_map(announced).collect();
            vec![(leg, Command::Offer { session: SessionKey(leg), offer, sdp, tracks })]
        }
        MediaRequest::Wish { leg, track, wish, .. } => {
            let (session, track) = (SessionKey(leg), TrackId(track));
            vec![(NO_TICKET, Command::Wish { session, track, wish: wish.map(wish_of) })]
        }
        MediaRequest::Mute { room, track, is_muted } => {
            vec![(NO_TICKET, Command::Mute { room: RoomKey(room), track: TrackId(track), is_muted })]
        }
        MediaRequest::Stop { room, track } => {
            vec![(NO_TICKET, Command::Stop { room: RoomKey(room), track: TrackId(track) })]
        }
        MediaRequest::Data { leg, participant, may_send, .. } => {
            vec![(NO_TICKET, relay(leg, &participant.to_string(), may_send))]
        }
        MediaRequest::Leave { leg, .. } => vec![(NO_TICKET, Command::Leave { session: SessionKey(leg) })],
    }
}

fn relay(leg: u64, participant: &str, may_send: bool) -> Command {
    let (label, prefix) = (DATA_CHANNEL.to_owned(), participant.as_bytes().to_vec());
    Command::Relay { session: SessionKey(leg), label, prefix, may_send }
}

fn announced(section: &MediaSection) -> Option<Announced> {
    let kind = match section.source {
        TrackSource::Microphone | TrackSource::ScreenAudio => Kind::Audio,
        TrackSource::Camera => Kind::Video,
        TrackSource::Screen => Kind::Screen,
    };
    Some(Announced { mid: ShortId::new(&section.mid)?, track: TrackId(section.track), kind })
}

const fn wish_of(wish: WireWish) -> Wish {
    let most = match wish.layer {
        Some(layer) => Quality { layer, ..Quality::BEST },
        None => Quality::BEST,
    };
    Wish { most, is_paused: wish.paused, priority: wish.priority }
}

/// What of a shard's news concerns the control plane.
fn report(event: ShardEvent) -> Option<MediaReport> {
    Some(match event {
        ShardEvent::Answer { session, offer, sdp } => MediaReport::Answer { leg: session.0, offer, sdp },
        ShardEvent::Refused { session, offer, why } => {
            MediaReport::Refused { leg: session.0, offer, why: why.to_string() }
        }
        ShardEvent::Published { session, track, codec, layers, .. } => {
            let layers = u8::try_from(layers).unwrap_or(u8::MAX);
            MediaReport::Published { leg: session.0, track: track.0, codec: codec_name(codec), layers }
        }
        ShardEvent::Ended { room, track } => MediaReport::Ended { room: room.0, track: track.0 },
        ShardEvent::Seated { session, track, mid } => {
            MediaReport::Seated { leg: session.0, track: track.0, mid: mid.as_str().to_owned() }
        }
        ShardEvent::NeedSlots { session, audio, video } => {
            let count = |slots| u32::try_from(slots).unwrap_or(u32::MAX);
            MediaReport::NeedSlots { leg: session.0, audio: count(audio), video: count(video) }
        }
        ShardEvent::Speakers { room, tracks } => {
            MediaReport::Speakers { room: room.0, tracks: tracks.into_iter().map(|track| track.0).collect() }
        }
        ShardEvent::Connected { session } => MediaReport::Connected { leg: session.0 },
        ShardEvent::Interrupted { session } => MediaReport::Interrupted { leg: session.0 },
        ShardEvent::Failed { session } | ShardEvent::Closed { session } => MediaReport::Closed { leg: session.0 },
        // Data goes from channel to channel on the worker.
        ShardEvent::Channel { .. } | ShardEvent::Message { .. } => return None,
    })
}

/// As in `a=rtpmap`, in lower case.
const fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Vp8 => "vp8",
        Codec::Vp9 => "vp9",
        Codec::H264 => "h264",
        Codec::Av1 => "av1",
    }
}

/// Where participants reach us: this host's addresses, and those by which the world knows them. Loopback only if nothing else is listened on.
fn endpoints(listen: &[SocketAddr], external: &[IpAddr], interfaces: &[IpAddr]) -> Endpoints {
    let mut found: Vec<Endpoint> = Vec::new();
    for (socket, address) in (0..).map(SocketId).zip(listen) {
        let inside = relay_addresses(&[*address], &[], interfaces);
        let outside = relay_addresses(&[*address], external, interfaces);
        for way in inside.into_iter().chain(outside) {
            let local = address.ip().is_unspecified().then_some(way.bind);
            let public = SocketAddr::new(way.external, address.port());
            let is_known = |known: &Endpoint| (known.public, known.socket) == (public, socket);
            if !found.iter().any(is_known) {
                found.push(Endpoint { public, socket, local });
            }
        }
    }
    if found.iter().any(|endpoint| !endpoint.public.ip().is_loopback()) {
        // Somebody who listens on it by name means it.
        let is_named = |endpoint: &Endpoint| endpoint.local.is_none();
        found.retain(|endpoint| is_named(endpoint) || !endpoint.public.ip().is_loopback());
    }
    Endpoints::new(found)
}

/// A panic while holding one of these locks leaves nothing half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The data channel whose messages go to the others of the room.
const DATA_CHANNEL: &str = "docs";
/// Of orders whose failure means nothing. Legs are numbered from 1.
const NO_TICKET: u64 = 0;
/// News that waits to be carried.
const MAX_NEWS: usize = 16_384;
/// Orders that wait for one worker; beyond it they are lost, and counted.
const MAX_BACKLOG: usize = 262_144;
/// How soon a worker that could not take its mail is asked again.
const RETRY: Duration = Duration::from_millis(5);
