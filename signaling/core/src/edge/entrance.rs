//! What is asked of a newcomer before a room hears of them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use stoa_base_types::ConnectionId;

use super::{AddressBlock, Edge, Stage, Timer, out_of_order};
use crate::close::CloseCode;
use crate::control::Action;
use crate::frame::{self, Body, Unreadable};
use crate::limits::milliseconds;
use crate::message::{ClientMessage, ErrorCode, IceServer, Resume, ServerMessage};
use crate::name::{BadName, RoomName, parse_name};
use crate::seam::{Hello, Refusal, Rights, ToEdge, ToOwner};
use crate::token::{AccessClaims, CLOCK_LEEWAY};
use crate::turn::is_relay;

/// What is known of a newcomer who may go on to the room.
struct Admission {
    room: RoomName,
    name: String,
    rights: Rights,
    invited_at: Option<Duration>,
    deferred: Option<Box<Refusal>>,
}

impl Edge {
    pub(super) fn greet(&mut self, connection: ConnectionId, text: &str, ice_servers: Vec<IceServer>, now: Instant) {
        let frame = match frame::read(text) {
            Ok(frame) => frame,
            Err(unreadable) => return self.refuse_hello(connection, None, &unreadable),
        };
        let cid = frame.cid;
        let ClientMessage::Hello { room, name, media, resume, token, invite, features: _ } = frame.message else {
            return self.refuse_hello(connection, cid, &out_of_order("the first frame must be a hello"));
        };
        let returns = resume.is_some();
        let admitted = self.admit(&room, &name, token.as_deref(), invite.as_deref(), returns, now);
        let has_relay = ice_servers.iter().any(is_relay);
        match admitted.and_then(|admission| self.take_credentials(connection, has_relay, now).map(|()| admission)) {
            Err((Refusal { error, message, code }, retry_after)) => {
                let retry_after_ms = retry_after.map(|wait| milliseconds(wait).max(1));
                self.handle(ToEdge::Refuse { connection, cid, error, message, retry_after_ms, code });
            }
            Ok(Admission { room, name, rights, invited_at, deferred }) => {
                let proof = resume.as_ref().and_then(|Resume { participant_proof, .. }| participant_proof.as_deref());
                let proven = proof.and_then(|proof| self.keys.check_proof(proof, &room));
                if let Some(known) = self.connections.get_mut(&connection) {
                    known.stage = Stage::Entering;
                }
                self.deadlines.clear(Timer::Hello(connection));
                self.deadlines.set(Timer::Heartbeat(connection), now + self.limits.heartbeat);
                let hello = Box::new(Hello {
                    cid,
                    room,
                    name,
                    media,
                    resume,
                    ice_servers,
                    rights,
                    invited_at,
                    deferred,
                    proven,
                });
                self.to_owner.push_back(ToOwner::Enter { connection, hello });
            }
        }
    }

    pub(super) fn refuse_hello(&mut self, connection: ConnectionId, cid: Option<u64>, refusal: &Unreadable) {
        let (error, message) = (refusal.code, refusal.message.clone());
        let (cid, code) = (cid.or(refusal.cid), CloseCode::ProtocolError);
        self.handle(ToEdge::Refuse { connection, cid, error, message, retry_after_ms: None, code });
    }

    /// Counts a socket against its address; how long to wait if there were too many.
    pub(super) fn take_from_address(&mut self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        match address.and_then(AddressBlock::of) {
            Some(block) => self.addresses.take(block, self.limits.address_rate, self.limits.address_burst, now),
            None => Ok(()),
        }
    }

    /// Counts credentials of the relay against the address of a socket: whoever collects them can lend them to others.
    fn take_credentials(
        &mut self,
        connection: ConnectionId,
        has_relay: bool,
        now: Instant,
    ) -> Result<(), (Refusal, Option<Duration>)> {
        let block = self.connections.get(&connection).and_then(|known| known.block).filter(|_| has_relay);
        let Some(block) = block else { return Ok(()) };
        let (rate, burst) = (self.limits.credentials_rate, self.limits.credentials_burst);
        self.credentials.take(block, rate, burst, now).map_err(|wait| {
            let message = "too many people came from this address; wait before the next".to_owned();
            (Refusal::new(ErrorCode::RateLimited, message, CloseCode::RateLimited), Some(wait))
        })
    }

    pub(super) fn refuse_at_the_door(&mut self, connection: ConnectionId, wait: Duration) {
        let message = "too many sockets from this address; wait before the next".to_owned();
        let retry_after_ms = Some(milliseconds(wait).max(1));
        let body = Body::new(&ServerMessage::Error { code: ErrorCode::RateLimited, message, retry_after_ms });
        self.emit(connection, Action::Send(body.frame(0, None)));
        self.emit(connection, Action::Close(CloseCode::RateLimited));
    }

