use std::io;
use std::sync::atomic::AtomicBool;

use crate::mailbox::Post;
use crate::ring::Ring;
use crate::waker::Waker;

/// How the workers of a group, and other threads, reach each worker.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) workers: Vec<Neighbour>,
    /// Whether the workers shall end.
    pub(crate) stop: AtomicBool,
}

/// One worker as the others see it.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) waker: Waker,
    pub(crate) post: Post,
    /// By the sending worker.
    pub(crate) rings: Vec<Ring>,
}

impl Neighbours {
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let worker = |_| {
            let rings = (0..count).map(|_| Ring::new(count)).collect();
            Ok(Neighbour { waker: Waker::new()?, post: Post::default(), rings })
        };
        Ok(Self { workers: (0..count).map(worker).collect::<io::Result<_>>()?, stop: AtomicBool::new(false) })
    }
}
