//! The committed examples of every frame, which the SDK's tests read too.

use std::collections::BTreeSet;

use serde_json::Value;
use stoa_signaling_core::message::{ClientFrame, ServerFrame};

fn examples(json: &str) -> Vec<(String, Value)> {
    let examples: Vec<Value> = serde_json::from_str(json).unwrap();
    examples.into_iter().map(|example| (example["name"].to_string(), example["frame"].clone())).collect()
}

fn types(examples: &[(String, Value)]) -> BTreeSet<String> {
    examples.iter().map(|(_, frame)| frame["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn client_frames_are_read_and_written_as_in_the_examples() {
    let examples = examples(include_str!("../../../testdata/client-frames.json"));
    for (name, frame) in &examples {
        let read: ClientFrame = serde_json::from_value(frame.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), *frame, "{name}");
    }
    assert_eq!(types(&examples).len(), 19, "an example of every type: {:?}", types(&examples));
}

#[test]
fn server_frames_are_read_and_written_as_in_the_examples() {
    let examples = examples(include_str!("../../../testdata/server-frames.json"));
    for (name, frame) in &examples {
        let read: ServerFrame = serde_json::from_value(frame.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), *frame, "{name}");
    }
    assert_eq!(types(&examples).len(), 25, "an example of every type: {:?}", types(&examples));
}

#[test]
fn unknown_fields_are_ignored() {
    let frame: ClientFrame = serde_json::from_str(r#"{"type":"ping","from_the_future":{"x":[1]}}"#).unwrap();
    assert_eq!(serde_json::to_string(&frame).unwrap(), r#"{"type":"ping"}"#);
}
