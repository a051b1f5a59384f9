import { describe, expect, it } from 'vitest';
import { Negotiator } from '../src/link/negotiator';
import type { LinkEffect } from '../src/link/negotiator';
import type { Candidate, Description } from '../src/signal/wire';
import { seededRandom } from './random';

const sdpOf = (name: string, fragment: string) => `v=0\r\ns=${name}\r\na=ice-ufrag:${fragment}\r\n`;
const nameOf = (description: Description) => /s=(\S+)/.exec(description.sdp)?.[1] ?? '';

/** A connection as strict as a browser's: an operation in the wrong state is a failed test. */
class FakeConnection {
  state: 'stable' | 'have_local_offer' | 'have_remote_offer' = 'stable';
  agreed = '';
  remoteFragment = '';
  readonly candidates: string[] = [];
  #offer = '';
  #restarts = 0;
  #offers = 0;

  constructor(
    readonly owner: string,
    readonly link: number,
  ) {}

  get fragment(): string {
    return `${this.owner}${this.link}.${this.#restarts}`;
  }

  restartIce(): void {
    this.#restarts += 1;
  }

  /** The local offer, as `localDescription` has it. */
  get offer(): Description {
    return { type: 'offer', sdp: sdpOf(this.#offer, this.fragment) };
  }

  setLocal(): Description {
    if (this.state === 'have_local_offer') {
      throw new Error('offered twice');
    }
    if (this.state === 'stable') {
      this.#offers += 1;
      this.#offer = `${this.owner}-${this.link}-${this.#offers}`;
      this.state = 'have_local_offer';
      return { type: 'offer', sdp: sdpOf(this.#offer, this.fragment) };
    }
    this.state = 'stable';
    this.agreed = this.#offer;
    return { type: 'answer', sdp: sdpOf(this.#offer, this.fragment) };
  }

  setRemote(description: Description): void {
    if (description.type === 'offer') {
      this.state = 'have_remote_offer';
      this.#offer = nameOf(description);
    } else {
      if (this.state !== 'have_local_offer' || nameOf(description) !== this.#offer) {
        throw new Error(`the answer to ${nameOf(description)} came for ${this.#offer} in state ${this.state}`);
      }
      this.state = 'stable';
      this.agreed = this.#offer;
    }
    this.remoteFragment = /ice-ufrag:(\S+)/.exec(description.sdp)?.[1] ?? '';
  }

  addCandidate(candidate: Candidate): void {
    if (candidate.username_fragment !== this.remoteFragment) {
      throw new Error('a candidate of another ICE generation');
    }
    this.candidates.push(candidate.candidate);
  }
}

/** A participant's end: its negotiator and connection. Operations end when the world says. */
class End {
  readonly negotiator: Negotiator;
  connection: FakeConnection;
  readonly out: LinkEffect[] = [];
  readonly running: (() => void)[] = [];
  nowMs = 0;

  constructor(
    readonly id: string,
    other: string,
  ) {
    this.negotiator = new Negotiator(id, other, 0);
    this.connection = new FakeConnection(id, 0);
    this.flush();
  }

  flush(): void {
    for (const effect of this.negotiator.takeEffects()) {
      this.#perform(effect);
    }
  }

  /** The browser's wish to negotiate arrives later, like everything. */
  wish(): void {
    const { link } = this.connection;
    this.running.push(() => this.negotiator.handleNegotiationNeeded(link));
  }

  #perform(effect: LinkEffect): void {
    const { connection, negotiator } = this;
    switch (effect.kind) {
      case 'create':
        this.connection = new FakeConnection(this.id, effect.link);
        this.wish();
        break;
      case 'set_local':
        this.running.push(() => {
          const description = connection.setLocal();
          negotiator.handleLocalSet(effect.link, description);
          negotiator.handleLocalCandidate(effect.link, {
            candidate: `of ${nameOf(description)} ${description.type}`,
            username_fragment: connection.fragment,
          });
        });
        break;
      case 'set_remote':
        this.running.push(() => {
          const hadOffered = connection.state === 'have_local_offer';
          connection.setRemote(effect.description);
          negotiator.handleRemoteSet(effect.link, effect.description, this.nowMs);
          if (hadOffered && effect.description.type === 'offer') {
            // A browser repeats its wish after a rollback.
            this.wish();
          }
        });
        break;
      case 'add_candidate':
        connection.addCandidate(effect.candidate);
        break;
      case 'restart_ice':
        connection.restartIce();
        this.wish();
        break;
      case 'repeat_local':
        this.out.push({ kind: 'send_description', link: effect.link, description: connection.offer });
        break;
      default:
        this.out.push(effect);
    }
  }
}

/** Carries messages between two ends: descriptions in order, candidates in any. */
class World {
  readonly a = new End('a', 'b');
  readonly b = new End('b', 'a');
  readonly #roads = [
    { from: this.a, to: this.b, descriptions: [] as LinkEffect[], candidates: [] as LinkEffect[] },
    { from: this.b, to: this.a, descriptions: [] as LinkEffect[], candidates: [] as LinkEffect[] },
  ];

  constructor(readonly random: () => number) {}

  /** Makes one thing happen out of all that may; false: there is none. */
  step(): boolean {
    const choices: (() => void)[] = [];
    for (const road of this.#roads) {
      for (const effect of road.from.out.splice(0)) {
        (effect.kind === 'send_description' ? road.descriptions : road.candidates).push(effect);
      }
      if (road.descriptions.length > 0) {
        choices.push(() => this.#deliver(road.to, road.descriptions.shift()));
      }
      if (road.candidates.length > 0) {
        const index = Math.floor(this.random() * road.candidates.length);
        choices.push(() => this.#deliver(road.to, road.candidates.splice(index, 1)[0]));
      }
      if (road.from.running.length > 0) {
        choices.push(() => road.from.running.shift()?.());
      }
    }
    choices[Math.floor(this.random() * choices.length)]?.();
    this.a.flush();
    this.b.flush();
    return choices.length > 0;
  }

  settle(): void {
    for (let turns = 0; this.step(); turns += 1) {
      if (turns > 5_000) {
        throw new Error('the two never come to rest');
      }
    }
  }

  /** Everything under way is lost, as with a server that dies; then signaling is back. */
  loseAll(): void {
    for (const road of this.#roads) {
      road.from.out.length = 0;
      road.descriptions.length = 0;
      road.candidates.length = 0;
    }
    for (const isReachable of [false, true]) {
      for (const end of [this.a, this.b]) {
        end.negotiator.setReachable(isReachable, end.nowMs);
        end.flush();
      }
    }
  }

  #deliver(to: End, effect: LinkEffect | undefined): void {
    if (effect?.kind === 'send_description') {
      to.negotiator.handleRemoteDescription(effect.link, effect.description, to.nowMs);
    } else if (effect?.kind === 'send_candidate') {
      to.negotiator.handleRemoteCandidate(effect.link, effect.candidate, to.nowMs);
    }
  }

  tick(nowMs: number): void {
    for (const end of [this.a, this.b]) {
      end.nowMs = nowMs;
      end.negotiator.handleTick(nowMs);
      end.flush();
    }
  }
}

function expectAgreement({ a, b }: World): void {
  expect(a.negotiator.link).toBe(b.negotiator.link);
  expect(a.connection.link).toBe(a.negotiator.link);
  expect(b.connection.link).toBe(b.negotiator.link);
  expect([a.connection.state, b.connection.state]).toEqual(['stable', 'stable']);
  expect(a.connection.agreed).not.toBe('');
  expect(a.connection.agreed).toBe(b.connection.agreed);
  expect(a.connection.candidates.length).toBeGreaterThan(0);
  expect(b.connection.candidates.length).toBeGreaterThan(0);
}

describe('two negotiators', () => {
  it('agree on the offer of the impolite side', () => {
    const world = new World(() => 0);
    world.settle();
    expectAgreement(world);
    expect(world.a.negotiator.isPolite).toBe(false);
    expect(world.a.connection.agreed).toBe('a-1-1');
  });

  it('agree under any order of delivery, whoever wants to negotiate again', () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = seededRandom(seed);
      const world = new World(random);
      for (let turn = 0; turn < 60; turn += 1) {
        if (random() < 0.15) {
          const end = random() < 0.5 ? world.a : world.b;
          end.connection.restartIce();
          end.wish();
        }
        world.step();
      }
      world.settle();
      expectAgreement(world);
    }
  });

  it('agree on one generation when either side, or both, replace the connection', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = seededRandom(seed);
      const world = new World(random);
      for (let round = 1; round <= 3; round += 1) {
        for (let turn = 0; turn < random() * 40; turn += 1) {
          world.step();
        }
        for (const end of [world.a, world.b]) {
          if (random() < 0.6) {
            end.nowMs += 200_000;
            end.negotiator.handleTick(end.nowMs);
            end.flush();
          }
        }
      }
      world.settle();
      expectAgreement(world);
    }
  });
});

it('two negotiators agree after everything said was lost, without a new generation', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seededRandom(seed);
    const world = new World(random);
    for (let turn = 0; turn < random() * 12; turn += 1) {
      world.step();
    }
    world.loseAll();
    world.settle();
    const { a, b } = world;
    expect([a.connection.state, b.connection.state]).toEqual(['stable', 'stable']);
    expect(a.connection.agreed).toBe('a-1-1');
    expect(b.connection.agreed).toBe('a-1-1');
    expect([a.negotiator.link, b.negotiator.link]).toEqual([1, 1]);
  }
});

