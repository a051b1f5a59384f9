use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use stoa_base_types::{ParticipantId, SessionId};

use crate::message::{
    DocumentsGrant, Grants, MediaState, Participant, RoomState, Source, Topology, TopologyMode, Track, TrackSource,
};
use crate::name::RoomName;
use crate::seam::Rights;

/// Who is in a room. Knows no sockets.
#[derive(Debug)]
pub(crate) struct Room {
    /// The SFU's name for it; never used twice.
    pub(crate) number: u64,
    topology: Topology,
    /// In order of arrival.
    members: Vec<Member>,
    /// Tokens say who moderates; otherwise whoever is longest present does.
    tokens_rule: bool,
    /// Newcomers need an invitation.
    pub(crate) is_locked: bool,
    /// People may write into the chat.
    pub(crate) is_chat_on: bool,
    /// Older invitations (by the time of day they were made) are void: somebody was sent out since.
    pub(crate) invites_from: Duration,
    /// Whom a moderator sent out, while the room lasts.
    removed: VecDeque<Removed>,
    /// What can be had from the SFU.
    pub(crate) tracks: BTreeMap<u64, Published>,
    /// Who speaks, as far as the SFU hears it.
    pub(crate) speakers: Vec<ParticipantId>,
}

/// A track that can be had from the SFU.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) participant: ParticipantId,
    pub(crate) leg: u64,
    pub(crate) source: TrackSource,
    pub(crate) codec: &'static str,
    pub(crate) layers: u8,
    pub(crate) is_muted: bool,
}

impl Published {
    pub(crate) fn view(&self, id: u64) -> Track {
        let Self { participant, source, layers, .. } = *self;
        Track { id, participant, source, codec: self.codec.to_owned(), layers }
    }
}

/// Somebody who may not come back: by identity where there are tokens, else by the id they can prove to have had.
#[derive(Debug)]
struct Removed {
    id: ParticipantId,
    identity: Option<Box<str>>,
}

/// A participant and the sessions that speak for them.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ParticipantId,
    pub(crate) name: String,
    pub(crate) media: MediaState,
    /// At least one session has a socket.
    pub(crate) is_connected: bool,
    /// Shown to the others. A participant whose socket stays lost is hidden, and may still come back.
    pub(crate) is_present: bool,
    pub(crate) is_moderator: bool,
    /// They moderated before the server restarted.
    pub(crate) has_proven_rank: bool,
    pub(crate) identity: Option<Box<str>>,
    pub(crate) grants: Grants,
    /// The token decides the name.
    pub(crate) is_name_fixed: bool,
    pub(crate) sessions: Vec<SessionId>,
}

impl Member {
    pub(crate) fn view(&self) -> Participant {
        Participant {
            id: self.id,
            name: self.name.clone(),
            media: self.media,
            connected: self.is_connected,
            moderator: self.is_moderator,
            rights: self.grants.on_view(),
        }
    }

    /// Takes over what the participant says to publish, as far as they may.
    pub(crate) fn set_media(&mut self, media: MediaState) {
        let may = |source| self.grants.publish.contains(&source);
        self.media = MediaState {
            microphone: media.microphone && may(Source::Microphone),
            camera: media.camera && may(Source::Camera),
            screen: media.screen && may(Source::Screen),
        };
    }

    /// Switches one source off.
    pub(crate) fn mute(&mut self, source: Source) {
        match source {
            Source::Microphone => self.media.microphone = false,
            Source::Camera => self.media.camera = false,
            Source::Screen => self.media.screen = false,
        }
    }

    /// Who may not send data may not send documents either.
    pub(crate) fn documents(&self) -> DocumentsGrant {
        if self.grants.data { self.grants.documents } else { DocumentsGrant::None }
    }

    pub(crate) fn set_rights(&mut self, rights: Rights) {
        if rights.identity.is_some() {
            self.is_moderator = rights.grants.moderate;
        }
        self.is_name_fixed = rights.fixed_name.is_some();
        if let Some(name) = rights.fixed_name {
            self.name = name;
        }
        (self.identity, self.grants) = (rights.identity, rights.grants);
        self.set_media(self.media);
    }
}

impl Room {
    pub(crate) const fn new(number: u64, mode: TopologyMode, tokens_rule: bool) -> Self {
        Self {
            number,
            topology: Topology { mode, epoch: 1 },
            members: Vec::new(),
            tokens_rule,
            is_locked: false,
            is_chat_on: true,
            invites_from: Duration::ZERO,
            removed: VecDeque::new(),
            tracks: BTreeMap::new(),
            speakers: Vec::new(),
        }
    }

    pub(crate) const fn mode(&self) -> TopologyMode {
        self.topology.mode
    }

    /// Media takes another way from now on.
    pub(crate) const fn change_mode(&mut self, mode: TopologyMode) -> Topology {
        self.topology = Topology { mode, epoch: self.topology.epoch + 1 };
        self.topology
    }

