use std::time::{Duration, Instant};

use super::{Forwarder, SenderReport};
use crate::packet::{Outgoing, Publisher, Sink, TrackId};

impl Forwarder {
    /// A sink misses packets. Appends what can be sent again; `rtt` is the time to the sink and back, and no packet is sent more often.
    pub fn handle_nack(
        &mut self,
        sink: Sink,
        id: TrackId,
        sequences: &[u16],
        rtt: Duration,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) {
        let Some(track) = self.tracks.get_mut(&id).filter(|track| !track.is_muted) else { return };
        let (layers, subscriptions) = (&track.layers, &mut track.subscriptions);
        let Ok(place) = subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink) else { return };
        let Some(subscription) = subscriptions.get_mut(place) else { return };
        for sequence in sequences.iter().take(MOST_NACKED) {
            if let Some(outgoing) = subscription.resend(id, layers, *sequence, now, rtt) {
                out.push(outgoing);
                self.stats.resent += 1;
            }
        }
    }

    /// A sink's decoder asks for a keyframe (PLI or FIR).
    pub fn handle_keyframe_request(&mut self, sink: Sink, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let Some(place) = track.subscription_mut(sink).and_then(|subscription| subscription.keyframe_layer(now)) else {
            return;
        };
        if let Some(layer) = track.layer_mut(place) {
            layer.is_asked = true;
        }
        self.ask_for_waiting(id, now);
    }

    /// A publisher's sender report. Appends what each sink is to be told: the same moment on its own timeline.
    pub fn handle_sender_report(
        &mut self,
        publisher: Publisher,
        ssrc: u32,
        report: SenderReport,
        out: &mut Vec<(Sink, TrackId, SenderReport)>,
    ) {
        let Some((id, place)) = self.by_ssrc.get(&(publisher, ssrc)).copied() else { return };
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let Some(layer) = track.layer_mut(place) else { return };
        layer.clock = Some(report);
        let origin = layer.origin(place);
        for subscription in &mut track.subscriptions {
            let sink = subscription.sink;
            if let Some(report) = subscription.rewriter_mut().handle_sender_report(origin, report) {
                out.push((sink, id, report));
            }
        }
    }

    /// The round trip to a publisher, for requests of lost packets.
    pub fn set_publisher_rtt(&mut self, publisher: Publisher, rtt: Duration) {
        for track in self.tracks.values_mut().filter(|track| track.config.publisher == publisher) {
            track.layers.iter_mut().for_each(|layer| layer.rtt = rtt);
        }
    }
}

/// Most packets that one NACK is answered for; a compound packet has room for more, a path that lost so much has not.
const MOST_NACKED: usize = 256;
