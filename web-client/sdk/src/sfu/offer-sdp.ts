/** What the SFU forwards. */
const CODECS = new Set(['opus', 'vp8', 'vp9', 'h264', 'av1']);

/** Header extensions that the SFU makes use of. */
const EXTENSIONS = new Set([
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
]);

/**
 * Leaves out of an offer what the SFU would not take up anyway: browsers list a dozen codecs in every section, and with
 * a hundred sections the offer would not fit into a frame. The answer can only name what is left, which is always among
 * what the browser really offered. Candidates are left out too: the SFU learns them from the checks themselves.
 */
export function trimOffer(sdp: string): string {
  const [session = '', ...media] = sdp.split(/^(?=m=)/m);
  return session + media.map((section) => (/^m=(audio|video)/.test(section) ? trimMedia(section) : section)).join('');
}

function trimMedia(section: string): string {
  const lines = section.split('\r\n').filter((line) => !isCandidate(line));
  const kept = keptPayloadTypes(lines);
  return lines
    .filter((line) => isKept(line, kept))
    .map((line, index) => (index === 0 ? trimMediaLine(line, kept) : line))
    .join('\r\n');
}

const isCandidate = (line: string): boolean => line.startsWith('a=candidate:') || line === 'a=end-of-candidates';

/** The codecs themselves in their first form each, H.264 in both of its baseline forms, and what repeats them. */
function keptPayloadTypes(lines: readonly string[]): ReadonlySet<string> {
  const kept = new Set<string>();
  const forms = new Set<string>();
  for (const payloadType of (lines[0] ?? '').split(' ').slice(3)) {
    const name = attribute(lines, `a=rtpmap:${payloadType} `)?.split('/')[0]?.toLowerCase() ?? '';
    const format = attribute(lines, `a=fmtp:${payloadType} `) ?? '';
    const form = name === 'h264' ? `h264 ${/profile-level-id=(42\w\w)/i.exec(format)?.[1] ?? ''}` : name;
    const isUsable = name !== 'h264' || (form !== 'h264 ' && format.includes('packetization-mode=1'));
    if (CODECS.has(name) && isUsable && !forms.has(form)) {
      forms.add(form);
      kept.add(payloadType);
    }
  }
  for (const line of lines) {
    const [, payloadType = '', repeated = ''] = /^a=fmtp:(\d+) apt=(\d+)/.exec(line) ?? [];
    if (kept.has(repeated)) {
      kept.add(payloadType);
    }
  }
  return kept;
}

const attribute = (lines: readonly string[], start: string): string | undefined =>
  lines.find((line) => line.startsWith(start))?.slice(start.length);

function isKept(line: string, payloadTypes: ReadonlySet<string>): boolean {
  const [, payloadType] = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
  if (payloadType !== undefined) {
    return payloadTypes.has(payloadType);
  }
  const [, extension] = /^a=extmap:\S+ (\S+)/.exec(line) ?? [];
  return extension === undefined || EXTENSIONS.has(extension);
}

function trimMediaLine(line: string, payloadTypes: ReadonlySet<string>): string {
  const [kind, port, protocol, ...all] = line.split(' ');
  const left = all.filter((payloadType) => payloadTypes.has(payloadType));
  // A section without any codec that is known is refused by the server, not malformed.
  return left.length === 0 ? line : [kind, port, protocol, ...left].join(' ');
}
