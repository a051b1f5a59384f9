//! Measures commits: `commit_rate [FOLDER]` (the folder decides which disk). Prints a table.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement may panic and reads the clock")]

use std::env;
use std::fs::{self, File};
use std::io::{Write as _, stdout};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_store::{
    Batch, Kind, ReadStore, SqliteReader, SqliteStore, StorageState, Store, Write, Writer, WriterOptions,
};

const DOCS: u64 = 50;
const UPDATE: usize = 100;
const SNAPSHOT: usize = 13_000;

fn main() {
    let folder = env::args().nth(1).map_or_else(env::temp_dir, PathBuf::from).join("stoa-commit-rate");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    say("what                            per s   us CPU/row   p50 us   p99 us   bytes/byte");
    raw(&folder, "fdatasync, 4 KiB in place", File::sync_data);
    raw(&folder, "fsync, 4 KiB in place", File::sync_all);
    for rows in [1, 20, 200] {
        commits(&folder, rows, None);
    }
    for rows in [1, 20, 200] {
        commits(&folder, rows, Some(200));
    }
    for rate in [100, 1000, 10_000, 50_000] {
        writer(&folder, rate);
    }
    opening(&folder);
    fs::remove_dir_all(&folder).unwrap();
}

fn raw(folder: &Path, what: &str, sync: fn(&File) -> std::io::Result<()>) {
    let file = File::create_new(folder.join(what)).unwrap();
    file.write_all_at(&vec![0; 1 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let took = (0..2000u64).map(|round| {
        let began = Instant::now();
        file.write_all_at(&[1; 4096], round % 256 * 4096).unwrap();
        sync(&file).unwrap();
        began.elapsed()
    });
    report(what, &mut took.collect::<Vec<_>>(), None);
}

/// Commits one behind the other, with compaction of a document after so many updates, or without.
fn commits(folder: &Path, rows: u64, compact_after: Option<u64>) {
    let dir = folder.join(format!("commits-{rows}-{}", compact_after.is_some()));
    let mut store = SqliteStore::open(&dir).unwrap();
    let rounds = (200_000 / rows).min(10_000);
    let (cpu, written) = (cpu(), written());
    let (mut seq, mut took) = (0, Vec::new());
    for _ in 0..rounds {
        let mut writes = Vec::new();
        for _ in 0..rows {
            seq += 1;
            writes.push(append(seq));
            if compact_after.is_some_and(|after| (seq / DOCS).is_multiple_of(after)) {
                writes.push(compact(seq));
            }
        }
        let began = Instant::now();
        store.commit(&writes).unwrap();
        took.push(began.elapsed());
        store.tend(true);
    }
    let cpu = cpu_since(cpu) / seq;
    let factor = (self::written() - written) as f64 / (seq * UPDATE as u64) as f64;
    let what = format!("{rows} rows/commit{}", if compact_after.is_some() { ", compacting" } else { "" });
    report(&what, &mut took, Some((cpu as f64 / 1000.0, factor)));
}

/// Updates at a rate, each a batch of its own, through the thread that writes: how long until each is acknowledged.
fn writer(folder: &Path, rate: u64) {
    let store = SqliteStore::open(&folder.join(format!("writer-{rate}"))).unwrap();
    let writer = Writer::start(Box::new(store), WriterOptions::default(), Box::new(|_: &StorageState| {})).unwrap();
    let (handle, began, (answer, answers)) = (writer.handle(), Instant::now(), channel());
    let (_keep, never) = channel::<()>();
    let count = rate * 4;
    let mut seq = 0;
    while seq < count {
        let due = u64::try_from(began.elapsed().as_micros()).unwrap() * rate / 1_000_000 + 1;
        while seq < due.min(count) {
            seq += 1;
            let (given, answer) = (Instant::now(), answer.clone());
            let done = move |result: Result<(), _>| answer.send(result.map(|()| given.elapsed()).unwrap()).unwrap();
            handle.submit(Batch::new(vec![append(seq)], done)).unwrap();
        }
        let _ = never.recv_timeout(Duration::from_micros(200));
    }
    let commits = handle.stats().commits;
    writer.stop(Duration::from_mins(1));
    drop(answer);
    let mut took: Vec<_> = answers.iter().collect();
    report(&format!("{rate}/s, {} commits/s", commits / 4), &mut took, None);
}

/// How long a store of some size takes to open, and a document in it to be loaded.
fn opening(folder: &Path) {
    let dir = folder.join("opening");
    let mut store = SqliteStore::open(&dir).unwrap();
    let body = Bytes::from(vec![7; 223_000]);
    for number in 0..2000u64 {
        let (doc, empty) = (DocName::new(&format!("large{number}")).unwrap(), Bytes::new());
        let (epoch, body, vector, deletes) = (Epoch::FIRST, body.clone(), empty.clone(), empty);
        store.commit(&[Write::Snapshot { doc, epoch, generation: 1, through: 0, body, vector, deletes }]).unwrap();
        store.tend(true);
    }
    let size = store.size().unwrap().file;
    Box::new(store).close().unwrap();
    let began = Instant::now();
    let store = SqliteStore::open(&dir).unwrap();
    say(&format!("opening {} MB with its check: {:?}", size >> 20, began.elapsed()));
    let mut reader: SqliteReader = store.sqlite_reader();
    let load = |number| {
        let began = Instant::now();
        reader.load(&DocName::new(&format!("large{number}")).unwrap()).unwrap().unwrap();
        began.elapsed()
    };
    report("load of 223 KB", &mut (0..2000).map(load).collect::<Vec<_>>(), None);
    let began = Instant::now();
    reader.backup(&folder.join("backup.db")).unwrap();
    say(&format!("backup of it: {:?}", began.elapsed()));
}

fn append(seq: u64) -> Write {
    let doc = DocName::new(&format!("doc{}", seq % DOCS)).unwrap();
    Write::Append { doc, epoch: Epoch::FIRST, seq, kind: Kind::Plain, body: Bytes::from_static(&[7; UPDATE]) }
}

fn compact(seq: u64) -> Write {
    let doc = DocName::new(&format!("doc{}", seq % DOCS)).unwrap();
    let (body, vector, deletes) = (Bytes::from_static(&[7; SNAPSHOT]), Bytes::new(), Bytes::new());
    Write::Snapshot { doc, epoch: Epoch::FIRST, generation: seq, through: seq, body, vector, deletes }
}

fn report(what: &str, took: &mut [Duration], cost: Option<(f64, f64)>) {
    took.sort_unstable();
    let per_s = took.len() as f64 / took.iter().sum::<Duration>().as_secs_f64();
    let at = |percent: usize| took.get(took.len() * percent / 100).unwrap().as_secs_f64() * 1e6;
    let (cpu, factor) =
        cost.map_or_else(Default::default, |(cpu, factor)| (format!("{cpu:.1}"), format!("{factor:.1}")));
    say(&format!("{what:30} {per_s:6.0} {cpu:>12} {:8.0} {:8.0} {factor:>12}", at(50), at(99)));
}

/// Nanoseconds that this thread has run.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn cpu_since(before: u64) -> u64 {
    cpu() - before
}

/// Bytes that this process has written.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

fn say(line: &str) {
    let mut out = stdout().lock();
    writeln!(out, "{line}").unwrap();
}
