use std::collections::VecDeque;
use std::time::Instant;

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};
use subtle::ConstantTimeEq;

use crate::frame::Body;
use crate::leg::Leg;
use crate::name::RoomName;
use crate::outbox::Outbox;
use crate::rate::Bucket;

/// One client's numbered conversation. It outlives its socket for the length of the resume window.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) participant: ParticipantId,
    pub(crate) room: RoomName,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) outbox: Outbox,
    /// Bytes the present socket was given and has not written.
    pub(crate) in_flight: usize,
    /// More was missed than is kept.
    pub(crate) is_over_window: bool,
    /// The last socket did not take what was sent, so less is kept for the next.
    pub(crate) is_slow: bool,
    /// The largest frame since everything was written: an answer of the SFU alone may be longer than what may wait otherwise.
    pub(crate) largest: usize,
    /// What the owner has counted of its outbox.
    pub(crate) counted_bytes: usize,
    pub(crate) stall: Stall,
    secret: Box<str>,
    /// Still good while the client has shown no sign of knowing the new one: its `welcome` may have been lost.
    previous_secret: Option<Box<str>>,
    last_cid: u64,
    replies: VecDeque<(u64, Body)>,
    chat: Option<Box<Chat>>,
    media: Option<Box<Media>>,
}

/// Whether the present socket is watched for taking nothing.
///
/// Most sockets take a frame at once. A timer that is set only for those that did not saves setting and clearing a thousand of them for
/// each event in a large room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// Nothing waits for it.
    Idle,
    /// It was given something; if it still has it when all is handed out, its time begins.
    Given,
    /// Its time runs.
    Timed,
}

/// What is kept of somebody who has or had a connection to the SFU.
#[derive(Debug)]
struct Media {
    offers: Bucket,
    leg: Option<Leg>,
    /// The participant would be hidden by now if media did not flow.
    is_overdue: bool,
}

/// What is kept of somebody who takes part in the chat.
#[derive(Debug)]
struct Chat {
    bucket: Bucket,
    /// Requests that the log has not answered yet.
    expected: Vec<Option<u64>>,
}

impl Session {
    pub(crate) fn new(id: SessionId, participant: ParticipantId, room: RoomName, secret: String) -> Self {
        Self {
            id,
            participant,
            room,
            connection: None,
            outbox: Outbox::default(),
            in_flight: 0,
            is_over_window: false,
            is_slow: false,
            largest: 0,
            counted_bytes: 0,
            stall: Stall::Idle,
            secret: secret.into(),
            previous_secret: None,
            last_cid: 0,
            replies: VecDeque::new(),
            chat: None,
            media: None,
        }
    }

    /// How fast the session makes offers to the SFU.
    pub(crate) fn offer_bucket(&mut self, now: Instant) -> &mut Bucket {
        let new = || Box::new(Media { offers: Bucket::new(now), leg: None, is_overdue: false });
        &mut self.media.get_or_insert_with(new).offers
    }

    /// The connection to the SFU.
    pub(crate) fn leg(&self) -> Option<&Leg> {
        self.media.as_ref()?.leg.as_ref()
    }

    pub(crate) fn leg_mut(&mut self) -> Option<&mut Leg> {
        self.media.as_mut()?.leg.as_mut()
    }

    /// Another connection takes the place of the present one, which is handed back. Only after [`Self::offer_bucket`].
    pub(crate) fn set_leg(&mut self, leg: Option<Leg>) -> Option<Leg> {
        std::mem::replace(&mut self.media.as_mut()?.leg, leg)
    }

    /// Notes whether the participant stays in sight for no other reason than that media flows.
    pub(crate) fn set_overdue(&mut self, is_overdue: bool) {
        if let Some(media) = &mut self.media {
            media.is_overdue = is_overdue;
        }
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.is_overdue)
    }

    /// For the next resume.
    pub(crate) const fn secret(&self) -> &str {
        &self.secret
    }

    /// Compares in constant time, so that a secret cannot be guessed byte by byte.
    pub(crate) fn is_secret(&self, secret: &str) -> bool {
        let is = |ours: &str| bool::from(ours.as_bytes().ct_eq(secret.as_bytes()));
        is(&self.secret) || self.previous_secret.as_deref().is_some_and(is)
    }

    /// The client spoke on its present socket, so it has the `welcome` with the present secret.
    pub(crate) fn confirm_secret(&mut self) {
        self.previous_secret = None;
    }

    /// Moves to a new socket under a new secret; hands back the socket it had. `presented` is the secret by which the client
    /// proved itself: it stays good, because the client may know no other until it is heard of again.
    pub(crate) fn bind(
        &mut self,
        connection: ConnectionId,
        secret: String,
        presented: Option<String>,
    ) -> Option<ConnectionId> {
        self.secret = secret.into();
        self.previous_secret = presented.map(Into::into);
        (self.in_flight, self.is_slow) = (0, false);
        self.connection.replace(connection)
    }

    /// Forgets what was queued: the client gets the whole state instead.
    pub(crate) fn start_over(&mut self) {
        self.outbox = Outbox::default();
        self.is_over_window = false;
    }

    /// The client lost its own state: its requests are numbered from the start again.
    pub(crate) fn forget_requests(&mut self) {
        self.last_cid = 0;
        self.replies.clear();
    }

    /// Whether a request was carried out before: the socket broke before its reply arrived, so the client asked again.
    pub(crate) fn is_repeated(&self, cid: u64) -> bool {
        cid <= self.last_cid
    }

    /// The reply that a repeated request got, while it is kept.
    pub(crate) fn reply_to(&self, cid: u64) -> Option<Body> {
        self.replies.iter().find(|(replied, _)| *replied == cid).map(|(_, body)| body.clone())
    }

    /// How fast the session writes into the chat.
    pub(crate) fn chat_bucket(&mut self, now: Instant) -> &mut Bucket {
        &mut self.chat(now).bucket
    }

    /// Notes a request whose reply comes later; false if too many do.
    pub(crate) fn expect(&mut self, cid: Option<u64>, now: Instant) -> bool {
        let expected = &mut self.chat(now).expected;
        let has_space = expected.len() < MAX_EXPECTED;
        if has_space {
            expected.push(cid);
        }
        has_space
    }

    /// Whether a request's reply is still to come.
    pub(crate) fn is_expected(&self, cid: u64) -> bool {
        self.chat.as_ref().is_some_and(|chat| chat.expected.contains(&Some(cid)))
    }

    /// The reply to a request is there.
    pub(crate) fn settle(&mut self, cid: Option<u64>) {
        if let Some(chat) = &mut self.chat
            && let Some(at) = chat.expected.iter().position(|expected| *expected == cid)
        {
            chat.expected.swap_remove(at);
        }
    }

    fn chat(&mut self, now: Instant) -> &mut Chat {
        self.chat.get_or_insert_with(|| Box::new(Chat { bucket: Bucket::new(now), expected: Vec::new() }))
    }

    /// Keeps a reply for the case that its request is repeated.
    pub(crate) fn remember_reply(&mut self, cid: u64, body: Body) {
        self.last_cid = self.last_cid.max(cid);
        if self.replies.len() == MAX_REPLIES {
            self.replies.pop_front();
        }
        self.replies.push_back((cid, body));
    }
}

/// Requests whose replies are remembered. A client has few of them open at a time.
const MAX_REPLIES: usize = 32;
/// Requests of one session that may wait for the log of the chat.
const MAX_EXPECTED: usize = 8;
