import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MeshChannel } from '../src/channel';
import { SocketPort } from '../src/documents/socket-port';
import { StoaError } from '../src/errors';
import type { MeshHandlers } from '../src/link/mesh';
import type { PathView } from '../src/roster';
import type { RoomMesh } from '../src/room-media';
import type { LocalMedia } from '../src/media/local-media';
import { Room } from '../src/room';
import type { RoomEvents } from '../src/room';
import type { RequestMessage } from '../src/signal/requests';
import type { Reply, RoomMessage, Welcome } from '../src/signal/effects';
import type { ChatEntry, Grants, Participant, RoomState } from '../src/signal/wire';
import type { Kept } from '../src/signal/tab-memory';
import { FakeStream } from './fake-media';

vi.stubGlobal('MediaStream', FakeStream);

const SILENT = { microphone: false, camera: false, screen: false };
const GRANTS: Grants = {
  publish: ['microphone', 'camera', 'screen'],
  subscribe: true,
  data: true,
  documents: 'write',
  moderate: false,
  admin: false,
};

const person = (id: string, part: Partial<Participant> = {}): Participant => ({
  id,
  name: id,
  media: SILENT,
  connected: true,
  moderator: false,
  ...part,
});

const line = (seq: number): ChatEntry => ({ seq, at_ms: seq, participant: 'bob', name: 'Bob', text: `line ${seq}` });

const roomOf = (...participants: Participant[]): RoomState => ({
  name: 'atrium',
  topology: { mode: 'mesh', epoch: 0 },
  locked: false,
  chat_enabled: true,
  participants,
});

const welcome = (part: Partial<Welcome> = {}): Welcome => ({
  type: 'welcome',
  session: 's1',
  resume_secret: 'secret',
  participant: 'me',
  participant_proof: 'proof',
  grants: GRANTS,
  resumed: false,
  room: roomOf(person('me')),
  ice_servers: [],
  limits: { frame_bytes: 65_536, name_chars: 64, room_participants: 4, heartbeat_ms: 15_000, resume_ms: 120_000 },
  ...part,
});

class FakeMesh implements RoomMesh {
  readonly channel = new MeshChannel(() => true);
  readonly alive = new Set<string>();
  readonly views = new Map<string, PathView>();
  readonly areConnected = true;
  readonly said: string[] = [];
  others: readonly Participant[] = [];
  tracks: unknown = null;
  generationOf: Record<string, number> = {};
  isClosed = false;

  constructor(readonly handlers: MeshHandlers) {}

  setSelf = (): void => undefined;
  goOnAfter(generations: Readonly<Record<string, number>>): void {
    this.generationOf = { ...generations };
  }
  generations(): Record<string, number> {
    return this.generationOf;
  }
  isAlive(id: string): boolean {
    return this.alive.has(id);
  }
  reconcile(others: readonly Participant[]): void {
    this.others = others;
  }
  handleDescription(from: string, link: number): void {
    this.said.push(`description ${from} ${link}`);
  }
  handleCandidate(from: string, link: number): void {
    this.said.push(`candidate ${from} ${link}`);
  }
  setTracks(tracks: unknown): void {
    this.tracks = tracks;
  }
  view(id: string): PathView {
    return this.views.get(id) ?? { link: 'connecting', path: 'unknown' };
  }
  receiverOf = (): undefined => undefined;
  senderOf = (): undefined => undefined;
  stats = (): Promise<null> => Promise.resolve(null);
  close(): void {
    this.isClosed = true;
  }
}

/** Devices as the room sees them. */
class FakeMedia {
  readonly audio = { kind: 'audio' };
  readonly video = { kind: 'video' };
  readonly stream = { getAudioTracks: () => [this.audio], getVideoTracks: () => [this.video] };
  screen: object | null = null;
  microphone = { wanted: true, actual: true };
  camera = { wanted: true, actual: true };
  #listener: () => void = () => undefined;

  get state(): object {
    return { microphone: this.microphone, camera: this.camera, stream: this.stream, screen: this.screen };
  }

  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => undefined;
    };
  }

  setMicrophoneEnabled(on: boolean): Promise<void> {
    this.microphone = { wanted: on, actual: on };
    this.#listener();
    return Promise.resolve();
  }

  share(screen: object): void {
    this.screen = screen;
    this.#listener();
  }

  stopScreen(): void {
    this.screen = null;
    this.#listener();
  }

  setCameraEnabled(on: boolean): Promise<void> {
    this.camera = { wanted: on, actual: on };
    this.#listener();
    return Promise.resolve();
  }
}

