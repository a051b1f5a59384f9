use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use stoa_base_net::{Attempt, FrameWriter, Payload, encode_server_head};
use stoa_signaling_core::{Action, Frame};
use tokio::sync::Notify;

/// What the control plane wants done with one socket.
///
/// Its length is bounded by the core, which counts the bytes in flight of every socket. An idle socket's mailbox holds no
/// buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// The way around the socket's task, where there is one: TLS has none.
    writer: Option<FrameWriter>,
}

fn try_write(writer: &FrameWriter, frame: &Frame, scratch: &mut Vec<u8>) -> Attempt {
    scratch.clear();
    encode_server_head(Payload::Text, frame.len(), scratch);
    frame.write_to(scratch);
    writer.try_write(scratch)
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// The task has taken a job and not finished it.
    is_in_hand: bool,
}

/// What the task of a socket is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// What the control plane said.
    Act(Action),
    /// The beginning of a frame was written past the task; so many bytes of its content have reached the kernel when the rest has.
    Flush(usize),
}

impl Mailbox {
    pub(crate) fn new(writer: Option<FrameWriter>) -> Self {
        Self(Arc::new(Shared { writer, ..Shared::default() }))
    }

    /// For others that write to the same socket.
    pub(crate) fn writer(&self) -> Option<FrameWriter> {
        self.0.writer.clone()
    }

    /// Carries the action out at once if it is a frame that the kernel takes, and tells how many bytes it had; else leaves it to the
    /// socket's task.
    pub(crate) fn deliver(&self, action: Action, scratch: &mut Vec<u8>) -> Option<usize> {
        let mut queue = self.lock();
        let job = match (&self.0.writer, action) {
            (Some(writer), Action::Send(frame)) if queue.jobs.is_empty() && !queue.is_in_hand => {
                match try_write(writer, &frame, scratch) {
                    Attempt::Written => return Some(frame.len()),
                    Attempt::Begun => Job::Flush(frame.len()),
                    Attempt::Refused => Job::Act(Action::Send(frame)),
                }
            }
            (_, action) => Job::Act(action),
        };
        queue.jobs.push_back(job);
        drop(queue);
        self.0.arrived.notify_one();
        None
    }

    /// For the socket's task, which has taken the frame from the queue: tries to write it past the WebSocket, whose buffer would keep the
    /// size of the largest frame it ever held, `welcome`'s.
    pub(crate) fn write_around(&self, frame: &Frame) -> Attempt {
        self.0.writer.as_ref().map_or(Attempt::Refused, |writer| try_write(writer, frame, &mut Vec::new()))
    }

    /// Waits for the next job; `done` must follow. Cancelling loses none.
    pub(crate) async fn next(&self) -> Job {
        loop {
            if let Some(job) = self.pop() {
                return job;
            }
            self.0.arrived.notified().await;
        }
    }

    /// The job that `next` gave is done.
    pub(crate) fn done(&self) {
        self.lock().is_in_hand = false;
    }

    /// Waits until the socket shall be closed, whatever else is queued before that.
    pub(crate) async fn closing(&self) {
        while !self.lock().jobs.iter().any(|job| matches!(job, Job::Act(Action::Close(_)))) {
            self.0.arrived.notified().await;
        }
        // The next wait must see what this one consumed.
        self.0.arrived.notify_one();
    }

    fn pop(&self) -> Option<Job> {
        let mut queue = self.lock();
        let job = queue.jobs.pop_front();
        queue.is_in_hand = job.is_some();
        if queue.jobs.is_empty() {
            queue.jobs.shrink_to_fit();
        }
        job
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
