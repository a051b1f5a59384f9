//! Yjs itself, in Node: `tests/interop/yjs-oracle`.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use bytes::Bytes;
use serde_json::{Value, json};
use stoa_crdt_sync_core::update::Update;

pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// Documents of this scenario collect garbage; otherwise it matters whose copy of what is deleted counts.
    pub(crate) gc: bool,
    pub(crate) halves: bool,
    pub(crate) updates: Vec<Sent>,
}

/// An update that travelled, and what Yjs reads in it.
pub(crate) struct Sent {
    pub(crate) bytes: Bytes,
    pub(crate) update: Update,
    pub(crate) structs: Vec<String>,
    pub(crate) deletes: Vec<String>,
}

fn node(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/yjs-oracle");
    let mut command = Command::new("node");
    command.arg(folder.join(script)).stdout(Stdio::piped());
    command
}

/// 300 scenarios, or a share of what the environment variable `STOA_SWEEP` says: each is damaged hundreds of times.
pub(crate) fn scenarios() -> &'static [Scenario] {
    static SCENARIOS: OnceLock<Vec<Scenario>> = OnceLock::new();
    SCENARIOS.get_or_init(|| {
        let sweep = std::env::var("STOA_SWEEP").map_or(USUAL_SWEEP, |sweep| sweep.parse().unwrap());
        let count = (sweep * USUAL_SCENARIOS).div_ceil(USUAL_SWEEP).to_string();
        let first = std::env::var("STOA_SEED").unwrap_or_else(|_| "1".to_owned());
        let output = node("scenarios.mjs").args([first, count]).output().expect("Node runs");
        assert!(output.status.success(), "has `npm ci` been run in web-client?");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| scenario(&serde_json::from_str(line).unwrap())).collect()
    })
}

/// Of orders of delivery, when nothing else is asked for; see the tests of the hub.
const USUAL_SWEEP: usize = 10_000;
const USUAL_SCENARIOS: usize = 300;

fn scenario(value: &Value) -> Scenario {
    let seed = value["seed"].as_u64().unwrap();
    let updates = value["updates"].as_array().unwrap().iter().map(|update| {
        let bytes = Bytes::from(from_hex(update["hex"].as_str().unwrap()));
        let read = Update::read(bytes.clone()).unwrap_or_else(|error| panic!("{error}: {update}"));
        let lines = |at: usize| -> Vec<String> { serde_json::from_value(update["read"][at].clone()).unwrap() };
        let (structs, deletes) = (lines(0), lines(1));
        Sent { bytes, update: read, structs, deletes }
    });
    Scenario { seed, gc: value["whole"] != true, halves: value["halves"] == true, updates: updates.collect() }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Updates that a document takes one after the other.
#[derive(Default, Clone)]
pub(crate) struct Parts(Vec<Value>);

impl Parts {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.push(json!(to_hex(bytes)));
        self
    }

    pub(crate) fn bytes_if(self, bytes: Option<&Bytes>) -> Self {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self,
        }
    }

    /// Updates of the scenario, by their numbers.
    pub(crate) fn numbers(mut self, numbers: impl IntoIterator<Item = usize>) -> Self {
        self.0.extend(numbers.into_iter().map(|number| json!(number)));
        self
    }

    /// What Yjs merges of these.
    pub(crate) fn merged_bytes(mut self, updates: &[&[u8]]) -> Self {
        self.0.push(json!(updates.iter().map(|bytes| to_hex(bytes)).collect::<Vec<_>>()));
        self
    }

    /// What Yjs merges of them.
    pub(crate) fn merged(mut self, numbers: &[usize]) -> Self {
        self.0.push(json!(numbers));
        self
    }
}

/// What two documents take; see `judge.mjs`.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) about: String,
    pub(crate) left: Parts,
    pub(crate) right: Parts,
    pub(crate) then: Parts,
    pub(crate) settled: bool,
    pub(crate) loose: bool,
}

/// A batch of cases for one run of Node.
#[derive(Default)]
pub(crate) struct Docket {
    lines: Vec<String>,
    cases: Vec<String>,
}

impl Docket {
    /// Begins the cases of a scenario.
    pub(crate) fn scenario(&mut self, scenario: &Scenario) {
        let updates: Vec<String> = scenario.updates.iter().map(|sent| to_hex(&sent.bytes)).collect();
        self.lines.push(json!({ "updates": updates, "gc": scenario.gc, "halves": scenario.halves }).to_string());
    }

    pub(crate) fn add(&mut self, case: Case) {
        let Case { about, left, right, then, settled, loose } = case;
        let line = json!({ "loose": loose, "left": left.0, "right": right.0, "then": then.0, "settled": settled });
        self.lines.push(line.to_string());
        self.cases.push(about);
    }

    /// Lets Yjs judge all cases; none may differ.
    pub(crate) fn judge(self) {
        let (cases, faults) = (self.cases.len(), self.faults());
        assert!(faults.is_empty(), "{} of {cases} cases differ: {:#?}", faults.len(), &faults[..faults.len().min(3)]);
    }

    /// Lets Yjs judge all cases, and tells those that differ.
    pub(crate) fn faults(self) -> Vec<String> {
        let mut child = node("judge.mjs").stdin(Stdio::piped()).spawn().expect("Node runs");
        let mut stdin = child.stdin.take().unwrap();
        let lines = self.lines.join("\n");
        let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        let output = String::from_utf8(output.stdout).unwrap();
        let verdicts: Vec<String> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(verdicts.len(), self.cases.len());
        let faults = verdicts.into_iter().zip(self.cases).filter(|(verdict, _)| !verdict.is_empty());
        faults.map(|(verdict, about)| format!("{about}: {verdict}")).collect()
    }
}
