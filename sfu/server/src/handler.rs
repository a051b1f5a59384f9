use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use stoa_base_net::{Context, Datagram, Full, Handler, Mailbox, Passed, SocketId};
use stoa_sfu_core::{Certificate, Command, Shard, ShardConfig, ShardError, ShardEvent, is_media, worker_of};

use crate::counters::Counters;
use crate::endpoints::Endpoints;

/// What the handlers of all workers have in common.
#[derive(Debug, Clone)]
pub struct SfuOptions {
    /// Our DTLS identity.
    pub certificate: Certificate,
    /// The ways in.
    pub endpoints: Endpoints,
    /// Where news goes. When it is full, news waits in the handler; more than that is lost and counted.
    pub news: SyncSender<News>,
}

/// What a worker's shard has to say.
#[derive(Debug)]
pub enum News {
    /// The worker begins with an empty shard: at the start, and again after a panic, when its sessions are lost.
    Began {
        /// Which.
        worker: usize,
    },
    /// Something happened.
    Event {
        /// On which worker.
        worker: usize,
        /// What.
        event: ShardEvent,
    },
    /// Nothing. Wakes whoever reads the news and has something else to look after.
    Nudge,
    /// An order could not be carried out.
    Refused {
        /// By which worker.
        worker: usize,
        /// Comes back from the order.
        ticket: u64,
        /// Why.
        why: ShardError,
    },
}

/// Gives orders to the shards from other threads.
#[derive(Debug, Clone)]
pub struct Control(Mailbox);

impl Control {
    /// Orders go through the mailbox of the SFU's handlers.
    #[must_use]
    pub const fn new(mailbox: Mailbox) -> Self {
        Self(mailbox)
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.0.workers()
    }

    /// Sends an order to a worker. `ticket` comes back if it cannot be carried out.
    ///
    /// # Errors
    /// [`Full`] if the worker has too much unread mail, or does not exist.
    pub fn order(&self, worker: usize, ticket: u64, command: Command) -> Result<(), Full> {
        self.0.send(worker, Box::new(vec![Order { ticket, command }]))
    }

    /// Sends orders to a worker as one piece of mail.
    ///
    /// # Errors
    /// Hands them back if the worker has too much unread mail, or does not exist.
    pub fn order_all(&self, worker: usize, orders: Vec<Order>) -> Result<(), Vec<Order>> {
        let sent = self.0.send(worker, Box::new(orders));
        sent.map_err(|Full(mail)| mail.downcast::<Vec<Order>>().map_or_else(|_| Vec::new(), |orders| *orders))
    }
}

/// Something that a shard shall do.
#[derive(Debug)]
pub struct Order {
    /// Comes back if it cannot be done.
    pub ticket: u64,
    /// What.
    pub command: Command,
}

/// The SFU on one worker.
#[derive(Debug)]
pub struct SfuHandler {
    worker: usize,
    shard: Shard,
    endpoints: Endpoints,
    /// What the shard is made of, until the real ports are known.
    unprepared: Option<Certificate>,
    news: SyncSender<News>,
    waiting: VecDeque<News>,
    /// Whose datagrams belong to another worker, the oldest first, and that worker.
    elsewhere: BTreeMap<SocketAddr, usize>,
    order: VecDeque<SocketAddr>,
    counters: Counters,
}

impl SfuHandler {
    /// A handler for the worker with this number. Its shard has no rooms yet.
    #[must_use]
    pub fn new(worker: usize, options: &SfuOptions) -> Self {
        let mut handler = Self {
            worker,
            shard: new_shard(worker, options.certificate.clone(), &options.endpoints),
            endpoints: options.endpoints.clone(),
            unprepared: Some(options.certificate.clone()),
            news: options.news.clone(),
            waiting: VecDeque::new(),
            elsewhere: BTreeMap::new(),
            order: VecDeque::new(),
            counters: Counters::new(),
        };
        handler.tell(News::Began { worker });
        handler
    }

    /// Learns the real ports; there are no sessions before.
    fn prepare(&mut self, context: &Context<'_>) {
        let Some(certificate) = self.unprepared.take() else { return };
        let port = |socket: SocketId| {
            let index = usize::try_from(socket.0).ok().filter(|index| *index < context.listening_count());
            index.map_or(0, |index| context.listening(index).port())
        };
        self.endpoints = self.endpoints.with_ports(port);
        self.shard = new_shard(self.worker, certificate, &self.endpoints);
    }

    /// The other worker that a datagram belongs to.
    fn owner(&self, datagram: &[u8], from: SocketAddr) -> Option<usize> {
        if is_media(datagram) {
            return self.elsewhere.get(&from).copied();
        }
        worker_of(datagram).filter(|worker| *worker != self.worker)
    }

    /// What else comes from there goes there, too.
    fn remember(&mut self, from: SocketAddr, owner: usize) {
        if self.elsewhere.insert(from, owner).is_none() {
            self.order.push_back(from);
        }
        if self.order.len() > MOST_ELSEWHERE
            && let Some(oldest) = self.order.pop_front()
        {
            self.elsewhere.remove(&oldest);
        }
    }

