use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep_until};

use crate::Outcome;
use crate::socket::{ANY_PORT, fill, frame, masked_payload, write_all};

/// What came since the last commit.
#[derive(Default)]
struct Batch {
    bytes: RefCell<Vec<u8>>,
    senders: RefCell<Vec<Rc<OwnedWriteHalf>>>,
    came: Notify,
}

/// One thread for all sockets, one for the file; a commit at once when none was lately, or 12 ms after the last one
/// began, as the server does it.
pub(crate) async fn serve(folder: &Path) -> Outcome<()> {
    let file = OpenOptions::new().append(true).create(true).open(folder.join("log"))?;
    LocalSet::new().run_until(accept(file)).await
}

async fn accept(file: File) -> Outcome<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    println!("address {}", listener.local_addr()?);
    let batch = Rc::new(Batch::default());
    let committing = spawn_local(commit(file, Rc::clone(&batch)));
    loop {
        let (stream, _) = listener.accept().await?;
        if committing.is_finished() {
            return Err("the file cannot be written".into());
        }
        stream.set_nodelay(true)?;
        spawn_local(read(stream, Rc::clone(&batch)));
    }
}

async fn read(stream: TcpStream, batch: Rc<Batch>) {
    let (mut reader, writer) = stream.into_split();
    let (writer, mut bytes) = (Rc::new(writer), Vec::new());
    while let Ok(true) = fill(&mut reader, &mut bytes).await {
        while let Some((payload, length)) = masked_payload(&bytes) {
            batch.bytes.borrow_mut().extend_from_slice(payload);
            batch.senders.borrow_mut().push(Rc::clone(&writer));
            bytes.drain(..length);
            batch.came.notify_one();
        }
    }
}

async fn commit(file: File, batch: Rc<Batch>) -> Outcome<()> {
    let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(1);
    let committed = std::sync::Arc::new(Notify::new());
    let done = std::sync::Arc::clone(&committed);
    thread::spawn(move || write(file, &receiver, &done));
    let next = Cell::new(Instant::now());
    // Hocuspocus's: a name, the type, and that it is saved.
    let acknowledgement = frame(&[1, b'd', 8, 1])?;
    loop {
        batch.came.notified().await;
        sleep_until(next.get()).await;
        let (bytes, senders) = (batch.bytes.take(), batch.senders.take());
        if bytes.is_empty() {
            continue;
        }
        next.set(next.get().max(Instant::now()) + INTERVAL);
        sender.send(bytes)?;
        committed.notified().await;
        for sender in senders {
            // Who has left needs no acknowledgement.
            let _ = write_all(sender.as_ref().as_ref(), &acknowledgement).await;
        }
    }
}

fn write(mut file: File, batches: &mpsc::Receiver<Vec<u8>>, done: &Notify) -> std::io::Result<()> {
    for bytes in batches {
        file.write_all(&bytes)?;
        file.sync_data()?;
        done.notify_one();
    }
    Ok(())
}

const INTERVAL: Duration = Duration::from_millis(12);