    /// Checks a newer token of a bound socket: same room, same identity.
    pub(super) fn check_refresh(&self, connection: ConnectionId, token: &str, now: Instant) -> Result<Rights, String> {
        let Some(Stage::Bound(bound)) = self.connections.get(&connection).map(|known| &known.stage) else {
            return Err("there is no session yet".to_owned());
        };
        if !self.keys.asks_for_tokens() {
            return Ok(Rights::default());
        }
        let claims = self.keys.check_access(token, &bound.room, self.wall_clock.at(now));
        let claims = claims.map_err(|error| format!("this token is not accepted: {error}"))?;
        if bound.identity.as_deref() != Some(claims.sub.as_str()) {
            return Err("this token is not accepted: sub: it is for another identity".to_owned());
        }
        Ok(self.rights(claims, now))
    }

    fn admit(
        &mut self,
        room: &str,
        name: &str,
        token: Option<&str>,
        invite: Option<&str>,
        returns: bool,
        now: Instant,
    ) -> Result<Admission, (Refusal, Option<Duration>)> {
        let room = RoomName::parse(room)
            .map_err(|why| (bad_name(ErrorCode::BadRoom, "the room's name", why, CloseCode::BadRoom), None))?;
        let invited = self.check_invite(invite, &room, now);
        let invited_at = invited.as_ref().ok().copied().flatten();
        let token = token.filter(|token| !token.is_empty());
        let rights = match token {
            Some(token) if self.keys.asks_for_tokens() => self.authenticate(&room, token, now)?,
            _ => Rights::default(),
        };
        let lacks_token = self.keys.asks_for_tokens() && token.is_none() && invited_at.is_none();
        let deferred = match invited {
            Err(refusal) => Some(refusal),
            Ok(_) if lacks_token => Some(no_token()),
            Ok(_) => None,
        };
        let deferred = match deferred {
            Some(refusal) if !returns => return Err((refusal, None)),
            deferred => deferred.map(Box::new),
        };
        let name = parse_name(rights.fixed_name.as_deref().unwrap_or(name), self.limits.name_chars)
            .map_err(|why| (bad_name(ErrorCode::BadName, "your name", why, CloseCode::BadName), None))?;
        Ok(Admission { room, name, rights, invited_at, deferred })
    }

    /// When the client's invitation was made, if it has one; an error if it is not good.
    fn check_invite(&self, invite: Option<&str>, room: &RoomName, now: Instant) -> Result<Option<Duration>, Refusal> {
        let Some(invite) = invite.filter(|invite| !invite.is_empty()) else { return Ok(None) };
        self.keys.check_invite(invite, room, self.wall_clock.at(now)).map(Some).map_err(|error| {
            let message = format!("this invitation is not accepted: {error}; ask for another");
            Refusal::new(ErrorCode::BadInvite, message, CloseCode::BadInvite)
        })
    }

    /// What the token says.
    fn authenticate(
        &mut self,
        room: &RoomName,
        token: &str,
        now: Instant,
    ) -> Result<Rights, (Refusal, Option<Duration>)> {
        let claims = self.keys.check_access(token, room, self.wall_clock.at(now)).map_err(|error| {
            let message = format!("this token is not accepted: {error}");
            let refusal = if error.is_forbidden {
                Refusal::new(ErrorCode::Forbidden, message, CloseCode::Forbidden)
            } else {
                Refusal::new(ErrorCode::Unauthenticated, message, CloseCode::Authenticate)
            };
            (refusal, None)
        })?;
        let (rate, burst) = (self.limits.identity_rate, self.limits.identity_burst);
        if let Err(wait) = self.identities.take(claims.sub.as_str().into(), rate, burst, now) {
            let message = "too many joins of this identity; wait before the next".to_owned();
            return Err((Refusal::new(ErrorCode::RateLimited, message, CloseCode::RateLimited), Some(wait)));
        }
        Ok(self.rights(claims, now))
    }

    fn rights(&self, claims: AccessClaims, now: Instant) -> Rights {
        let end = Duration::from_secs(claims.exp).saturating_add(CLOCK_LEEWAY);
        let left = end.saturating_sub(self.wall_clock.at(now));
        Rights {
            identity: Some(claims.sub.into()),
            grants: claims.grants,
            fixed_name: claims.name,
            // A token that never really ends would overflow the clock.
            expires: now.checked_add(left),
        }
    }
}

fn no_token() -> Refusal {
    let message = "this server asks for a token; get one from the application that sent you here".to_owned();
    Refusal::new(ErrorCode::Unauthenticated, message, CloseCode::Authenticate)
}

fn bad_name(error: ErrorCode, what: &str, why: BadName, code: CloseCode) -> Refusal {
    Refusal::new(error, format!("{what} is not accepted: {why}"), code)
}
