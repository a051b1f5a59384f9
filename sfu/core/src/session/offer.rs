use std::fmt;
use std::panic::catch_unwind;

use str0m::change::SdpOffer;
use str0m::media::Mid;

use crate::packet::{Codec, ShortId, TrackId};

/// Why an offer was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferError {
    /// Longer, or of more media sections, than we read.
    TooLong,
    /// Not SDP.
    Malformed,
    /// It asks us to be the DTLS client. Whoever is the server chooses the cipher, and that must be us.
    WrongRole,
    /// It contradicts itself or an offer before it.
    Unacceptable,
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the offer is too long",
            Self::Malformed => "the offer is not SDP",
            Self::WrongRole => "the offerer must be ready to be the DTLS client",
            Self::Unacceptable => "the offer contradicts itself or an earlier one",
        })
    }
}

impl std::error::Error for OfferError {}

/// What was agreed on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) sdp: String,
    /// All media sections of audio and video, in the order of the offer.
    pub(crate) sections: Vec<Section>,
    /// Tracks whose slots are gone.
    pub(crate) unseated: Vec<TrackId>,
}

/// One media section.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) mid: ShortId,
    pub(crate) is_audio: bool,
    /// What the participant may send in it.
    pub(crate) published: Option<SectionUse>,
    /// Tracks of others may be sent to the participant in it.
    pub(crate) is_slot: bool,
}

/// What a participant sends in a section.
#[derive(Debug)]
pub(crate) struct SectionUse {
    /// What we like best of what it offers, which is what it uses; `None` if there is nothing that we understand.
    pub(crate) codec: Option<Codec>,
    pub(crate) rids: Vec<ShortId>,
}

impl Section {
    pub(crate) fn is_published(&self, mid: ShortId) -> bool {
        self.mid == mid && self.published.is_some()
    }
}

/// An offer that could be read.
pub(super) struct Read {
    pub(super) offer: SdpOffer,
    pub(super) mids: Vec<Mid>,
}

/// Whether an offer is one that we read at all.
pub(super) fn check(sdp: &str) -> Result<(), OfferError> {
    if sdp.len() > MOST_BYTES || sdp.lines().filter(|line| line.starts_with("m=")).count() > MOST_SECTIONS {
        return Err(OfferError::TooLong);
    }
    if sdp.lines().any(|line| line.trim_end() == "a=setup:passive") {
        return Err(OfferError::WrongRole);
    }
    Ok(())
}

/// An offer with a stream's id in every section that the participant receives in and that has none, which is as it should be.
pub(super) fn with_streams(sdp: &str, mut stream: impl FnMut(Mid, bool) -> usize) -> String {
    let mut out = String::with_capacity(sdp.len() + MOST_SECTIONS * STREAM_BYTES);
    let mut receiving = Receiving::default();
    for line in sdp.split_inclusive('\n') {
        if line.starts_with("m=") {
            receiving.end(&mut out, &mut stream);
            receiving.is_audio = line.starts_with("m=audio ");
            receiving.is_media = receiving.is_audio || line.starts_with("m=video ");
        }
        match line.trim_end() {
            "a=recvonly" => receiving.is_one = true,
            text if text.starts_with("a=msid:") => receiving.is_media = false,
            text => receiving.mid = text.strip_prefix("a=mid:").map(Mid::from).or(receiving.mid),
        }
        out.push_str(line);
    }
    receiving.end(&mut out, &mut stream);
    out
}

/// What is known of a section while its lines pass.
#[derive(Default)]
struct Receiving {
    mid: Option<Mid>,
    is_audio: bool,
    is_media: bool,
    is_one: bool,
}

impl Receiving {
    /// The section is over.
    fn end(&mut self, out: &mut String, stream: &mut impl FnMut(Mid, bool) -> usize) {
        if let Some(mid) = self.mid.filter(|_| self.is_media && self.is_one && out.ends_with('\n')) {
            out.push_str(&format!("a=msid:{} {mid}\r\n", stream(mid, self.is_audio)));
        }
        *self = Self::default();
    }
}

/// Reads an offer. Not even one that makes the parser panic does any harm.
pub(super) fn read(sdp: &str) -> Result<Read, OfferError> {
    let offer = catch_unwind(|| SdpOffer::from_sdp_string(sdp));
    let offer = offer.ok().and_then(Result::ok).ok_or(OfferError::Malformed)?;
    let mids =
        sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(|mid| Mid::from(mid.trim_end())).collect();
    Ok(Read { offer, mids })
}

