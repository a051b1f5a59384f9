use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use stoa_signaling_core::Action;
use tokio::sync::Notify;

/// What the control plane wants done with one socket.
///
/// Its length is bounded by the core, which counts the bytes in flight of every socket. An idle socket's mailbox holds no
/// buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    actions: Mutex<VecDeque<Action>>,
    arrived: Notify,
}

impl Mailbox {
    pub(crate) fn push(&self, action: Action) {
        self.lock().push_back(action);
        self.0.arrived.notify_one();
    }

    /// Waits for the next action. Cancelling loses none.
    pub(crate) async fn next(&self) -> Action {
        loop {
            if let Some(action) = self.pop() {
                return action;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Waits until the socket shall be closed, whatever else is queued before that.
    pub(crate) async fn closing(&self) {
        while !self.lock().iter().any(|action| matches!(action, Action::Close(_))) {
            self.0.arrived.notified().await;
        }
        // The next wait must see what this one consumed.
        self.0.arrived.notify_one();
    }

    fn pop(&self) -> Option<Action> {
        let mut actions = self.lock();
        let action = actions.pop_front();
        if actions.is_empty() {
            actions.shrink_to_fit();
        }
        action
    }

    /// A panic while holding the lock cannot leave the queue half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Action>> {
        self.0.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
