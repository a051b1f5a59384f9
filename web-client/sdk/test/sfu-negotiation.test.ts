import { describe, expect, it } from 'vitest';
import { SfuNegotiation } from '../src/sfu/negotiation';
import type { SfuEffect } from '../src/sfu/negotiation';
import { seededRandom } from './random';

/** A negotiation whose clock is moved by hand. */
class Bench {
  nowMs = 0;
  readonly negotiation = new SfuNegotiation(seededRandom(1), 0);
  readonly effects: SfuEffect[] = [];

  constructor() {
    this.take();
  }

  get connection(): number {
    return this.negotiation.connection ?? 0;
  }

  take(): SfuEffect[] {
    const taken = this.negotiation.takeEffects();
    this.effects.push(...taken);
    return taken;
  }

  kinds(): string[] {
    return this.take().map(({ kind }) => kind);
  }

  /** The last offer's number. */
  get offerId(): number {
    const last = this.effects.findLast((effect) => effect.kind === 'send_offer');
    return last?.kind === 'send_offer' ? last.offerId : 0;
  }

  sendOffer(): this {
    this.negotiation.handleLocalSet(this.connection, this.nowMs);
    this.take();
    return this;
  }

  answer(): this {
    this.negotiation.handleAnswer(this.connection, this.offerId, 'answer');
    this.negotiation.handleAnswerSet(this.connection, this.nowMs);
    return this;
  }

  connect(): this {
    this.sendOffer().answer();
    this.negotiation.handleState(this.connection, 'connected', this.nowMs);
    this.take();
    return this;
  }

  /** Runs every tick that is due until then. */
  runUntil(untilMs: number): this {
    for (let turns = 0; turns < 1_000; turns += 1) {
      const dueMs = this.negotiation.nextTickMs();
      if (dueMs === undefined || dueMs > untilMs) {
        this.nowMs = untilMs;
        return this;
      }
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.negotiation.handleTick(this.nowMs);
    }
    throw new Error('it is due again and again');
  }
}

