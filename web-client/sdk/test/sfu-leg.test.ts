import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LocalTracks } from '../src/link/local-tracks';
import { SfuLeg } from '../src/sfu/leg';
import type { SfuMessage, SfuRequest } from '../src/sfu/leg';
import type { Track, TrackSource } from '../src/signal/wire';
import { Tiles } from '../src/tiles';
import { FakeTrack } from './fake-media';
import { FakePeerConnection } from './fake-rtc';

vi.stubGlobal('RTCPeerConnection', FakePeerConnection);
vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/VP8' }] }) });

const local = (kind: 'audio' | 'video'): MediaStreamTrack => new FakeTrack(kind, `own ${kind}`).asTrack;
const track = (id: number, source: TrackSource = 'camera'): Track => ({
  id,
  participant: 'bob',
  source,
  codec: 'vp8',
  layers: source === 'camera' ? 3 : 1,
});

type Offer = Extract<SfuRequest, { type: 'sfu_offer' }>;

class Bench {
  readonly available = new Map<number, Track>();
  readonly tiles = new Tiles();
  readonly requests: SfuRequest[] = [];
  readonly received = new Map<number, string | null>();
  mayReceive = true;
  refuses = false;
  readonly leg: SfuLeg;

  constructor(tracks: LocalTracks = {}, ...available: Track[]) {
    available.forEach((one) => this.available.set(one.id, one));
    this.leg = new SfuLeg({
      iceServers: [],
      codec: 'vp8',
      tracks,
      available: this.available,
      tiles: this.tiles,
      self: () => 'me',
      mayReceive: () => this.mayReceive,
      handlers: {
        request: (message) => {
          this.requests.push(message);
          return this.refuses ? Promise.reject(new Error('forbidden')) : Promise.resolve();
        },
        changed: () => undefined,
        received: (id, media) => this.received.set(id, media?.id ?? null),
        message: () => undefined,
        missed: () => undefined,
      },
    });
  }

  get offer(): Offer {
    const offer = this.requests.findLast((request) => request.type === 'sfu_offer');
    if (offer === undefined) throw new Error('nothing was offered');
    return offer;
  }

  offers(): number {
    return this.requests.filter(({ type }) => type === 'sfu_offer').length;
  }

  wishes(): unknown[] {
    return this.requests.flatMap((request) => (request.type === 'sfu_wish' ? request.wishes : []));
  }

  sections(direction: RTCRtpTransceiverDirection): string[] {
    return FakePeerConnection.last.transceivers
      .filter(({ init }) => init.direction === direction)
      .map(({ kind }) => kind);
  }

  say(message: Omit<SfuMessage, 'connection'> & { connection?: number }): void {
    this.leg.handleMessage({ connection: this.offer.connection, ...message } as SfuMessage);
  }

  async answer(sdp = 'answer'): Promise<this> {
    await this.settle();
    this.say({ type: 'sfu_answer', offer_id: this.offer.offer_id, sdp } as SfuMessage);
    await this.settle();
    return this;
  }

  async settle(): Promise<void> {
    await vi.advanceTimersByTimeAsync(0);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  FakePeerConnection.all = [];
});
afterEach(() => {
  vi.useRealTimers();
});

