//! What a participant sends.
use bytes::Bytes;
use str0m::rtp::RtpPacket;

use super::{Notice, Session, translate};
use crate::packet::{Packet, ShortId};

/// A stream that the participant sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    pub(super) mid: ShortId,
    pub(super) rid: Option<ShortId>,
}

impl Session {
    pub(super) fn packet(&mut self, packet: RtpPacket) -> Option<Notice> {
        let header = &packet.header;
        let stream = self.stream(&packet)?;
        let params = self.rtc.codec_config().params().iter().find(|params| params.pt() == header.payload_type)?;
        let codec = translate::codec(params.spec().codec)?;
        let packet = Packet {
            ssrc: stream.ssrc,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            extensions: translate::extensions(&header.ext_vals, Some(stream.mid), stream.rid),
            payload: Bytes::from_owner(packet.payload),
        };
        Some(Notice::Packet(packet, codec))
    }

    /// The stream of an authentic packet. Senders name its section only at first; there are never more streams than sections and layers.
    fn stream(&mut self, packet: &RtpPacket) -> Option<Received> {
        let ssrc = *packet.header.ssrc;
        let place = match self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc) {
            Ok(place) => return self.streams.get(place).copied(),
            Err(place) => place,
        };
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc.into())?;
        let (mid, rid) = (ShortId::new(&stream.mid())?, stream.rid().and_then(|rid| ShortId::new(&rid)));
        let new = Received { ssrc, mid, rid };
        let before = self.streams.iter().position(|stream| (stream.mid, stream.rid) == (mid, rid));
        self.streams.insert(place, new);
        if let Some(before) = before {
            self.streams.remove(before + usize::from(before >= place));
        }
        Some(new)
    }
}
