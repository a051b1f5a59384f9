use std::time::Duration;

/// What the way to a participant is thought to carry, in bit/s.
///
/// The engine tells an average over the last seconds by itself, and its latest estimate when asked. When a path narrows, what is believed
/// a second too long fills the queues before it, and audio is lost there with the video; when it widens, a second does no harm.
#[derive(Debug)]
pub(super) struct Estimate {
    average: Option<u64>,
    latest: Option<u64>,
    has_fallen: bool,
    told: Option<u64>,
    least_rtt: Option<Duration>,
}

impl Estimate {
    /// `first` is what to start from; `None` without congestion control.
    pub(super) const fn new(first: Option<u64>) -> Self {
        Self { average: None, latest: None, has_fallen: false, told: first, least_rtt: None }
    }

    /// What was told last.
    pub(super) const fn told(&self) -> Option<u64> {
        self.told
    }

    /// What was told last is all that is known. Returns it.
    pub(super) const fn begin_anew(&mut self) -> Option<u64> {
        (self.average, self.latest, self.has_fallen) = (None, self.told, false);
        self.told
    }

    /// Returns what is to be told, if it is news.
    pub(super) fn handle_average(&mut self, average: u64) -> Option<u64> {
        self.average = Some(average);
        self.news()
    }

    /// Likewise.
    pub(super) fn handle_latest(&mut self, latest: u64) -> Option<u64> {
        self.has_fallen |= self.latest.is_some_and(|before| latest < before);
        self.latest = Some(latest);
        self.news()
    }

    /// `loss`: the share of packets of the last second that did not arrive. Returns whether that looks like a path that is too narrow;
    /// `None` while there is no answer from it.
    pub(super) fn handle_losses(&mut self, loss: Option<f32>, rtt: Option<Duration>) -> Option<bool> {
        let (loss, rtt) = (loss?, rtt?);
        let least = self.least_rtt.map_or(rtt, |least| least.min(rtt));
        self.least_rtt = Some(least);
        Some(loss > MOST_LOSS || rtt > least + LONGEST_QUEUE)
    }

    fn news(&mut self) -> Option<u64> {
        let estimate = match (self.latest, self.average) {
            // Before the path was ever too narrow it is being found out, and an average lags behind.
            (Some(latest), Some(average)) if self.has_fallen => latest.min(average),
            (latest, average) => latest.or(average)?,
        };
        let is_news = self.told.is_none_or(|told| told.abs_diff(estimate) > told / LEAST_CHANGE);
        is_news.then(|| *self.told.insert(estimate))
    }
}

/// Wireless links lose some, whatever is sent.
const MOST_LOSS: f32 = 0.03;

/// Packets that take so much longer than others wait in a queue that is too long.
const LONGEST_QUEUE: Duration = Duration::from_millis(400);

/// Changes of less than one part in so many are not told.
const LEAST_CHANGE: u64 = 33;
