//! Sequence numbers of 16 bits made 64 bits long.

/// Follows one stream's sequence numbers ([RFC 3550 § A.1](https://www.rfc-editor.org/rfc/rfc3550#appendix-A.1)).
#[derive(Debug, Clone, Default)]
pub(crate) struct Extender {
    highest: Option<u64>,
    /// What would follow an unbelievable number: two in a row are a restart.
    expected_after_jump: Option<u16>,
}

/// What a sequence number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extended {
    /// A number of the stream.
    Number(u64),
    /// Too far from the others. If the next one follows it, the stream has restarted.
    Unbelievable,
    /// The stream has restarted with this number.
    Restarted(u64),
}

impl Extender {
    pub(crate) fn extend(&mut self, sequence: u16) -> Extended {
        let Some(highest) = self.highest else {
            return Extended::Number(self.start(sequence));
        };
        let ahead = sequence.wrapping_sub(crate::packet::low_u16(highest));
        let number = if ahead < MOST_AHEAD {
            let number = highest + u64::from(ahead);
            self.highest = Some(number);
            number
        } else if ahead.wrapping_neg() <= MOST_BEHIND {
            highest - u64::from(ahead.wrapping_neg())
        } else if self.expected_after_jump == Some(sequence) {
            return Extended::Restarted(self.start(sequence));
        } else {
            self.expected_after_jump = Some(sequence.wrapping_add(1));
            return Extended::Unbelievable;
        };
        self.expected_after_jump = None;
        Extended::Number(number)
    }

    /// One past the highest number so far.
    pub(crate) fn end(&self) -> u64 {
        self.highest.map_or(0, |highest| highest + 1)
    }

    fn start(&mut self, sequence: u16) -> u64 {
        // One turn ahead of zero, so that what comes before the first number has a number, too.
        let number = u64::from(sequence) + (1 << 16);
        *self = Self { highest: Some(number), expected_after_jump: None };
        number
    }
}

/// RFC 3550's MAX_DROPOUT.
const MOST_AHEAD: u16 = 3_000;

/// RFC 3550 has 100; retransmissions come later than that.
const MOST_BEHIND: u16 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap_and_back() {
        let mut extender = Extender::default();
        let numbers: Vec<_> = [65_534, 65_535, 0, 65_533, 1].into_iter().map(|n| extender.extend(n)).collect();
        let start = (1 << 16) + 65_534;
        assert_eq!(numbers, [start, start + 1, start + 2, start - 1, start + 3].map(Extended::Number));
    }

    #[test]
    fn a_jump_is_believed_when_it_goes_on() {
        let mut extender = Extender::default();
        extender.extend(10);
        assert_eq!(extender.extend(20_000), Extended::Unbelievable);
        assert_eq!(extender.extend(11), Extended::Number((1 << 16) + 11));
        assert_eq!(extender.extend(20_000), Extended::Unbelievable);
        assert_eq!(extender.extend(20_001), Extended::Restarted((1 << 16) + 20_001));
    }
}
