//! From bytes to an [`Update`].
use bytes::Bytes;

use super::content;
use super::deletes::DeleteSet;
use super::index::Index;
use super::lib0::Cursor;
use super::structs::{Kind, Place};
use super::{CLOCK_END, ClientId, StateVector, Update, UpdateError, merge};

pub(super) fn read(bytes: Bytes) -> Result<Update, UpdateError> {
    let (update, is_tidy) = read_as_written(bytes)?;
    if is_tidy {
        return Ok(update);
    }
    let tidy = merge(&[&update], &StateVector::new(), &update.deletes);
    read_as_written(tidy.into()).map(|(update, _)| update)
}

/// Also tells whether every engine reads these bytes as they are meant.
fn read_as_written(bytes: Bytes) -> Result<(Update, bool), UpdateError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(UpdateError::TooLarge);
    }
    let mut reader = Reader::new(&bytes);
    reader.sections()?;
    let (deletes, deletes_are_tidy) = DeleteSet::read(&mut reader.cursor)?;
    let read = bytes.len() - reader.cursor.left();
    let Reader { index, is_tidy, is_portable, .. } = reader;
    let bytes = if read < bytes.len() { bytes.slice(..read) } else { bytes };
    Ok((Update { bytes, index, deletes, is_portable }, is_tidy && deletes_are_tidy))
}

struct Reader<'a> {
    all: usize,
    cursor: Cursor<'a>,
    index: Index,
    is_tidy: bool,
    is_portable: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { all: bytes.len(), cursor: Cursor::new(bytes), index: Index::default(), is_tidy: true, is_portable: true }
    }

    fn sections(&mut self) -> Result<(), UpdateError> {
        let mut last_client = None;
        let sections = self.cursor.number()?;
        // With a struct each has five bytes at least: the count promises nothing.
        self.index.reserve(usize::try_from(sections).unwrap_or(usize::MAX).min(self.cursor.left() / 5));
        for _ in 0..sections {
            let count = self.cursor.number()?;
            let client = self.cursor.number()?;
            self.is_tidy &= count > 0 && last_client.is_none_or(|last| client < last);
            last_client = Some(client);
            self.section(client, count)?;
        }
        Ok(())
    }

    fn section(&mut self, client: ClientId, count: u64) -> Result<(), UpdateError> {
        let mut clock = clock_below_end(self.cursor.number()?)?;
        // A struct has two.
        let room = usize::try_from(count).unwrap_or(usize::MAX).min(self.cursor.left() / 2);
        self.index.begin_section(client, room);
        for _ in 0..count {
            self.index.push(clock, self.position());
            let units = self.one_struct(client, clock)?;
            self.is_tidy &= units > 0;
            clock = clock_below_end(u64::from(clock).saturating_add(units))?;
        }
        self.index.push(clock, self.position());
        Ok(())
    }

    /// How many units the next struct has.
    fn one_struct(&mut self, client: ClientId, clock: u32) -> Result<u64, UpdateError> {
        let info = self.cursor.byte()?;
        let kind = Kind::of(info)?;
        if kind.has_place() {
            let place = Place::read(info, &mut self.cursor)?;
            if place.needs().any(|id| id.client == client && id.clock >= clock.into()) {
                return Err(UpdateError::Origin);
            }
        } else if kind == Kind::Skip {
            self.index.note_skip();
        }
        let measure = content::check(kind, &mut self.cursor)?;
        self.is_portable &= measure.is_portable;
        Ok(measure.units)
    }

    fn position(&self) -> u32 {
        // The whole has fewer than 2^32 bytes.
        u32::try_from(self.all - self.cursor.left()).unwrap_or(u32::MAX)
    }
}

/// A clock that ends a struct, and therefore may be [`CLOCK_END`] itself.
fn clock_below_end(clock: u64) -> Result<u32, UpdateError> {
    if clock <= CLOCK_END { u32::try_from(clock).map_err(|_| UpdateError::Number) } else { Err(UpdateError::Number) }
}