/// An answer whose media sections name the payload types in the offer's order. The engine names them in its own, and a participant
/// sends the first one ([RFC 3264 § 6.1](https://www.rfc-editor.org/rfc/rfc3264#section-6.1)): what it likes best shall be what it sends.
pub(super) fn in_offers_order(answer: &str, offer: &str) -> String {
    let mut offered = offer.lines().filter(|line| line.starts_with("m="));
    let mut out = String::with_capacity(answer.len());
    for line in answer.split_inclusive('\n') {
        match line.starts_with("m=").then(|| offered.next()).flatten() {
            Some(wish) => out.push_str(&sorted(line, wish)),
            None => out.push_str(line),
        }
    }
    out
}

/// A media line whose formats are in the order of another one.
fn sorted(line: &str, wish: &str) -> String {
    let (text, end) = line.split_at(line.trim_end().len());
    let mut words: Vec<_> = text.split(' ').collect();
    let place = |format: &&str| wish.split(' ').skip(FORMATS).position(|wished| wished.trim_end() == *format);
    if let Some(formats) = words.get_mut(FORMATS..) {
        formats.sort_by_key(|format| place(format).unwrap_or(usize::MAX));
    }
    words.join(" ") + end
}

/// The words of a media line before the first format: kind, port, protocol.
const FORMATS: usize = 3;

/// The SSRC of an RTP packet; `None` for everything else, which is told apart as [RFC 7983](https://www.rfc-editor.org/rfc/rfc7983) and
/// [RFC 5761 § 4](https://www.rfc-editor.org/rfc/rfc5761#section-4) say.
pub(super) fn rtp_ssrc(datagram: &[u8]) -> Option<u32> {
    let [first, second, _, _, _, _, _, _, ssrc @ ..] = datagram else { return None };
    let is_rtp = (128..192).contains(first) && !(64..96).contains(&(second & 0x7f));
    Some(u32::from_be_bytes(*ssrc.first_chunk()?)).filter(|_| is_rtp)
}

/// A session description of 200 media sections has about 200 KiB.
const MOST_BYTES: usize = 512 << 10;

/// What the id of a stream takes in a section.
const STREAM_BYTES: usize = 24;

/// Media sections of one session.
const MOST_SECTIONS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rtp_has_an_ssrc_that_counts() {
        let mut packet = [0x80, 111, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 9];
        assert_eq!(rtp_ssrc(&packet), Some(0x0102_0304));
        packet[1] = 200;
        assert_eq!(rtp_ssrc(&packet), None, "RTCP");
        packet[0] = 22;
        assert_eq!(rtp_ssrc(&packet), None, "DTLS");
        assert_eq!(rtp_ssrc(&[0x80, 111, 0, 1]), None);
    }

    #[test]
    fn answers_name_formats_in_the_offers_order() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nm=video 9 UDP/TLS/RTP/SAVPF 103 104 96 97 45\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104\r\na=mid:1\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
        assert_eq!(in_offers_order(answer, offer), answer.replace("96 97 103 104", "103 104 96 97"));
        assert_eq!(in_offers_order("m=video 9 X 9 8", "m=video 9 X 8\r\n"), "m=video 9 X 8 9");
    }

    #[test]
    fn sections_to_receive_in_are_given_a_stream_unless_they_have_one() {
        let section =
            |kind: &str, mid: &str, rest: &str| format!("m={kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\n{rest}");
        let offer = [
            "v=0\r\na=msid-semantic: WMS\r\n".to_owned(),
            section("audio", "0", "a=sendonly\r\na=msid:mine mic\r\n"),
            section("video", "1", "a=recvonly\r\n"),
            section("video", "2", "a=recvonly\r\na=msid:theirs x\r\n"),
            section("application", "3", "a=recvonly\r\n"),
            section("audio", "4", "a=recvonly\r\n"),
        ];
        let mut named = offer.clone();
        named[2].push_str("a=msid:7 1\r\n");
        named[5].push_str("a=msid:8 4\r\n");
        assert_eq!(with_streams(&offer.concat(), |_, is_audio| if is_audio { 8 } else { 7 }), named.concat());
    }

    #[test]
    fn offers_that_are_none_are_refused() {
        assert_eq!(read("hello").err(), Some(OfferError::Malformed));
        assert_eq!(check(&"m=audio\r\n".repeat(300)), Err(OfferError::TooLong));
        assert_eq!(check("v=0\r\na=setup:passive\r\n"), Err(OfferError::WrongRole));
    }
}