    /// The room as one participant is told it.
    pub(crate) fn state(&self, name: &RoomName, whom: ParticipantId) -> RoomState {
        let of_others = self.tracks.iter().filter(|(_, track)| track.participant != whom);
        RoomState {
            name: name.to_string(),
            topology: self.topology,
            locked: self.is_locked,
            chat_enabled: self.is_chat_on,
            participants: self.members.iter().filter(|member| member.is_present).map(Member::view).collect(),
            tracks: of_others.map(|(id, track)| track.view(*id)).collect(),
        }
    }

    pub(crate) fn present(&self) -> usize {
        self.members.iter().filter(|member| member.is_present).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn add(&mut self, member: Member) {
        // Most rooms are small, and a vector would begin with space for four.
        if self.members.len() < 4 {
            self.members.reserve_exact(1);
        }
        self.members.push(member);
    }

    pub(crate) fn member(&self, id: ParticipantId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    pub(crate) fn member_mut(&mut self, id: ParticipantId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// Takes a session from its participant; returns the participant if it was their last.
    pub(crate) fn remove_session(&mut self, session: SessionId, of: ParticipantId) -> Option<Member> {
        let at = self.members.iter().position(|member| member.id == of)?;
        let member = self.members.get_mut(at)?;
        member.sessions.retain(|kept| *kept != session);
        member.sessions.is_empty().then(|| self.members.remove(at))
    }

    /// Makes the one who is longest present the moderator, if nobody is and tokens do not say; returns who it is.
    pub(crate) fn appoint_successor(&mut self) -> Option<ParticipantId> {
        if self.tokens_rule || self.members.iter().any(|member| member.is_present && member.is_moderator) {
            return None;
        }
        let successor = self.members.iter_mut().find(|member| member.is_present)?;
        successor.is_moderator = true;
        Some(successor.id)
    }

    /// Gives back its rank to somebody who moderated before a restart, and takes it from those who only returned earlier; returns
    /// these.
    pub(crate) fn restore_moderator(&mut self, id: ParticipantId) -> Vec<ParticipantId> {
        if self.tokens_rule {
            return Vec::new();
        }
        let mut demoted = Vec::new();
        for member in &mut self.members {
            if member.id == id {
                (member.is_moderator, member.has_proven_rank) = (true, true);
            } else if member.is_moderator && !member.has_proven_rank {
                member.is_moderator = false;
                demoted.push(member.id);
            }
        }
        demoted
    }

    /// Keeps in mind that somebody may not come back.
    pub(crate) fn remember_removed(&mut self, id: ParticipantId) {
        if self.removed.len() == MAX_REMOVED {
            self.removed.pop_front();
        }
        let identity = self.member(id).and_then(|member| member.identity.clone());
        self.removed.push_back(Removed { id, identity });
    }

    /// Everybody of the same identity; the one alone where there are no identities.
    pub(crate) fn same_identity(&self, id: ParticipantId) -> Vec<ParticipantId> {
        let identity = self.member(id).and_then(|member| member.identity.as_deref());
        let is_same =
            |member: &&Member| member.id == id || identity.is_some() && member.identity.as_deref() == identity;
        self.members.iter().filter(is_same).map(|member| member.id).collect()
    }

    /// The sessions of whoever is hidden for longest, if too many are.
    pub(crate) fn surplus_hidden(&self) -> Vec<SessionId> {
        let mut hidden = self.members.iter().filter(|member| !member.is_present);
        if hidden.clone().count() < MAX_HIDDEN {
            return Vec::new();
        }
        hidden.next().map(|member| member.sessions.clone()).unwrap_or_default()
    }

    /// Whether a newcomer was sent out before.
    pub(crate) fn was_removed(&self, id: Option<ParticipantId>, identity: Option<&str>) -> bool {
        self.removed
            .iter()
            .any(|removed| id == Some(removed.id) || identity.is_some() && removed.identity.as_deref() == identity)
    }

    /// Every session in the room.
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.members.iter().flat_map(|member| member.sessions.iter().copied()).collect()
    }

    /// Every session whose participant may take part in the chat.
    pub(crate) fn chatters(&self) -> Vec<SessionId> {
        let may = self.members.iter().filter(|member| member.grants.data);
        may.flat_map(|member| member.sessions.iter().copied()).collect()
    }

    /// Every session in the room but those of one participant.
    pub(crate) fn sessions_except(&self, participant: ParticipantId) -> Vec<SessionId> {
        self.members
            .iter()
            .filter(|member| member.id != participant)
            .flat_map(|member| member.sessions.iter().copied())
            .collect()
    }
}

/// Remembered names of those sent out; the oldest is forgotten first.
const MAX_REMOVED: usize = 256;
/// Participants of one room who are waited for out of sight; beyond that the first has been waited for long enough.
const MAX_HIDDEN: usize = 64;
