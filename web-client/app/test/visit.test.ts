import {
  StoaError,
  type JoinOptions,
  type LocalMedia,
  type Room,
  type RoomStatus,
  type StoaErrorCode,
} from '@stoa/client';
import { describe, expect, it } from 'vitest';
import type { CallRecord } from '../src/call/returning';
import { Visit, type Wanted } from '../src/call/visit';
import type { Pass } from '../src/pass';

/** A world without network or devices: it counts what is open and lets the test decide when a join succeeds. */
class World {
  readonly media: FakeMedia[] = [];
  readonly rooms: FakeRoom[] = [];
  readonly joins: { options: JoinOptions; welcome: () => FakeRoom; refuse: (error: StoaError) => void }[] = [];

  remembered: CallRecord | null = null;
  pass: Pass = {};
  isOriginal = true;

  visit(): Visit {
    return new Visit('amber', {
      url: 'ws://test/v1/ws',
      pass: () => this.pass,
      claim: async () => this.isOriginal,
      memory: {
        recall: () => this.remembered,
        keep: (_room, record) => {
          this.remembered = record;
        },
        forget: () => {
          this.remembered = null;
        },
      },
      createMedia: (wanted) => {
        const media = new FakeMedia(wanted);
        this.media.push(media);
        return media as unknown as LocalMedia;
      },
      join: (options) =>
        new Promise((resolve, reject) => {
          const welcome = (): FakeRoom => {
            const room = new FakeRoom((options.media as unknown as FakeMedia) ?? this.#ownMedia());
            this.rooms.push(room);
            resolve(room as unknown as Room);
            return room;
          };
          this.joins.push({ options, welcome, refuse: reject });
        }),
    });
  }

  get openRooms(): number {
    return this.rooms.filter((room) => !room.gone).length;
  }

  get openMedia(): number {
    return this.media.filter((media) => media.open).length;
  }

  #ownMedia(): FakeMedia {
    const media = new FakeMedia({ microphone: false, camera: false });
    this.media.push(media);
    return media;
  }
}

class FakeMedia {
  open = false;
  readonly state;
  #listener: () => void = () => {};
  constructor(readonly wanted: Wanted) {
    this.state = { microphone: { wanted: wanted.microphone }, camera: { wanted: wanted.camera } };
  }
  async start(): Promise<void> {
    this.open = true;
  }
  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => {};
    };
  }
  want(kind: keyof Wanted, on: boolean): void {
    this.state[kind].wanted = on;
    this.#listener();
  }
  stop(): void {
    this.open = false;
  }
}

class FakeRoom {
  gone = false;
  state: { status: RoomStatus; error: StoaError | null } = { status: 'connected', error: null };
  #listener: () => void = () => {};
  constructor(readonly media: FakeMedia) {}
  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => {};
    };
  }
  become(status: RoomStatus, error: StoaError | null = null): void {
    this.state = { status, error };
    this.#listener();
  }
  async leave(): Promise<void> {
    this.gone = true;
  }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

const error = (): StoaError => new StoaError('room_full', 'full');

const trouble = (code: StoaErrorCode) => ({ code, waitMs: null, token: 'none' });

describe('a visit', () => {
  it('goes from the lobby into the call and out again with every device closed', async () => {
    const world = new World();
    const visit = world.visit();
    visit.open();
    void visit.join('Ada', true);
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: true });
    world.joins[0]?.welcome();
    await settle();
    expect(visit.phase.value.kind).toBe('call');
    expect([world.openRooms, world.openMedia]).toEqual([1, 1]);
    visit.leave();
    expect(visit.phase.value).toEqual({ kind: 'ended', problem: null });
    expect([world.openRooms, world.openMedia]).toEqual([0, 0]);
  });

  it('hands over no devices when asked so, and closes those of the preview', async () => {
    const world = new World();
    const visit = world.visit();
    visit.open();
    void visit.join('Ada', false);
    expect(world.joins[0]?.options).not.toHaveProperty('media');
    world.joins[0]?.welcome();
    await settle();
    expect([world.openRooms, world.openMedia]).toEqual([1, 0]);
  });

  it('says why joining failed and lets one try again', async () => {
    const world = new World();
    const visit = world.visit();
    void visit.join('Ada', true);
    world.joins[0]?.refuse(error());
    await settle();
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: false, problem: trouble('room_full') });
    void visit.join('Ada', true);
    expect(visit.phase.value).toMatchObject({ joining: true, problem: null });
    expect(world.joins).toHaveLength(2);
  });

  it('joins once however often the button is pressed', () => {
    const world = new World();
    const visit = world.visit();
    void visit.join('Ada', true);
    void visit.join('Ada', true);
    expect(world.joins).toHaveLength(1);
  });

  it('leaves a room whose welcome came after the page was left', async () => {
    const world = new World();
    const visit = world.visit();
    visit.open();
    void visit.join('Ada', true);
    visit.dispose();
    expect(world.joins[0]?.options.signal?.aborted).toBe(true);
    world.joins[0]?.welcome();
    await settle();
    expect([world.openRooms, world.openMedia]).toEqual([0, 0]);
  });

  it('stays in the lobby after a cancel, and a later join is not disturbed by the cancelled one', async () => {
    const world = new World();
    const visit = world.visit();
    visit.open();
    void visit.join('Ada', true);
    visit.cancel();
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: false, problem: null });
    void visit.join('Ada', true);
    world.joins[0]?.refuse(new StoaError('aborted', 'aborted'));
    await settle();
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: true });
    world.joins[1]?.welcome();
    await settle();
    expect([world.openRooms, visit.phase.value.kind]).toEqual([1, 'call']);
  });

  it('tells why a call failed, and comes back muted if one was muted', async () => {
    const world = new World();
    const visit = world.visit();
    void visit.join('Ada', true);
    const room = world.joins[0]?.welcome();
    await settle();
    if (room === undefined) throw new Error('no room');
    room.media.want('microphone', false);
    room.become('reconnecting');
    expect(visit.phase.value.kind).toBe('call');
    room.become('failed', new StoaError('replaced', 'replaced'));
    expect(visit.phase.value).toEqual({ kind: 'ended', problem: trouble('replaced') });
    visit.again();
    expect(visit.phase.value.kind).toBe('lobby');
    expect(world.media.at(-1)?.wanted).toEqual({ microphone: false, camera: true });
  });

  it('ends with nothing open after a hundred quick visits', async () => {
    const world = new World();
    for (let round = 0; round < 100; round += 1) {
      const visit = world.visit();
      visit.open();
      void visit.join('Ada', round % 2 === 0);
      if (round % 3 === 0) world.joins.at(-1)?.welcome();
      if (round % 4 === 0) await settle();
      visit.dispose();
      if (round % 3 === 1) world.joins.at(-1)?.welcome();
    }
    await settle();
    expect([world.openRooms, world.openMedia]).toEqual([0, 0]);
  });
});

