//! Who is there: cursors and names of one document's followers, by client id.
mod codec;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_base_types::FollowerId;

use crate::follower::Speaker;
use crate::json;
use crate::limits::Limits;
use crate::wire::WireError;
use crate::wire::lib0::Text;
use codec::{GONE, Said};

/// The states of one document.
#[derive(Debug, Default)]
pub(crate) struct Awareness {
    states: BTreeMap<u64, State>,
    /// Client ids that are gone, with their last clocks: an old state that comes late must not bring them back.
    removed: BTreeMap<u64, Removed>,
    /// When, oldest first. An id that came back and went again is here twice.
    removals: VecDeque<(Instant, u64)>,
    /// The ids that each follower speaks for.
    owned: BTreeMap<FollowerId, Vec<u64>>,
    /// Of the states.
    bytes: usize,
    /// What was not told yet: ids, and who said it.
    changes: BTreeMap<u64, Option<FollowerId>>,
}

#[derive(Debug)]
struct State {
    clock: u64,
    json: Text,
    owner: FollowerId,
    identity: Option<Arc<str>>,
    renewed: Instant,
}

#[derive(Debug)]
struct Removed {
    clock: u64,
    identity: Option<Arc<str>>,
    at: Instant,
}

/// What came of an awareness update.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// So many states were not taken.
    pub(crate) ignored: u64,
    /// Ids that the speaker believes alive and that were removed meanwhile: told so, it raises its clock and speaks again.
    pub(crate) correction: Option<Bytes>,
}

impl Awareness {
    /// Takes an update. States that the speaker may not speak for are ignored: stock clients repeat what they hear.
    pub(crate) fn hear(
        &mut self,
        speaker: &Speaker,
        update: &Bytes,
        now: Instant,
        limits: &Limits,
    ) -> Result<Heard, WireError> {
        let mut heard = Heard::default();
        let mut corrections = Vec::new();
        for said in codec::decode(update) {
            let said = said?;
            match self.judge(speaker, &said, limits) {
                Verdict::Take => self.take(speaker, said, now, limits),
                Verdict::Stale => {}
                Verdict::Ignore => heard.ignored += 1,
                Verdict::Correct(clock) if corrections.len() < speaker.most_ids => {
                    corrections.push((said.client, clock, GONE));
                }
                Verdict::Correct(_) => heard.ignored += 1,
            }
        }
        heard.correction = (!corrections.is_empty()).then(|| codec::encode(corrections.into_iter()));
        Ok(heard)
    }

    fn judge(&self, speaker: &Speaker, said: &Said, limits: &Limits) -> Verdict {
        let is_gone = is_gone(said.state.as_str());
        let owned = self.owned.get(&speaker.follower).map_or(0, Vec::len);
        if let Some(state) = self.states.get(&said.client) {
            if state.owner == speaker.follower {
                if said.clock < state.clock || (said.clock == state.clock && !is_gone) {
                    return Verdict::Stale;
                }
            } else if !state.may_pass_to(speaker, said.clock, owned) || is_gone {
                return Verdict::Ignore;
            }
        } else {
            if is_gone {
                return Verdict::Stale;
            }
            if let Some(removed) = self.removed.get(&said.client) {
                if removed.identity != speaker.identity {
                    return Verdict::Ignore;
                }
                if said.clock <= removed.clock {
                    return Verdict::Correct(removed.clock);
                }
            }
            if owned >= speaker.most_ids {
                return Verdict::Ignore;
            }
        }
        let length = said.state.as_str().len();
        let is_good = is_gone
            || (length <= limits.awareness_state_bytes
                && self.bytes + length <= limits.awareness_bytes
                && said.clock < LAST_CLOCK
                && json::check(said.state.as_str(), DEEPEST_STATE).is_ok());
        if is_good { Verdict::Take } else { Verdict::Ignore }
    }

    fn take(&mut self, speaker: &Speaker, said: Said, now: Instant, limits: &Limits) {
        if is_gone(said.state.as_str()) {
            self.remove(said.client, said.clock, now, limits);
            self.changes.insert(said.client, Some(speaker.follower));
            return;
        }
        self.removed.remove(&said.client);
        let before = self.disown(said.client).map(|state| state.clock);
        self.owned.entry(speaker.follower).or_default().push(said.client);
        self.bytes += said.state.as_str().len();
        // A socket that came again says what everybody knows.
        if before != Some(said.clock) {
            self.changes.insert(said.client, Some(speaker.follower));
        }
        // A state may stay for long, so it keeps no more memory than its text.
        let (json, identity) = (said.state.detached(), speaker.identity.clone());
        self.states
            .insert(said.client, State { clock: said.clock, json, owner: speaker.follower, identity, renewed: now });
    }

