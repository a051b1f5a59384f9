use std::time::{Duration, Instant};

use foldhash::quality::FixedState;
use subtle::ConstantTimeEq as _;

use super::request::Request;
use super::{FromClient, Relay, Timer};
use crate::address::{FiveTuple, source_of};
use crate::allocation::AllocationId;
use crate::refusal::{Dropped, Refusal};
use crate::stun::hmac_sha256;
use crate::table::Table;
use crate::timeline::Moment;

/// Clients whose allocation lives on another worker: reservation tokens, mobility tickets and connection ids lead there.
#[derive(Debug)]
pub(super) struct Elsewhere {
    by_client: Table<FiveTuple, (usize, Instant)>,
}

impl Elsewhere {
    pub(super) fn new(seed: u64) -> Self {
        Self { by_client: Table::with_hasher(FixedState::with_seed(seed)) }
    }

    /// Where a client is handled, if not here.
    pub(super) fn worker_of(&mut self, tuple: &FiveTuple, now: Instant) -> Option<usize> {
        if self.by_client.is_empty() {
            return None;
        }
        let (worker, seen_at) = self.by_client.get_mut(tuple)?;
        *seen_at = now;
        Some(*worker)
    }

    pub(super) fn forget(&mut self, tuple: &FiveTuple) {
        self.by_client.remove(tuple);
    }

    /// Forgets silent clients; tells when to look again.
    pub(super) fn sweep(&mut self, now: Instant) -> Option<Instant> {
        self.by_client.retain(|_, (_, seen_at)| now.saturating_duration_since(*seen_at) < ELSEWHERE_IDLE);
        if self.by_client.is_empty() { None } else { Some(now + ELSEWHERE_IDLE) }
    }
}

impl Relay {
    /// From here on, everything of this client is handled by another worker.
    pub(super) fn send_elsewhere(&mut self, tuple: &FiveTuple, worker: usize, now: Instant) -> FromClient<'static> {
        if self.elsewhere.by_client.len() >= MAX_ELSEWHERE {
            return self.drop_from_client(tuple, Dropped::OverQuota, now);
        }
        self.elsewhere.by_client.insert(*tuple, (worker, now));
        if self.deadlines.at(Timer::Elsewhere).is_none() {
            self.deadlines.set(Timer::Elsewhere, now + ELSEWHERE_IDLE);
        }
        FromClient::Elsewhere { worker }
    }

    /// A ticket: worker, allocation, a serial number and an HMAC over these, [RFC 8016 § 4](https://www.rfc-editor.org/rfc/rfc8016#section-4).
    pub(super) fn make_ticket(&self, id: AllocationId, serial: u32) -> Option<[u8; TICKET]> {
        let key = self.ticket_key.as_ref()?;
        let mut ticket = [0; TICKET];
        let (body, mac) = ticket.split_at_mut(TICKET_BODY);
        let worker = u32::try_from(self.worker).unwrap_or(u32::MAX);
        for (place, number) in body.chunks_exact_mut(4).zip([worker, id.index, id.generation, serial]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        mac.iter_mut().zip(hmac_sha256(key, &[b"ticket", body])).for_each(|(place, byte)| *place = byte);
        Some(ticket)
    }

    /// The ticket after this one; older ones are void.
    pub(super) fn next_ticket(&mut self, id: AllocationId) -> Option<[u8; TICKET]> {
        let serial = self.allocations.get_mut(id)?.ticket.as_mut()?;
        *serial = serial.wrapping_add(1);
        let serial = *serial;
        self.make_ticket(id, serial)
    }

    /// Moves the allocation of a ticket to the request's 5-tuple, [RFC 8016 § 3.2](https://www.rfc-editor.org/rfc/rfc8016#section-3.2).
    /// Tells the worker that has to do it, if that is another one.
    pub(super) fn move_allocation(
        &mut self,
        request: &Request<'_>,
        ticket: &[u8],
        now: Instant,
    ) -> Result<Option<usize>, Refusal> {
        let (worker, id, serial) = self.read_ticket(ticket)?;
        if worker != self.worker {
            return Ok(Some(worker));
        }
        let allocation = self.allocations.get(id).ok_or(Refusal::AllocationMismatch)?;
        if allocation.user != request.who.user {
            return Err(Refusal::WrongCredentials);
        }
        // A ticket is good once.
        if allocation.ticket != Some(serial) {
            return Err(Refusal::BadRequest);
        }
        let Some(allocation) = self.allocations.get_mut(id) else { return Err(Refusal::AllocationMismatch) };
        // The new source pays from here on, within its quota.
        let source = source_of(request.tuple.client);
        if !allocation.accounts.change_source(&self.ledger, source, self.limits.source, now) {
            return Err(Refusal::QuotaReached);
        }
        let old = allocation.tuple;
        allocation.tuple = request.tuple;
        allocation.timeline.note(Moment::Moved, now);
        self.clients.remove(&old);
        self.clients.insert(request.tuple, id);
        Ok(None)
    }

    fn read_ticket(&self, ticket: &[u8]) -> Result<(usize, AllocationId, u32), Refusal> {
        let key = self.ticket_key.as_ref().ok_or(Refusal::MobilityForbidden)?;
        let ticket: &[u8; TICKET] = ticket.try_into().map_err(|_| Refusal::BadRequest)?;
        let (body, mac) = ticket.split_at(TICKET_BODY);
        let expected = hmac_sha256(key, &[b"ticket", body]);
        if !bool::from(expected.get(..mac.len()).unwrap_or_default().ct_eq(mac)) {
            return Err(Refusal::BadRequest);
        }
        let mut numbers =
            body.chunks_exact(4).map(|four| four.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)));
        let mut next = || numbers.next().unwrap_or_default();
        let (worker, index, generation, serial) = (next(), next(), next(), next());
        Ok((worker as usize, AllocationId { index, generation }, serial))
    }
}

const TICKET_BODY: usize = 16;
const TICKET: usize = TICKET_BODY + 16;
/// Clients of other workers that are remembered: each has authenticated.
const MAX_ELSEWHERE: usize = 16_384;
/// Silent for longer, they have to start anew: more than the longest lifetime.
const ELSEWHERE_IDLE: Duration = Duration::from_secs(4000);
