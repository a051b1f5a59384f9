use stoa_base_types::{DocName, Epoch};

/// The author of a document's first content, when an application brings that along: the same on every server for a name and an
/// epoch, so that two copies of the same beginning are one.
///
/// Never 0, below 2^53, and not below 2^32, where the ids are that Yjs draws.
#[must_use]
pub fn seed_client_id(doc: &DocName, epoch: Epoch) -> u64 {
    let epoch = epoch.0.to_le_bytes();
    let hash = doc
        .as_str()
        .bytes()
        .chain(epoch)
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    // The low bits of FNV-1a are the weak ones.
    let folded = (hash >> 53) ^ (hash & (FIRST_TOO_LARGE - 1));
    if folded < FIRST { folded + FIRST } else { folded }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Yjs draws ids of 32 bits.
const FIRST: u64 = 1 << 32;
const FIRST_TOO_LARGE: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_depends_on_name_and_epoch_alone() {
        let seed = |name: &str, epoch| seed_client_id(&DocName::new(name).unwrap(), Epoch(epoch));
        assert_eq!(seed("agora", 1), seed("agora", 1));
        let seeds: BTreeSet<_> =
            (0..100).flat_map(|name| (1..100).map(move |epoch| seed(&format!("room/{name}"), epoch))).collect();
        assert_eq!(seeds.len(), 9_900);
        assert!(seeds.iter().all(|seed| (FIRST..FIRST_TOO_LARGE).contains(seed)));
    }

    #[test]
    fn a_seed_never_changes() {
        assert_eq!(seed_client_id(&DocName::new("agora").unwrap(), Epoch(1)), 3_017_141_679_294_289);
    }
}
