use crate::error::StoreError;

/// SQLite's integers have a sign.
pub(crate) fn to_column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Refused(format!("{number} is above 2^63")))
}

/// The other way. We write no negative ones, so one that is read is damage, which checksums and comparisons find.
pub(crate) fn from_column(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// A checksum as it is read.
pub(crate) fn crc_column(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(0)
}

/// Lengths that fit into memory fit into 63 bits.
pub(crate) fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
