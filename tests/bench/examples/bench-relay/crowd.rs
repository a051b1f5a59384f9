//! Many TURN clients on one socket: each has an address of its own in 127.0.0.0/8, and so a 5-tuple of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::datagrams::{Endpoint, Outbox};
use crate::stun::{self, Message, Request, TransactionId};

/// Clients of one server.
pub(crate) struct Crowd {
    pub(crate) endpoint: Endpoint,
    pub(crate) server: SocketAddrV4,
    /// Counts exchanges, so that a late answer to an earlier one is told apart.
    exchange: u32,
    pub(crate) members: BTreeMap<u32, Member>,
}

/// One client's credentials and allocation.
#[derive(Default)]
pub(crate) struct Member {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    pub(crate) relayed: Option<SocketAddrV4>,
}

/// An answer and whose it is.
pub(crate) struct Answer {
    pub(crate) index: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Crowd {
    pub(crate) fn open(server: SocketAddrV4) -> Outcome<Self> {
        Ok(Self { endpoint: Endpoint::open(0)?, server, exchange: 0, members: BTreeMap::new() })
    }

    /// Gives every client an allocation. Those who had one are new clients now.
    pub(crate) fn allocate(&mut self, indices: Range<u32>) -> Outcome<()> {
        self.challenge(indices.clone())?;
        let answers = self.ask(indices, stun::ALLOCATE, |request, _| request.requested_transport())?;
        for Answer { index, bytes } in answers {
            let relayed = Message::read(&bytes).and_then(|message| message.relayed());
            let relayed = relayed.ok_or("an allocation without a relayed address")?;
            self.members.entry(index).or_default().relayed = Some(relayed);
        }
        Ok(())
    }

    /// Ends allocations.
    pub(crate) fn release(&mut self, indices: Range<u32>) -> Outcome<()> {
        self.ask(indices.clone(), stun::REFRESH, |request, _| request.lifetime(0))?;
        indices.for_each(|index| drop(self.members.remove(&index)));
        Ok(())
    }

    /// Binds each client's channel, see [`channel_of`], to its peer; that installs the permission as well.
    pub(crate) fn bind(&mut self, indices: Range<u32>, peer: impl Fn(u32) -> SocketAddrV4) -> Outcome<()> {
        let write = |request: Request, index| request.channel_number(channel_of(index)).peer(peer(index));
        self.ask(indices, stun::CHANNEL_BIND, write)?;
        Ok(())
    }

    /// Lets each client's peer send to it.
    pub(crate) fn permit(&mut self, indices: Range<u32>, peer: impl Fn(u32) -> SocketAddrV4) -> Outcome<()> {
        self.ask(indices, stun::CREATE_PERMISSION, |request, index| request.peer(peer(index)))?;
        Ok(())
    }

    /// Asks for allocations without credentials, and keeps what the refusals say; how many were refused.
    pub(crate) fn challenge(&mut self, indices: Range<u32>) -> Outcome<u32> {
        let answers = self.knock(indices)?;
        let mut count = 0;
        for Answer { index, bytes } in answers {
            let message = Message::read(&bytes).ok_or("an answer that is not STUN")?;
            let member = self.members.entry(index).or_default();
            member.realm = message.realm().unwrap_or_default().to_vec();
            member.nonce = message.nonce().unwrap_or_default().to_vec();
            count += 1;
        }
        Ok(count)
    }

    /// Asks for allocations without credentials; every answer must be a refusal.
    pub(crate) fn knock(&mut self, indices: Range<u32>) -> Outcome<Vec<Answer>> {
        self.exchange += 1;
        let request = |index| (index, Request::new(stun::ALLOCATE, self.id_of(index)).requested_transport().finish());
        let requests = indices.map(request).collect();
        let answers = self.exchange(requests)?;
        for answer in &answers {
            let code = Message::read(&answer.bytes).and_then(|message| message.error_code());
            if code != Some(401) {
                return Err(format!("an Allocate without credentials was answered with {code:?}").into());
            }
        }
        Ok(answers)
    }

    /// Makes signed requests, which must succeed.
    fn ask(
        &mut self,
        indices: Range<u32>,
        method: u16,
        write: impl Fn(Request, u32) -> Request,
    ) -> Outcome<Vec<Answer>> {
        self.exchange += 1;
        let request = |index| {
            let member = self.members.get(&index).ok_or("a client without a nonce")?;
            let user = format!("stoa{}", index % USERS);
            let key = stun::long_term_key(&user, &member.realm, PASSWORD);
            let request = write(Request::new(method, self.id_of(index)), index);
            Outcome::Ok((index, request.sign(&user, &member.realm, &member.nonce, &key)))
        };
        let requests = indices.map(request).collect::<Outcome<_>>()?;
        let answers = self.exchange(requests)?;
        for answer in &answers {
            let message = Message::read(&answer.bytes).ok_or("an answer that is not STUN")?;
            if message.kind != method | stun::SUCCESS {
                let error = message.error_code().filter(|_| message.kind == method | stun::ERROR);
                return Err(
                    format!("method {method:#x} was answered with {:#06x}, error {error:?}", message.kind).into()
                );
            }
        }
        Ok(answers)
    }

    /// The transaction of a client's request in the current exchange.
    fn id_of(&self, index: u32) -> TransactionId {
        let mut id = [0x5A; 12];
        let parts = index.to_be_bytes().into_iter().chain(self.exchange.to_be_bytes());
        id.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
        id
    }

    /// What a client says to the bare forwarder, which answers with the same ten bytes and two of its own.
    pub(crate) fn register(&mut self, indices: Range<u32>, words: impl Fn(u32) -> [u8; 7]) -> Outcome<Vec<Answer>> {
        self.exchange += 1;
        let request = |index| (index, registration(index, self.exchange, words(index)));
        let requests = indices.map(request).collect();
        self.exchange(requests)
    }

    /// Sends requests and collects an answer to each, a window of them at a time, in no order; asks again where none comes.
    fn exchange(&mut self, requests: Vec<(u32, Vec<u8>)>) -> Outcome<Vec<Answer>> {
        let mut left = requests.into_iter();
        let mut waiting: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut answers = Vec::new();
        let (mut outbox, mut progress, mut asked) = (Outbox::default(), Instant::now(), Instant::now());
        loop {
            outbox.clear();
            for (index, bytes) in left.by_ref().take(WINDOW - waiting.len()) {
                outbox.add(address_of(index), self.server, bytes.len(), |text| text.extend(&bytes));
                waiting.insert(index, bytes);
            }
            if waiting.is_empty() {
                return Ok(answers);
            }
            if asked.elapsed() > REPEAT {
                outbox.clear();
                for (index, bytes) in &waiting {
                    outbox.add(address_of(*index), self.server, bytes.len(), |text| text.extend(bytes));
                }
            }
            if outbox.len() > 0 {
                asked = Instant::now();
                self.endpoint.send(&outbox)?;
            }
            self.endpoint.wait(20)?;
            let before = answers.len();
            let exchange = self.exchange;
            self.endpoint.receive(|arrival| {
                if let Some(index) = whose(arrival.bytes, exchange)
                    && waiting.remove(&index).is_some()
                {
                    answers.push(Answer { index, bytes: arrival.bytes.to_vec() });
                }
            })?;
            if answers.len() > before {
                progress = Instant::now();
            } else if progress.elapsed() > PATIENCE {
                return Err(format!("{} does not answer", self.server).into());
            }
        }
    }
}

/// The client's own address, without its port.
pub(crate) fn address_of(index: u32) -> Ipv4Addr {
    let [_, a, b, c] = index.to_be_bytes();
    Ipv4Addr::new(127, a + 1, b, c)
}

/// The channel that a client binds.
pub(crate) fn channel_of(index: u32) -> u16 {
    FIRST_CHANNEL + u16::try_from(index % 0xFFF).unwrap_or_default()
}

/// Which client an answer is for, if it belongs to this exchange.
fn whose(bytes: &[u8], exchange: u32) -> Option<u32> {
    let id = if bytes.first() == Some(&REGISTER) { bytes.get(2..10)? } else { bytes.get(8..16)? };
    let (index, rest) = id.split_first_chunk()?;
    (u32::from_be_bytes(*rest.first_chunk()?) == exchange).then_some(u32::from_be_bytes(*index))
}

fn registration(index: u32, exchange: u32, [kind, words @ ..]: [u8; 7]) -> Vec<u8> {
    [&[REGISTER, kind], &index.to_be_bytes()[..], &exchange.to_be_bytes()[..], &words[..]].concat()
}

/// First byte of what is said to the bare forwarder; no STUN message or channel begins with it.
pub(crate) const REGISTER: u8 = 0xF0;
/// Kinds of registration: the two who name the same number are each other's peer;
pub(crate) const PAIR: u8 = 0;
/// the client's peer is at an address that follows.
pub(crate) const RELAY: u8 = 1;
/// RFC 8656 § 12.
const FIRST_CHANNEL: u16 = 0x4000;
/// A user may have a thousand allocations; `venue.rs` of the benchmark names the same users to every server.
const USERS: u32 = 4;
const PASSWORD: &str = "secret";
/// Requests under way.
const WINDOW: usize = 64;
/// What is not answered for so long is asked again.
const REPEAT: Duration = Duration::from_millis(200);
/// A server may take its time to start.
const PATIENCE: Duration = Duration::from_secs(8);
