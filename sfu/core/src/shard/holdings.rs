use super::Shard;

/// How much a shard holds. While people come and go none of it grows: when those who came are gone, it is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Sessions.
    pub sessions: usize,
    /// Rooms.
    pub rooms: usize,
    /// Members of rooms.
    pub members: usize,
    /// User name fragments and addresses by which datagrams are told apart.
    pub routes: usize,
    /// Wishes of sessions.
    pub wishes: usize,
    /// Media sections in which participants receive.
    pub slots: usize,
    /// Those that have a track.
    pub seats: usize,
    /// Tracks as the control plane knows them.
    pub published: usize,
    /// The same as forwarders know them.
    pub tracks: usize,
    /// Who gets which track.
    pub subscriptions: usize,
    /// Paths to subscribers.
    pub paths: usize,
    /// Streams that forwarders know.
    pub streams: usize,
    /// Streams that sessions know.
    pub received: usize,
    /// Packets that wait to be written, datagrams that wait to be taken, sessions that wait to be looked after.
    pub waiting: usize,
}

impl Shard {
    /// What is held now.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let mut holdings = Holdings {
            sessions: self.members.len(),
            rooms: self.rooms.len(),
            routes: self.demux.len(),
            waiting: self.outgoing.len() + self.outbox.transmits.len() + self.touched.len() + self.round.len(),
            ..Holdings::default()
        };
        for room in self.rooms.values() {
            holdings.members += room.members.len();
            holdings.published += room.tracks.len();
            room.forwarder.count(&mut holdings);
        }
        for member in self.members.values() {
            holdings.wishes += member.wishes.len();
            member.session.count(&mut holdings);
        }
        holdings
    }
}
