import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MeshChannel } from '../src/channel';
import type { MeshHandlers } from '../src/link/mesh';
import { RoomMedia } from '../src/room-media';
import type { MediaMessage, RoomLeg, RoomMesh } from '../src/room-media';
import type { PathView } from '../src/roster';
import type { LegOptions } from '../src/sfu/leg';
import type { Welcome } from '../src/signal/effects';
import type { Participant, Topology, Track, TrackSource } from '../src/signal/wire';
import { FakeStream, FakeTrack } from './fake-media';

vi.stubGlobal('MediaStream', FakeStream);

const person = (id: string): Participant => ({
  id,
  name: id,
  media: { microphone: true, camera: true, screen: false },
  connected: true,
  moderator: false,
});

const track = (id: number, participant: string, source: TrackSource = 'camera'): Track => ({
  id,
  participant,
  source,
  codec: 'vp8',
  layers: 3,
});

/** Links that are there at once and work when a test says so. */
class FakeMesh {
  readonly channel = new MeshChannel(() => true);
  readonly links = new Map<string, PathView>();
  readonly tracks = new Map<string, FakeTrack>();

  constructor(readonly handlers: MeshHandlers) {}

  setSelf = (): void => undefined;
  setTracks = (): void => undefined;
  handleDescription = (): void => undefined;
  handleCandidate = (): void => undefined;
  receiverOf = (): undefined => undefined;
  close = (): void => undefined;
  isAlive = (id: string): boolean => this.links.get(id)?.link === 'connected';
  view = (id: string): PathView | null => this.links.get(id) ?? null;

  reconcile(others: readonly Participant[], _isLive: boolean, mayOpen: boolean): void {
    for (const id of [...this.links.keys()].filter((known) => others.every((other) => other.id !== known))) {
      this.links.delete(id);
      this.handlers.track(id, 'camera', null);
    }
    for (const { id } of mayOpen ? others : []) {
      this.links.set(id, this.links.get(id) ?? { link: 'connecting', path: 'unknown' });
    }
  }

  /** The link works, and a picture comes over it. */
  connect(...ids: string[]): void {
    for (const id of ids) {
      this.links.set(id, { link: 'connected', path: 'direct' });
      this.handlers.track(id, 'camera', new FakeTrack('video', `link ${id}`).flow().asTrack);
    }
    this.handlers.changed();
  }
}

/** A leg that does what a test says. */
class FakeLeg {
  status: RoomLeg['status'] = 'connecting';
  path: RoomLeg['path'] = 'unknown';
  readonly star = null;
  readonly log: string[] = [];

  constructor(readonly options: LegOptions) {}

  handleMessage = ({ type }: { type: string }): void => void this.log.push(type);
  setReachable = (): void => undefined;
  setIceServers = (): void => undefined;
  setTracks = (): void => undefined;
  keepOnly = (): void => undefined;
  handleAvailable = (): void => void this.log.push(`available ${[...this.options.available.keys()].join()}`);
  restart = (): void => void this.log.push('restart');
  close = (): void => void this.log.push('close');

  connect(): void {
    this.status = 'connected';
    this.path = 'server';
    this.options.handlers.changed();
  }

  /** A track has its section; something comes in it already, or not. */
  seat(id: number, media: FakeTrack | null): void {
    this.options.handlers.received(id, media?.asTrack ?? null);
  }
}

class Bench {
  mesh!: FakeMesh;
  readonly legs: FakeLeg[] = [];
  load: () => Promise<(options: LegOptions) => RoomLeg> = () =>
    Promise.resolve((options) => {
      const leg = new FakeLeg(options);
      this.legs.push(leg);
      return leg as unknown as RoomLeg;
    });
  readonly media = new RoomMedia(
    {
      createMesh: (handlers) => {
        this.mesh = new FakeMesh(handlers);
        return this.mesh as unknown as RoomMesh;
      },
      loadLeg: () => this.load(),
    },
    {
      request: () => Promise.resolve(null),
      sendDescription: () => undefined,
      sendCandidate: () => undefined,
      generationChanged: () => undefined,
      changed: () => undefined,
    },
    'vp8',
  );

