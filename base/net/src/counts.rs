use std::io;

use metrics::Counter;

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// No handler wanted it.
    Unclaimed,
    /// Its socket is closed.
    NoSocket,
    /// Longer than UDP or the path allows.
    TooLong,
    /// The socket's send buffer is full (`EAGAIN`).
    SendFull,
    /// The kernel is out of memory for it (`ENOBUFS`).
    NoBuffers,
    /// A firewall forbids it (`EPERM`, `EACCES`).
    Forbidden,
    /// Cannot be sent to that address, such as port 0 (`EINVAL`).
    Invalid,
    /// No route, or an error of an earlier datagram that came back.
    Unreachable,
    /// The ring to the other worker is full.
    RingFull,
    /// The handler that it is for does not exist.
    NoHandler,
}

impl Dropped {
    /// Why the kernel did not send a datagram.
    pub(crate) fn from_send(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::SendFull,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoBuffers,
            Some(libc::EMSGSIZE) => Self::TooLong,
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden,
            Some(libc::EINVAL) => Self::Invalid,
            _ => Self::Unreachable,
        }
    }
}

/// What a worker did since its counts were last published. Per datagram that is one addition.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) send_calls: u64,
    pub(crate) passed: u64,
    pub(crate) overflowed: u64,
    pub(crate) panics: u64,
    dropped: [u64; REASONS.len()],
}

impl Counts {
    pub(crate) fn drop_one(&mut self, why: Dropped) {
        self.drop_many(why, 1);
    }

    pub(crate) fn drop_many(&mut self, why: Dropped, count: usize) {
        let reasons = REASONS.iter().position(|(reason, _)| *reason == why);
        if let Some(dropped) = reasons.and_then(|index| self.dropped.get_mut(index)) {
            *dropped += count as u64;
        }
    }

    /// Adds everything to the process's metrics and starts again from 0.
    pub(crate) fn publish(&mut self, metrics: &Metrics) {
        let plain = [self.received, self.sent, self.send_calls, self.passed, self.overflowed, self.panics];
        for (counter, count) in metrics.plain.iter().zip(plain).chain(metrics.dropped.iter().zip(self.dropped)) {
            if count > 0 {
                counter.increment(count);
            }
        }
        *self = Self::default();
    }
}

/// The process's counters, looked up once.
pub(crate) struct Metrics {
    plain: [Counter; 6],
    dropped: [Counter; REASONS.len()],
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            plain: [
                metrics::counter!("stoa_udp_received_total"),
                metrics::counter!("stoa_udp_sent_total"),
                metrics::counter!("stoa_udp_send_calls_total"),
                metrics::counter!("stoa_udp_passed_total"),
                metrics::counter!("stoa_udp_receive_overflow_total"),
                metrics::counter!("stoa_udp_handler_panics_total"),
            ],
            dropped: REASONS.map(|(_, why)| metrics::counter!("stoa_udp_dropped_total", "why" => why)),
        }
    }
}

/// The label of each reason.
const REASONS: [(Dropped, &str); 10] = [
    (Dropped::Unclaimed, "unclaimed"),
    (Dropped::NoSocket, "no_socket"),
    (Dropped::TooLong, "too_long"),
    (Dropped::SendFull, "send_full"),
    (Dropped::NoBuffers, "no_buffers"),
    (Dropped::Forbidden, "forbidden"),
    (Dropped::Invalid, "invalid"),
    (Dropped::Unreachable, "unreachable"),
    (Dropped::RingFull, "ring_full"),
    (Dropped::NoHandler, "no_handler"),
];
