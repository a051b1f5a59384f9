use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a worker, with a system call only if it sleeps.
///
/// Either the one who wakes sees that the worker is asleep, or the worker sees before it falls asleep that there is something to
/// do: both write one flag and then read the other, in one order that all threads agree on.
#[derive(Debug)]
pub(crate) struct Waker {
    event: OwnedFd,
    asleep: AtomicBool,
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, asleep: AtomicBool::new(false), pending: AtomicBool::new(false) })
    }

    /// Tells the worker that there is something to do besides its sockets.
    pub(crate) fn wake(&self) {
        self.pending.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Cannot fail before 2^64 - 2 of them were not read.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    /// Before the worker waits: false if it must not sleep.
    pub(crate) fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        !self.pending.load(Ordering::SeqCst)
    }

    /// After the worker waited: whether there is something to do besides its sockets.
    pub(crate) fn take_pending(&self) -> bool {
        self.asleep.store(false, Ordering::SeqCst);
        self.pending.swap(false, Ordering::SeqCst)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
