//! Who listens to what, and who is who to their peers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use stoa_base_types::DocName;

use super::message::Publication;

/// One socket; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketId(pub(crate) u64);

/// What is accepted of clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most topics of one socket.
    pub(crate) topics_per_socket: usize,
    /// Most sockets of one topic.
    pub(crate) sockets_per_topic: usize,
    /// Most topics.
    pub(crate) topics: usize,
    /// Most ids by which one socket is known in one topic; the stock client has one.
    pub(crate) peers_per_socket: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { topics_per_socket: 64, sockets_per_topic: 256, topics: 100_000, peers_per_socket: 4 }
    }
}

/// Why a subscription was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The socket has too many.
    Socket,
    /// The topic has too many.
    Topic,
    /// There are too many topics.
    Server,
}

impl Full {
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Socket => "too many topics on one socket",
            Self::Topic => "the topic has too many subscribers",
            Self::Server => "the server has too many topics",
        }
    }
}

/// Who gets a publication.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipients {
    pub(crate) sockets: Vec<SocketId>,
    /// How many sockets have subscribed to the topic, the sender included.
    pub(crate) subscribers: usize,
}

/// Every subscription.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    limits: Limits,
    by_topic: BTreeMap<DocName, BTreeMap<SocketId, PeerIds>>,
    by_socket: BTreeMap<SocketId, BTreeSet<DocName>>,
}

/// By which ids a socket is known to the peers of a topic.
type PeerIds = BTreeSet<String>;

impl Topics {
    /// Without any.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Subscribes; a second time changes nothing.
    pub(crate) fn subscribe(&mut self, socket: SocketId, topic: &DocName) -> Result<(), Full> {
        let has = self.by_socket.get(&socket).map_or(0, BTreeSet::len);
        match self.by_topic.get(topic) {
            Some(subscribers) if subscribers.contains_key(&socket) => return Ok(()),
            _ if has >= self.limits.topics_per_socket => return Err(Full::Socket),
            Some(subscribers) if subscribers.len() >= self.limits.sockets_per_topic => return Err(Full::Topic),
            None if self.by_topic.len() >= self.limits.topics => return Err(Full::Server),
            Some(_) | None => {}
        }
        self.by_topic.entry(topic.clone()).or_default().insert(socket, PeerIds::new());
        self.by_socket.entry(socket).or_default().insert(topic.clone());
        Ok(())
    }

    /// Takes a subscription back, if there is one.
    pub(crate) fn unsubscribe(&mut self, socket: SocketId, topic: &DocName) {
        if let Some(topics) = self.by_socket.get_mut(&socket) {
            topics.remove(topic);
            if topics.is_empty() {
                self.by_socket.remove(&socket);
            }
        }
        self.forget(socket, topic);
    }

    /// The socket is gone.
    pub(crate) fn leave(&mut self, socket: SocketId) {
        for topic in self.by_socket.remove(&socket).unwrap_or_default() {
            self.forget(socket, &topic);
        }
    }

