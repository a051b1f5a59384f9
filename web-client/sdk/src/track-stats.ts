import type { LinkPath } from './link/path';
import type { RoomLeg, RoomMesh } from './room-media';
import type { ParticipantId } from './roster';
import type { Track } from './signal/wire';
import type { Limitation, TrackStats, TrackStatsSource } from './stats';

/** Where statistics come from. */
export interface StatsParts {
  readonly mesh: RoomMesh;
  readonly leg: RoomLeg | null;
  readonly available: ReadonlyMap<number, Track>;
}

/** What was counted at the last call. */
interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly delay: number;
  readonly emitted: number;
}

/** What browsers say of a stream; every field may be missing. */
interface Entry {
  readonly id: string;
  readonly type: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly codecId?: string;
  readonly mimeType?: string;
  readonly active?: boolean;
  readonly rid?: string;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly framesPerSecond?: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly packetsReceived?: number;
  readonly packetsSent?: number;
  readonly packetsLost?: number;
  readonly jitterBufferDelay?: number;
  readonly jitterBufferEmittedCount?: number;
  readonly qualityLimitationReason?: string;
  readonly roundTripTime?: number;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
}

/** Lines of the largest size that cameras send. */
const FULL_LINES = 720;

/** Makes statistics of tracks, and remembers what was counted at the last call. */
export class TrackStatistics {
  readonly #samples = new Map<string, Sample>();

  /** How a track of another is received; null: it is not. */
  async received(parts: StatsParts, from: ParticipantId, source: TrackStatsSource): Promise<TrackStats | null> {
    const link = parts.mesh.view(from);
    const receiver = link?.link === 'connected' ? parts.mesh.receiverOf(from, source) : undefined;
    if (link !== null && receiver !== undefined) {
      return this.#inbound(`${from} ${source} link`, await receiver.getStats(), link.path, undefined, undefined);
    }
    const track = [...parts.available.values()].find((one) => one.participant === from && one.source === source);
    const report = track === undefined ? null : await parts.leg?.received(track.id);
    if (track === undefined || parts.leg === null || report === undefined || report === null) {
      return null;
    }
    const wished = parts.leg.wishedLayer(track.id);
    return this.#inbound(`${from} ${source} ${track.id}`, report, parts.leg.path, track, wished);
  }

  /** How a track of one's own is sent; null: it is not. */
  async sent(parts: StatsParts, source: TrackStatsSource): Promise<TrackStats | null> {
    const report = await parts.leg?.sent(source);
    if (report !== undefined && report !== null && parts.leg !== null) {
      return this.#outbound(`sfu ${source}`, report, parts.leg.path);
    }
    const link = parts.mesh.senderOf(source);
    return link === undefined ? null : this.#outbound(`mesh ${source}`, await link.sender.getStats(), link.path);
  }

