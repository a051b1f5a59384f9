import { describe, expect, it } from 'vitest';
import { ChunkQueue } from '../src/link/chunks';
import { HandOver } from '../src/sfu/hand-over';
import type { Ways } from '../src/sfu/hand-over';
import { Seats, SlotDemand } from '../src/sfu/seats';
import { decodeRelayed, encodeStarFrame, StarReader } from '../src/sfu/star';
import { Wishes } from '../src/sfu/wishes';
import type { Shown } from '../src/sfu/wishes';
import type { Track, TrackSource } from '../src/signal/wire';
import { Tiles } from '../src/tiles';
import { seededRandom } from './random';

const track = (id: number, source: TrackSource = 'camera', layers = 3): Track => ({
  id,
  participant: `p${id}`,
  source,
  codec: 'vp8',
  layers,
});
const shown = (height: number | null | undefined, quality: Shown['quality'] = 'auto'): Shown => ({
  tile: height === null || height === undefined ? height : { width: (height * 16) / 9, height },
  quality,
});

describe('Wishes', () => {
  /** Says how a camera is shown and what the server is told of it in the end. */
  const layerAfter = (heights: readonly (number | null | undefined)[], quality: Shown['quality'] = 'auto') => {
    const wishes = new Wishes();
    let nowMs = 0;
    for (const height of heights) {
      wishes.plan([track(1)], () => shown(height, quality), nowMs);
      nowMs += 1_000;
      wishes.take(nowMs);
    }
    return wishes.said.get(1);
  };

  it.each([
    [undefined, undefined],
    [90, 0],
    [180, 0],
    [225, 0],
    [226, 1],
    [450, 1],
    [451, undefined],
    [1_080, undefined],
  ])('a tile of %s lines gets layer %s', (height, layer) => {
    expect(layerAfter([height])).toEqual(layer === undefined ? {} : { layer });
  });

  it('a tile at a border does not flip', () => {
    expect(layerAfter([300, 215])).toEqual({ layer: 1 });
    expect(layerAfter([300, 190])).toEqual({ layer: 0 });
    expect(layerAfter([190, 215])).toEqual({ layer: 0 });
    expect(layerAfter([190, 230])).toEqual({ layer: 1 });
    expect(layerAfter([800, 440])).toEqual({});
    expect(layerAfter([800, 380])).toEqual({ layer: 1 });
  });

  it('what nobody sees is paused in the size that it had', () => {
    expect(layerAfter([200, null])).toEqual({ layer: 0, paused: true });
    expect(layerAfter([null])).toEqual({ paused: true });
    expect(layerAfter([null, 200])).toEqual({ layer: 0 });
  });

  it.each([
    ['low', { layer: 0 }],
    ['medium', { layer: 1 }],
    ['high', {}],
  ] as const)('a fixed quality of %s does not follow the tile', (quality, wish) => {
    expect(layerAfter([90], quality)).toEqual(wish);
    expect(layerAfter([900], quality)).toEqual(wish);
  });

  it('tracks of one size have no layers, and sound is always wanted', () => {
    const wishes = new Wishes();
    const tracks = [track(1, 'microphone', 1), track(2, 'screen', 1), track(3, 'screen_audio', 1)];
    wishes.plan(tracks, () => shown(null), 0);
    expect(wishes.take(0)).toEqual([
      { track: 1, wish: {} },
      { track: 2, wish: { paused: true, priority: 100 } },
      { track: 3, wish: {} },
    ]);
  });

  it('what is new is wished for at once, what changes a moment later and once', () => {
    const wishes = new Wishes();
    wishes.plan([track(1)], () => shown(100), 0);
    expect(wishes.take(0)).toEqual([{ track: 1, wish: { layer: 0 } }]);
    for (let nowMs = 10; nowMs < 150; nowMs += 10) {
      wishes.plan([track(1)], () => shown(100 + nowMs * 2), nowMs);
      expect(wishes.take(nowMs)).toEqual([]);
    }
    expect(wishes.nextTickMs()).toBe(220);
    expect(wishes.take(220)).toEqual([{ track: 1, wish: { layer: 1 } }]);
    expect(wishes.nextTickMs()).toBeUndefined();
    wishes.plan([track(1)], () => shown(390), 300);
    expect(wishes.nextTickMs()).toBeUndefined();
  });

  it('what is not to be had any more is not wished for, and all of it again on a new connection', () => {
    const wishes = new Wishes();
    wishes.plan([track(1), track(2)], () => shown(100), 0);
    wishes.take(0);
    wishes.forget(1);
    wishes.plan([track(2)], () => shown(100), 0);
    expect(wishes.nextTickMs()).toBeUndefined();
    wishes.reset(5);
    expect(wishes.take(5)).toEqual([{ track: 2, wish: { layer: 0 } }]);
    wishes.plan([], () => shown(100), 10);
    expect(wishes.take(1_000)).toEqual([{ track: 2, wish: null }]);
  });

  it('only so many pictures that nobody sees keep a section', () => {
    const wishes = new Wishes();
    const tracks = Array.from({ length: 100 }, (_, id) => track(id));
    wishes.plan(tracks, ({ id }) => shown(id < 90 ? null : 100), 0);
    const told = wishes.take(0);
    expect(told.filter(({ wish }) => wish?.paused === true)).toHaveLength(24);
    expect(told.filter(({ wish }) => wish?.paused !== true)).toHaveLength(10);
  });

  it('priorities stay within what the server takes', () => {
    const wishes = new Wishes();
    wishes.plan([track(1)], () => ({ tile: { width: 1, height: 1, priority: 1e9 }, quality: 'auto' }), 0);
    expect(wishes.take(0)).toEqual([{ track: 1, wish: { layer: 0, priority: 255 } }]);
  });
});

