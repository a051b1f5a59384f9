use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::random::Random;

/// A folder behind `power.c`.
pub(crate) struct Disk {
    dir: TempDir,
}

/// How the program is run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Updates to write.
    pub(crate) count: u64,
    /// The operation before which it is killed; 0: none.
    pub(crate) cut_at: u64,
    pub(crate) fail: String,
    /// The disk only pretends to sync.
    pub(crate) lies: bool,
    /// The program does not wait for it.
    pub(crate) is_careless: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self { count: u64::from(u32::MAX), cut_at: 0, fail: String::new(), lies: false, is_careless: false }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    Done,
    /// It could not begin.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) exit: End,
    pub(crate) lines: Vec<String>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["data", "state"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Runs the program until it is done or killed.
    pub(crate) fn run(&self, run: &Run) -> Output {
        let mut command = Command::new(appender());
        command.arg(self.folder()).arg(run.count.to_string());
        if run.is_careless {
            command.arg("careless");
        }
        command.env("LD_PRELOAD", shim()).env("POWER_DIR", self.folder()).env("POWER_STATE", self.state());
        command.env("POWER_CUT_AT", run.cut_at.to_string()).env("POWER_FAIL", &run.fail);
        if run.lies {
            command.env("POWER_LIE", "1");
        }
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut text = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while out.read_line(&mut text).unwrap() > 0 {}
        let status = child.wait().unwrap();
        // A line without its end may be half a number.
        let lines: Vec<String> =
            text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect();
        let is_done = lines.last().is_some_and(|line| line == "done");
        let exit = match status.code() {
            Some(0) if is_done => End::Done,
            None if !is_done => End::Killed,
            Some(1) if matches!(&lines[..], [line] if line.starts_with("refused ")) => End::Refused,
            Some(_) | None => panic!("{status}: {lines:?}"),
        };
        Output { exit, lines }
    }

    /// Leaves in the folder what the disk has, and of what was written and not synced any part.
    pub(crate) fn lose_power(&self, random: &mut Random) {
        let chance = [0, 10, 50, 90, 100][usize::try_from(random.below(5)).unwrap()];
        let mut names: Vec<_> = fs::read_dir(self.state()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|end| end == "marks"));
        names.sort();
        for marks in names {
            self.settle_file(&marks, chance, random);
        }
        // No more than shared memory.
        let _ = fs::remove_file(self.folder().join("stoa.db-shm"));
        fs::remove_dir_all(self.state()).unwrap();
        fs::create_dir(self.state()).unwrap();
    }

    fn settle_file(&self, path: &Path, chance: u64, random: &mut Random) {
        let marks = fs::read(path).unwrap();
        let number = |at: usize| u64::from_le_bytes(marks[at..at + 8].try_into().unwrap());
        let (size, has_entry, is_removed) = (number(0), number(8) == 1, number(16) == 1);
        let file = self.folder().join(path.file_stem().unwrap());
        let image = fs::read(path.with_extension("image")).unwrap();
        assert_eq!(image.len() as u64, size);
        let live = fs::read(&file).unwrap_or_default();
        if is_removed {
            if random.percent(50) {
                fs::write(&file, image).unwrap();
            }
            return;
        }
        if !has_entry && random.percent(50) {
            let _ = fs::remove_file(&file);
            return;
        }
        fs::write(&file, mix(image, &live, &marks[24..], chance, random)).unwrap();
    }
}

const SECTOR: usize = 512;

/// The image, and any of the sectors that were written since; the length is the old or the new one, or between.
fn mix(image: Vec<u8>, live: &[u8], dirty: &[u8], chance: u64, random: &mut Random) -> Vec<u8> {
    let (shorter, longer) = (image.len().min(live.len()), image.len().max(live.len()));
    let between = shorter + usize::try_from(random.below((longer - shorter) as u64 + 1)).unwrap();
    let length = [image.len(), live.len(), between][usize::try_from(random.below(3)).unwrap()];
    let mut left = image;
    left.resize(length, 0);
    for (sector, place) in left.chunks_mut(SECTOR).enumerate() {
        let written = live.get(sector * SECTOR..).unwrap_or_default();
        if dirty[sector] == 1 && random.percent(chance) {
            let count = place.len().min(written.len());
            place[..count].copy_from_slice(&written[..count]);
        }
    }
    left
}

/// The program, which cargo builds beside the tests, but not when it was told to build this test alone (`--test power`): an
/// old one would test what the store did before.
fn appender() -> PathBuf {
    let path = env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("appender");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let newest = newest(&sources.join("src")).max(newest(&sources.join("examples")));
    let is_current = fs::metadata(&path).is_ok_and(|found| found.modified().unwrap() >= newest);
    assert!(is_current, "{} is missing or old: cargo build --release --example appender", path.display());
    path
}

/// When a file in a folder was last changed.
fn newest(folder: &Path) -> SystemTime {
    let times = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            newest(&entry.path())
        } else {
            entry.metadata().unwrap().modified().unwrap()
        }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `power.c`, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/power.c");
        let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power-{}.so", std::process::id()));
        let mut compiler = Command::new("gcc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&object).arg(&source);
        assert!(compiler.args(["-ldl", "-lpthread"]).status().unwrap().success());
        let shared = object.with_file_name("power.so");
        fs::rename(&object, &shared).unwrap();
        shared
    })
}