describe('what is sent', () => {
  it('is announced, the camera in three sizes', async () => {
    const bench = new Bench({ microphone: local('audio'), camera: local('video') });
    await bench.settle();
    expect(bench.offer).toMatchObject({
      sdp: 'offer of 2',
      tracks: [
        { mid: '0', source: 'microphone' },
        { mid: '1', source: 'camera' },
      ],
    });
    const [microphone, camera] = FakePeerConnection.last.transceivers;
    expect(microphone?.init.sendEncodings).toEqual([{}]);
    expect(camera?.init.sendEncodings?.map(({ rid, scaleResolutionDownBy }) => [rid, scaleResolutionDownBy])).toEqual([
      ['q', 4],
      ['h', 2],
      ['f', 1],
    ]);
  });

  it('has as many sizes as browsers make of a picture, the largest of them whole', async () => {
    const sized = (width: number, height: number): MediaStreamTrack => {
      const camera = new FakeTrack('video', `${width} wide`);
      camera.settings = { width, height };
      return camera.asTrack;
    };
    const bench = await new Bench({ camera: sized(640, 360) }).answer();
    const sizes = (): (number | undefined)[] =>
      FakePeerConnection.last.transceivers[0]!.encodings.map(({ active, scaleResolutionDownBy }) =>
        active === true ? scaleResolutionDownBy : undefined,
      );
    expect(sizes()).toEqual([2, 1, undefined]);
    bench.leg.setTracks({ camera: sized(320, 180) });
    expect(sizes()).toEqual([1, undefined, undefined]);
    bench.leg.setTracks({ camera: sized(720, 1280) });
    expect(sizes()).toEqual([4, 2, 1]);
  });

  it('needs no offer to fall silent, to change and to come back', async () => {
    const [first, second] = [local('video'), local('video')];
    const bench = await new Bench({ camera: first }).answer();
    bench.leg.setTracks({});
    bench.leg.setTracks({ camera: second });
    await bench.settle();
    expect(bench.offers()).toBe(1);
    expect(FakePeerConnection.last.transceivers[0]?.sent).toEqual([null, second]);
  });

  it('is offered when it is new, and a screen taken back when it ends', async () => {
    const bench = await new Bench({ microphone: local('audio') }).answer();
    const screen = local('video');
    bench.leg.setTracks({ microphone: local('audio'), screen, screen_audio: local('audio') });
    await bench.answer();
    expect(bench.offer.tracks.map(({ source }) => source)).toEqual(['microphone', 'screen', 'screen_audio']);
    bench.leg.setTracks({ microphone: local('audio') });
    await bench.answer();
    expect(bench.offer.tracks.map(({ source }) => source)).toEqual(['microphone']);
    bench.leg.setTracks({ microphone: local('audio'), screen });
    await bench.answer();
    expect(bench.offer.tracks.map(({ mid, source }) => `${mid} ${source}`)).toEqual(['0 microphone', '1 screen']);
    expect(FakePeerConnection.last.transceivers).toHaveLength(3);
  });
});