  get leg(): FakeLeg {
    const leg = this.legs.at(-1);
    if (leg === undefined) throw new Error('there is no leg');
    return leg;
  }

  async welcome(topology: Topology, others: string[] = [], tracks: Track[] = []): Promise<this> {
    const participants = ['me', ...others].map(person);
    const room = { name: 'atrium', topology, locked: false, chat_enabled: false, participants, tracks };
    const welcome = {
      participant: 'me',
      ice_servers: [],
      grants: { subscribe: true },
      room,
      resume_failure: 'unknown_session',
    };
    this.media.handleWelcome(welcome as unknown as Welcome);
    this.media.reconcile(others.map(person), true);
    await this.settle();
    return this;
  }

  async say(...messages: MediaMessage[]): Promise<void> {
    messages.forEach((message) => this.media.handleMessage(message));
    await this.settle();
  }

  /** What was loaded is there. */
  async settle(): Promise<void> {
    await vi.advanceTimersByTimeAsync(0);
  }

  playing(id: string): string[] {
    return (this.media.view(id).stream?.getTracks() as unknown as FakeTrack[]).map((one) => one.id);
  }
}

const sfu = (epoch: number): MediaMessage => ({ type: 'topology_changed', topology: { mode: 'sfu', epoch } });
const mesh = (epoch: number): MediaMessage => ({ type: 'topology_changed', topology: { mode: 'mesh', epoch } });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a room that grows', () => {
  it('plays the links until the server brings the same, then lets them go', async () => {
    const bench = await new Bench().welcome({ mode: 'mesh', epoch: 0 }, ['bob', 'eve']);
    bench.mesh.connect('bob', 'eve');
    await bench.say(
      sfu(1),
      { type: 'track_published', track: track(1, 'bob') },
      { type: 'track_published', track: track(2, 'eve') },
    );
    expect(bench.media.view('bob')).toMatchObject({ link: 'connected', path: 'direct' });
    bench.leg.connect();
    const [bob, eve] = [new FakeTrack('video', 'server bob'), new FakeTrack('video', 'server eve')];
    bench.leg.seat(1, bob);
    bench.leg.seat(2, eve);
    expect([bench.playing('bob'), bench.playing('eve')]).toEqual([['link bob'], ['link eve']]);
    bob.flow();
    expect([bench.playing('bob'), bench.playing('eve')]).toEqual([['server bob'], ['link eve']]);
    eve.flow();
    await vi.advanceTimersByTimeAsync(999);
    expect(bench.mesh.links.size).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(bench.mesh.links.size).toBe(0);
    expect(bench.playing('eve')).toEqual(['server eve']);
    expect(bench.media.view('bob')).toMatchObject({ link: 'connected', path: 'server' });
  });

  it('keeps the links of those who talk while the server cannot be reached', async () => {
    const bench = await new Bench().welcome({ mode: 'mesh', epoch: 0 }, ['bob']);
    bench.mesh.connect('bob');
    await bench.say(sfu(1));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(bench.playing('bob')).toEqual(['link bob']);
    bench.media.reconcile([person('bob'), person('new')], true);
    expect([...bench.mesh.links.keys()]).toEqual(['bob']);
    expect(bench.media.view('new').link).toBe('connecting');
  });

  it('gives up waiting for a picture that does not come five seconds after the server is reached', async () => {
    const bench = await new Bench().welcome({ mode: 'mesh', epoch: 0 }, ['bob']);
    bench.mesh.connect('bob');
    await bench.say(sfu(1));
    bench.leg.connect();
    await vi.advanceTimersByTimeAsync(4_999);
    expect(bench.mesh.links.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(bench.mesh.links.size).toBe(0);
  });
});

