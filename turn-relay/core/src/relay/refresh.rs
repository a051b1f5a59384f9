use std::time::{Duration, Instant};

use super::request::{Reply, Request};
use super::{End, Relay};
use crate::refusal::Refusal;
use crate::stun::attribute;
use crate::timeline::Moment;

impl Relay {
    /// Handles Refresh, [RFC 8656 § 8.2](https://www.rfc-editor.org/rfc/rfc8656#section-8.2).
    pub(super) fn handle_refresh(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        // A ticket brings the allocation along, RFC 8016 § 3.2.
        let ticket = request.message.first(attribute::MOBILITY_TICKET);
        if let (Some(ticket), None) = (ticket, self.clients.get(&request.tuple))
            && let Some(worker) = self.move_allocation(request, ticket, now)?
        {
            return Ok(Reply::Elsewhere(worker));
        }
        let is_end = request.exact::<4>(attribute::LIFETIME)? == Some([0; 4]);
        let lifetime = if is_end { None } else { self.lifetime(request, now)? };
        let family = request.family(attribute::REQUESTED_ADDRESS_FAMILY)?;
        let (id, allocation) = self.own_allocation(request)?;
        // 1. The family is one of the allocation's.
        if family.is_some_and(|family| allocation.relay(family).is_none()) {
            return Err(Refusal::PeerFamilyMismatch);
        }
        // 2. The lifetime: all of it, or of one family, ends with 0.
        let is_last = allocation.relays().count() < 2;
        match (lifetime, family) {
            (Some(lifetime), _) => {
                allocation.expires = now + lifetime;
                // Newer credentials of the same user take over.
                allocation.username = request.who.username.clone();
                allocation.timeline.note(Moment::Refreshed, now);
                self.set_allocation_timer(id);
            }
            (None, Some(family)) if !is_last => self.end_family(id, family),
            (None, _) => self.end_allocation(id, End::Released),
        }
        let seconds = u32::try_from(lifetime.unwrap_or(Duration::ZERO).as_secs()).unwrap_or(u32::MAX);
        let mut response = request.success().number(attribute::LIFETIME, seconds);
        if let (Some(_), Some(ticket)) = (ticket, self.next_ticket(id)) {
            response = response.attribute(attribute::MOBILITY_TICKET, &ticket);
        }
        Ok(Reply::Success(response))
    }
}