describe('what is received', () => {
  it('has its sections in the first offer, and is wished for with it', async () => {
    const bench = new Bench({}, track(1), track(2, 'microphone'), track(3, 'screen'), track(4, 'screen_audio'));
    await bench.settle();
    expect(bench.sections('recvonly')).toEqual(['audio', 'audio', 'video', 'video']);
    expect(bench.requests.map(({ type }) => type)).toEqual(['sfu_offer', 'sfu_wish']);
    expect(bench.wishes()).toHaveLength(4);
  });

  it('comes where the server says', async () => {
    const bench = await new Bench({}, track(1), track(2)).answer();
    bench.say({ type: 'sfu_seated', track: 1, mid: '0' } as SfuMessage);
    expect([...bench.received]).toEqual([[1, 'video']]);
    bench.say({ type: 'sfu_seated', track: 2, mid: '0' } as SfuMessage);
    expect([...bench.received]).toEqual([
      [1, null],
      [2, 'video'],
    ]);
    bench.say({ type: 'sfu_seated', track: 1, mid: 'nowhere' } as SfuMessage);
    expect(bench.received.get(1)).toBeNull();
    bench.available.delete(2);
    bench.leg.handleAvailable();
    expect(bench.received.get(2)).toBeNull();
  });

  it('gets a section for each new track without being asked, and those of tracks that ended again', async () => {
    const bench = await new Bench().answer();
    for (const [id, source] of [
      [1, 'microphone'],
      [2, 'camera'],
    ] as const) {
      bench.available.set(id, track(id, source));
      bench.leg.handleAvailable();
    }
    await bench.answer();
    await bench.answer();
    expect(bench.sections('recvonly')).toEqual(['audio', 'video']);
    for (let round = 0; round < 100; round += 1) {
      bench.available.delete(2 + round);
      bench.leg.handleAvailable();
      bench.available.set(3 + round, track(3 + round));
      bench.leg.handleAvailable();
    }
    await bench.settle();
    expect([bench.offers(), bench.sections('recvonly').length]).toEqual([3, 2]);
  });

  it('gets more sections when the server asks for them, in one offer at a time', async () => {
    const bench = new Bench();
    await bench.settle();
    bench.say({ type: 'sfu_slots', audio: 1, video: 1 } as SfuMessage);
    bench.say({ type: 'sfu_slots', audio: 2, video: 1 } as SfuMessage);
    await bench.settle();
    expect(bench.offers()).toBe(1);
    await bench.answer();
    expect(bench.offers()).toBe(2);
    expect(bench.sections('recvonly')).toEqual(['audio', 'audio', 'video']);
    await bench.answer();
    expect(bench.offers()).toBe(2);
  });

  it('is paused while nobody sees it', async () => {
    const bench = await new Bench({}, track(1)).answer();
    bench.tiles.setTile('bob', 'camera', null);
    bench.leg.handleAvailable();
    await vi.advanceTimersByTimeAsync(149);
    expect(bench.wishes()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(bench.wishes().at(-1)).toEqual({ track: 1, wish: { paused: true } });
  });

  it('is nothing for who may not receive', async () => {
    const bench = new Bench({ microphone: local('audio') });
    bench.mayReceive = false;
    bench.available.set(1, track(1));
    bench.leg.handleAvailable();
    await bench.answer();
    expect(bench.requests.map(({ type }) => type)).toEqual(['sfu_offer']);
  });
});

describe('a connection that ends', () => {
  it('is followed by another, with everything in it', async () => {
    const bench = await new Bench({ microphone: local('audio') }, track(1)).answer();
    FakePeerConnection.last.become('connected');
    bench.say({ type: 'sfu_seated', track: 1, mid: '0' } as SfuMessage);
    const { connection } = bench.offer;
    bench.say({ type: 'sfu_closed' } as SfuMessage);
    expect([bench.received.get(1), FakePeerConnection.last.connectionState]).toEqual([null, 'closed']);
    expect(bench.leg.status).toBe('interrupted');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakePeerConnection.all).toHaveLength(2);
    expect(bench.offer.connection).not.toBe(connection);
    expect(bench.offer.tracks).toHaveLength(1);
    expect(bench.wishes()).toHaveLength(2);
    // What is said about the former one is of no interest.
    bench.say({ type: 'sfu_closed', connection } as SfuMessage);
    await bench.answer();
    FakePeerConnection.last.become('connected');
    expect(bench.leg.status).toBe('connected');
  });

  it('by a lost path is mended by ICE first', async () => {
    const bench = await new Bench().answer();
    FakePeerConnection.last.become('connected');
    FakePeerConnection.last.become('disconnected');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakePeerConnection.last.log).toEqual(['offer', 'answer', 'restart', 'offer']);
    expect([FakePeerConnection.all.length, bench.offers()]).toEqual([1, 2]);
  });

  it('because of an answer that cannot be read is made anew', async () => {
    await new Bench().answer('nonsense');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakePeerConnection.all).toHaveLength(2);
  });

  it('is not tried again and again when the server refuses', async () => {
    const bench = new Bench();
    bench.refuses = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(bench.offers()).toBeLessThanOrEqual(6);
    expect(bench.leg.status).toBe('failed');
  });

  it('is told to the server when it is left', async () => {
    const bench = await new Bench({}, track(1)).answer();
    const { connection } = bench.offer;
    bench.leg.close();
    bench.leg.close();
    expect(bench.requests.filter(({ type }) => type === 'sfu_close')).toEqual([{ type: 'sfu_close', connection }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([FakePeerConnection.all.length, bench.offers()]).toEqual([1, 1]);
  });
});