class Bench {
  readonly media = new FakeMedia();
  readonly documents = new SocketPort();
  readonly requests: RequestMessage[] = [];
  readonly kept: Kept[] = [];
  readonly log: string[] = [];
  answer: (message: RequestMessage) => Promise<Reply | null> = () => Promise.resolve(null);
  areLinksHealthy = false;
  hasLeft = false;
  hasForgotten = false;
  mesh!: FakeMesh;
  readonly room: Room;

  constructor(first: Welcome = welcome(), generations: Record<string, number> = {}) {
    this.room = new Room(
      {
        connection: {
          request: (message) => {
            this.requests.push(message);
            return this.answer(message);
          },
          documents: this.documents,
          leave: () => {
            this.hasLeft = true;
          },
          setLinksHealthy: (areHealthy) => {
            this.areLinksHealthy = areHealthy;
          },
        },
        media: {
          createMesh: (handlers) => {
            this.mesh = new FakeMesh(handlers);
            return this.mesh;
          },
          loadLeg: () => Promise.reject(new Error('no SFU here')),
        },
        memory: {
          keep: (kept) => this.kept.push(kept),
          forget: () => {
            this.hasForgotten = true;
          },
        },
      },
      // The room uses what is there.
      this.media as unknown as LocalMedia,
      first,
      { published: { microphone: true, camera: true, screen: false }, generations },
    );
    this.room.on('participantJoined', ({ id }) => this.log.push(`joined ${id}`));
    this.room.on('participantChanged', ({ id, connected }) => this.log.push(`changed ${id} ${connected}`));
    this.room.on('participantLeft', ({ id }, reason) => this.log.push(`left ${id} ${reason}`));
  }

  say(...messages: RoomMessage[]): this {
    for (const message of messages) {
      this.room.handleSignal({ kind: 'message', message });
    }
    return this;
  }

  /** With Bob, whose link works. */
  withBob(part: Partial<Participant> = {}): this {
    this.mesh.alive.add('bob');
    this.mesh.views.set('bob', { link: 'connected', path: 'direct' });
    this.say({ type: 'participant_joined', participant: person('bob', part) });
    this.log.length = 0;
    return this;
  }

  names(): [string, boolean][] {
    return this.room.state.participants.map(({ id, connected }) => [id, connected]);
  }
}

/** The compiler sees to it that every event is here. */
const PROVOKE: { readonly [K in keyof RoomEvents]: (bench: Bench) => void } = {
  participantJoined: (bench) => bench.say({ type: 'participant_joined', participant: person('eve') }),
  participantChanged: (bench) => bench.say({ type: 'participant_changed', participant: person('bob', { name: 'B' }) }),
  participantLeft: (bench) => bench.say({ type: 'participant_left', participant: 'bob', reason: 'left' }),
  statusChanged: (bench) => bench.room.handleSignal({ kind: 'interrupted' }),
  muted: (bench) => bench.say({ type: 'muted', source: 'microphone', by: 'bob' }),
  lockChanged: (bench) => bench.say({ type: 'room_changed', locked: true, chat_enabled: true }),
  chat: (bench) => bench.say({ type: 'chat', entry: line(1) }),
};

describe('every event of a room', () => {
  it.each(Object.keys(PROVOKE) as (keyof RoomEvents)[])('"%s" is told once, and not after unsubscribing', (event) => {
    const bench = new Bench().withBob();
    const handler = vi.fn();
    const stop = bench.room.on(event, handler);
    PROVOKE[event](bench);
    expect(handler).toHaveBeenCalledTimes(1);
    stop();
    const again = new Bench().withBob();
    const stopped = vi.fn();
    again.room.on(event, stopped)();
    PROVOKE[event](again);
    expect(stopped).not.toHaveBeenCalled();
  });
});

