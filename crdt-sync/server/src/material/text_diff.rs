//! What has to be changed so that one text becomes another.

use std::hash::Hash;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// At `range` of the old text, in characters, stands this in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// Few and small changes, in the order of the text: first whole lines are compared, then the characters of those that differ.
pub(super) fn changes(old: &[char], new: &[char]) -> Vec<Change> {
    let mut found = Vec::new();
    // Large texts that have little in common: then it is coarser.
    #[expect(clippy::disallowed_methods, reason = "bounds the work; what is found is right at any time")]
    let deadline = Instant::now() + PATIENCE;
    let (old_lines, new_lines) = (lines(old), lines(new));
    let old_texts: Vec<&[char]> = old_lines.iter().filter_map(|line| old.get(line.clone())).collect();
    let new_texts: Vec<&[char]> = new_lines.iter().filter_map(|line| new.get(line.clone())).collect();
    for (old_range, new_range) in differing(&old_texts, &new_texts, deadline) {
        let old_range = joined(&old_lines, old_range, old.len());
        let new_range = joined(&new_lines, new_range, new.len());
        let (Some(old_part), Some(new_part)) = (old.get(old_range.clone()), new.get(new_range)) else { continue };
        for (range, new_range) in differing(old_part, new_part, deadline) {
            let text = new_part.get(new_range).unwrap_or_default().iter().collect();
            found.push(Change { range: old_range.start + range.start..old_range.start + range.end, text });
        }
    }
    found
}

/// What is to be replaced by what.
fn differing<T: Eq + Hash + Ord>(old: &[T], new: &[T], deadline: Instant) -> Vec<(Range<usize>, Range<usize>)> {
    let (mut old_at, mut new_at, mut found) = (0, 0, Vec::new());
    for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(deadline)) {
        // Where the library moves operations, it does not always move both of their places: only lengths are to be relied on.
        let (old_len, new_len) = match op {
            DiffOp::Equal { len, .. } => {
                (old_at, new_at) = (old_at + len, new_at + len);
                continue;
            }
            DiffOp::Delete { old_len, .. } => (old_len, 0),
            DiffOp::Insert { new_len, .. } => (0, new_len),
            DiffOp::Replace { old_len, new_len, .. } => (old_len, new_len),
        };
        found.push((old_at..old_at + old_len, new_at..new_at + new_len));
        (old_at, new_at) = (old_at + old_len, new_at + new_len);
    }
    found
}

/// Where the lines are, each with its end.
fn lines(text: &[char]) -> Vec<Range<usize>> {
    let mut start = 0;
    text.split_inclusive(|char| *char == '\n')
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        })
        .collect()
}

/// From the first to the last of some lines.
fn joined(lines: &[Range<usize>], of: Range<usize>, end: usize) -> Range<usize> {
    let start = lines.get(of.start).map_or(end, |line| line.start);
    start..of.end.checked_sub(1).and_then(|last| lines.get(last)).map_or(start, |line| line.end.max(start))
}

const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn applied(old: &[char], changes: &[Change]) -> String {
        let mut text = old.to_vec();
        for change in changes.iter().rev() {
            text.splice(change.range.clone(), change.text.chars());
        }
        text.into_iter().collect()
    }

    fn found(old: &str, new: &str) -> Vec<(Range<usize>, String)> {
        changes(&chars(old), &chars(new)).into_iter().map(|change| (change.range, change.text)).collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        assert_eq!(found("same\n", "same\n"), []);
        assert_eq!(found("", "new"), [(0..0, "new".to_owned())]);
        assert_eq!(found("old", ""), [(0..3, String::new())]);
        assert_eq!(found("one\ntwo\nthree", "one\ntwos\nthree"), [(7..7, "s".to_owned())]);
        assert_eq!(found("a\nb\nc\n", "a\nc\n"), [(2..4, String::new())]);
        assert_eq!(found("a\nc\n", "a\nb\nc\n"), [(2..2, "b\n".to_owned())]);
    }

    #[test]
    fn a_large_text_is_done_in_bounded_time() {
        let old: Vec<char> =
            (0..300_000_u32).filter_map(|n| char::from_u32(0x4e00 + n.wrapping_mul(7919) % 5_000)).collect();
        let new: Vec<char> =
            (0..300_000_u32).filter_map(|n| char::from_u32(0x4e00 + n.wrapping_mul(104_729) % 5_000)).collect();
        assert_eq!(applied(&old, &changes(&old, &new)), new.iter().collect::<String>());
    }

    proptest! {
        #[test]
        fn the_changes_make_the_new_text_of_the_old(old in "[ab\\n☂]{0,40}", new in "[ab\\n☂]{0,40}") {
            let (old, new) = (chars(&old), chars(&new));
            let changes = changes(&old, &new);
            prop_assert_eq!(applied(&old, &changes), new.iter().collect::<String>());
            prop_assert!(changes.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        }
    }
}