    fn forget(&mut self, socket: SocketId, topic: &DocName) {
        if let Some(subscribers) = self.by_topic.get_mut(topic) {
            subscribers.remove(&socket);
            if subscribers.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }

    /// What a socket has subscribed to.
    pub(crate) fn of(&self, socket: SocketId) -> Vec<DocName> {
        self.by_socket.get(&socket).into_iter().flatten().cloned().collect()
    }

    /// Tells who gets a publication, and learns who its sender is. `None`: the sender has not subscribed to the topic.
    ///
    /// What is for one peer goes to the sockets that are known by its id, usually one; two, when an old socket of that peer is not
    /// yet known to be dead. An id that nobody is known by makes it go to everybody. The sender gets nothing back.
    pub(crate) fn publish(&mut self, sender: SocketId, publication: &Publication<'_>) -> Option<Recipients> {
        let subscribers = self.by_topic.get_mut(&publication.topic)?;
        let ids = subscribers.get_mut(&sender)?;
        if let Some(from) = &publication.from
            && ids.len() < self.limits.peers_per_socket
        {
            ids.insert(from.clone());
        }
        let others = || subscribers.iter().filter(|(socket, _)| **socket != sender);
        let mut sockets = Vec::new();
        if let Some(to) = &publication.to {
            sockets.extend(others().filter(|(_, ids)| ids.contains(to)).map(|(socket, _)| *socket));
        }
        if sockets.is_empty() {
            sockets.extend(others().map(|(socket, _)| *socket));
        }
        Some(Recipients { sockets, subscribers: subscribers.len() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::ClientMessage;
    use super::*;

    fn topic(name: &str) -> DocName {
        DocName::new(name).unwrap()
    }

    fn publish(topics: &mut Topics, sender: u64, topic: &str, data: &str) -> Option<(Vec<u64>, usize)> {
        let text = format!(r#"{{"type":"publish","topic":"{topic}","data":{data}}}"#);
        let Ok(ClientMessage::Publish(publication)) = ClientMessage::parse(&text, 1) else { panic!("{text}") };
        let recipients = topics.publish(SocketId(sender), &publication)?;
        Some((recipients.sockets.iter().map(|socket| socket.0).collect(), recipients.subscribers))
    }

    fn announce(topics: &mut Topics, sender: u64, topic: &str, id: &str) -> Option<(Vec<u64>, usize)> {
        publish(topics, sender, topic, &format!(r#"{{"type":"announce","from":"{id}"}}"#))
    }

    fn signal(topics: &mut Topics, sender: u64, topic: &str, from: &str, to: &str) -> Option<(Vec<u64>, usize)> {
        publish(topics, sender, topic, &format!(r#"{{"type":"signal","from":"{from}","to":"{to}"}}"#))
    }

    /// Sockets 1 to `count` in the topic `t`.
    fn crowd(count: u64) -> Topics {
        let mut topics = Topics::default();
        for socket in 1..=count {
            topics.subscribe(SocketId(socket), &topic("t")).unwrap();
        }
        topics
    }

    #[test]
    fn an_announcement_goes_to_every_other_subscriber_of_the_topic() {
        let mut topics = crowd(3);
        topics.subscribe(SocketId(4), &topic("other")).unwrap();
        assert_eq!(announce(&mut topics, 2, "t", "p2"), Some((vec![1, 3], 3)));
        assert_eq!(announce(&mut topics, 4, "other", "p4"), Some((vec![], 1)));
    }

    #[test]
    fn a_signal_goes_to_the_socket_that_announced_its_receiver() {
        let mut topics = crowd(3);
        announce(&mut topics, 1, "t", "p1");
        announce(&mut topics, 2, "t", "p2");
        assert_eq!(signal(&mut topics, 3, "t", "p3", "p1"), Some((vec![1], 3)));
        assert_eq!(signal(&mut topics, 1, "t", "p1", "p3"), Some((vec![3], 3)), "learned from its signal");
    }

    #[test]
    fn a_signal_for_an_unknown_peer_goes_to_everybody() {
        let mut topics = crowd(3);
        assert_eq!(signal(&mut topics, 1, "t", "p1", "p9"), Some((vec![2, 3], 3)));
        announce(&mut topics, 2, "t", "p2");
        topics.leave(SocketId(2));
        assert_eq!(signal(&mut topics, 1, "t", "p1", "p2"), Some((vec![3], 2)), "p2 is gone");
    }

    #[test]
    fn an_id_of_one_topic_means_nothing_in_another() {
        let mut topics = crowd(3);
        for socket in 1..=3 {
            topics.subscribe(SocketId(socket), &topic("u")).unwrap();
        }
        announce(&mut topics, 2, "u", "p2");
        assert_eq!(signal(&mut topics, 1, "t", "p1", "p2"), Some((vec![2, 3], 3)));
    }

    #[test]
    fn an_id_claimed_twice_reaches_both_so_that_nobody_can_take_it_away() {
        let mut topics = crowd(4);
        announce(&mut topics, 1, "t", "p1");
        announce(&mut topics, 2, "t", "p1");
        assert_eq!(signal(&mut topics, 3, "t", "p3", "p1"), Some((vec![1, 2], 4)));
        assert_eq!(signal(&mut topics, 1, "t", "p1", "p1"), Some((vec![2], 4)), "never back to the sender");
    }

    #[test]
    fn an_encrypted_payload_goes_to_everybody() {
        let mut topics = crowd(3);
        assert_eq!(publish(&mut topics, 1, "t", r#""c2VhbGVk""#), Some((vec![2, 3], 3)));
    }

    #[test]
    fn who_has_not_subscribed_publishes_nothing() {
        let mut topics = crowd(2);
        assert_eq!(announce(&mut topics, 3, "t", "p3"), None);
        assert_eq!(announce(&mut topics, 1, "nowhere", "p1"), None);
        topics.unsubscribe(SocketId(1), &topic("t"));
        assert_eq!(announce(&mut topics, 1, "t", "p1"), None);
    }

    #[test]
    fn quotas_hold_and_a_place_that_was_left_is_free_again() {
        let limits = Limits { topics_per_socket: 2, sockets_per_topic: 2, topics: 3, peers_per_socket: 2 };
        let mut topics = Topics::new(limits);
        let mut subscribe = |socket, name| topics.subscribe(SocketId(socket), &topic(name));
        assert_eq!(subscribe(1, "a"), Ok(()));
        assert_eq!(subscribe(1, "b"), Ok(()));
        assert_eq!(subscribe(1, "c"), Err(Full::Socket));
        assert_eq!(subscribe(1, "a"), Ok(()), "again");
        assert_eq!(subscribe(2, "a"), Ok(()));
        assert_eq!(subscribe(3, "a"), Err(Full::Topic));
        assert_eq!(subscribe(3, "c"), Ok(()));
        assert_eq!(subscribe(3, "d"), Err(Full::Server));
        for id in ["x", "y", "z"] {
            announce(&mut topics, 1, "a", id);
        }
        topics.leave(SocketId(1));
        assert_eq!(topics.subscribe(SocketId(3), &topic("d")), Ok(()));
        assert_eq!(topics.of(SocketId(3)), [topic("c"), topic("d")]);
    }

    #[test]
    fn only_so_many_ids_of_a_socket_are_kept() {
        let mut topics = crowd(3);
        for number in 0..100 {
            announce(&mut topics, 1, "t", &format!("p{number}"));
        }
        assert_eq!(topics.by_topic[&topic("t")][&SocketId(1)].len(), 4);
    }

    proptest! {
        #[test]
        fn both_sides_of_the_books_agree_and_nothing_is_left_over(steps in proptest::collection::vec((0_u64..6, 0_usize..5, 0_u8..4), 0..80)) {
            let limits = Limits { topics_per_socket: 3, sockets_per_topic: 4, topics: 4, peers_per_socket: 2 };
            let mut topics = Topics::new(limits);
            for (socket, name, step) in steps {
                let name = ["a", "b", "c", "d", "e"][name];
                match step {
                    0 => drop(topics.subscribe(SocketId(socket), &topic(name))),
                    1 => topics.unsubscribe(SocketId(socket), &topic(name)),
                    2 => topics.leave(SocketId(socket)),
                    _ => {
                        if let Some((recipients, subscribers)) = announce(&mut topics, socket, name, "p") {
                            prop_assert_eq!(recipients.len() + 1, subscribers);
                        }
                    }
                }
                let left: BTreeSet<_> = topics.by_topic.iter().flat_map(|(topic, sockets)| sockets.keys().map(|socket| (*socket, topic.clone()))).collect();
                let right: BTreeSet<_> = topics.by_socket.iter().flat_map(|(socket, names)| names.iter().map(|topic| (*socket, topic.clone()))).collect();
                prop_assert_eq!(left, right);
                prop_assert!(topics.by_topic.len() <= 4 && topics.by_topic.values().all(|sockets| (1..=4).contains(&sockets.len())));
                prop_assert!(topics.by_socket.values().all(|names| (1..=3).contains(&names.len())));
            }
            for socket in 0..6 {
                topics.leave(SocketId(socket));
            }
            prop_assert!(topics.by_topic.is_empty() && topics.by_socket.is_empty());
        }
    }
}
