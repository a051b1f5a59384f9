import { describe, expect, it } from 'vitest';
import { LinkHealth } from '../src/link/health';

/** A connected link; `advance` ticks whenever it is due. */
class Bench {
  nowMs = 0;
  readonly remedies: [number, string][] = [];

  constructor(
    isPolite = false,
    readonly health = new LinkHealth(isPolite, 0),
  ) {
    health.handleState('connected', 0);
  }

  advance(ms: number): this {
    const endMs = this.nowMs + ms;
    for (
      let dueMs = this.health.nextTickMs() ?? Infinity;
      dueMs <= endMs;
      dueMs = this.health.nextTickMs() ?? Infinity
    ) {
      this.nowMs = Math.max(this.nowMs, dueMs);
      const remedy = this.health.handleTick(this.nowMs);
      if (remedy !== null) {
        this.remedies.push([this.nowMs, remedy]);
      }
      if (remedy === 'new_generation') {
        this.health.handleGeneration(this.nowMs);
      }
    }
    this.nowMs = endMs;
    return this;
  }

  hear(): this {
    this.health.handleHeard(this.nowMs);
    return this;
  }
}

describe('silence', () => {
  it('says nothing as long as the other side has never spoken', () => {
    const bench = new Bench().advance(60_000);
    expect(bench.health.isConnected).toBe(true);
    expect(bench.remedies).toEqual([]);
  });

  it('of 2 s is an interruption, which the impolite side repairs 1 s and the polite 3 s later', () => {
    for (const [isPolite, restartMs] of [
      [false, 3_000],
      [true, 5_000],
    ] as const) {
      const bench = new Bench(isPolite).hear().advance(1_999);
      expect(bench.health.isConnected).toBe(true);
      bench.advance(1);
      expect(bench.health.isConnected).toBe(false);
      bench.advance(4_000);
      expect(bench.remedies).toEqual([[restartMs, 'restart_ice']]);
    }
  });

  it('does not come about on an idle link whose pulses arrive, nor if every other one is lost', () => {
    const bench = new Bench().hear();
    for (let second = 0; second < 600; second += 1) {
      bench.advance(1_000);
      if (second % 2 === 0) {
        bench.hear();
      }
      expect(bench.health.isConnected).toBe(true);
    }
    expect(bench.remedies).toEqual([]);
  });

  it('is broken by media alone', () => {
    const bench = new Bench().hear();
    bench.health.handleInboundBytes(100, bench.nowMs);
    for (let second = 1; second < 10; second += 1) {
      bench.advance(1_000);
      bench.health.handleInboundBytes(100 + second, bench.nowMs);
    }
    expect(bench.health.isConnected).toBe(true);
    for (let second = 0; second < 3; second += 1) {
      bench.advance(1_000);
      bench.health.handleInboundBytes(109, bench.nowMs);
    }
    expect(bench.health.isConnected).toBe(false);
  });

  it('ends with the first sign of life, and with it the repair', () => {
    const bench = new Bench().hear().advance(2_500).hear();
    expect(bench.health.isConnected).toBe(true);
    bench.advance(1_500);
    expect(bench.remedies).toEqual([]);
    bench.advance(1_500).hear().advance(500).hear();
    expect(bench.health.isConnected).toBe(true);
    expect(bench.remedies).toHaveLength(1);
    for (let second = 0; second < 30; second += 1) {
      bench.advance(1_000).hear();
    }
    expect(bench.remedies).toHaveLength(1);
  });

  it('leads to one restart, also when the browser notices later', () => {
    const bench = new Bench().hear().advance(4_000);
    bench.health.handleState('disconnected', bench.nowMs);
    bench.advance(10_000);
    expect(bench.remedies).toEqual([[3_000, 'restart_ice']]);
    bench.advance(4_000);
    expect(bench.remedies.at(-1)).toEqual([18_000, 'new_generation']);
  });

  it('is noticed, but not repaired, while signaling does not reach the other side', () => {
    const bench = new Bench().hear();
    bench.health.setReachable(false, 0);
    bench.advance(2_000);
    expect(bench.health.isConnected).toBe(false);
    bench.advance(20_000);
    expect(bench.remedies).toEqual([]);
  });

  it('of a page that slept is its own: it listens for another second, once', () => {
    const bench = new Bench().hear();
    bench.health.handleTick(30_000);
    expect(bench.health.isConnected).toBe(true);
    expect(bench.health.nextTickMs()).toBe(31_000);
    bench.health.handleTick(32_000);
    expect(bench.health.isConnected).toBe(false);
  });
});

it('a state that is told again changes nothing', () => {
  const bench = new Bench().hear().advance(2_000);
  bench.health.handleState('connected', bench.nowMs);
  expect(bench.health.isConnected).toBe(false);
});

describe('being alive', () => {
  it('outlasts a short interruption, not a long one', () => {
    const bench = new Bench().hear();
    bench.health.setReachable(false, 0);
    bench.advance(11_999);
    expect([bench.health.isConnected, bench.health.isAlive]).toEqual([false, true]);
    bench.advance(1);
    expect(bench.health.isAlive).toBe(false);
    bench.hear();
    expect(bench.health.isAlive).toBe(true);
  });

  it('ends when the connection fails, or the other side closes it', () => {
    const failed = new Bench().hear();
    failed.health.handleState('failed', 100);
    expect(failed.health.isAlive).toBe(false);
    const ended = new Bench().hear();
    ended.health.handleEnded(100);
    expect([ended.health.isConnected, ended.health.isAlive]).toEqual([false, false]);
    ended.health.handleGeneration(200);
    ended.health.handleState('connected', 300);
    expect([ended.health.isConnected, ended.health.isAlive]).toEqual([true, true]);
  });

  it('does not begin before the first connection', () => {
    expect(new LinkHealth(false, 0).isAlive).toBe(false);
  });
});
