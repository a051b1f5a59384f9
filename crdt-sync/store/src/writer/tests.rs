use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};

use super::*;
use crate::store::ReadStore;
use crate::stored::{ChatEntry, ChatPage, DocInfo, Report, Size, Stored, VersionInfo};
use crate::write::Kind;

/// A store that does what the test says, when the test says it.
struct Script {
    asked: Sender<Vec<u64>>,
    verdicts: Receiver<Result<(), StoreError>>,
}

impl ReadStore for Script {
    fn load(&mut self, _: &DocName) -> Result<Option<Stored>, StoreError> {
        unreachable!()
    }

    fn list(&mut self, _: Option<&str>, _: usize, _: &str) -> Result<Vec<DocInfo>, StoreError> {
        unreachable!()
    }

    fn versions(&mut self, _: &DocName, _: Option<u64>, _: usize) -> Result<Vec<VersionInfo>, StoreError> {
        unreachable!()
    }

    fn version(&mut self, _: &DocName, _: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
        unreachable!()
    }

    fn chat(&mut self, _: &DocName, _: ChatPage, _: usize) -> Result<Vec<ChatEntry>, StoreError> {
        unreachable!()
    }

    fn size(&mut self) -> Result<Size, StoreError> {
        unreachable!()
    }

    fn verify(&mut self) -> Result<Report, StoreError> {
        unreachable!()
    }

    fn backup(&mut self, _: &Path) -> Result<(), StoreError> {
        unreachable!()
    }
}

impl Store for Script {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let seqs =
            writes.iter().filter_map(|write| if let Write::Append { seq, .. } = write { Some(*seq) } else { None });
        assert!(self.asked.send(seqs.collect()).is_ok(), "the test is not interested any more");
        self.verdicts.recv().unwrap_or(Ok(()))
    }

    fn reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        unreachable!()
    }

    fn tend(&mut self, _: bool) -> Option<Duration> {
        None
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Stage {
    writer: Writer,
    asked: Receiver<Vec<u64>>,
    verdicts: Sender<Result<(), StoreError>>,
    states: Receiver<StorageState>,
    answers: Receiver<(u64, Result<(), StoreError>)>,
    answer: Sender<(u64, Result<(), StoreError>)>,
}

impl Stage {
    fn new(options: WriterOptions) -> Self {
        let ((asking, asked), (verdicts, told), (announce, states)) = (channel(), channel(), channel());
        let (answer, answers) = channel();
        let store = Box::new(Script { asked: asking, verdicts: told });
        let observer = Box::new(move |state: &StorageState| announce.send(state.clone()).unwrap());
        let writer = Writer::start(store, options, observer).unwrap();
        Self { writer, asked, verdicts, states, answers, answer }
    }

    fn batch(&self, seqs: &[u64], bytes: usize) -> Batch {
        let doc = DocName::new("plan").unwrap();
        let write = |seq: &u64| {
            let body = vec![0; bytes].into();
            Write::Append { doc: doc.clone(), epoch: Epoch::FIRST, seq: *seq, kind: Kind::Plain, body }
        };
        let (first, answer) = (seqs[0], self.answer.clone());
        Batch::new(seqs.iter().map(write).collect(), move |result| answer.send((first, result)).unwrap())
    }

    fn submit(&self, seqs: &[u64]) -> Result<(), Rejected> {
        self.writer.handle().submit(self.batch(seqs, 10))
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.recv().unwrap()
    }

    fn say(&self, verdict: Result<(), StoreError>) {
        self.verdicts.send(verdict).unwrap();
    }

    fn answers(&self, count: usize) -> Vec<(u64, Result<(), StoreError>)> {
        (0..count).map(|_| self.answers.recv().unwrap()).collect()
    }
}

/// No pauses, so that nothing depends on time.
fn at_once() -> WriterOptions {
    WriterOptions {
        commit_interval: Duration::ZERO,
        retry_first: Duration::ZERO,
        retry_most: Duration::ZERO,
        ..WriterOptions::default()
    }
}

const LONG: Duration = Duration::from_hours(1);

fn full_disk() -> StoreError {
    StoreError::Disk("full".into())
}

#[test]
fn everything_that_waits_is_committed_in_one_transaction() {
    let stage = Stage::new(at_once());
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    for seqs in [&[2][..], &[3, 4], &[5]] {
        stage.submit(seqs).unwrap();
    }
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [2, 3, 4, 5]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(4), [1, 2, 3, 5].map(|first| (first, Ok(()))));
    let stats = stage.writer.handle().stats();
    assert_eq!((stats.commits, stats.batches, stats.waiting_batches, stats.waiting_bytes), (2, 4, 0, 0));
}