describe('after a restart of the server', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench().withBob();
    bench.room.handleSignal({ kind: 'interrupted' });
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome({ resume_failure: 'unknown_session' }) });
  });

  it('who is linked stays, and is there again when they come back', () => {
    expect(bench.names()).toEqual([
      ['me', true],
      ['bob', false],
    ]);
    expect(bench.mesh.others.map(({ id }) => id)).toEqual(['bob']);
    bench.say({ type: 'participant_joined', participant: person('bob') });
    expect(bench.log).toEqual(['changed bob false', 'changed bob true']);
    bench.say({ type: 'description', from: 'bob', link: 1, description: { type: 'offer', sdp: '' } });
    expect(bench.mesh.said).toEqual(['description bob 1']);
  });

  it('who never comes back is gone with their link', () => {
    bench.mesh.alive.delete('bob');
    bench.mesh.handlers.changed();
    expect(bench.log).toEqual(['changed bob false', 'left bob lost']);
    expect(bench.mesh.others).toEqual([]);
    expect(bench.names()).toEqual([['me', true]]);
  });

  it('who says goodbye is gone at once', () => {
    bench.say({ type: 'participant_left', participant: 'bob', reason: 'left' });
    expect(bench.log.at(-1)).toBe('left bob left');
  });
});

describe('somebody whom the server gives up as lost', () => {
  it('stays while their link works', () => {
    const bench = new Bench().withBob();
    bench.say({ type: 'participant_left', participant: 'bob', reason: 'lost' });
    expect(bench.log).toEqual(['changed bob false']);
  });

  it('is gone without a working link, or when sent out', () => {
    const bench = new Bench().withBob();
    bench.mesh.alive.clear();
    bench.say({ type: 'participant_left', participant: 'bob', reason: 'lost' });
    expect(bench.log).toEqual(['left bob lost']);
    const other = new Bench().withBob();
    other.say({ type: 'participant_left', participant: 'bob', reason: 'removed' });
    expect(other.log).toEqual(['left bob removed']);
  });
});

describe('rights', () => {
  it('to publish are respected here already', () => {
    const bench = new Bench(welcome({ grants: { ...GRANTS, publish: ['microphone'] } }));
    expect(bench.mesh.tracks).toEqual({ microphone: bench.media.audio });
    expect(bench.requests).toContainEqual({ type: 'media', media: { ...SILENT, microphone: true } });
    expect(bench.media.camera.wanted).toBe(true);
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome() });
    expect(bench.mesh.tracks).toEqual({ microphone: bench.media.audio, camera: bench.media.video });
  });

  it('to moderate are requests', async () => {
    const bench = new Bench().withBob();
    bench.requests.length = 0;
    await bench.room.mute('bob', 'camera');
    await bench.room.remove('bob');
    await bench.room.lock(true);
    bench.answer = () => Promise.resolve({ type: 'invited', invite: 'i', expires_at_ms: 86_400_000 });
    expect(await bench.room.invite(3_600_000)).toEqual({ invite: 'i', expiresAt: new Date('1970-01-02') });
    expect(bench.requests).toEqual([
      { type: 'mute', participant: 'bob', source: 'camera' },
      { type: 'remove', participant: 'bob' },
      { type: 'lock', locked: true },
      { type: 'invite', expires_in_ms: 3_600_000 },
    ]);
    bench.answer = () => Promise.reject(new StoaError('forbidden'));
    await expect(bench.room.lock(false)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('show in the state', () => {
    const bench = new Bench(welcome({ room: { ...roomOf(person('me')), locked: true } }));
    expect(bench.room.state).toMatchObject({ locked: true, moderator: false, grants: GRANTS });
    bench.say({ type: 'participant_changed', participant: person('me', { moderator: true }) });
    bench.say({ type: 'room_changed', locked: false, chat_enabled: true });
    expect(bench.room.state).toMatchObject({ locked: false, moderator: true });
  });
});

describe('the chat of a room', () => {
  it('is loaded with the room, and again when the server knows nothing of a session', () => {
    const bench = new Bench();
    bench.room.handleSignal({ kind: 'interrupted' });
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome({ resumed: true, room: undefined as never }) });
    expect(bench.requests.filter(({ type }) => type === 'chat_history')).toHaveLength(1);
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome() });
    expect(bench.requests.filter(({ type }) => type === 'chat_history')).toHaveLength(2);
  });

  it('is not asked for by those who may not have it', () => {
    const bench = new Bench(welcome({ grants: { ...GRANTS, data: false } }));
    expect(bench.requests.filter(({ type }) => type === 'chat_history')).toEqual([]);
  });

  it('is written and switched by requests, and follows the room', async () => {
    const bench = new Bench();
    expect(bench.room.chat.state.enabled).toBe(true);
    bench.requests.length = 0;
    await bench.room.sendChat('hello');
    await bench.room.setChatEnabled(false);
    bench.say({ type: 'room_changed', locked: false, chat_enabled: false }, { type: 'chat', entry: line(1) });
    expect(bench.requests).toEqual([
      { type: 'chat', text: 'hello' },
      { type: 'set_chat', enabled: false },
    ]);
    expect(bench.room.chat.state).toMatchObject({ enabled: false, entries: [line(1)] });
    bench.answer = () => Promise.resolve({ type: 'chat_entries', entries: [], more: false });
    await bench.room.loadEarlierChat();
    expect(bench.requests.at(-1)).toEqual({ type: 'chat_history', limit: 50, before: 1 });
  });
});