describe('a room that shrinks', () => {
  it('plays what the server brings until the links bring it', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob'], [track(1, 'bob')]);
    const { leg } = bench;
    leg.connect();
    leg.seat(1, new FakeTrack('video', 'server bob').flow());
    expect(bench.mesh.links.size).toBe(0);
    await bench.say(mesh(2));
    expect(bench.mesh.links.size).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([bench.playing('bob'), bench.media.view('bob').path]).toEqual([['server bob'], 'server']);
    expect(leg.log).not.toContain('close');
    bench.mesh.connect('bob');
    expect([bench.playing('bob'), bench.media.view('bob').path]).toEqual([['link bob'], 'direct']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(leg.log).toContain('close');
  });

  it('and grows again at once keeps what it has', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob'], [track(1, 'bob')]);
    bench.leg.connect();
    await bench.say(mesh(2), sfu(3));
    await vi.advanceTimersByTimeAsync(10_000);
    expect([bench.legs.length, bench.leg.log.includes('close'), bench.mesh.links.size]).toEqual([1, false, 0]);
  });
});

describe('a room with an SFU', () => {
  it('is told by the newest topology only', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 5 }, ['bob']);
    await bench.say(mesh(4));
    expect(bench.media.mode).toBe('sfu');
  });

  it('loads what it needs again when that fails', async () => {
    const bench = new Bench();
    const { load } = bench;
    bench.load = () => Promise.reject(new Error('the server is away'));
    await bench.welcome({ mode: 'sfu', epoch: 1 });
    expect(bench.legs).toEqual([]);
    bench.load = load;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(bench.legs).toHaveLength(1);
  });

  it('gives a section to another without a trace of the one before', async () => {
    const tracks = [track(1, 'bob'), track(2, 'eve')];
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob', 'eve'], tracks);
    const media = new FakeTrack('video', 'section').flow();
    bench.leg.seat(1, media);
    expect([bench.playing('bob'), bench.playing('eve')]).toEqual([['section'], []]);
    bench.leg.seat(1, null);
    bench.leg.seat(2, media);
    expect([bench.playing('bob'), bench.playing('eve')]).toEqual([[], ['section']]);
    expect(media.enabled).toBe(true);
  });

  it('does not lose a new track to the end of the former one', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob'], [track(1, 'bob')]);
    bench.leg.seat(1, new FakeTrack('video', 'former').flow());
    await bench.say({ type: 'track_published', track: track(2, 'bob') });
    bench.leg.seat(2, new FakeTrack('video', 'present').flow());
    await bench.say({ type: 'track_ended', track: 1 });
    bench.leg.seat(1, null);
    expect(bench.playing('bob')).toEqual(['present']);
  });

  it('shows who speaks as the server says, and nobody after a change', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob']);
    await bench.say({ type: 'speakers', participants: ['bob', 'me'] });
    expect([bench.media.speakers, bench.media.view('bob').speaking]).toEqual([['bob', 'me'], true]);
    await bench.say(mesh(2));
    expect(bench.media.speakers).toEqual([]);
  });

  it('begins anew when the server tells everything anew, and misses nobody for a while', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 7 }, ['bob'], [track(1, 'bob')]);
    bench.leg.connect();
    expect(bench.media.isAlive('bob')).toBe(false);
    await bench.welcome({ mode: 'sfu', epoch: 0 }, ['bob'], [track(2, 'bob')]);
    expect(bench.leg.log.slice(-2)).toEqual(['available 2', 'restart']);
    expect([bench.media.isAlive('bob'), bench.legs.length]).toEqual([true, 1]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(bench.media.isAlive('bob')).toBe(false);
  });

  it('wishes anew when a tile changes', async () => {
    const bench = await new Bench().welcome({ mode: 'sfu', epoch: 1 }, ['bob'], [track(1, 'bob')]);
    const { log } = bench.leg;
    log.length = 0;
    bench.media.tiles.setTile('bob', 'camera', null);
    bench.media.handleTiles();
    expect(log).toEqual(['available 1']);
  });
});
