import { describe, expect, it } from 'vitest';
import { trimOffer } from '../src/sfu/offer-sdp';

const lines = (...all: string[]): string => all.join('\r\n') + '\r\n';

const SESSION = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1 2', 'a=extmap-allow-mixed'];
const APPLICATION = ['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'a=mid:2', 'a=sctp-port:5000'];

describe('trimOffer', () => {
  it('leaves what the SFU takes up, and names nothing that is not there', () => {
    const offer = lines(
      ...SESSION,
      'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 0',
      'a=candidate:1 1 udp 1 192.0.2.1 5000 typ host',
      'a=mid:0',
      'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
      'a=extmap:9/sendonly urn:ietf:params:rtp-hdrext:toffset',
      'a=rtpmap:111 opus/48000/2',
      'a=rtcp-fb:111 transport-cc',
      'a=fmtp:111 minptime=10;useinbandfec=1',
      'a=rtpmap:63 red/48000/2',
      'a=fmtp:63 111/111',
      'a=rtpmap:0 PCMU/8000',
      'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 102 103 104 106 108 39',
      'a=mid:1',
      'a=sendonly',
      'a=rtpmap:96 VP8/90000',
      'a=rtcp-fb:96 nack pli',
      'a=rtpmap:97 rtx/90000',
      'a=fmtp:97 apt=96',
      'a=rtpmap:98 VP9/90000',
      'a=fmtp:98 profile-id=0',
      'a=rtpmap:99 rtx/90000',
      'a=fmtp:99 apt=98',
      'a=rtpmap:100 VP9/90000',
      'a=fmtp:100 profile-id=2',
      'a=rtpmap:102 H264/90000',
      'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
      'a=rtpmap:103 rtx/90000',
      'a=fmtp:103 apt=102',
      'a=rtpmap:104 H264/90000',
      'a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
      'a=rtpmap:106 H264/90000',
      'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
      'a=rtpmap:108 H264/90000',
      'a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f',
      'a=rtpmap:39 ulpfec/90000',
      // Firefox leaves such lines of codecs that are not in the section.
      'a=rtcp-fb:120 nack',
      'a=rid:q send',
      'a=simulcast:send q',
      ...APPLICATION,
    );
    expect(trimOffer(offer)).toBe(
      lines(
        ...SESSION,
        'm=audio 9 UDP/TLS/RTP/SAVPF 111',
        'a=mid:0',
        'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
        'a=rtpmap:111 opus/48000/2',
        'a=rtcp-fb:111 transport-cc',
        'a=fmtp:111 minptime=10;useinbandfec=1',
        'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 103 106',
        'a=mid:1',
        'a=sendonly',
        'a=rtpmap:96 VP8/90000',
        'a=rtcp-fb:96 nack pli',
        'a=rtpmap:97 rtx/90000',
        'a=fmtp:97 apt=96',
        'a=rtpmap:98 VP9/90000',
        'a=fmtp:98 profile-id=0',
        'a=rtpmap:99 rtx/90000',
        'a=fmtp:99 apt=98',
        'a=rtpmap:102 H264/90000',
        'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
        'a=rtpmap:103 rtx/90000',
        'a=fmtp:103 apt=102',
        'a=rtpmap:106 H264/90000',
        'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
        'a=rid:q send',
        'a=simulcast:send q',
        ...APPLICATION,
      ),
    );
  });

  it('does not break what it does not know', () => {
    for (const sdp of ['', 'v=0\r\n', lines('v=0', 'm=video 9 X 1', 'a=rtpmap:1 H999/90000'), lines(...SESSION)]) {
      expect(trimOffer(sdp).split('\r\n')[0]).toBe(sdp.split('\r\n')[0]);
    }
  });
});
