//! What y-webrtc clients and this server say to each other: JSON objects with a `type`.

use serde::Deserialize;
use serde_json::{Value, json};
use stoa_base_types::{DocName, DocNameError};

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientMessage<'a> {
    /// It wants what is published to these topics.
    Subscribe(Topics),
    /// It no longer does.
    Unsubscribe(Topics),
    /// It has something for the other subscribers.
    Publish(Publication<'a>),
    /// It wants a sign of life.
    Ping,
    /// A type that another version may know.
    Unknown,
}

/// The topics of a subscription.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Topics {
    pub(crate) names: Vec<DocName>,
    /// There were others, which cannot be names, or more than are looked at.
    pub(crate) others: bool,
}

/// Something published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Publication<'a> {
    pub(crate) topic: DocName,
    /// Who the sender is to its peers, when it says so.
    pub(crate) from: Option<String>,
    /// Which peer alone it is for, when it says so.
    pub(crate) to: Option<String>,
    /// The message as it came, without the last brace: it goes on byte by byte, because peers compare the numbers in it.
    open_text: &'a str,
}

impl Publication<'_> {
    /// What the subscribers get: the message and how many they are. Of two fields with one name, clients take the later.
    pub(crate) fn text(&self, clients: usize) -> String {
        format!("{},\"clients\":{clients}}}", self.open_text)
    }
}

/// Not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadMessage(pub(crate) &'static str);

impl<'a> ClientMessage<'a> {
    /// Reads a message; of long lists of topics only the first `most_topics`.
    pub(crate) fn parse(text: &'a str, most_topics: usize) -> Result<Self, BadMessage> {
        let text = text.trim();
        if !text.starts_with('{') {
            return Err(BadMessage("not a JSON object"));
        }
        let fields: Fields = serde_json::from_str(text).map_err(|_| BadMessage("not a JSON object with a type"))?;
        Ok(match fields.kind.as_str() {
            "subscribe" => Self::Subscribe(read_topics(&fields.topics, most_topics)),
            "unsubscribe" => Self::Unsubscribe(read_topics(&fields.topics, most_topics)),
            "publish" => Self::Publish(read_publication(text, &fields)?),
            "ping" => Self::Ping,
            _ => Self::Unknown,
        })
    }
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    topics: Value,
    #[serde(default)]
    topic: Value,
    #[serde(default)]
    data: Value,
}

fn read_topics(value: &Value, most: usize) -> Topics {
    let Some(list) = value.as_array() else { return Topics { others: !value.is_null(), ..Topics::default() } };
    let names: Vec<_> = list.iter().take(most).filter_map(|name| read_topic(name).ok()).collect();
    Topics { others: names.len() < list.len(), names }
}

fn read_topic(value: &Value) -> Result<DocName, DocNameError> {
    DocName::new(value.as_str().unwrap_or_default())
}

fn read_publication<'a>(text: &'a str, fields: &Fields) -> Result<Publication<'a>, BadMessage> {
    let topic = read_topic(&fields.topic).map_err(|_| BadMessage(BAD_TOPIC))?;
    let open_text = text.strip_suffix('}').ok_or(BadMessage("not a JSON object"))?;
    // Payloads encrypted with a room's password are texts, and say nothing about their sender.
    let field = |name| fields.data.get(name).and_then(Value::as_str);
    let is_signal = field("type") == Some("signal");
    let is_ours = is_signal || field("type") == Some("announce");
    let peer = |name| field(name).filter(|peer| peer.len() <= LONGEST_PEER).map(str::to_owned);
    Ok(Publication { topic, from: peer("from").filter(|_| is_ours), to: peer("to").filter(|_| is_signal), open_text })
}

/// Answers a ping.
pub(crate) const PONG: &str = r#"{"type":"pong"}"#;

/// Tells what was not done, and why. Clients that do not know the type ignore it.
pub(crate) fn error(code: &str, topic: Option<&DocName>, message: &str) -> String {
    match topic {
        Some(topic) => json!({"type": "error", "code": code, "topic": topic.as_str(), "message": message}),
        None => json!({"type": "error", "code": code, "message": message}),
    }
    .to_string()
}

