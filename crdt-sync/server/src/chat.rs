use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stoa_base_types::DocName;
use stoa_crdt_sync_store::{ChatEntry, ChatPage, Haste, Write};

use crate::storage::Storage;
use crate::versions::now_ms;

/// Called once, from any thread.
pub type Done<T> = Box<dyn FnOnce(Result<T, String>) + Send>;

/// What was said in rooms: a log that only grows, numbered from 1 in each room.
#[derive(Debug, Clone)]
pub struct Chat {
    storage: Storage,
    rooms: Arc<Mutex<BTreeMap<DocName, Room>>>,
}

/// Something to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Who said it.
    pub participant: String,
    /// Their name.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// A room in which something is being said. It is forgotten when all of that is on disk.
#[derive(Default)]
struct Room {
    /// The number of the next line; unknown until the disk was asked.
    next: Option<u64>,
    waiting: VecDeque<(ChatLine, Done<(u64, u64)>)>,
    in_flight: usize,
}

impl Chat {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, rooms: Arc::default() }
    }

    /// Keeps a line; `done` is called with its number and its time (milliseconds since 1970) when it is on disk.
    pub fn append(&self, room: &DocName, line: ChatLine, done: Done<(u64, u64)>) {
        if self.storage.is_full() {
            return done(Err("the space for documents on this server is used up".to_owned()));
        }
        let is_new = {
            let mut rooms = self.rooms();
            let is_new = !rooms.contains_key(room);
            let state = rooms.entry(room.clone()).or_default();
            if state.waiting.len() >= MOST_WAITING {
                drop(rooms);
                return done(Err("too much is being said at once".to_owned()));
            }
            state.waiting.push_back((line, done));
            is_new
        };
        if is_new {
            self.ask_number(room.clone());
        } else {
            self.write(room);
        }
    }

    /// Reads up to `limit` lines before `before` (absent: the newest) in order; and whether there are more before them.
    pub fn read(&self, room: DocName, before: Option<u64>, limit: u32, done: Done<(Vec<ChatEntry>, bool)>) {
        self.storage.read(move |reader| {
            let limit = usize::try_from(limit).unwrap_or(MOST_READ).min(MOST_READ);
            let page = before.map_or(ChatPage::Newest, ChatPage::Before);
            let entries = reader.chat(&room, page, limit + 1).map(|mut entries| {
                let surplus = entries.len().saturating_sub(limit);
                entries.drain(..surplus);
                (entries, surplus > 0)
            });
            done(entries.map_err(|error| error.to_string()));
        });
    }

    fn ask_number(&self, room: DocName) {
        let this = self.clone();
        self.storage.read(move |reader| match reader.chat(&room, ChatPage::Newest, 1) {
            Ok(newest) => {
                let next = newest.last().map_or(1, |entry| entry.seq + 1);
                if let Some(state) = this.rooms().get_mut(&room) {
                    state.next = Some(next);
                }
                this.write(&room);
            }
            Err(error) => {
                let waiting = this.rooms().remove(&room).map(|state| state.waiting).unwrap_or_default();
                waiting.into_iter().for_each(|(_, done)| done(Err(error.to_string())));
            }
        });
    }

    /// Gives the lines that wait their numbers, and hands them to the store in that order.
    fn write(&self, room: &DocName) {
        let mut refused = Vec::new();
        {
            let mut rooms = self.rooms();
            let Some(state) = rooms.get_mut(room) else { return };
            let Some(mut next) = state.next else { return };
            while let Some((line, done)) = state.waiting.pop_front() {
                let Some(ticket) = self.storage.ticket() else {
                    refused.push(done);
                    continue;
                };
                let (seq, at_ms) = (next, now_ms());
                next += 1;
                state.in_flight += 1;
                let ChatLine { participant: author, name, text } = line;
                let write = Write::Chat { room: room.clone(), seq, at_ms, author, name, text };
                let (this, room) = (self.clone(), room.clone());
                // While the rooms are locked, so that lines of two threads keep their order.
                ticket.submit(Haste::Gather, vec![write], move |result| {
                    this.written(&room);
                    done(result.map(|()| (seq, at_ms)).map_err(|error| error.to_string()));
                });
            }
            state.next = Some(next);
            forget_if_quiet(&mut rooms, room);
        }
        refused.into_iter().for_each(|done| done(Err("the disk is too slow for what waits".to_owned())));
    }

    fn written(&self, room: &DocName) {
        let mut rooms = self.rooms();
        if let Some(state) = rooms.get_mut(room) {
            state.in_flight -= 1;
        }
        forget_if_quiet(&mut rooms, room);
    }

    /// A panic while holding the lock cannot leave a room half changed.
    fn rooms(&self) -> MutexGuard<'_, BTreeMap<DocName, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_if_quiet(rooms: &mut BTreeMap<DocName, Room>, room: &DocName) {
    let is_quiet = |state: &Room| state.next.is_some() && state.in_flight == 0 && state.waiting.is_empty();
    if rooms.get(room).is_some_and(is_quiet) {
        rooms.remove(room);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("next", &self.next).field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// Lines of one room that wait for their numbers.
const MOST_WAITING: usize = 1_000;

/// Lines that are read at once.
const MOST_READ: usize = 1_000;
