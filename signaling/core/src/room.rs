use stoa_base_types::{ParticipantId, SessionId};

use crate::message::{MediaState, Participant, RoomState, Topology, TopologyMode};
use crate::name::RoomName;

/// Who is in a room. Knows no sockets.
#[derive(Debug)]
pub(crate) struct Room {
    topology: Topology,
    /// In order of arrival.
    members: Vec<Member>,
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
    pub(crate) sessions: Vec<SessionId>,
}

impl Member {
    pub(crate) fn view(&self) -> Participant {
        Participant { id: self.id, name: self.name.clone(), media: self.media, connected: self.is_connected }
    }
}

impl Room {
    pub(crate) const fn new() -> Self {
        Self { topology: Topology { mode: TopologyMode::Mesh, epoch: 1 }, members: Vec::new() }
    }

    pub(crate) fn state(&self, name: &RoomName) -> RoomState {
        RoomState {
            name: name.to_string(),
            topology: self.topology,
            participants: self.members.iter().filter(|member| member.is_present).map(Member::view).collect(),
        }
    }

    pub(crate) fn present(&self) -> usize {
        self.members.iter().filter(|member| member.is_present).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn add(&mut self, member: Member) {
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

    /// Every session in the room but those of one participant.
    pub(crate) fn sessions_except(&self, participant: ParticipantId) -> Vec<SessionId> {
        self.members
            .iter()
            .filter(|member| member.id != participant)
            .flat_map(|member| member.sessions.iter().copied())
            .collect()
    }
}