    fn feed(&mut self, place: u8, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(endpoint) = self.endpoints.get(place) else { return };
        self.shard.handle_datagram(endpoint.public, from, bytes, now);
    }

    /// Sends what the shard has to send, and tells what it has to say.
    fn flush(&mut self, context: &mut Context<'_>) {
        while let Some(transmit) = self.shard.poll_transmit(context.clock()) {
            if let Some(endpoint) = self.endpoints.departure(transmit.from) {
                context.send(endpoint.socket, transmit.to, endpoint.local, &[&transmit.payload]);
            }
        }
        while let Some(event) = self.shard.poll_event() {
            self.tell(News::Event { worker: self.worker, event });
        }
    }

    fn tell(&mut self, news: News) {
        if self.waiting.len() >= MOST_WAITING {
            self.counters.lose_news();
        } else {
            self.waiting.push_back(news);
        }
        while let Some(news) = self.waiting.pop_front() {
            if let Err(error) = self.news.try_send(news) {
                let (std::sync::mpsc::TrySendError::Full(news) | std::sync::mpsc::TrySendError::Disconnected(news)) =
                    error;
                self.waiting.push_front(news);
                return;
            }
        }
    }
}

impl Handler for SfuHandler {
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool {
        self.shard.claims(datagram, from) || self.owner(datagram, from).is_some()
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        let Datagram { bytes, socket, from, local } = datagram;
        let Some(place) = self.endpoints.arrival(socket, local) else { return };
        if self.shard.claims(bytes, from) {
            self.feed(place, from, bytes, context.now());
            return self.flush(context);
        }
        let Some(owner) = self.owner(bytes, from).filter(|owner| *owner < context.workers()) else { return };
        self.remember(from, owner);
        context.pass(owner, Passed { tag: u64::from(place), from, bytes });
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        let Ok(place) = u8::try_from(passed.tag) else { return };
        self.feed(place, passed.from, passed.bytes, context.now());
        self.flush(context);
    }

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn Any + Send>) {
        self.prepare(context);
        let Ok(orders) = mail.downcast::<Vec<Order>>() else { return };
        for Order { ticket, command } in *orders {
            if let Err(why) = self.shard.handle_command(command, context.now()) {
                self.tell(News::Refused { worker: self.worker, ticket, why });
            }
        }
        self.flush(context);
        self.counters.publish(self.shard.stats(), self.shard.session_count());
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>) {
        self.shard.handle_timeout(context.now());
        self.flush(context);
        self.counters.publish(self.shard.stats(), self.shard.session_count());
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.shard.poll_timeout()
    }
}

fn new_shard(worker: usize, certificate: Certificate, endpoints: &Endpoints) -> Shard {
    let worker = u8::try_from(worker).unwrap_or(u8::MAX);
    Shard::new(ShardConfig { certificate, addresses: endpoints.public(), worker })
}

/// Addresses whose datagrams are passed to other workers.
const MOST_ELSEWHERE: usize = 16_384;

/// News that waits for room in the channel.
const MOST_WAITING: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// A handler whose news has so much room on its way.
    fn handler(room: usize) -> (SfuHandler, Receiver<News>) {
        let (news, heard) = sync_channel(room);
        let certificate = Certificate::generate().unwrap();
        let options = SfuOptions { certificate, endpoints: Endpoints::new(Vec::new()), news };
        (SfuHandler::new(0, &options), heard)
    }

    #[test]
    fn news_waits_in_its_order_and_what_is_too_much_is_lost() {
        let (mut handler, heard) = handler(1);
        let refusal = |ticket| News::Refused { worker: 0, ticket, why: ShardError::Full };
        let most = u64::try_from(MOST_WAITING).unwrap();
        (0..most + 10).for_each(|ticket| handler.tell(refusal(ticket)));
        assert_eq!(handler.waiting.len(), MOST_WAITING);
        assert!(matches!(heard.try_recv(), Ok(News::Began { worker: 0 })));
        for expected in 0..most {
            // There is room for one more, which the next news makes use of.
            handler.tell(News::Nudge);
            assert!(matches!(heard.try_recv(), Ok(News::Refused { ticket, .. }) if ticket == expected));
        }
        handler.tell(News::Nudge);
        assert!(matches!(heard.try_recv(), Ok(News::Nudge)));
    }

    #[test]
    fn addresses_of_other_workers_are_bounded_and_the_oldest_are_forgotten() {
        let (mut handler, _heard) = handler(1);
        let most = u32::try_from(MOST_ELSEWHERE).unwrap();
        let address = |number: u32| SocketAddr::from((number.to_be_bytes(), 9));
        (0..most).for_each(|number| handler.remember(address(number), 1));
        // Known already, and elsewhere now.
        handler.remember(address(0), 2);
        let media = [0x80; 40];
        assert_eq!(handler.owner(&media, address(0)), Some(2));
        handler.remember(address(most), 3);
        assert_eq!(handler.owner(&media, address(0)), None);
        assert_eq!((handler.owner(&media, address(1)), handler.owner(&media, address(most))), (Some(1), Some(3)));
        assert_eq!((handler.elsewhere.len(), handler.order.len()), (MOST_ELSEWHERE, MOST_ELSEWHERE));
    }
}
