//! From structs to bytes.
use super::content::skip_values;
use super::lib0::{Cursor, put_number};
use super::structs::{HAS_KEY, HAS_ORIGIN, HAS_RIGHT, Kind, Struct};
use super::{ClientId, Clock, DeleteSet, Id};

/// What JavaScript makes of half a surrogate pair.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Writes the sections of an update, author by author, then its deletes.
pub(super) struct Writer<'a> {
    out: Vec<u8>,
    deletes: &'a DeleteSet,
    /// The structs of the section that is being written.
    body: Vec<u8>,
    structs: u64,
    start: Clock,
    /// Not in the body yet, since the next struct may continue it.
    last: Option<Last<'a>>,
    /// Of `last`, once something was joined to it or cut off it: what stands before the content's length, ...
    head: Vec<u8>,
    /// ... and what stands after it.
    content: Vec<u8>,
}

/// A struct, which may have been cut at its front or continued by others.
#[derive(Clone, Copy)]
struct Last<'a> {
    part: Struct<'a>,
    start: Clock,
    end: Clock,
    is_rebuilt: bool,
}

impl<'a> Writer<'a> {
    /// Begins an update of so many authors, each of whom has a struct.
    pub(super) fn new(authors: usize, deletes: &'a DeleteSet) -> Self {
        let mut out = Vec::new();
        put_number(&mut out, authors as u64);
        let (body, head, content) = (Vec::new(), Vec::new(), Vec::new());
        Self { out, deletes, body, structs: 0, start: 0, last: None, head, content }
    }

    /// Adds a struct from a clock of it on. It may not begin before the last one's end.
    pub(super) fn add(&mut self, part: Struct<'a>, start: Clock) {
        if let Some(last) = self.last {
            if last.end == start && continues(&last, &part, start, self.deletes) {
                self.rebuild(last);
                push_content(&mut self.content, &part, start);
                self.last = Some(Last { end: part.end(), is_rebuilt: true, ..last });
                return;
            }
            self.flush(last);
            if last.end < start {
                self.body.push(10);
                put_number(&mut self.body, start - last.end);
                self.structs += 1;
            }
        } else {
            self.start = start;
        }
        let last = Last { part, start, end: part.end(), is_rebuilt: false };
        if part.clock < start {
            self.rebuild(last);
        }
        self.last = Some(Last { is_rebuilt: part.clock < start, ..last });
    }

    /// Ends the section of an author.
    pub(super) fn end_section(&mut self, client: ClientId) {
        if let Some(last) = self.last.take() {
            self.flush(last);
        }
        put_number(&mut self.out, self.structs);
        put_number(&mut self.out, client);
        put_number(&mut self.out, self.start);
        self.out.append(&mut self.body);
        self.structs = 0;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.deletes.write(&mut self.out);
        self.out
    }

    /// Takes a struct apart, so that it can be continued.
    fn rebuild(&mut self, last: Last<'a>) {
        if last.is_rebuilt {
            return;
        }
        self.head.clear();
        self.content.clear();
        push_head(&mut self.head, &last.part, last.start);
        push_content(&mut self.content, &last.part, last.start);
    }

    fn flush(&mut self, last: Last<'a>) {
        self.structs += 1;
        if !last.is_rebuilt {
            self.body.extend_from_slice(last.part.bytes);
            return;
        }
        let len = if last.part.kind == Kind::String { self.content.len() as u64 } else { last.end - last.start };
        self.body.extend_from_slice(&self.head);
        put_number(&mut self.body, len);
        self.body.extend_from_slice(&self.content);
    }
}

/// Whether a struct, from `start` on, is what Yjs would make one with the last: it was put directly after it, before
/// the same unit, and holds the same kind of thing.
fn continues(last: &Last<'_>, part: &Struct<'_>, start: Clock, deletes: &DeleteSet) -> bool {
    if last.part.kind != part.kind {
        return false;
    }
    match part.kind {
        Kind::Gc => return true,
        Kind::Deleted | Kind::String => {}
        Kind::Any | Kind::Json => {
            // Successive values of a key look like that, too, where the key is not told; but each deletes the one before.
            let both = start - 1..part.end();
            if deletes.touches(part.client, both.clone()) && !deletes.contains_range(part.client, both) {
                return false;
            }
        }
        Kind::Binary | Kind::Embed | Kind::Format | Kind::Type | Kind::Doc | Kind::Skip => return false,
    }
    let (flags, last_flags) = (part.info(), last.part.info());
    if (flags | last_flags) & HAS_KEY != 0 || (flags ^ last_flags) & HAS_RIGHT != 0 {
        return false;
    }
    let before = Id { client: part.client, clock: start - 1 };
    let is_after = part.clock < start || flags & HAS_ORIGIN != 0 && part.origin() == Some(before);
    is_after && part.right_origin() == last.part.right_origin()
}

/// What stands before the length of a struct's content.
fn push_head(out: &mut Vec<u8>, part: &Struct<'_>, start: Clock) {
    let (place, content) = part.place();
    if part.clock == start || !part.kind.has_place() {
        let head = part.bytes.len() - content.left();
        out.extend_from_slice(part.bytes.get(..head).unwrap_or_default());
        return;
    }
    out.push(part.info() | HAS_ORIGIN);
    put_id(out, Id { client: part.client, clock: start - 1 });
    if let Some(right) = place.right {
        put_id(out, right);
    }
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    put_number(out, id.client);
    put_number(out, id.clock);
}

/// What stands after the length of a struct's content, from a clock of it on. It was checked before, so that nothing
/// can be amiss.
fn push_content(out: &mut Vec<u8>, part: &Struct<'_>, start: Clock) {
    let (_, mut cursor) = part.place();
    let _ = cursor.number();
    let cut = start - part.clock;
    match part.kind {
        Kind::String => push_text(out, cursor.rest(), cut),
        Kind::Any => {
            let _ = skip_values(&mut cursor, cut);
            out.extend_from_slice(cursor.rest());
        }
        Kind::Json => {
            for _ in 0..cut {
                let _ = cursor.sized();
            }
            out.extend_from_slice(cursor.rest());
        }
        Kind::Gc | Kind::Deleted | Kind::Skip => {}
        Kind::Binary | Kind::Embed | Kind::Format | Kind::Type | Kind::Doc => out.extend_from_slice(cursor.rest()),
    }
}

/// A text without its first units. Where that halves a pair of surrogates, Yjs puts a replacement character.
fn push_text(out: &mut Vec<u8>, text: &[u8], units: Clock) {
    let mut cursor = Cursor::new(text);
    let mut left = units;
    while left > 0 {
        let Some(first) = cursor.rest().first() else { return };
        let (len, width) = match *first {
            0..0x80 => (1, 1),
            0x80..0xe0 => (2, 1),
            0xe0..0xf0 => (3, 1),
            0xf0.. => (4, 2),
        };
        let _ = cursor.take(len);
        if left < width {
            out.extend_from_slice(REPLACEMENT);
        }
        left = left.saturating_sub(width);
    }
    out.extend_from_slice(cursor.rest());
}