describe('a reload during a call', () => {
  const muted: CallRecord = { name: 'Ada', wanted: { microphone: false, camera: true } };

  it('leads straight back with the same name and the same intent', async () => {
    const world = new World();
    world.remembered = muted;
    const visit = world.visit();
    expect(visit.phase.value.kind).toBe('returning');
    visit.open();
    visit.open();
    await settle();
    expect(world.joins.map(({ options }) => options.name)).toEqual(['Ada']);
    expect(world.media.map((media) => media.wanted)).toEqual([muted.wanted]);
    world.joins[0]?.welcome();
    await settle();
    expect([visit.phase.value.kind, world.openRooms, world.openMedia]).toEqual(['call', 1, 1]);
    expect(world.remembered).toEqual(muted);
  });

  it('remembers every change of intent, and forgets on leaving', async () => {
    const world = new World();
    const visit = world.visit();
    void visit.join('Ada', true);
    const room = world.joins[0]?.welcome();
    await settle();
    expect(world.remembered).toEqual({ name: 'Ada', wanted: { microphone: true, camera: true } });
    room?.media.want('microphone', false);
    expect(world.remembered).toEqual(muted);
    visit.leave();
    expect(world.remembered).toBeNull();
  });

  it('forgets when the call fails or the page is left for another one', async () => {
    for (const end of [
      (_: Visit, room: FakeRoom) => room.become('failed', new StoaError('removed', 'removed')),
      (visit: Visit) => visit.dispose(),
    ]) {
      const world = new World();
      const visit = world.visit();
      void visit.join('Ada', true);
      const room = world.joins[0]?.welcome();
      await settle();
      if (room === undefined) throw new Error('no room');
      end(visit, room);
      expect(world.remembered).toBeNull();
    }
  });

  it('can be cancelled, and then waits in the lobby with the same intent', async () => {
    const world = new World();
    world.remembered = muted;
    const visit = world.visit();
    visit.open();
    await settle();
    visit.cancel();
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: false, problem: null });
    expect([world.joins[0]?.options.signal?.aborted, world.remembered]).toEqual([true, null]);
    world.joins[0]?.welcome();
    await settle();
    expect([world.openRooms, world.openMedia, visit.phase.value.kind]).toEqual([0, 1, 'lobby']);
    expect(world.media.map((media) => media.wanted)).toEqual([muted.wanted]);
  });

  it('tells in the lobby why it failed', async () => {
    const world = new World();
    world.remembered = muted;
    const visit = world.visit();
    visit.open();
    await settle();
    world.joins[0]?.refuse(new StoaError('rate_limited', 'slow down', 4000));
    await settle();
    const problem = { code: 'rate_limited', waitMs: 4000, token: 'none' };
    expect(visit.phase.value).toMatchObject({ kind: 'lobby', joining: false, problem });
    expect(world.remembered).toBeNull();
  });

  it('is not mistaken in a duplicated tab, which opens nothing by itself but the preview', async () => {
    const world = new World();
    world.remembered = muted;
    world.isOriginal = false;
    const visit = world.visit();
    visit.open();
    await settle();
    expect([world.joins.length, visit.phase.value.kind, world.openMedia]).toEqual([0, 'lobby', 1]);
  });

  it('leaves nothing behind when the page goes meanwhile', async () => {
    const world = new World();
    world.remembered = muted;
    const visit = world.visit();
    visit.open();
    await settle();
    visit.dispose();
    world.joins[0]?.welcome();
    await settle();
    expect([world.openRooms, world.openMedia, world.remembered]).toEqual([0, 0, null]);
  });
});

it('shows the pass of the link at every try', async () => {
  const world = new World();
  world.pass = { token: 'good-once' };
  const visit = world.visit();
  void visit.join('Ada', true);
  world.joins[0]?.refuse(new StoaError('authenticate', 'expired'));
  await settle();
  expect(visit.phase.value).toMatchObject({ problem: { code: 'authenticate', token: 'other' } });
  void visit.join('Ada', true);
  expect(world.joins.map(({ options }) => options.token)).toEqual(['good-once', 'good-once']);
});
