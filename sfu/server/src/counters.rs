use metrics::{Counter, Gauge};
use stoa_sfu_core::ShardStats;

/// One worker's share of the process's counters, which are looked up once.
pub(crate) struct Counters {
    causes: [Counter; 7],
    lost_news: Counter,
    lost_events: Counter,
    forwarded: Counter,
    relayed: Counter,
    lost_messages: Counter,
    sessions: Gauge,
    last: ShardStats,
    last_sessions: usize,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            causes: CAUSES.map(|why| metrics::counter!("stoa_sfu_dropped_total", "why" => why)),
            lost_news: metrics::counter!("stoa_sfu_lost_news_total"),
            lost_events: metrics::counter!("stoa_sfu_lost_events_total"),
            forwarded: metrics::counter!("stoa_sfu_forwarded_total"),
            relayed: metrics::counter!("stoa_sfu_messages_total", "what" => "relayed"),
            lost_messages: metrics::counter!("stoa_sfu_messages_total", "what" => "lost"),
            sessions: metrics::gauge!("stoa_sfu_sessions"),
            last: ShardStats::default(),
            last_sessions: 0,
        }
    }

    /// Adds what has happened since the last time.
    pub(crate) fn publish(&mut self, stats: ShardStats, sessions: usize) {
        let causes = |stats: &ShardStats| {
            [
                stats.unknown,
                stats.malformed,
                stats.unauthentic,
                stats.too_many_streams,
                stats.engine,
                stats.unannounced,
                stats.unsent,
            ]
        };
        for ((counter, new), old) in self.causes.iter().zip(causes(&stats)).zip(causes(&self.last)) {
            if new != old {
                counter.increment(new - old);
            }
        }
        for (counter, new, old) in [
            (&self.forwarded, stats.forwarded, self.last.forwarded),
            (&self.relayed, stats.relayed_messages, self.last.relayed_messages),
            (&self.lost_messages, stats.lost_messages, self.last.lost_messages),
            (&self.lost_events, stats.lost_events, self.last.lost_events),
        ] {
            if new != old {
                counter.increment(new - old);
            }
        }
        self.count_sessions(sessions);
        self.last = stats;
    }

    pub(crate) fn lose_news(&self) {
        self.lost_news.increment(1);
    }

    /// The gauge is the sum of all workers, so each adds and takes away its own.
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions are far below 2^52")]
    fn count_sessions(&mut self, sessions: usize) {
        if sessions != self.last_sessions {
            self.sessions.increment(sessions as f64 - self.last_sessions as f64);
            self.last_sessions = sessions;
        }
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        self.count_sessions(0);
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

/// Why datagrams and packets are dropped, in the order of the counters.
const CAUSES: [&str; 7] =
    ["unknown", "malformed", "unauthentic", "too_many_streams", "engine", "unannounced", "unsent"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use metrics::{Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;

    /// Metrics by name and labels.
    #[derive(Default)]
    struct Book(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Book {
        fn cell(&self, key: &Key) -> Arc<AtomicU64> {
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = format!("{} {}", key.name(), labels.join(","));
            Arc::clone(self.0.lock().unwrap().entry(name.trim().to_owned()).or_default())
        }

        fn count(&self, name: &str) -> u64 {
            self.0.lock().unwrap()[name].load(Ordering::Relaxed)
        }

        fn gauge(&self, name: &str) -> f64 {
            f64::from_bits(self.count(name))
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers")]
    fn sessions_of_all_workers_are_added_and_a_broken_workers_are_taken_away() {
        let book = Book::default();
        let [mut first, mut second] = metrics::with_local_recorder(&book, || [Counters::new(), Counters::new()]);
        first.publish(ShardStats::default(), 3);
        second.publish(ShardStats::default(), 2);
        first.publish(ShardStats::default(), 1);
        assert_eq!(book.gauge("stoa_sfu_sessions"), 3.0);
        drop(second);
        assert_eq!(book.gauge("stoa_sfu_sessions"), 1.0, "it begins anew without any");
    }

    #[test]
    fn every_cause_is_counted_under_its_name_and_once() {
        let book = Book::default();
        let mut counters = metrics::with_local_recorder(&book, Counters::new);
        let stats = ShardStats {
            unknown: 1,
            malformed: 2,
            unauthentic: 3,
            too_many_streams: 4,
            engine: 5,
            unannounced: 6,
            unsent: 7,
            forwarded: 8,
            relayed_messages: 9,
            lost_messages: 10,
            lost_events: 11,
            ..ShardStats::default()
        };
        counters.publish(stats, 0);
        counters.publish(stats, 0);
        counters.publish(ShardStats { unknown: 3, forwarded: 10, ..stats }, 0);
        let dropped = |why: &str| book.count(&format!("stoa_sfu_dropped_total why={why}"));
        let causes = ["unknown", "malformed", "unauthentic", "too_many_streams", "engine", "unannounced", "unsent"];
        assert_eq!(causes.map(dropped), [3, 2, 3, 4, 5, 6, 7]);
        assert_eq!(book.count("stoa_sfu_forwarded_total"), 10);
        let messages = |what: &str| book.count(&format!("stoa_sfu_messages_total what={what}"));
        assert_eq!((messages("relayed"), messages("lost"), book.count("stoa_sfu_lost_events_total")), (9, 10, 11));
        counters.lose_news();
        assert_eq!(book.count("stoa_sfu_lost_news_total"), 1);
    }
}
