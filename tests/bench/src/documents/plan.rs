//! How long is measured, and whom.

use crate::Outcome;

/// What the command line says beside the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How often the servers take turns.
    pub(crate) rounds: usize,
    /// How long each server is measured in each round of `fan-out`, `append` and `latency`.
    pub(crate) seconds: u32,
    /// Whether other servers are measured, too.
    pub(crate) has_rivals: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { rounds: 5, seconds: 2, has_rivals: true }
    }
}

impl Plan {
    /// Reads `--rounds N`, `--seconds N` and `--no-rivals`; the rest are the names of parts.
    pub(crate) fn read(arguments: &[String]) -> Outcome<(Self, Vec<String>)> {
        let (mut plan, mut parts) = (Self::default(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || -> Outcome<u32> {
                let number = arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                Ok(number.ok_or_else(|| format!("{argument} needs a number above 0"))?)
            };
            match argument.as_str() {
                "--rounds" => plan.rounds = usize::try_from(number()?)?,
                "--seconds" => plan.seconds = number()?,
                "--no-rivals" => plan.has_rivals = false,
                part => parts.push(part.to_owned()),
            }
        }
        Ok((plan, parts))
    }

    /// The rivals, if they are measured.
    pub(crate) fn rivals<T>(self, start: impl FnOnce() -> Outcome<Vec<T>>) -> Outcome<Vec<T>> {
        if self.has_rivals { start() } else { Ok(Vec::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_anywhere_among_the_parts() {
        let read = |words: &str| Plan::read(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let (plan, parts) = read("fan-out --rounds 2 append --seconds 9 --no-rivals").unwrap();
        assert_eq!(plan, Plan { rounds: 2, seconds: 9, has_rivals: false });
        assert_eq!(parts, ["fan-out", "append"]);
        assert_eq!(read("").unwrap(), (Plan::default(), Vec::new()));
        assert!(read("--rounds 0").is_err() && read("--seconds").is_err());
    }
}
