use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;
use yrs::types::ToJson;
use yrs::{Any, ClientID, GetString, Map, Number, ReadTxn, Transact};

use super::{EngineError, caught, engine, merged};

/// As what a root of a document is to be shown. The document itself does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// A text, as it is.
    Text,
    /// An XML fragment, as text.
    Xml,
    /// A map, as a JSON object.
    Map,
    /// An array, as a JSON array.
    Array,
    /// In JSON, as what it seems to be.
    Json,
}

impl View {
    /// By its name in a query.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "xml" => Self::Xml,
            "map" => Self::Map,
            "array" => Self::Array,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// Whether it is JSON.
    pub(crate) const fn is_json(self) -> bool {
        matches!(self, Self::Map | Self::Array | Self::Json)
    }
}

/// Shows a root of a document; a root that is not there is empty.
pub(crate) fn view(parts: &[Bytes], root: &str, view: View) -> Result<String, EngineError> {
    let merged = merged(parts)?;
    caught(|| {
        let doc = engine::load(&merged, ClientID::random())?;
        let transaction = doc.transact();
        Ok(match view {
            View::Text => text(&transaction, root),
            View::Xml => transaction.get_xml_fragment(root).map(|xml| xml.get_string(&transaction)).unwrap_or_default(),
            View::Map => object(&transaction, root).to_string(),
            View::Array => array(&transaction, root).to_string(),
            View::Json => guessed(&transaction, root).to_string(),
        })
    })
}

fn text(transaction: &impl ReadTxn, root: &str) -> String {
    transaction.get_text(root).map(|text| text.get_string(transaction)).unwrap_or_default()
}

fn object(transaction: &impl ReadTxn, root: &str) -> Value {
    transaction
        .get_map(root)
        .map_or_else(|| Value::Object(serde_json::Map::new()), |map| value(&map.to_json(transaction)))
}

fn array(transaction: &impl ReadTxn, root: &str) -> Value {
    transaction.get_array(root).map_or_else(|| Value::Array(Vec::new()), |array| value(&array.to_json(transaction)))
}

/// Only maps have keys, and only texts have characters.
fn guessed(transaction: &impl ReadTxn, root: &str) -> Value {
    if transaction.get_map(root).is_some_and(|map| map.len(transaction) > 0) {
        return object(transaction, root);
    }
    match text(transaction, root) {
        text if text.is_empty() => array(transaction, root),
        text => Value::String(text),
    }
}

/// What JSON has no word for becomes null, as in JavaScript; bytes become a hexadecimal text.
fn value(any: &Any) -> Value {
    match any {
        Any::Null | Any::Undefined => Value::Null,
        Any::Bool(value) => Value::Bool(*value),
        Any::Number(Number::Int(number)) => Value::from(*number),
        // Integers are written as such, whatever they are kept as.
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number of 53 bits")]
        Any::Number(Number::Float(number)) if number.fract() == 0.0 && number.abs() < TOO_LARGE => {
            Value::from(*number as i64)
        }
        Any::Number(Number::Float(number)) => Value::from(*number),
        Any::String(text) => Value::String(text.to_string()),
        Any::Buffer(bytes) => {
            Value::String(bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }))
        }
        Any::Array(items) => items.iter().map(value).collect(),
        Any::Map(entries) => {
            #[expect(clippy::disallowed_methods, reason = "put in order at once")]
            let sorted: std::collections::BTreeMap<_, _> = entries.as_ref().iter().collect();
            sorted.into_iter().map(|(key, entry)| (key.clone(), value(entry))).collect()
        }
    }
}

/// Above that a float does not tell one integer from the next.
const TOO_LARGE: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use yrs::{
        Array, Doc, OffsetKind, Options, StateVector, Text, WriteTxn, XmlElementPrelim, XmlFragment, XmlTextPrelim,
    };

    use super::*;
    use crate::material::{Author, edit_text};

    fn sample() -> Vec<Bytes> {
        let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
        let mut transaction = doc.transact_mut();
        let note = transaction.get_or_insert_text("note");
        note.insert(&mut transaction, 0, "hi 😀!");
        note.insert_embed(&mut transaction, 2, Any::from("image"));
        let map = transaction.get_or_insert_map("map");
        map.insert(&mut transaction, "b", 1.0);
        map.insert(&mut transaction, "a", Any::from(vec![1, 2]));
        let list = transaction.get_or_insert_array("list");
        list.push_back(&mut transaction, "x");
        list.push_back(&mut transaction, 2.5);
        let xml = transaction.get_or_insert_xml_fragment("xml");
        let p = xml.push_back(&mut transaction, XmlElementPrelim::empty("p"));
        p.push_back(&mut transaction, XmlTextPrelim::new("para"));
        drop(transaction);
        vec![doc.transact().encode_state_as_update_v1(&StateVector::default()).into()]
    }

    #[test]
    fn roots_are_shown_as_what_was_asked_for() {
        let parts = sample();
        let shown = |root, as_what| view(&parts, root, as_what).unwrap();
        assert_eq!(shown("note", View::Text), "hi 😀!");
        assert_eq!(shown("note", View::Json), "\"hi 😀!\"");
        assert_eq!(shown("map", View::Map), "{\"a\":[1,2],\"b\":1}");
        assert_eq!(shown("map", View::Json), "{\"a\":[1,2],\"b\":1}");
        assert_eq!(shown("list", View::Array), "[\"x\",2.5]");
        assert_eq!(shown("list", View::Json), "[\"x\",2.5]");
        assert_eq!(shown("xml", View::Xml), "<p>para</p>");
        for (what, empty) in
            [(View::Text, ""), (View::Xml, ""), (View::Map, "{}"), (View::Array, "[]"), (View::Json, "[]")]
        {
            assert_eq!(shown("none", what), empty, "{what:?}");
        }
        assert_eq!(view(&[], "note", View::Text), Ok(String::new()));
    }

    #[test]
    fn an_edit_makes_the_wanted_text() {
        let mut parts = vec![edit_text(&[], "note", "hi 😀!", Author::Anew).unwrap().unwrap()];
        for wanted in ["hi 😀😀!", "oh 😀!", "", "new\nlines ☂", "new lines", "😀new☂ 😀lines", "s"] {
            let update = edit_text(&parts, "note", wanted, Author::Anew).unwrap().unwrap();
            parts.push(update);
            assert_eq!(view(&parts, "note", View::Text).unwrap(), wanted);
            assert_eq!(edit_text(&parts, "note", wanted, Author::Anew), Ok(None));
        }
    }

    #[test]
    fn seeds_are_the_same_everywhere() {
        let seed = || edit_text(&[], "note", "Agenda\n1. ☂", Author::Id(1 << 40)).unwrap().unwrap();
        assert_eq!(seed(), seed());
        assert_eq!(view(&[seed(), seed()], "note", View::Text).unwrap(), "Agenda\n1. ☂");
    }
}