describe('being silenced', () => {
  it('switches the own device off, tells others and who did it, and lasts over a reconnect', () => {
    const bench = new Bench().withBob();
    const told: unknown[] = [];
    bench.room.on('muted', (by, source) => told.push([by?.name ?? null, source]));
    bench.say({ type: 'muted', source: 'microphone', by: 'bob' }, { type: 'muted', source: 'camera', by: 'nobody' });
    expect(told).toEqual([
      ['bob', 'microphone'],
      [null, 'camera'],
    ]);
    expect([bench.media.microphone.wanted, bench.media.camera.wanted]).toEqual([false, false]);
    expect(bench.requests.at(-1)).toEqual({ type: 'media', media: SILENT });
    bench.room.handleSignal({ kind: 'interrupted' });
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome() });
    expect([bench.media.microphone.wanted, bench.media.camera.wanted]).toEqual([false, false]);
  });

  it('ends the sharing of a screen', () => {
    const bench = new Bench().withBob();
    const [picture, sound] = [{ kind: 'video' }, { kind: 'audio' }];
    bench.media.share({ getVideoTracks: () => [picture], getAudioTracks: () => [sound] });
    expect(bench.mesh.tracks).toMatchObject({ screen: picture, screen_audio: sound });
    expect(bench.requests.at(-1)).toMatchObject({ type: 'media', media: { screen: true } });
    expect(bench.room.state.participants[0]).toMatchObject({ media: { screen: true }, screen: bench.media.screen });
    bench.say({ type: 'muted', source: 'screen', by: 'bob' });
    expect([bench.media.screen, bench.requests.at(-1)]).toMatchObject([null, { media: { screen: false } }]);
    expect(bench.mesh.tracks).toEqual({ microphone: bench.media.audio, camera: bench.media.video });
  });
});

describe('what is kept for a reload', () => {
  it('is the newest session and the generations of the links', () => {
    const bench = new Bench(welcome(), { bob: 3 });
    expect(bench.kept.at(-1)).toMatchObject({ session: 's1', participant_proof: 'proof', links: { bob: 3 } });
    bench.mesh.generationOf = { bob: 4 };
    bench.mesh.handlers.generationChanged();
    expect(bench.kept.at(-1)).toMatchObject({ links: { bob: 4 } });
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome({ session: 's2', resume_secret: 'newer' }) });
    expect(bench.kept.at(-1)).toMatchObject({ session: 's2', resume_secret: 'newer' });
  });

  it('is nothing after the end', async () => {
    const bench = new Bench().withBob();
    await bench.room.leave();
    await bench.room.leave();
    expect([bench.hasForgotten, bench.hasLeft, bench.mesh.isClosed]).toEqual([true, true, true]);
    const kept = bench.kept.length;
    bench.mesh.handlers.generationChanged();
    bench.room.handleSignal({ kind: 'welcomed', welcome: welcome() });
    expect([bench.kept.length, bench.room.state.status]).toEqual([kept, 'left']);
  });
});

it('tells the signaling whether the call itself goes on', () => {
  const bench = new Bench().withBob();
  expect(bench.areLinksHealthy).toBe(true);
  bench.mesh.views.set('bob', { link: 'interrupted', path: 'direct' });
  bench.mesh.handlers.changed();
  expect(bench.areLinksHealthy).toBe(false);
});

it('ends with the reason that the server gives', () => {
  const bench = new Bench().withBob();
  bench.room.handleSignal({ kind: 'failed', error: new StoaError('removed') });
  expect(bench.room.state).toMatchObject({ status: 'failed', error: { code: 'removed' } });
  expect(bench.hasForgotten).toBe(true);
});
