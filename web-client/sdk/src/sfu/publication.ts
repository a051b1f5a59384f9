import type { LocalTracks } from '../link/local-tracks';
import { TRACK_SOURCES } from '../playout';
import type { Announcement, TrackSource } from '../signal/wire';

/** Codecs to send pictures in. */
export type PictureCodec = 'vp8' | 'h264' | 'vp9' | 'av1';

const KBPS = 1_000;

/**
 * The smallest first: that is the order of the layers. Bit rates are those at which 180, 360 and 720 lines look good; a
 * smaller picture has fewer layers of these sizes, see `simulcast`.
 */
const SIMULCAST: RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150 * KBPS },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500 * KBPS },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700 * KBPS },
];
/** VP9 and AV1 cost too much to encode three times. */
const SINGLE: RTCRtpEncodingParameters[] = [{ maxBitrate: 1_500 * KBPS }];
/**
 * One size only: text that is scaled down cannot be read, and a picture that hardly changes costs hardly anything in
 * full size.
 */
const SCREEN: RTCRtpEncodingParameters[] = [{ maxBitrate: 2_500 * KBPS, maxFramerate: 15 }];
/** Music in both channels survives at this rate. */
const SCREEN_AUDIO: RTCRtpEncodingParameters[] = [{ maxBitrate: 128 * KBPS }];

interface Section {
  readonly transceiver: RTCRtpTransceiver;
  /** What the sender was told last: it shows the track only when `replaceTrack` has come through. */
  told: MediaStreamTrack | null;
}

/**
 * What oneself sends to the SFU over one connection. A section is made when its source first has something to send, and
 * stays: to be silent or to change the device needs no negotiation. A screen that is no longer shared is taken back.
 */
export class Publication {
  readonly #connection: RTCPeerConnection;
  readonly #codec: PictureCodec;
  readonly #sections = new Map<TrackSource, Section>();
  #tracks: LocalTracks = {};
  /** The sources that the last offer named. */
  #announced = '';

  constructor(connection: RTCPeerConnection, codec: PictureCodec) {
    this.#connection = connection;
    this.#codec = codec;
  }

  /** Sends these tracks from now on. Returns whether that takes an offer. */
  setTracks(tracks: LocalTracks): boolean {
    this.#tracks = tracks;
    for (const [source, section] of this.#sections) {
      const track = tracks[source] ?? null;
      if (section.told !== track) {
        section.told = track;
        // Refused only by a closed connection: the next one attaches the tracks anew.
        section.transceiver.sender.replaceTrack(track).catch(() => undefined);
        if (source === 'camera' && track !== null) {
          resize(section.transceiver.sender, track);
        }
      }
    }
    return this.#wanted().join() !== this.#announced;
  }

  /** Makes the sections that the offer to be made is to have. */
  prepare(): void {
    for (const source of TRACK_SOURCES) {
      const track = this.#tracks[source];
      if (track !== undefined && !this.#sections.has(source)) {
        this.#sections.set(source, { transceiver: this.#add(source, track), told: track });
      }
    }
    this.#announced = this.#wanted().join();
  }

  /** What is sent in which section, once the offer is set. */
  announcements(): Announcement[] {
    return this.#wanted().flatMap((source) => {
      const mid = this.#sections.get(source)?.transceiver.mid ?? null;
      return mid === null ? [] : [{ mid, source }];
    });
  }

  /** Whether a picture is sent. */
  get sendsPicture(): boolean {
    return [...this.#sections.values()].some(({ told }) => told?.kind === 'video' && told.enabled);
  }

  /** Who sends a source; undefined: it was not sent yet. */
  senderOf(source: TrackSource): RTCRtpSender | undefined {
    return this.#sections.get(source)?.transceiver.sender;
  }

  #wanted(): TrackSource[] {
    return TRACK_SOURCES.filter((source) => {
      const isShared = this.#tracks[source] !== undefined;
      const isLasting = source === 'microphone' || source === 'camera';
      return isShared || (isLasting && this.#sections.has(source));
    });
  }

  #add(source: TrackSource, track: MediaStreamTrack): RTCRtpTransceiver {
    const sendEncodings = this.#encodings(source, track);
    const transceiver = this.#connection.addTransceiver(track, { direction: 'sendonly', sendEncodings });
    if (track.kind === 'video') {
      preferCodec(transceiver, this.#codec);
    }
    return transceiver;
  }

  #encodings(source: TrackSource, track: MediaStreamTrack): RTCRtpEncodingParameters[] {
    if (source === 'camera') {
      const isLayered = this.#codec === 'vp8' || this.#codec === 'h264' || !canSend(this.#codec);
      return isLayered ? simulcast(track) : copies(SINGLE);
    }
    if (source === 'screen') {
      return copies(SCREEN);
    }
    return source === 'screen_audio' ? copies(SCREEN_AUDIO) : [{}];
  }
}

/**
 * The layers of a camera's picture. Browsers make fewer of a small one and leave out the last, so these are switched off
 * and the first ones scaled down less: otherwise nobody would ever see it in full size.
 */
function simulcast(track: MediaStreamTrack): RTCRtpEncodingParameters[] {
  const { width = 1280, height = 720 } = track.getSettings();
  const layers = width * height >= 960 * 540 ? 3 : width * height >= 480 * 270 ? 2 : 1;
  return SIMULCAST.map((encoding, index) =>
    index < layers
      ? { ...encoding, active: true, scaleResolutionDownBy: 2 ** (layers - 1 - index) }
      : { ...encoding, active: false },
  );
}

/** Another camera may have another size. */
function resize(sender: RTCRtpSender, track: MediaStreamTrack): void {
  const parameters = sender.getParameters();
  const layers = simulcast(track);
  if (parameters.encodings.length !== layers.length) {
    return;
  }
  parameters.encodings = parameters.encodings.map((encoding, index) => ({ ...encoding, ...layers[index] }));
  // Refused while an answer is being set; then the sizes stay as they were until the next change.
  sender.setParameters(parameters).catch(() => undefined);
}

/** Browsers write into what they are given. */
const copies = (encodings: RTCRtpEncodingParameters[]): RTCRtpEncodingParameters[] =>
  encodings.map((encoding) => ({ ...encoding }));

const isCodec = ({ mimeType }: RTCRtpCodec, codec: PictureCodec): boolean =>
  mimeType.toLowerCase() === `video/${codec}`;

const canSend = (codec: PictureCodec): boolean =>
  RTCRtpSender.getCapabilities('video')?.codecs.some((known) => isCodec(known, codec)) ?? false;

/** Names the codec first and leaves none out: browsers differ in what they leave of a codec that is taken out. */
function preferCodec(transceiver: RTCRtpTransceiver, codec: PictureCodec): void {
  const known = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const wanted = canSend(codec) ? codec : 'vp8';
  const preferred = [...known.filter((one) => isCodec(one, wanted)), ...known.filter((one) => !isCodec(one, wanted))];
  try {
    transceiver.setCodecPreferences(preferred);
  } catch {
    // The browser's own order is as good as any that it does not take.
  }
}
