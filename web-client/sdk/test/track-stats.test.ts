import { describe, expect, it } from 'vitest';
import type { LinkPath } from '../src/link/path';
import { TrackStatistics } from '../src/track-stats';
import type { StatsParts } from '../src/track-stats';
import type { Track } from '../src/signal/wire';

const report = (...entries: object[]): RTCStatsReport =>
  new Map(entries.map((entry, index) => [String(index), { id: String(index), ...entry }])) as unknown as RTCStatsReport;

const CODEC = { id: 'C', type: 'codec', mimeType: 'video/VP8' };
const PAIR = { id: 'P', type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.02 };
const inbound = (seconds: number, part: object = {}): RTCStatsReport =>
  report(CODEC, PAIR, {
    type: 'inbound-rtp',
    kind: 'video',
    codecId: 'C',
    timestamp: seconds * 1_000,
    bytesReceived: seconds * 125_000,
    packetsReceived: seconds * 90,
    packetsLost: seconds * 10,
    jitterBufferDelay: seconds * 3,
    jitterBufferEmittedCount: seconds * 30,
    frameWidth: 640,
    frameHeight: 360,
    framesPerSecond: 30,
    ...part,
  });

interface World {
  readonly link?: { readonly path: LinkPath; readonly report: RTCStatsReport };
  readonly server?: RTCStatsReport;
  readonly sent?: RTCStatsReport;
  readonly wished?: number;
}

function parts({ link, server, sent, wished }: World): StatsParts {
  const track: Track = { id: 1, participant: 'bob', source: 'camera', codec: 'vp8', layers: 3 };
  const mesh = {
    view: () => (link === undefined ? null : { link: 'connected', path: link.path }),
    receiverOf: () => (link === undefined ? undefined : { getStats: () => Promise.resolve(link.report) }),
    senderOf: () => undefined,
  };
  const leg = {
    path: 'server',
    received: () => Promise.resolve(server ?? null),
    sent: () => Promise.resolve(sent ?? null),
    wishedLayer: () => wished,
  };
  const known = {
    mesh,
    leg: server === undefined && sent === undefined ? null : leg,
    available: new Map([[1, track]]),
  };
  return known as unknown as StatsParts;
}

describe('TrackStatistics', () => {
  it('counts from the last call on', async () => {
    const statistics = new TrackStatistics();
    const first = await statistics.received(parts({ link: { path: 'direct', report: inbound(1) } }), 'bob', 'camera');
    expect(first).toEqual({
      codec: 'vp8',
      width: 640,
      height: 360,
      framesPerSecond: 30,
      bitrate: null,
      packetsLost: null,
      jitterBufferDelay: null,
      roundTripTime: 0.02,
      path: 'direct',
      layer: null,
      limitation: 'none',
    });
    const second = await statistics.received(parts({ link: { path: 'direct', report: inbound(3) } }), 'bob', 'camera');
    expect(second).toMatchObject({ bitrate: 1_000_000, packetsLost: 0.1, jitterBufferDelay: 0.1 });
    // Another connection counts from the beginning.
    const third = await statistics.received(parts({ link: { path: 'direct', report: inbound(2) } }), 'bob', 'camera');
    expect(third).toMatchObject({ bitrate: null, packetsLost: null });
  });

  it.each([
    [180, undefined, 0, 'bandwidth'],
    [180, 0, 0, 'size'],
    [360, 1, 1, 'size'],
    [360, undefined, 1, 'bandwidth'],
    [720, undefined, 2, 'none'],
    [600, undefined, null, 'none'],
  ])('by way of the server, %s lines of which layer %s was wished are layer %s', async (lines, wished, layer, why) => {
    const server = inbound(1, { frameHeight: lines });
    const known = await new TrackStatistics().received(
      parts({ server, ...(wished === undefined ? {} : { wished }) }),
      'bob',
      'camera',
    );
    expect(known).toMatchObject({ path: 'server', layer, limitation: why });
  });

  it('knows nothing of what does not come', async () => {
    const statistics = new TrackStatistics();
    expect(await statistics.received(parts({}), 'bob', 'camera')).toBeNull();
    expect(await statistics.received(parts({ server: report(CODEC) }), 'bob', 'camera')).toBeNull();
    expect(await statistics.received(parts({ server: inbound(1) }), 'bob', 'screen')).toBeNull();
    expect(await statistics.sent(parts({}), 'camera')).toBeNull();
  });

  it('sums what is sent in several sizes', async () => {
    const statistics = new TrackStatistics();
    const sent = (seconds: number): RTCStatsReport =>
      report(
        CODEC,
        PAIR,
        ...[180, 360, 0].map((frameHeight, index) => ({
          type: 'outbound-rtp',
          codecId: 'C',
          timestamp: seconds * 1_000,
          bytesSent: seconds * 1_000 * index,
          packetsSent: seconds * 10 * index,
          frameHeight,
          frameWidth: (frameHeight * 16) / 9,
          framesPerSecond: frameHeight > 0 ? 20 : 0,
          qualityLimitationReason: 'cpu',
        })),
        { type: 'remote-inbound-rtp', timestamp: 0, packetsLost: seconds * 3, roundTripTime: 0.5 },
      );
    await statistics.sent(parts({ sent: sent(1) }), 'camera');
    expect(await statistics.sent(parts({ sent: sent(2) }), 'camera')).toEqual({
      codec: 'vp8',
      width: 640,
      height: 360,
      framesPerSecond: 20,
      bitrate: 24_000,
      packetsLost: 0.1,
      jitterBufferDelay: null,
      roundTripTime: 0.5,
      path: 'server',
      layer: 1,
      limitation: 'cpu',
    });
  });
});
