use super::lib0::Cursor;
use super::{ClientId, Clock, Id, UpdateError};

/// Has an origin: the unit that was to its left.
pub(super) const HAS_ORIGIN: u8 = 0x80;

/// Has a right origin: the unit that was to its right.
pub(super) const HAS_RIGHT: u8 = 0x40;

/// Is a value of a map: its place has a key.
pub(super) const HAS_KEY: u8 = 0x20;

const KIND: u8 = 0x1f;

/// What a struct holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Deleted units of which nothing is left, not even their place.
    Gc,
    /// Deleted units whose place is known.
    Deleted,
    /// Texts of JSON, as Yjs wrote them before version 13.
    Json,
    /// Bytes.
    Binary,
    /// Text; its units are those of UTF-16.
    String,
    /// An object in a text.
    Embed,
    /// Where a format begins or ends.
    Format,
    /// A shared type.
    Type,
    /// Values.
    Any,
    /// A subdocument.
    Doc,
    /// Nothing: units that are left out of this update.
    Skip,
}

impl Kind {
    /// By a struct's first byte.
    pub(super) const fn of(info: u8) -> Result<Self, UpdateError> {
        match info {
            0 => return Ok(Self::Gc),
            10 => return Ok(Self::Skip),
            _ => {}
        }
        Ok(match info & KIND {
            1 => Self::Deleted,
            2 => Self::Json,
            3 => Self::Binary,
            4 => Self::String,
            5 => Self::Embed,
            6 => Self::Format,
            7 => Self::Type,
            8 => Self::Any,
            9 => Self::Doc,
            // A 0 or 10 with flags is something else to every engine.
            unknown => return Err(UpdateError::Kind(unknown)),
        })
    }

    /// Whether structs of this kind have a place beside others; the other kinds are only so many units.
    pub(super) const fn has_place(self) -> bool {
        !matches!(self, Self::Gc | Self::Skip)
    }
}

/// Where a struct stands, as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Option<Id>,
    pub(super) right: Option<Id>,
    /// The struct that holds the type it belongs to; told only without origins, and not for types with a name.
    pub(super) parent: Option<Id>,
}

impl Place {
    /// Reads what stands between a struct's first byte and its content.
    #[inline]
    pub(super) fn read(info: u8, cursor: &mut Cursor<'_>) -> Result<Self, UpdateError> {
        let mut place = Self::default();
        if info & HAS_ORIGIN != 0 {
            place.origin = Some(read_id(cursor)?);
        }
        if info & HAS_RIGHT != 0 {
            place.right = Some(read_id(cursor)?);
        }
        if info & (HAS_ORIGIN | HAS_RIGHT) == 0 {
            match cursor.number()? {
                0 => place.parent = Some(read_id(cursor)?),
                1 => drop(cursor.text()?),
                _ => return Err(UpdateError::Parent),
            }
            if info & HAS_KEY != 0 {
                cursor.text()?;
            }
        }
        Ok(place)
    }

    /// What must be there before it, apart from its author's earlier units.
    pub(super) fn needs(self) -> impl Iterator<Item = Id> {
        [self.origin, self.right, self.parent].into_iter().flatten()
    }
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<Id, UpdateError> {
    let client = cursor.number()?;
    let clock = cursor.number()?;
    if clock < super::CLOCK_END { Ok(Id { client, clock }) } else { Err(UpdateError::Number) }
}

/// One struct of an update: a run of units of one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Struct<'a> {
    /// Its author.
    pub client: ClientId,
    /// Its first unit.
    pub clock: Clock,
    /// How many units it has.
    pub len: Clock,
    /// What it holds.
    pub kind: Kind,
    pub(super) bytes: &'a [u8],
}

impl<'a> Struct<'a> {
    /// The clock after its last unit.
    #[must_use]
    pub const fn end(&self) -> Clock {
        self.clock + self.len
    }

    /// As it is written in the update.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The unit that was to its left when it was written.
    #[must_use]
    pub fn origin(&self) -> Option<Id> {
        self.place().0.origin
    }

    /// The unit that was to its right when it was written.
    #[must_use]
    pub fn right_origin(&self) -> Option<Id> {
        self.place().0.right
    }

    /// The struct that holds its type, where that is told.
    #[must_use]
    pub fn parent(&self) -> Option<Id> {
        self.place().0.parent
    }

    /// What must be there before it, apart from its author's earlier units.
    pub fn needs(&self) -> impl Iterator<Item = Id> {
        self.place().0.needs()
    }

    pub(super) fn info(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// Its place, and its content. It was checked before, so that nothing can be amiss.
    pub(super) fn place(&self) -> (Place, Cursor<'a>) {
        let mut cursor = Cursor::new(self.bytes.get(1..).unwrap_or_default());
        let place = if self.kind.has_place() {
            Place::read(self.info(), &mut cursor).unwrap_or_default()
        } else {
            Place::default()
        };
        (place, cursor)
    }
}