#[test]
fn nothing_is_answered_before_it_is_on_disk() {
    let stage = Stage::new(at_once());
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    assert!(stage.answers.try_recv().is_err());
    stage.say(Ok(()));
    assert_eq!(stage.answers(1), [(1, Ok(()))]);
}

#[test]
fn the_first_is_committed_at_once_and_later_ones_are_gathered_until_there_are_enough() {
    let stage = Stage::new(WriterOptions { commit_interval: LONG, group_batches: 3, ..at_once() });
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(1), [(1, Ok(()))]);
    for seq in [2, 3, 4, 5] {
        stage.submit(&[seq]).unwrap();
    }
    assert_eq!(stage.asked(), [2, 3, 4]);
    stage.say(Ok(()));
    stage.say(Ok(()));
    assert_eq!(stage.writer.stop(LONG), 0);
    assert_eq!(stage.asked.iter().collect::<Vec<_>>(), [[5]]);
}

#[test]
fn what_is_urgent_is_not_gathered_and_takes_along_what_waits() {
    let stage = Stage::new(WriterOptions { commit_interval: LONG, group_batches: 3, ..at_once() });
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(1), [(1, Ok(()))]);
    stage.submit(&[2]).unwrap();
    stage.writer.handle().submit(stage.batch(&[3], 10).with_haste(Haste::AtOnce)).unwrap();
    assert_eq!(stage.asked(), [2, 3]);
    // While that is under way: it has no place in the next group, and is next after it.
    for seq in [4, 5, 6] {
        stage.submit(&[seq]).unwrap();
    }
    stage.writer.handle().submit(stage.batch(&[7], 10).with_haste(Haste::AtOnce)).unwrap();
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [4, 5, 6]);
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [7]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(6).len(), 6);
    // Then the interval counts again.
    stage.submit(&[8]).unwrap();
    assert!(stage.asked.try_recv().is_err());
    stage.say(Ok(()));
    assert_eq!(stage.writer.stop(LONG), 0);
    assert_eq!(stage.asked.iter().collect::<Vec<_>>(), [[8]]);
}

#[test]
fn what_nobody_waits_for_goes_with_what_somebody_does() {
    // On its own the second one would wait for eight seconds, with the third it waits for half of one.
    let stage = Stage::new(WriterOptions { commit_interval: Duration::from_secs(1), ..at_once() });
    let late = |seq: u64| stage.batch(&[seq], 10).with_haste(Haste::Late);
    stage.writer.handle().submit(late(1)).unwrap();
    assert_eq!(stage.asked(), [1], "after a quiet time at once");
    stage.say(Ok(()));
    stage.writer.handle().submit(late(2)).unwrap();
    stage.submit(&[3]).unwrap();
    assert_eq!(stage.asked(), [2, 3]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(3).len(), 3);
}

#[test]
fn a_group_is_bounded_in_bytes_too() {
    let stage = Stage::new(WriterOptions { commit_interval: LONG, group_bytes: 2500, ..at_once() });
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    for seq in [2, 3, 4] {
        stage.writer.handle().submit(stage.batch(&[seq], 1000)).unwrap();
    }
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [2, 3]);
    stage.say(Ok(()));
    stage.say(Ok(()));
    assert_eq!(stage.writer.stop(LONG), 0);
    assert_eq!(stage.asked.iter().collect::<Vec<_>>(), [[4]]);
}