  #inbound(
    key: string,
    report: RTCStatsReport,
    path: LinkPath,
    track: Track | undefined,
    wished: number | undefined,
  ): TrackStats | null {
    const entries = entriesOf(report);
    const stream = entries.find(({ type }) => type === 'inbound-rtp');
    if (stream === undefined) {
      return null;
    }
    const counted = this.#count(key, {
      atMs: stream.timestamp,
      bytes: stream.bytesReceived ?? 0,
      packets: stream.packetsReceived ?? 0,
      lost: stream.packetsLost ?? 0,
      delay: stream.jitterBufferDelay ?? 0,
      emitted: stream.jitterBufferEmittedCount ?? 0,
    });
    const layer = track === undefined ? null : layerOf(stream.frameHeight, track);
    return {
      ...pictureOf(entries, stream),
      ...counted,
      roundTripTime: roundTripTime(entries),
      path,
      layer,
      limitation: limitationOf(layer, wished, track),
    };
  }

  #outbound(key: string, report: RTCStatsReport, path: LinkPath): TrackStats | null {
    const entries = entriesOf(report);
    const streams = entries.filter(({ type }) => type === 'outbound-rtp');
    const active = streams.filter(({ framesPerSecond }) => (framesPerSecond ?? 0) > 0);
    const largest = [...active].sort((a, b) => (b.frameHeight ?? 0) - (a.frameHeight ?? 0))[0] ?? streams[0];
    if (largest === undefined) {
      return null;
    }
    const remote = entries.filter(({ type }) => type === 'remote-inbound-rtp');
    const counted = this.#count(key, {
      atMs: largest.timestamp,
      bytes: sum(streams.map(({ bytesSent }) => bytesSent)),
      // Lost ones count among those sent.
      packets: sum(streams.map(({ packetsSent }) => packetsSent)) - sum(remote.map(({ packetsLost }) => packetsLost)),
      lost: sum(remote.map(({ packetsLost }) => packetsLost)),
      delay: 0,
      emitted: 0,
    });
    return {
      ...pictureOf(entries, largest),
      ...counted,
      jitterBufferDelay: null,
      roundTripTime: remote.find((one) => one.roundTripTime !== undefined)?.roundTripTime ?? roundTripTime(entries),
      path,
      layer: streams.length > 1 ? streams.filter((one) => (one.frameHeight ?? 0) > 0).length - 1 : null,
      limitation: knownLimitation(largest.qualityLimitationReason),
    };
  }

  #count(key: string, now: Sample): Pick<TrackStats, 'bitrate' | 'packetsLost' | 'jitterBufferDelay'> {
    const before = this.#samples.get(key);
    this.#samples.set(key, now);
    if (before === undefined || now.atMs <= before.atMs || now.bytes < before.bytes) {
      return { bitrate: null, packetsLost: null, jitterBufferDelay: null };
    }
    const lost = Math.max(0, now.lost - before.lost);
    const all = lost + Math.max(0, now.packets - before.packets);
    const emitted = now.emitted - before.emitted;
    return {
      bitrate: (8_000 * (now.bytes - before.bytes)) / (now.atMs - before.atMs),
      packetsLost: all === 0 ? null : lost / all,
      jitterBufferDelay: emitted > 0 ? (now.delay - before.delay) / emitted : null,
    };
  }
}

const entriesOf = (report: RTCStatsReport): Entry[] => [...report.values()] as Entry[];

const sum = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((total, one) => total + (one ?? 0), 0);

function pictureOf(
  entries: readonly Entry[],
  stream: Entry,
): Pick<TrackStats, 'codec' | 'width' | 'height' | 'framesPerSecond'> {
  const mimeType = entries.find(({ id }) => id === stream.codecId)?.mimeType;
  return {
    codec: mimeType?.slice(mimeType.indexOf('/') + 1).toLowerCase() ?? null,
    width: stream.frameWidth ?? null,
    height: stream.frameHeight ?? null,
    framesPerSecond: stream.framesPerSecond ?? null,
  };
}

function roundTripTime(entries: readonly Entry[]): number | null {
  const pair = entries.find(({ type, nominated }) => type === 'candidate-pair' && nominated === true);
  return pair?.currentRoundTripTime ?? null;
}

/**
 * The server does not say which size it sends. It shows in the picture's lines, if those are the publisher's full
 * lines once, twice or four times halved.
 */
function layerOf(lines: number | undefined, { layers }: Track): number | null {
  if (layers < 2 || lines === undefined || lines === 0) {
    return null;
  }
  const halvings = Math.log2(FULL_LINES / lines);
  const layer = layers - 1 - Math.round(halvings);
  const isExact = Math.abs(halvings - Math.round(halvings)) < 0.1;
  return isExact && layer >= 0 && layer < layers ? layer : null;
}

function limitationOf(layer: number | null, wished: number | undefined, track: Track | undefined): Limitation {
  if (track === undefined || layer === null) {
    return 'none';
  }
  const best = track.layers - 1;
  if (layer < (wished ?? best)) {
    return 'bandwidth';
  }
  return layer < best ? 'size' : 'none';
}

function knownLimitation(reason: string | undefined): Limitation {
  return reason === 'bandwidth' || reason === 'cpu' ? reason : reason === 'other' ? 'other' : 'none';
}