describe('Tiles', () => {
  it('are forgotten with whoever left', () => {
    const tiles = new Tiles();
    tiles.setTile('a', 'camera', null);
    tiles.setQuality('b', 'screen', 'low');
    tiles.keepOnly(new Set(['b']));
    expect(tiles.tileOf('a', 'camera')).toBeUndefined();
    expect([tiles.qualityOf('b', 'screen'), tiles.qualityOf('b', 'camera')]).toEqual(['low', 'auto']);
  });
});

describe('Seats', () => {
  it('hold one track each, and tell who had to go', () => {
    const seats = new Seats();
    expect(seats.seat(1, 'a')).toBeNull();
    expect(seats.seat(2, 'b')).toBeNull();
    expect(seats.seat(3, 'a')).toBe(1);
    expect([seats.midOf(1), seats.midOf(3)]).toEqual([undefined, 'a']);
    // A track that moves leaves its section.
    expect(seats.seat(3, 'b')).toBe(2);
    expect(seats.seat(4, 'a')).toBeNull();
    expect([seats.leave(4), seats.leave(4), seats.clear()]).toEqual([true, false, [3]]);
  });
});

describe('SlotDemand', () => {
  it('counts what is on its way against what is asked for', () => {
    const demand = new SlotDemand();
    expect(demand.ask({ audio: 2, video: 1 })).toBe(true);
    expect(demand.take()).toEqual({ audio: 2, video: 1 });
    // Asked before the server saw that offer.
    expect(demand.ask({ audio: 2, video: 1 })).toBe(false);
    expect(demand.ask({ audio: 3, video: 1 })).toBe(true);
    expect(demand.take()).toEqual({ audio: 1, video: 0 });
    demand.handleAnswered();
    expect(demand.ask({ audio: 1, video: 1 })).toBe(true);
  });

  it('has a section for each track that is wished for, and keeps those of tracks that ended', () => {
    const demand = new SlotDemand();
    expect(demand.require({ audio: 2, video: 2 })).toBe(true);
    expect(demand.take()).toEqual({ audio: 2, video: 2 });
    expect(demand.require({ audio: 2, video: 1 })).toBe(false);
    expect(demand.require({ audio: 3, video: 2 })).toBe(true);
    // The server finds the same lack.
    expect(demand.ask({ audio: 3, video: 2 })).toBe(true);
    expect(demand.take()).toEqual({ audio: 1, video: 0 });
    expect(demand.require({ audio: 3, video: 2 })).toBe(false);
  });

  it('does not grow beyond what a server reads', () => {
    const demand = new SlotDemand();
    demand.ask({ audio: 500, video: 500 });
    const { audio, video } = demand.take();
    expect(audio + video).toBe(240);
    demand.handleAnswered();
    expect(demand.ask({ audio: 1, video: 0 })).toBe(false);
  });
});

