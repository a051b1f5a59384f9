use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::neighbours::Neighbours;

/// Sends mail from any thread to one handler, on the worker of choice.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) handler: usize,
}

/// Mail that was not taken: the worker has too much unread mail, has ended, or does not exist.
pub struct Full(
    /// The mail.
    pub Box<dyn Any + Send>,
);

impl Mailbox {
    /// Leaves mail for the handler on a worker, which is woken if it sleeps. Never waits.
    ///
    /// # Errors
    /// [`Full`] hands the mail back. [`Mailbox::capacity`] is how much one worker holds, over all its handlers.
    pub fn send(&self, worker: usize, mail: Box<dyn Any + Send>) -> Result<(), Full> {
        let Some(neighbour) = self.neighbours.workers.get(worker) else { return Err(Full(mail)) };
        neighbour.post.push(self.handler, mail)?;
        neighbour.waker.wake();
        Ok(())
    }

    /// The number of workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.neighbours.workers.len()
    }

    /// How much unread mail a worker holds.
    #[must_use]
    pub const fn capacity() -> usize {
        MAIL_MAX
    }
}

impl fmt::Debug for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full").finish_non_exhaustive()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the worker takes no more mail")
    }
}

impl std::error::Error for Full {}

/// Unread mail of one worker.
#[derive(Default)]
pub(crate) struct Post {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    letters: VecDeque<Letter>,
    is_closed: bool,
}

/// Mail and the handler that it is for.
pub(crate) type Letter = (usize, Box<dyn Any + Send>);

impl Post {
    /// Takes one letter.
    pub(crate) fn pop(&self) -> Option<Letter> {
        self.state().letters.pop_front()
    }

    /// Refuses mail from now on and gives back what was not read.
    pub(crate) fn close(&self) -> VecDeque<Letter> {
        let mut state = self.state();
        state.is_closed = true;
        std::mem::take(&mut state.letters)
    }

    fn push(&self, handler: usize, mail: Box<dyn Any + Send>) -> Result<(), Full> {
        let mut state = self.state();
        if state.is_closed || state.letters.len() >= MAIL_MAX {
            return Err(Full(mail));
        }
        state.letters.push_back((handler, mail));
        Ok(())
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

/// Unread mail of one worker, at most.
const MAIL_MAX: usize = 1024;