#[test]
fn a_failed_commit_is_repeated_in_order_and_nothing_is_dropped() {
    let stage = Stage::new(at_once());
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.say(Err(full_disk()));
    assert_eq!(stage.asked(), [1]);
    stage.submit(&[2]).unwrap();
    stage.submit(&[3]).unwrap();
    assert_eq!(stage.states.recv().unwrap(), StorageState::Failing { reason: full_disk().to_string() });
    assert_eq!(stage.writer.handle().state(), StorageState::Failing { reason: full_disk().to_string() });
    stage.say(Err(full_disk()));
    assert_eq!(stage.asked(), [1]);
    assert!(stage.answers.try_recv().is_err());
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [2, 3]);
    stage.say(Ok(()));
    assert_eq!(stage.answers(3), [1, 2, 3].map(|first| (first, Ok(()))));
    assert_eq!(stage.states.try_iter().collect::<Vec<_>>(), [StorageState::Well]);
    assert_eq!(stage.writer.handle().stats().failures, 2);
}

#[test]
fn a_full_queue_hands_batches_back() {
    let stage = Stage::new(WriterOptions { queue_batches: 2, ..at_once() });
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.submit(&[2]).unwrap();
    let Err(Rejected::Full(batch)) = stage.submit(&[3]) else { panic!("it was taken") };
    assert_eq!(batch.writes().len(), 1);
    stage.say(Ok(()));
    assert_eq!(stage.asked(), [2]);
    stage.writer.handle().submit(batch).unwrap();
    stage.say(Ok(()));
    stage.say(Ok(()));
    assert_eq!(stage.answers(3), [1, 2, 3].map(|first| (first, Ok(()))));
}

#[test]
fn a_batch_above_the_bound_is_taken_when_nothing_waits() {
    let stage = Stage::new(WriterOptions { queue_bytes: 1000, ..at_once() });
    stage.writer.handle().submit(stage.batch(&[1], 5000)).unwrap();
    assert_eq!(stage.asked(), [1]);
    assert!(matches!(stage.submit(&[2]), Err(Rejected::Full(_))));
    stage.say(Ok(()));
    assert_eq!(stage.answers(1), [(1, Ok(()))]);
    stage.submit(&[2]).unwrap();
    assert_eq!(stage.asked(), [2]);
}

#[test]
fn a_batch_that_does_not_fit_hurts_no_other() {
    let stage = Stage::new(at_once());
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    for seqs in [&[2][..], &[3, 4], &[5]] {
        stage.submit(seqs).unwrap();
    }
    let refusal = StoreError::Refused("entry 3".into());
    let damage = StoreError::Damaged("page 3".into());
    for verdict in [Ok(()), Err(damage), Ok(()), Err(refusal.clone()), Err(full_disk()), Ok(())] {
        stage.say(verdict);
    }
    assert_eq!(stage.answers(4), [(1, Ok(())), (2, Ok(())), (3, Err(refusal)), (5, Ok(()))]);
    let asked: Vec<_> = (0..5).map(|_| stage.asked()).collect();
    assert_eq!(asked, [vec![2, 3, 4, 5], vec![2], vec![3, 4], vec![5], vec![5]]);
}

#[test]
fn stopping_writes_what_waits_and_gives_up_when_patience_ends() {
    let stage = Stage::new(WriterOptions { retry_first: LONG, retry_most: LONG, ..at_once() });
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.submit(&[2]).unwrap();
    stage.say(Err(full_disk()));
    assert!(matches!(stage.states.recv().unwrap(), StorageState::Failing { .. }));
    // It would come through, but must not overtake the first.
    stage.say(Ok(()));
    let handle = stage.writer.handle();
    assert_eq!(stage.writer.stop(Duration::ZERO), 2);
    assert!(matches!(handle.submit(Batch::new(vec![], |_| {})), Err(Rejected::Stopped(_))));
    let answers: Vec<_> = stage.answers.try_iter().collect();
    assert_eq!(answers, [(1, Err(StoreError::Stopped)), (2, Err(StoreError::Stopped))]);
}

#[test]
fn a_panic_leaves_nobody_waiting() {
    let stage = Stage::new(at_once());
    stage.submit(&[1]).unwrap();
    assert_eq!(stage.asked(), [1]);
    stage.submit(&[2]).unwrap();
    // The script cannot report what it was asked any more.
    drop(stage.asked);
    stage.verdicts.send(Ok(())).unwrap();
    let answers: Vec<_> = (0..2).map(|_| stage.answers.recv().unwrap()).collect();
    assert_eq!(answers, [(1, Ok(())), (2, Err(StoreError::Stopped))]);
    stage.writer.stop(LONG);
}
