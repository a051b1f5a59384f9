use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::mover::Mover;

/// A thread that moves committed pages from the write-ahead log to their places. The writer commits meanwhile.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    order: Mutex<Order>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Order {
    #[default]
    Wait,
    Run,
    Stop,
}

impl Checkpointer {
    pub(crate) fn start(file: &Path, mover: Mover) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (thread_shared, file) = (Arc::clone(&shared), file.to_path_buf());
        let thread = Builder::new().name("stoa-checkpoint".into()).spawn(move || run(&thread_shared, &file, &mover))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Orders a checkpoint; several orders that wait are one.
    pub(crate) fn order(&self) {
        self.shared.give(Order::Run);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.shared.give(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by its own thread, and costs no committed byte.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn give(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
        self.changed.notify_one();
    }

    fn take(&self) -> Order {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.changed.wait_while(order, |order| *order == Order::Wait);
        let mut order = waiting.unwrap_or_else(PoisonError::into_inner);
        match *order {
            Order::Stop => Order::Stop,
            given @ (Order::Run | Order::Wait) => {
                *order = Order::Wait;
                given
            }
        }
    }
}

fn run(shared: &Shared, file: &Path, mover: &Mover) {
    let mut conn = None;
    while shared.take() != Order::Stop {
        if let Err(error) = mover.checkpoint_beside(&mut conn, || open(file)) {
            // The pages stay in the write-ahead log; the next order tries again.
            tracing::warn!(%error, "the write-ahead log could not be moved");
            conn = None;
        }
    }
}

fn open(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(conn)
}
