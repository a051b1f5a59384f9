use crate::Outcome;
use crate::server;

/// What a run of the example printed, a name and a number a line.
pub(super) struct Figures(String);

impl Figures {
    pub(super) fn of(arguments: &[&str]) -> Outcome<Self> {
        let output = server::example("bench-forward")?.args(arguments).output()?;
        if !output.status.success() {
            return Err(format!("bench-forward {arguments:?} ended with {}", output.status).into());
        }
        Ok(Self(String::from_utf8(output.stdout)?))
    }

    pub(super) fn figure(&self, name: &str) -> Outcome<f64> {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(found.ok_or_else(|| format!("the example said nothing of {name}"))?.parse()?)
    }

    /// The first one's share of both.
    pub(super) fn share(&self, one: &str, other: &str) -> Outcome<f64> {
        let (one, other) = (self.figure(one)?, self.figure(other)?);
        if one + other == 0.0 { Err("nothing was looked at".into()) } else { Ok(one / (one + other)) }
    }
}