it('a page that was loaded anew gets the other side to follow, although what was sent to it meanwhile is lost', () => {
  for (const [self, other] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    // Both pages were loaded anew; the own frames went to the page that is gone.
    const negotiator = new Negotiator(self, other, 0, 7);
    negotiator.handleNegotiationNeeded(7);
    negotiator.handleLocalSet(7, { type: 'offer', sdp: sdpOf('o', 'x') });
    negotiator.takeEffects();
    negotiator.setReachable(false, 100);
    negotiator.setReachable(true, 200);
    expect(negotiator.takeEffects()).toEqual([
      negotiator.isPolite ? { kind: 'send_candidate', link: 7, candidate: null } : { kind: 'repeat_local', link: 7 },
    ]);
  }
});

describe('generations', () => {
  it('ignore what belongs to an older one', () => {
    const world = new World(() => 0);
    world.settle();
    world.tick(15_000);
    expect(world.a.negotiator.link).toBe(2);
    world.a.negotiator.handleRemoteDescription(1, { type: 'offer', sdp: sdpOf('old', 'x') }, 15_000);
    world.a.negotiator.handleRemoteCandidate(1, { candidate: 'old' }, 15_000);
    world.a.negotiator.handleConnectionState(1, 'connected', 15_000);
    expect(world.a.negotiator.takeEffects()).toEqual([]);
    expect(world.a.negotiator.status).toBe('failed');
  });

  it('follow a greater one with a fresh connection', () => {
    const negotiator = new Negotiator('b', 'a', 0);
    negotiator.takeEffects();
    negotiator.handleRemoteDescription(5, { type: 'offer', sdp: sdpOf('new', 'x') }, 10);
    expect(negotiator.takeEffects().map(({ kind, link }) => [kind, link])).toEqual([
      ['create', 5],
      ['set_remote', 5],
    ]);
  });

  it('go on after the last one when a participant who was given up comes back', () => {
    for (const [self, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const returned = new Negotiator(self, other, 0, 4);
      expect(returned.takeEffects().map(({ kind, link }) => [kind, link])).toEqual(
        returned.isPolite
          ? [
              ['create', 4],
              ['send_candidate', 4],
            ]
          : [['create', 4]],
      );
    }
  });

  it('the polite side makes the other follow when it gives up', () => {
    const negotiator = new Negotiator('b', 'a', 0);
    negotiator.takeEffects();
    negotiator.handleTick(16_999);
    expect(negotiator.takeEffects()).toEqual([]);
    negotiator.handleTick(17_000);
    expect(negotiator.takeEffects()).toEqual([
      { kind: 'create', link: 2, isOfferer: false },
      { kind: 'send_candidate', link: 2, candidate: null },
    ]);
  });
});

describe('collisions', () => {
  const offer: Description = { type: 'offer', sdp: sdpOf('theirs', 'x') };
  const offering = (self: 'a' | 'b') => {
    const negotiator = new Negotiator(self, self === 'a' ? 'b' : 'a', 0);
    if (negotiator.isPolite) {
      negotiator.handleRemoteDescription(1, offer, 0);
      negotiator.handleRemoteSet(1, offer, 0);
      negotiator.handleLocalSet(1, { type: 'answer', sdp: sdpOf('theirs', 'y') });
    }
    negotiator.handleNegotiationNeeded(1);
    negotiator.handleLocalSet(1, { type: 'offer', sdp: sdpOf('ours', 'y') });
    negotiator.takeEffects();
    return negotiator;
  };

  it('are won by the impolite side', () => {
    const negotiator = offering('a');
    negotiator.handleRemoteDescription(1, offer, 0);
    expect(negotiator.takeEffects()).toEqual([]);
  });

  it('are lost by the polite side, which answers', () => {
    const negotiator = offering('b');
    negotiator.handleRemoteDescription(1, offer, 0);
    expect(negotiator.takeEffects()).toEqual([{ kind: 'set_remote', link: 1, description: offer }]);
    negotiator.handleRemoteSet(1, offer, 0);
    expect(negotiator.takeEffects()).toEqual([{ kind: 'set_local', link: 1 }]);
  });

  it('leave no answer behind that could be taken for another', () => {
    const negotiator = offering('a');
    const answer: Description = { type: 'answer', sdp: sdpOf('ours', 'x') };
    negotiator.handleRemoteDescription(1, answer, 0);
    negotiator.handleRemoteSet(1, answer, 0);
    negotiator.takeEffects();
    negotiator.handleRemoteDescription(1, answer, 0);
    expect(negotiator.takeEffects()).toEqual([]);
  });
});

describe('candidates', () => {
  it('wait for the description that they belong to', () => {
    const negotiator = new Negotiator('b', 'a', 0);
    negotiator.takeEffects();
    negotiator.handleRemoteCandidate(1, { candidate: 'early', username_fragment: 'x' }, 0);
    negotiator.handleRemoteCandidate(1, { candidate: 'next generation', username_fragment: 'y' }, 0);
    expect(negotiator.takeEffects()).toEqual([]);
    const offer: Description = { type: 'offer', sdp: sdpOf('o', 'x') };
    negotiator.handleRemoteDescription(1, offer, 0);
    negotiator.handleRemoteSet(1, offer, 0);
    const added = negotiator.takeEffects().filter((effect) => effect.kind === 'add_candidate');
    expect(added.map(({ candidate }) => candidate.candidate)).toEqual(['early']);
  });

  it('are not hoarded without end', () => {
    const negotiator = new Negotiator('b', 'a', 0);
    for (let index = 0; index < 1_000; index += 1) {
      negotiator.handleRemoteCandidate(1, { candidate: String(index), username_fragment: 'x' }, 0);
    }
    negotiator.takeEffects();
    const offer: Description = { type: 'offer', sdp: sdpOf('o', 'x') };
    negotiator.handleRemoteDescription(1, offer, 0);
    negotiator.handleRemoteSet(1, offer, 0);
    expect(negotiator.takeEffects().filter((effect) => effect.kind === 'add_candidate')).toHaveLength(128);
  });
});

/** Which remedies a side takes, and when, after a script of connection states. */
function remedies(selfId: 'a' | 'b', script: [number, 'connected' | 'disconnected' | 'failed' | 'connecting'][]) {
  const negotiator = new Negotiator(selfId, selfId === 'a' ? 'b' : 'a', 0);
  negotiator.takeEffects();
  const taken: [number, string][] = [];
  for (let nowMs = 0; nowMs <= 40_000; nowMs += 100) {
    for (const [atMs, state] of script) {
      if (atMs === nowMs) {
        negotiator.handleConnectionState(negotiator.link, state, nowMs);
      }
    }
    const dueMs = negotiator.nextTickMs();
    if (dueMs !== undefined && dueMs <= nowMs) {
      negotiator.handleTick(nowMs);
    }
    for (const { kind } of negotiator.takeEffects()) {
      if (kind === 'restart_ice' || kind === 'create') {
        taken.push([nowMs, kind]);
      }
    }
  }
  return taken;
}

describe('repairing', () => {
  it.each([
    ['a', 'failed', 1_000],
    ['b', 'failed', 4_000],
    ['a', 'disconnected', 2_000],
    ['b', 'disconnected', 4_000],
  ] as const)('side %s restarts ICE after "%s" at %i ms, then replaces the connection', (id, state, restartMs) => {
    const taken = remedies(id, [
      [500, 'connected'],
      [1_000, state],
    ]);
    expect(taken[0]).toEqual([restartMs, 'restart_ice']);
    expect(taken[1]).toEqual([restartMs + (id === 'a' ? 15_000 : 17_000), 'create']);
  });

  it('leaves a short loss alone', () => {
    expect(
      remedies('a', [
        [500, 'connected'],
        [1_000, 'disconnected'],
        [1_900, 'connected'],
      ]),
    ).toEqual([]);
  });

  it('replaces a connection that never comes about, less and less often', () => {
    expect(remedies('a', []).map(([atMs]) => atMs)).toEqual([15_000]);
    const negotiator = new Negotiator('a', 'b', 0);
    negotiator.handleTick(15_000);
    expect(negotiator.nextTickMs()).toBe(45_000);
  });

  it('does nothing while the other side cannot be reached, and starts its clocks anew then', () => {
    const negotiator = new Negotiator('a', 'b', 0);
    negotiator.handleConnectionState(1, 'connected', 0);
    negotiator.takeEffects();
    negotiator.setReachable(false, 0);
    expect(negotiator.nextTickMs()).toBeUndefined();
    negotiator.handleConnectionState(1, 'failed', 1_000);
    negotiator.handleTick(60_000);
    expect(negotiator.takeEffects()).toEqual([]);
    negotiator.setReachable(true, 60_000);
    negotiator.handleTick(60_000);
    expect(negotiator.takeEffects()).toEqual([{ kind: 'restart_ice', link: 1 }]);
    expect(negotiator.nextTickMs()).toBe(75_000);
  });

  it('never restarts ICE for lost signaling alone', () => {
    const negotiator = new Negotiator('a', 'b', 0);
    negotiator.handleConnectionState(1, 'connected', 0);
    negotiator.takeEffects();
    negotiator.setReachable(false, 1_000);
    negotiator.setReachable(true, 9_000);
    negotiator.handleTick(100_000);
    expect(negotiator.takeEffects()).toEqual([]);
  });

  it('leaves it to a restart of the other side', () => {
    const negotiator = new Negotiator('b', 'a', 0);
    const first: Description = { type: 'offer', sdp: sdpOf('o1', 'x') };
    const second: Description = { type: 'offer', sdp: sdpOf('o2', 'y') };
    negotiator.handleRemoteDescription(1, first, 0);
    negotiator.handleRemoteSet(1, first, 0);
    negotiator.handleLocalSet(1, { type: 'answer', sdp: sdpOf('o1', 'z') });
    negotiator.handleConnectionState(1, 'connected', 0);
    negotiator.handleConnectionState(1, 'failed', 1_000);
    negotiator.handleRemoteDescription(1, second, 1_500);
    negotiator.handleRemoteSet(1, second, 1_500);
    negotiator.takeEffects();
    // Only the end of patience with somebody whom signaling has lost is due before the deadline.
    negotiator.handleTick(11_000);
    expect(negotiator.takeEffects()).toEqual([]);
    expect(negotiator.nextTickMs()).toBe(18_500);
  });

  it('says how it stands', () => {
    const negotiator = new Negotiator('a', 'b', 0);
    expect(negotiator.status).toBe('connecting');
    negotiator.handleConnectionState(1, 'connected', 0);
    expect(negotiator.status).toBe('connected');
    negotiator.handleConnectionState(1, 'disconnected', 1_000);
    expect(negotiator.status).toBe('interrupted');
    negotiator.handleTick(3_000);
    negotiator.handleTick(18_000);
    expect(negotiator.status).toBe('interrupted');
    negotiator.handleTick(48_000);
    expect(negotiator.status).toBe('failed');
  });
});
