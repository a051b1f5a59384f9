//! Cuts the power of a process that writes, at any operation, again and again: what it said is saved must be there.
//!
//! `STOA_CRASHES=N` cuts it N times instead of the default, `STOA_SEED=N` begins with another seed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::unwrap_in_result, clippy::indexing_slicing, reason = "a test may panic")]

mod check;
mod disk;
mod random;

use std::env;
use std::ops::Range;

use check::{check, saved};
use disk::{Disk, End, Run};
use random::Random;

/// One seed for each `share` power cuts.
fn seeds(share: u64) -> Range<u64> {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |number| number.parse().unwrap());
    let first = number("STOA_SEED", 0);
    first..first + number("STOA_CRASHES", 50).div_ceil(share)
}

/// One folder lives through so many power failures.
const LIVES: u64 = 5;

#[test]
fn nothing_that_was_saved_is_lost_when_the_power_fails() {
    let (mut cuts, mut kept) = (0, 0);
    for seed in seeds(LIVES) {
        let (mut random, disk) = (Random::new(seed), Disk::new());
        let mut all = Vec::new();
        for _ in 0..LIVES {
            let end = disk.run(&Run { cut_at: random.below(1500) + 1, ..Run::default() });
            assert_eq!(end.exit, End::Killed, "{:?}", end.lines);
            all.extend(saved(&end.lines));
            disk.lose_power(&mut random);
            check(disk.folder(), &all).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            cuts += 1;
        }
        kept += all.len();
    }
    // The test tests something: many were saved, and the power was cut after some of that.
    assert!(cuts >= 50 && kept > 20 * 50, "{cuts} cuts, {kept} saved");
}

/// The check above can fail: a disk that only pretends to sync loses what was saved.
#[test]
fn a_disk_that_lies_is_found_out() {
    let found_out = found_out(&Run { lies: true, ..Run::default() });
    assert!(found_out > 5, "{found_out} of 10");
}

/// The same on an honest disk, with `synchronous=OFF`.
#[test]
fn a_store_that_does_not_wait_for_the_disk_is_found_out() {
    let found_out = found_out(&Run { is_careless: true, ..Run::default() });
    assert!(found_out > 5, "{found_out} of 10");
}

/// In how many of ten power failures something was lost that was called saved.
fn found_out(run: &Run) -> usize {
    let is_found_out = |seed: &u64| {
        let (mut random, disk) = (Random::new(*seed), Disk::new());
        let end = disk.run(&Run { cut_at: 400 + random.below(400), ..run.clone() });
        assert_eq!(end.exit, End::Killed, "{:?}", end.lines);
        disk.lose_power(&mut random);
        check(disk.folder(), &saved(&end.lines)).is_err()
    };
    (0..10).filter(is_found_out).count()
}

/// A full disk, and one whose writes fail, for a while: everything is kept, nothing is answered wrongly, and writing goes on
/// without a restart.
#[test]
fn a_full_disk_is_waited_for() {
    for (seed, kind) in (0..).zip(["full", "write", "full", "write"]) {
        let (mut random, disk) = (Random::new(seed), Disk::new());
        let from = 100 + random.below(300);
        // So many operations in a row are never syncs alone.
        let fail = format!("{kind}:{from}:{}", from + 20 + random.below(60));
        // Enough that the trouble comes before the end even if the machine is so busy that every commit takes as much as it can.
        let end = disk.run(&Run { count: 1500, fail, ..Run::default() });
        assert_eq!(end.exit, End::Done, "{:?}", end.lines);
        assert_eq!(saved(&end.lines), (1..=1500).collect::<Vec<_>>());
        let states: Vec<_> = end.lines.iter().filter(|line| line.starts_with("state")).collect();
        assert!(states.len() >= 2 && states.len().is_multiple_of(2), "{states:?}");
        for pair in states.chunks(2) {
            assert!(pair[0].starts_with("state Failing") && pair[1].starts_with("state Well"), "{states:?}");
        }
        check(disk.folder(), &saved(&end.lines)).unwrap();
    }
}

/// A sync that fails may have lost what it should have written, and the kernel forgets that it owes it. Then the power fails.
#[test]
fn a_failed_sync_is_made_up_for() {
    for seed in seeds(3) {
        let (mut random, disk) = (Random::new(seed), Disk::new());
        let mut windows = Vec::new();
        // A new store is open after about 70 operations.
        let mut at = 75;
        for _ in 0..12 {
            at += random.below(80);
            let length = 1 + random.below(30);
            windows.push(format!("sync:{at}:{}", at + length));
            at += length;
        }
        let cut_at = 200 + random.below(800);
        let end = disk.run(&Run { cut_at, fail: windows.join(","), ..Run::default() });
        assert_eq!(end.exit, End::Killed, "{:?}", end.lines);
        disk.lose_power(&mut random);
        check(disk.folder(), &saved(&end.lines)).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

/// As above, but the process dies first, and its successor finds in the kernel's memory what the disk does not have.
#[test]
fn a_successor_does_not_build_on_what_the_disk_does_not_have() {
    for seed in seeds(3) {
        let (mut random, disk) = (Random::new(seed), Disk::new());
        let from = 100 + random.below(300);
        let run =
            Run { cut_at: from + random.below(12), fail: format!("sync:{from}:{}", from + 100), ..Run::default() };
        let mut all = saved(&disk.run(&run).lines);
        // No power failure in between.
        let end = disk.run(&Run { cut_at: 60 + random.below(200), ..Run::default() });
        all.extend(saved(&end.lines));
        disk.lose_power(&mut random);
        check(disk.folder(), &all).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

/// SQLite does not mind if the name of a new write-ahead log does not get to the disk; then the log is lost as a whole.
#[test]
fn a_log_without_a_name_is_not_written_to() {
    let (mut refused, mut killed) = (0, 0);
    for seed in seeds(1) {
        let (mut random, disk) = (Random::new(seed), Disk::new());
        let from = 1 + random.below(80);
        let run = Run { cut_at: 300, fail: format!("folder:{from}:300"), ..Run::default() };
        let end = disk.run(&run);
        match end.exit {
            End::Refused => refused += 1,
            End::Killed => killed += 1,
            End::Done => panic!("seed {seed}: {:?}", end.lines),
        }
        disk.lose_power(&mut random);
        check(disk.folder(), &saved(&end.lines)).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
    assert!(refused > 0 && killed > 0, "{refused} refused, {killed} killed");
}