    /// Takes a state out; its id is nobody's.
    fn disown(&mut self, client: u64) -> Option<State> {
        let state = self.states.remove(&client)?;
        self.bytes -= state.json.as_str().len();
        if let Some(owned) = self.owned.get_mut(&state.owner) {
            owned.retain(|id| *id != client);
            if owned.is_empty() {
                self.owned.remove(&state.owner);
            }
        }
        Some(state)
    }

    fn remove(&mut self, client: u64, clock: u64, now: Instant, limits: &Limits) {
        let Some(state) = self.disown(client) else { return };
        self.removed.insert(client, Removed { clock, identity: state.identity, at: now });
        self.removals.push_back((now, client));
        while self.removals.len() > limits.awareness_removed {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((at, client)) = self.removals.pop_front()
            && self.removed.get(&client).is_some_and(|removed| removed.at == at)
        {
            self.removed.remove(&client);
        }
    }

    /// A follower is gone, and with it those for whom it spoke.
    pub(crate) fn leave(&mut self, follower: FollowerId, now: Instant, limits: &Limits) {
        for client in self.owned.remove(&follower).unwrap_or_default() {
            self.remove_silent(client, now, limits);
        }
    }

    /// Removes those that were not renewed, and forgets the clocks of those that have been gone for long.
    pub(crate) fn expire(&mut self, now: Instant, limits: &Limits) {
        let is_old = |since: Instant, age: Duration| now.saturating_duration_since(since) >= age;
        let silent: Vec<u64> = self
            .states
            .iter()
            .filter(|(_, state)| is_old(state.renewed, limits.awareness_expiry))
            .map(|(client, _)| *client)
            .collect();
        for client in silent {
            self.remove_silent(client, now, limits);
        }
        while self.removals.front().is_some_and(|(at, _)| is_old(*at, limits.awareness_memory)) {
            self.forget_oldest();
        }
    }

    /// Removes an id that did not say so itself.
    fn remove_silent(&mut self, client: u64, now: Instant, limits: &Limits) {
        if let Some(clock) = self.states.get(&client).map(|state| state.clock) {
            self.remove(client, clock + 1, now, limits);
            self.changes.insert(client, None);
        }
    }

    /// Whether [`Self::expire`] has something to wait for.
    pub(crate) fn is_idle(&self) -> bool {
        self.states.is_empty() && self.removals.is_empty()
    }

    /// Whether something was not told yet.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What was not told yet, as one update, and whom it need not be told: the only one who said all of it.
    pub(crate) fn take_changes(&mut self) -> Option<(Bytes, Option<FollowerId>)> {
        let changes = std::mem::take(&mut self.changes);
        let mut speakers = changes.values();
        let speaker = speakers.next().copied()?;
        let speaker = speaker.filter(|_| speakers.all(|other| *other == speaker));
        let entries: Vec<_> = changes.keys().filter_map(|client| self.entry(*client)).collect();
        (!entries.is_empty()).then(|| (codec::encode(entries.into_iter()), speaker))
    }

    fn entry(&self, client: u64) -> Option<(u64, u64, &str)> {
        let state = self.states.get(&client).map(|state| (client, state.clock, state.json.as_str()));
        state.or_else(|| self.removed.get(&client).map(|removed| (client, removed.clock, GONE)))
    }

    /// Whether nobody is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// All states, and who is gone since not long ago, as one update.
    pub(crate) fn all_and_gone(&self) -> Bytes {
        let entries: Vec<_> = self.states.keys().chain(self.removed.keys()).filter_map(|id| self.entry(*id)).collect();
        codec::encode(entries.into_iter())
    }

    /// All states, as one update.
    pub(crate) fn all(&self) -> Bytes {
        codec::encode(self.states.iter().map(|(client, state)| (*client, state.clock, state.json.as_str())))
    }
}

impl State {
    /// Whether a newer socket may speak for the id. It must be of the same user; where users are not known, what speaks
    /// for it: no newer news than the owner's needs a younger socket, and who already has an id of its own only repeats
    /// what it heard.
    fn may_pass_to(&self, speaker: &Speaker, clock: u64, owned: usize) -> bool {
        let is_news = clock > self.clock || (clock == self.clock && speaker.follower > self.owner);
        self.identity == speaker.identity && owned == 0 && is_news
    }
}

fn is_gone(state: &str) -> bool {
    state.trim_matches([' ', '\t', '\n', '\r']) == GONE
}

enum Verdict {
    Take,
    /// Nothing new.
    Stale,
    Ignore,
    /// The id was removed at this clock.
    Correct(u64),
}

/// A removal adds one, twice at most before an answer comes.
const LAST_CLOCK: u64 = (1 << 53) - 8;

/// A state has fewer levels, and every client's stack has room for more.
const DEEPEST_STATE: u32 = 64;

/// Only an empty update: it is something, and says nothing.
pub(crate) const NOTHING: Bytes = Bytes::from_static(&[0]);
