use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

type Job<C> = Box<dyn FnOnce(&mut C) + Send>;

/// Threads for work that takes long, each with a tool of its own. A panic of a job costs that job alone.
pub(crate) struct Crew<C>(Arc<Shared<C>>);

struct Shared<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
}

struct State<C> {
    jobs: VecDeque<Job<C>>,
    is_closed: bool,
    threads: Vec<JoinHandle<()>>,
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrewError {
    /// Too many wait.
    Busy,
    /// It panicked, or the server ends.
    Failed,
}

impl<C: Send + 'static> Crew<C> {
    /// One thread for each tool.
    pub(crate) fn start(name: &str, stack_bytes: usize, tools: Vec<C>) -> std::io::Result<Self> {
        let state = State { jobs: VecDeque::new(), is_closed: false, threads: Vec::new() };
        let crew = Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }));
        for (number, tool) in tools.into_iter().enumerate() {
            let shared = Arc::clone(&crew.0);
            let thread = thread::Builder::new().name(format!("{name}-{number}")).stack_size(stack_bytes);
            let thread = thread.spawn(move || shared.work(tool))?;
            crew.0.lock().threads.push(thread);
        }
        Ok(crew)
    }

    /// Queues a job. The caller bounds how many it gives.
    pub(crate) fn give(&self, job: impl FnOnce(&mut C) + Send + 'static) {
        let mut state = self.0.lock();
        if !state.is_closed {
            state.jobs.push_back(Box::new(job));
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Has a job done on behalf of somebody who waits.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut C) -> T + Send + 'static,
    ) -> Result<T, CrewError> {
        if self.0.lock().jobs.len() >= MOST_WAITING {
            return Err(CrewError::Busy);
        }
        let (answer, answered) = oneshot::channel();
        self.give(move |tool| {
            if !answer.is_closed() {
                let _ = answer.send(job(tool));
            }
        });
        answered.await.map_err(|_| CrewError::Failed)
    }

    /// Lets the jobs in hand finish and drops the others.
    pub(crate) fn stop(&self) {
        let (threads, dropped) = {
            let mut state = self.0.lock();
            state.is_closed = true;
            (std::mem::take(&mut state.threads), std::mem::take(&mut state.jobs))
        };
        drop(dropped);
        self.0.changed.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl<C> Clone for Crew<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Shared<C> {
    fn work(&self, mut tool: C) {
        while let Some(job) = self.next() {
            // A job owns what it changes, and tools are read with.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut tool)));
        }
    }

    fn next(&self) -> Option<Job<C>> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A panic while holding the lock cannot leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> fmt::Debug for Crew<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("waiting", &self.0.lock().jobs.len()).finish_non_exhaustive()
    }
}

/// Of people and programs that wait for an answer.
const MOST_WAITING: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_job() {
        let crew = Crew::start("test", 1 << 20, vec![0]).unwrap();
        assert_eq!(crew.ask(|_| panic!("on purpose")).await, Err::<(), _>(CrewError::Failed));
        assert_eq!(crew.ask(|tool| std::mem::replace(tool, 7)).await, Ok(0));
        assert_eq!(crew.ask(|tool| *tool).await, Ok(7));
        crew.stop();
        assert_eq!(crew.ask(|tool| *tool).await, Err(CrewError::Failed));
    }

    #[tokio::test]
    async fn a_long_queue_is_refused() {
        let crew = Crew::<()>::start("test", 1 << 20, Vec::new()).unwrap();
        for _ in 0..MOST_WAITING {
            crew.give(|()| ());
        }
        assert_eq!(crew.ask(|()| 7).await, Err(CrewError::Busy));
    }
}