describe('HandOver', () => {
  const NOTHING: Ways = { isLegConnected: false, playsFromLinks: false, areLinksConnected: false, playsFromLeg: false };
  const kept = (handOver: HandOver) => [handOver.hasLinks, handOver.hasLeg];

  it('keeps the links until the leg works and nothing is played from them any more', () => {
    const handOver = new HandOver('mesh');
    expect(kept(handOver)).toEqual([true, false]);
    handOver.setMode('sfu');
    expect(kept(handOver)).toEqual([true, true]);
    expect(handOver.handleTick({ ...NOTHING, playsFromLinks: true }, 60_000)).toBe(false);
    expect(handOver.nextTickMs()).toBeUndefined();
    handOver.handleTick({ ...NOTHING, isLegConnected: true, playsFromLinks: true }, 61_000);
    handOver.handleTick({ ...NOTHING, isLegConnected: true }, 62_000);
    expect(handOver.nextTickMs()).toBe(63_000);
    expect(handOver.handleTick({ ...NOTHING, isLegConnected: true }, 62_999)).toBe(false);
    expect(handOver.handleTick({ ...NOTHING, isLegConnected: true }, 63_000)).toBe(true);
    expect(kept(handOver)).toEqual([false, true]);
  });

  it('waits for what does not come five seconds, counted from when the new way works', () => {
    const handOver = new HandOver('mesh');
    handOver.setMode('sfu');
    const ways = { ...NOTHING, isLegConnected: true, playsFromLinks: true };
    handOver.handleTick(ways, 0);
    handOver.handleTick({ ...ways, isLegConnected: false }, 4_000);
    handOver.handleTick(ways, 5_000);
    expect(handOver.handleTick(ways, 9_999)).toBe(false);
    expect(handOver.handleTick(ways, 10_000)).toBe(true);
  });

  it('goes back the same way, also before it has arrived', () => {
    const handOver = new HandOver('mesh');
    handOver.setMode('sfu');
    handOver.setMode('mesh');
    expect(kept(handOver)).toEqual([true, true]);
    handOver.handleTick({ ...NOTHING, areLinksConnected: true }, 0);
    handOver.handleTick({ ...NOTHING, areLinksConnected: true }, 1_000);
    expect(kept(handOver)).toEqual([true, false]);
    expect(handOver.nextTickMs()).toBeUndefined();
  });
});

describe('the star', () => {
  const [ADA, BOB] = ['a'.repeat(26), 'b'.repeat(26)];
  const relay = (from: string, frame: Uint8Array) => Uint8Array.of(...new TextEncoder().encode(from), ...frame);

  it('says whom a message is for', () => {
    const chunk = Uint8Array.of(0, 1, 2);
    for (const targets of [[], [ADA], [ADA, BOB]]) {
      const frame = { number: 0xffff_fffe, isFirst: true, targets, chunk };
      expect(decodeRelayed(relay(BOB, encodeStarFrame(frame)))).toEqual({ from: BOB, frame });
    }
  });

  it('reads nothing into what is cut off', () => {
    const frame = relay(ADA, encodeStarFrame({ number: 1, isFirst: false, targets: [BOB], chunk: Uint8Array.of(0) }));
    for (let length = 0; length < frame.length - 1; length += 1) {
      expect(decodeRelayed(frame.subarray(0, length))).toBeNull();
    }
    expect(decodeRelayed(new Uint8Array(60).fill(255))).toBeNull();
  });

  it('puts messages together, for whomever they are, and notices what was lost', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 200; round += 1) {
      const queue = new ChunkQueue(8);
      const isMine = Array.from({ length: 12 }, () => random() < 0.7);
      const frames = isMine.flatMap((mine, index) => {
        queue.push(new Uint8Array(Math.floor(random() * 30)).fill(index + 1));
        const chunks: { mine: boolean; index: number; isFirst: boolean; chunk: Uint8Array }[] = [];
        do {
          const isFirst = queue.isAtBeginning;
          chunks.push({ mine, index, isFirst, chunk: queue.take(0) ?? new Uint8Array() });
        } while (!queue.isAtBeginning);
        return chunks;
      });
      const lost = random() < 0.5 ? Math.floor(random() * frames.length) : -1;
      const first = random() < 0.3 ? Math.floor(random() * frames.length) : 0;
      const reader = new StarReader();
      const got: number[] = [];
      let gaps = 0;
      frames.forEach(({ mine, isFirst, chunk }, number) => {
        if (number === lost || number < first) return;
        const { message, isGap } = reader.push({ number, isFirst, targets: [], chunk }, mine);
        gaps += isGap ? 1 : 0;
        if (message !== null) got.push(message[0] ?? 0);
      });
      const whole = isMine.flatMap((mine, index) => {
        const places = frames.flatMap((frame, place) => (frame.index === index ? [place] : []));
        const isWhole = places.every((place) => place !== lost && place >= first);
        const isEmpty = frames[places[0] ?? 0]?.chunk.length === 1;
        return mine && isWhole ? [isEmpty ? 0 : index + 1] : [];
      });
      expect(got).toEqual(whole);
      expect(gaps).toBe(lost > first && lost < frames.length - 1 ? 1 : 0);
    }
  });
});
