//! The only file that knows how yrs is fed.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use stoa_crdt_sync_core::update::{Id, Kind, Update, UpdateError};
use yrs::updates::decoder::Decode;
use yrs::{ClientID, Doc, OffsetKind, Options, ReadTxn, StateVector, Transact, WriteTxn};

/// Why the engine did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EngineError {
    /// The document holds what yrs reads in another way than Yjs.
    Unportable,
    /// Types within types within types: yrs would need too deep a stack.
    TooDeep,
    /// A part of the document is not an update.
    Damaged(UpdateError),
    /// The engine says so.
    Refused(String),
    /// The root is to be a text and holds elements of an array.
    NotText,
    /// The engine did not take everything.
    Incomplete,
    /// The engine panicked.
    Panicked,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unportable => f.write_str("the document holds content of old kinds that only Yjs reads"),
            Self::TooDeep => f.write_str("the document nests types too deeply"),
            Self::Damaged(error) => write!(f, "the document is damaged: {error}"),
            Self::Refused(why) => write!(f, "the engine refuses the document: {why}"),
            Self::NotText => f.write_str("the root holds elements of an array, which a text has no words for"),
            Self::Incomplete => f.write_str("the engine did not take all of the document"),
            Self::Panicked => f.write_str("the engine failed on the document"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<UpdateError> for EngineError {
    fn from(error: UpdateError) -> Self {
        Self::Damaged(error)
    }
}

/// The same document without what was deleted.
pub(super) fn compact(merged: &Bytes) -> Result<Bytes, EngineError> {
    let doc = load(merged, ClientID::random())?;
    let body = doc.transact().encode_state_as_update_v1(&StateVector::default());
    Ok(body.into())
}

/// A document of the engine with everything that a merged update holds.
pub(super) fn load(merged: &Bytes, client: ClientID) -> Result<Doc, EngineError> {
    let checked = Update::read(merged.clone())?;
    if !checked.is_portable() {
        return Err(EngineError::Unportable);
    }
    if is_deep(&checked) {
        return Err(EngineError::TooDeep);
    }
    let doc = Doc::with_options(Options {
        offset_kind: OffsetKind::Utf16,
        // Else it would delete what nobody deleted.
        cleanup_formatting: false,
        ..Options::with_client_id(client)
    });
    let update = yrs::Update::decode_v1(checked.bytes()).map_err(|error| EngineError::Refused(error.to_string()))?;
    let mut transaction = doc.transact_mut();
    transaction.apply_update(update).map_err(|error| EngineError::Refused(error.to_string()))?;
    // What the engine sets aside it does not always take up again by itself.
    while transaction.has_missing_updates() {
        let before = transaction.state_vector();
        let Some(pending) = transaction.prune_pending() else { break };
        transaction.apply_update(pending).map_err(|error| EngineError::Refused(error.to_string()))?;
        if transaction.has_missing_updates() && transaction.state_vector() == before {
            return Err(EngineError::Incomplete);
        }
    }
    drop(transaction);
    Ok(doc)
}

/// Whether types lie within types more than [`DEEPEST`] times.
fn is_deep(update: &Update) -> bool {
    if update.structs().filter(|part| part.kind == Kind::Type).count() <= DEEPEST {
        return false;
    }
    depth(update).is_none_or(|depth| depth > DEEPEST)
}

/// How often types lie within types; `None` if the document contradicts itself.
fn depth(update: &Update) -> Option<usize> {
    // Where each run of units lies: in the type that is named, or where its neighbour lies.
    let mut places = BTreeMap::new();
    for part in update.structs() {
        let place = match (part.parent(), part.origin().or_else(|| part.right_origin())) {
            (Some(parent), _) => Place::In(parent),
            (None, Some(neighbour)) => Place::Beside(neighbour),
            (None, None) => Place::Root,
        };
        places.insert((part.client, part.clock), place);
    }
    let mut depths: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut deepest = 0;
    for start in places.keys() {
        // Follows the chain to what is known, and writes down what it learned on the way back.
        let (mut key, mut way) = (*start, Vec::new());
        let mut depth = loop {
            if let Some(depth) = depths.get(&key) {
                break *depth;
            }
            let next = match places.get(&key)? {
                Place::Root => {
                    depths.insert(key, 0);
                    break 0;
                }
                Place::In(id) => (run_of(&places, *id)?, 1),
                Place::Beside(id) => (run_of(&places, *id)?, 0),
            };
            way.push((key, next.1));
            // A circle is longer than everything.
            if way.len() > places.len() {
                return None;
            }
            key = next.0;
        };
        while let Some((key, step)) = way.pop() {
            depth += step;
            depths.insert(key, depth);
        }
        deepest = deepest.max(depth);
    }
    Some(deepest)
}

enum Place {
    Root,
    In(Id),
    Beside(Id),
}

/// The run of units that holds this one.
fn run_of(places: &BTreeMap<(u64, u64), Place>, id: Id) -> Option<(u64, u64)> {
    let (key, _) = places.range(..=(id.client, id.clock)).next_back()?;
    (key.0 == id.client).then_some(*key)
}

/// More than any editor nests; the engine takes less than 16 KiB of stack for each.
const DEEPEST: usize = 5_000;

#[cfg(test)]
mod tests {
    use yrs::{Map, MapPrelim, MapRef};

    use super::*;

    /// A map in a map in a map.
    fn nested(levels: usize) -> Bytes {
        let doc = Doc::new();
        let mut map: MapRef = doc.get_or_insert_map("root");
        let mut transaction = doc.transact_mut();
        for _ in 0..levels {
            map = map.insert(&mut transaction, "in", MapPrelim::default());
        }
        drop(transaction);
        // Neither the engine's own encoder nor its end may descend.
        let bytes = doc.transact().encode_state_as_update_v1(&StateVector::default());
        bytes.into()
    }

    #[test]
    fn depth_is_counted_along_parents_and_neighbours() {
        for levels in [0, 1, 2, 100] {
            assert_eq!(depth(&Update::read(nested(levels)).unwrap()), Some(levels.saturating_sub(1)), "{levels}");
        }
    }

    #[test]
    fn a_document_that_would_break_the_stack_is_refused() {
        let deep = nested(DEEPEST + 2);
        assert_eq!(compact(&deep), Err(EngineError::TooDeep));
        let fits = nested(DEEPEST - 2);
        let body = std::thread::Builder::new().stack_size(256 << 20).spawn(move || compact(&fits)).unwrap();
        assert!(body.join().unwrap().is_ok());
    }
}