/// What is said about names that are none.
pub(crate) const BAD_TOPIC: &str = "a topic's name has 1 to 256 bytes and no control characters";
/// A peer's id is a UUID of 36 bytes; longer ones are not remembered.
const LONGEST_PEER: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<DocName> {
        names.iter().map(|name| DocName::new(name).unwrap()).collect()
    }

    fn publication(text: &str) -> Publication<'_> {
        match ClientMessage::parse(text, 64) {
            Ok(ClientMessage::Publish(publication)) => publication,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_of_the_stock_client_are_read() {
        assert_eq!(
            ClientMessage::parse(r#"{"type":"subscribe","topics":["a","b/ü"]}"#, 64),
            Ok(ClientMessage::Subscribe(Topics { names: names(&["a", "b/ü"]), others: false }))
        );
        assert_eq!(
            ClientMessage::parse(r#"{"type":"unsubscribe","topics":["a"]}"#, 64),
            Ok(ClientMessage::Unsubscribe(Topics { names: names(&["a"]), others: false }))
        );
        assert_eq!(ClientMessage::parse(r#"{"type":"ping"}"#, 64), Ok(ClientMessage::Ping));
        let announce = publication(r#"{"type":"publish","topic":"a","data":{"type":"announce","from":"p1"}}"#);
        assert_eq!((announce.from.as_deref(), announce.to.as_deref()), (Some("p1"), None));
        let signal = publication(
            r#"{"type":"publish","topic":"a","data":{"to":"p2","from":"p1","type":"signal","token":1.5,"signal":{"type":"offer"}}}"#,
        );
        assert_eq!((signal.from.as_deref(), signal.to.as_deref()), (Some("p1"), Some("p2")));
    }

    #[test]
    fn an_encrypted_payload_has_no_sender_and_no_receiver() {
        let sealed = publication(r#"{"type":"publish","topic":"a","data":"c2VhbGVk"}"#);
        assert_eq!((sealed.from, sealed.to), (None, None));
    }

    #[test]
    fn a_publication_goes_on_byte_by_byte_with_the_number_of_subscribers() {
        let text = r#" {"type":"publish","topic":"a","clients":9,"data":{"token":1763716000000.12345678901234567890, "x":1} } "#;
        let passed_on = publication(text).text(3);
        assert!(passed_on.contains("1763716000000.12345678901234567890, \"x\""), "{passed_on}");
        let value: Value = serde_json::from_str(&passed_on).unwrap();
        assert_eq!(value["clients"], 3);
    }

    #[test]
    fn of_too_many_or_bad_topics_the_good_first_ones_are_taken() {
        let text = r#"{"type":"subscribe","topics":["a", 1, "", "b\n", null, "c", "d"]}"#;
        let taken = Topics { names: names(&["a", "c"]), others: true };
        assert_eq!(ClientMessage::parse(text, 6), Ok(ClientMessage::Subscribe(taken)));
        for nothing in [r#"{"type":"subscribe"}"#, r#"{"type":"subscribe","topics":null}"#] {
            assert_eq!(ClientMessage::parse(nothing, 6), Ok(ClientMessage::Subscribe(Topics::default())));
        }
    }

    #[test]
    fn hostile_json_is_refused_or_harmless() {
        let deep = format!(r#"{{"type":"publish","topic":"a","data":{}1{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
        let long = format!(r#"{{"type":"publish","topic":"{}","data":1}}"#, "x".repeat(257));
        let bad = [
            "",
            "null",
            "[]",
            "1",
            r#""ping""#,
            "{",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":null}"#,
            r#"{"type":"ping"}}"#,
            r#"{"type":"ping","type":"publish"}"#,
            r#"["subscribe",["a"],"a",null]"#,
            r#"{"type":"publish"}"#,
            r#"{"type":"publish","topic":["a"],"data":1}"#,
            r#"{"type":"publish","topic":"a","topic":"b"}"#,
            r#"{"type":"publish","topic":"a\u0000b"}"#,
            r#"{"type":"publish","topic":"\ud800"}"#,
            &deep,
            &long,
        ];
        for text in bad {
            assert!(ClientMessage::parse(text, 64).is_err(), "{text}");
        }
        for unknown in [r#"{"type":""}"#, r#"{"type":"pong"}"#, r#"{"type":"__proto__","topics":{}}"#] {
            assert_eq!(ClientMessage::parse(unknown, 64), Ok(ClientMessage::Unknown), "{unknown}");
        }
        let odd = publication(r#"{"type":"publish","topic":"a","data":{"type":"signal","from":{},"to":[1]}}"#);
        assert_eq!((odd.from, odd.to), (None, None));
        let long =
            format!(r#"{{"type":"publish","topic":"a","data":{{"type":"announce","from":"{}"}}}}"#, "x".repeat(65));
        assert_eq!(publication(&long).from, None);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_can_hurt(text in "[{}\\[\\]\":,a-z0-9\\\\ü]{0,60}|\\{\"type\":\"(publish|subscribe)\",\"(topic|topics|data)\":.{0,40}\\}") {
            if let Ok(ClientMessage::Publish(publication)) = ClientMessage::parse(&text, 2) {
                let passed_on: Value = serde_json::from_str(&publication.text(1)).unwrap();
                prop_assert_eq!(&passed_on["clients"], 1);
            }
        }
    }
}
