use crate::stun::hmac_sha256;

/// Numbers that nobody outside can foretell, from the seed that the driver passed in.
#[derive(Clone)]
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
    /// State of the quick numbers.
    quick: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = Self { seed, counter: 0, quick: 0 };
        random.quick = random.number();
        random
    }

    /// 32 bytes for secrets and tokens.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        self.counter += 1;
        hmac_sha256(&self.seed, &[b"random", &self.counter.to_be_bytes()])
    }

    /// A number for seeds.
    pub(crate) fn number(&mut self) -> u64 {
        self.bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// A number where foretelling it gains nothing: transaction ids of indications, which nobody answers (`SplitMix64`).
    pub(crate) fn quick(&mut self) -> u64 {
        self.quick = self.quick.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.quick;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.number() % bound).unwrap_or_default()
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}
