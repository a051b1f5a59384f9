/// CRC-32 (IEEE 802.3), eight bytes at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn with(mut self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let [a, b, c, d, e, f, g, h] = *word;
            let low = self.0 ^ u32::from_le_bytes([a, b, c, d]);
            self.0 = at(7, low)
                ^ at(6, low >> 8)
                ^ at(5, low >> 16)
                ^ at(4, low >> 24)
                ^ at(3, e.into())
                ^ at(2, f.into())
                ^ at(1, g.into())
                ^ at(0, h.into());
        }
        for byte in rest {
            self.0 = at(0, self.0 ^ u32::from(*byte)) ^ (self.0 >> 8);
        }
        self
    }

    pub(crate) fn with_number(self, number: u64) -> Self {
        self.with(&number.to_le_bytes())
    }

    pub(crate) const fn sum(self) -> u32 {
        !self.0
    }
}

/// Both bounds are known to the compiler, so nothing is left of the checks.
fn at(table: usize, byte: u32) -> u32 {
    TABLES.get(table).and_then(|table| table.get((byte & 0xff) as usize)).copied().unwrap_or(0)
}

/// `TABLES[n][b]`: what byte `b` becomes with `n` zero bytes behind it.
static TABLES: [[u32; 256]; 8] = tables();

#[expect(clippy::indexing_slicing, reason = "runs in the compiler, which would refuse a wrong index")]
const fn tables() -> [[u32; 256]; 8] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0u32;
    while byte < 256 {
        let (mut value, mut bit) = (byte, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte as usize] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The check value that every description of this CRC gives.
    #[test]
    fn agrees_with_the_standard() {
        assert_eq!(Crc::new().with(b"123456789").sum(), 0xcbf4_3926);
    }

    fn bit_by_bit(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }

    proptest! {
        #[test]
        fn is_the_same_in_pieces_and_bit_by_bit(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(Crc::new().with(first).with(second).sum(), bit_by_bit(&bytes));
        }
    }
}