describe('SfuNegotiation', () => {
  it('makes a connection and offers at once', () => {
    const bench = new Bench();
    expect(bench.effects.map(({ kind }) => kind)).toEqual(['create', 'make_offer']);
    expect(bench.connection).toBeGreaterThan(0);
    expect(bench.connection).toBeLessThan(2 ** 32);
    expect(bench.negotiation.status).toBe('connecting');
    expect(bench.connect().negotiation.status).toBe('connected');
  });

  it('has one offer outstanding, and puts everything else into the next one', () => {
    const bench = new Bench().sendOffer();
    bench.negotiation.need(0);
    bench.negotiation.need(0);
    expect(bench.kinds()).toEqual([]);
    bench.negotiation.handleAnswer(bench.connection, bench.offerId, 'answer');
    bench.negotiation.need(0);
    expect(bench.kinds()).toEqual(['set_answer']);
    bench.negotiation.handleAnswerSet(bench.connection, 0);
    expect(bench.kinds()).toEqual(['make_offer']);
    const first = bench.offerId;
    bench.sendOffer().answer();
    expect(bench.offerId).toBe(first + 1);
    expect(bench.kinds()).toEqual(['set_answer']);
  });

  it('listens to no answer but that to its last offer', () => {
    const bench = new Bench().sendOffer();
    bench.negotiation.handleAnswer(bench.connection, bench.offerId + 1, 'answer');
    bench.negotiation.handleAnswer(bench.connection + 1, bench.offerId, 'answer');
    bench.negotiation.handleRefused(bench.connection, bench.offerId - 1, 0);
    expect(bench.kinds()).toEqual([]);
  });

  it('begins anew when an answer does not come, but not while the signaling is away', () => {
    const bench = new Bench().sendOffer();
    const { connection } = bench;
    bench.negotiation.setReachable(false, 0);
    bench.runUntil(60_000);
    bench.negotiation.handleTick(60_000);
    expect(bench.connection).toBe(connection);
    bench.negotiation.setReachable(true, 60_000);
    bench.runUntil(69_999);
    expect(bench.connection).toBe(connection);
    bench.runUntil(70_000);
    expect(bench.kinds()).toEqual(['drop']);
    bench.runUntil(71_000);
    expect(bench.kinds()).toEqual(['create', 'make_offer']);
    expect(bench.connection).not.toBe(connection);
  });

  it('waits longer after each connection that the server ends, until one works', () => {
    const bench = new Bench();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const closedAtMs = bench.nowMs;
      bench.negotiation.handleClosed(bench.connection, closedAtMs);
      expect(bench.negotiation.connection).toBeNull();
      while (bench.negotiation.connection === null) {
        bench.runUntil(bench.negotiation.nextTickMs() ?? NaN);
      }
      waits.push(bench.nowMs - closedAtMs);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    expect(bench.negotiation.status).toBe('failed');
    bench.connect();
    expect(bench.negotiation.status).toBe('connected');
    bench.negotiation.handleClosed(bench.connection, bench.nowMs);
    expect(bench.negotiation.status).toBe('interrupted');
    expect(bench.negotiation.nextTickMs()).toBe(bench.nowMs + 1_000);
  });

  it('restarts ICE soon after a loss, and begins anew if that does not help', () => {
    const bench = new Bench().connect();
    const { connection } = bench;
    bench.negotiation.handleState(connection, 'disconnected', 0);
    bench.runUntil(1_000);
    expect(bench.take()).toEqual([{ kind: 'make_offer', connection, restartsIce: true }]);
    expect(bench.negotiation.status).toBe('interrupted');
    bench.sendOffer().answer();
    expect(bench.kinds()).toEqual(['set_answer']);
    bench.runUntil(16_000);
    expect(bench.kinds()).toEqual(['drop', 'create', 'make_offer']);
  });

  it('restarts ICE at once after a failure, and goes on when it heals', () => {
    const bench = new Bench().connect();
    const { connection } = bench;
    bench.negotiation.handleState(connection, 'failed', 5);
    bench.runUntil(5);
    expect(bench.kinds()).toEqual(['make_offer']);
    bench.sendOffer().answer();
    bench.negotiation.handleState(connection, 'connected', 500);
    bench.runUntil(120_000);
    expect(bench.connection).toBe(connection);
    expect(bench.negotiation.status).toBe('connected');
  });

  it('notices silence within two seconds of where something is to be heard', () => {
    const bench = new Bench().connect();
    bench.negotiation.handleHeard(bench.connection, 100);
    bench.runUntil(2_099);
    expect(bench.negotiation.status).toBe('connected');
    bench.runUntil(2_100);
    expect(bench.negotiation.status).toBe('interrupted');
    bench.negotiation.handleHeard(bench.connection, 2_200);
    expect(bench.negotiation.status).toBe('connected');
    expect(bench.kinds()).toEqual([]);
  });

  it('takes a refused offer back and makes it again, and begins anew at the third', () => {
    const bench = new Bench().connect();
    const { connection } = bench;
    bench.negotiation.need(0);
    for (let refusals = 0; refusals < 2; refusals += 1) {
      expect(bench.kinds()).toEqual(['make_offer']);
      bench.sendOffer();
      bench.negotiation.handleRefused(connection, bench.offerId, bench.nowMs);
      expect(bench.kinds()).toEqual(['roll_back']);
      bench.negotiation.handleRolledBack(connection, bench.nowMs);
      expect(bench.kinds()).toEqual([]);
      bench.runUntil(bench.nowMs + 2_000);
    }
    bench.sendOffer();
    bench.negotiation.handleRefused(connection, bench.offerId, bench.nowMs);
    expect(bench.kinds()).toEqual(['drop']);
    expect(bench.negotiation.connection).toBeNull();
  });

  it('does not trust a connection on which an operation failed', () => {
    const bench = new Bench();
    bench.negotiation.handleOperationFailed(bench.connection, 0);
    expect(bench.kinds()).toEqual(['drop']);
    bench.negotiation.handleLocalSet(bench.connection, 0);
    expect(bench.kinds()).toEqual([]);
  });

  it('begins anew at once when the server has forgotten everything', () => {
    const bench = new Bench().connect();
    const { connection } = bench;
    bench.negotiation.restart(0);
    expect(bench.kinds()).toEqual(['drop', 'create', 'make_offer']);
    expect(bench.connection).not.toBe(connection);
    bench.negotiation.handleState(connection, 'connected', 0);
    expect(bench.negotiation.status).toBe('interrupted');
  });

  it('survives every order of events without two offers at a time', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = seededRandom(seed);
      const negotiation = new SfuNegotiation(random, 0);
      const waiting: (() => void)[] = [];
      let nowMs = 0;
      let outstanding: number | null = null;
      const perform = (): void => {
        for (const effect of negotiation.takeEffects()) {
          const { connection } = effect;
          if (effect.kind === 'create' || effect.kind === 'drop') {
            outstanding = null;
          } else if (effect.kind === 'make_offer') {
            expect(outstanding).toBeNull();
            outstanding = connection;
            waiting.push(() => negotiation.handleLocalSet(connection, nowMs));
          } else if (effect.kind === 'send_offer') {
            const { offerId } = effect;
            waiting.push(() =>
              random() < 0.2
                ? negotiation.handleRefused(connection, offerId, nowMs)
                : negotiation.handleAnswer(connection, offerId, 'answer'),
            );
          } else if (effect.kind === 'set_answer') {
            waiting.push(() => {
              outstanding = connection === negotiation.connection ? null : outstanding;
              negotiation.handleAnswerSet(connection, nowMs);
            });
          } else {
            waiting.push(() => {
              outstanding = connection === negotiation.connection ? null : outstanding;
              negotiation.handleRolledBack(connection, nowMs);
            });
          }
        }
      };
      perform();
      for (let step = 0; step < 200; step += 1) {
        const dice = random();
        const connection = negotiation.connection ?? 0;
        nowMs += Math.floor(random() * 500);
        if (dice < 0.5) waiting.splice(Math.floor(random() * waiting.length), 1)[0]?.();
        else if (dice < 0.6) negotiation.need(nowMs);
        else if (dice < 0.65) negotiation.handleClosed(connection, nowMs);
        else if (dice < 0.75) negotiation.handleState(connection, random() < 0.5 ? 'disconnected' : 'connected', nowMs);
        else if (dice < 0.8) negotiation.setReachable(random() < 0.7, nowMs);
        else negotiation.handleTick(nowMs);
        perform();
      }
      // Whatever happened: with a server that answers, it ends in a connection.
      negotiation.setReachable(true, nowMs);
      for (let turns = 0; turns < 2_000 && negotiation.status !== 'connected'; turns += 1) {
        waiting.shift()?.();
        perform();
        if (waiting.length === 0) {
          negotiation.handleState(negotiation.connection ?? 0, 'connected', nowMs);
          nowMs = Math.max(nowMs, negotiation.nextTickMs() ?? nowMs);
          negotiation.handleTick(nowMs);
          perform();
        }
      }
      expect([seed, negotiation.status]).toEqual([seed, 'connected']);
    }
  });
});
