import { describe, expect, it } from 'vitest';
import { seededRandom } from './random';
import { Bench, left, resumed, SILENT, welcome } from './session-bench';

describe('joining', () => {
  it('greets on the open socket and tells the welcome', () => {
    const bench = new Bench();
    expect(bench.count('open')).toBe(1);
    bench.open();
    expect(bench.sent).toEqual([{ type: 'hello', room: 'atrium', name: 'Ada', features: [], media: SILENT }]);
    bench.receive(welcome());
    expect(bench.count('welcomed')).toBe(1);
    expect(bench.session.isLive).toBe(true);
  });

  it('keeps trying an unreachable server for 10 s and then fails', () => {
    const bench = new Bench(seededRandom(1));
    const startMs = bench.nowMs;
    let opened = 1;
    while (bench.error() === undefined) {
      if (bench.count('open') >= opened) {
        opened += 1;
        bench.close(1006);
      }
      bench.advance(50);
    }
    expect(bench.error()?.code).toBe('unreachable');
    expect(bench.nowMs - startMs).toBeLessThanOrEqual(10_050);
    expect(bench.nowMs - startMs).toBeGreaterThanOrEqual(10_000);
    expect(opened).toBeGreaterThan(4);
    expect(bench.session.nextTickMs()).toBeUndefined();
  });

  it('gives up a socket that never opens and tries another within the deadline', () => {
    const bench = new Bench();
    bench.advance(6_000);
    expect(bench.count('open')).toBe(2);
  });

  it.each([
    [4200, 'authenticate'],
    [4500, 'protocol'],
    [4501, 'protocol'],
    [4502, 'replaced'],
    [4503, 'room_full'],
    [4504, 'bad_room'],
    [4505, 'bad_name'],
    [4506, 'forbidden'],
    [4507, 'removed'],
    [4508, 'room_locked'],
    [4509, 'bad_invite'],
    [4101, 'rate_limited'],
    [4102, 'server_full'],
  ] as const)('fails at close code %i with %s', (code, expected) => {
    const bench = new Bench();
    bench.open();
    bench.close(code);
    expect(bench.error()?.code).toBe(expected);
  });

  it("hands on the server's words and its time to wait", () => {
    const bench = new Bench();
    bench.open();
    bench.receive({ seq: 0, type: 'error', code: 'server_full', message: 'come back later', retry_after_ms: 7_000 });
    bench.close(4102);
    expect(bench.error()).toMatchObject({ code: 'server_full', message: 'come back later', retryAfterMs: 7_000 });
  });

  it('fails by the refusal where a proxy swallowed the close code', () => {
    const bench = new Bench();
    bench.open();
    bench.receive({ seq: 0, type: 'error', code: 'room_full', message: 'full' });
    bench.close(1006);
    expect(bench.error()?.code).toBe('room_full');
  });
});

describe('the numbering', () => {
  it('drops repeated frames', () => {
    const bench = new Bench().join();
    bench.receive(left(1, '1'), left(2, '2'), left(1, '1'), left(2, '2'), left(3, '3'));
    expect(bench.messages()).toEqual([1, 2, 3]);
  });

  it('resumes at once when a frame is missing, and takes nothing after the hole', () => {
    const bench = new Bench().join();
    bench.receive(left(1, '1'), left(3, '3'), left(4, '4'));
    expect(bench.messages()).toEqual([1]);
    expect(bench.count('close')).toBe(1);
    bench.advance(0);
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({
      resume: { session: 's1', secret: 'secret1', participant_proof: 'proof1', last_seq: 1 },
    });
  });

  it('takes frames about the socket alone without counting them', () => {
    const bench = new Bench().join();
    bench.receive({ seq: 0, type: 'pong' }, left(1, '1'), { seq: 0, type: 'pong' }, left(2, '2'));
    expect(bench.messages()).toEqual([1, 2]);
    expect(bench.session.lastSeq).toBe(2);
  });

  it('fails at a frame that it cannot read', () => {
    const bench = new Bench().join();
    bench.receive(null);
    expect(bench.error()?.code).toBe('protocol');
  });

  it('acknowledges after 2 s', () => {
    const bench = new Bench().join();
    bench.receive(left(1), left(2));
    bench.advance(1_999);
    expect(bench.sent).toEqual([]);
    bench.advance(1);
    expect(bench.sent).toEqual([{ type: 'ack', ack: 2 }]);
  });

  it('acknowledges after 64 frames', () => {
    const bench = new Bench().join();
    bench.receive(...Array.from({ length: 130 }, (_, index) => left(index + 1)));
    expect(bench.sent).toEqual([
      { type: 'ack', ack: 64 },
      { type: 'ack', ack: 128 },
    ]);
  });

  it('puts the ack on whatever is sent', () => {
    const bench = new Bench().join();
    bench.receive(left(1));
    bench.session.request({ type: 'rename', name: 'Bob' }, bench.nowMs);
    bench.collect();
    expect(bench.sent).toEqual([{ type: 'rename', name: 'Bob', cid: 1, ack: 1 }]);
    bench.advance(2_400);
    expect(bench.sent).toHaveLength(1);
  });
});

describe('requests', () => {
  it('are settled by their cid, once', () => {
    const bench = new Bench().join();
    const first = bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    const second = bench.session.request({ type: 'rename', name: '' }, bench.nowMs);
    bench.receive({ seq: 0, cid: 2, type: 'error', code: 'bad_name', message: 'empty' });
    bench.receive({ seq: 0, cid: 1, type: 'ok' }, { seq: 0, cid: 1, type: 'ok' });
    const settled = bench.effects.filter((effect) => effect.kind === 'settled');
    expect(settled.map(({ id, error }) => [id, error?.code])).toEqual([
      [second, 'bad_name'],
      [first, undefined],
    ]);
  });

  it('are repeated with the same cid after a resume, in their order', () => {
    const bench = new Bench().join();
    bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    bench.session.request({ type: 'rename', name: 'B' }, bench.nowMs);
    bench.receive({ seq: 0, cid: 1, type: 'ok' });
    bench.close(1006);
    bench.session.request({ type: 'rename', name: 'C' }, bench.nowMs);
    bench.advance(500);
    bench.open();
    bench.clear();
    bench.receive(resumed({ resume_secret: 'secret2' }));
    expect(bench.sent).toEqual([
      { type: 'ack' },
      { type: 'rename', name: 'B', cid: 2 },
      { type: 'rename', name: 'C', cid: 3 },
    ]);
  });

  it('wait and get a new cid when there were too many', () => {
    const bench = new Bench().join();
    const id = bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    bench.receive({ seq: 0, cid: 1, type: 'error', code: 'rate_limited', message: '', retry_after_ms: 700 });
    bench.clear();
    bench.advance(699);
    expect(bench.sent).toEqual([]);
    bench.advance(1);
    expect(bench.sent).toEqual([{ type: 'rename', name: 'A', cid: 2 }]);
    bench.receive({ seq: 0, cid: 2, type: 'ok' });
    expect(bench.effects.filter((effect) => effect.kind === 'settled').map((effect) => effect.id)).toEqual([id]);
  });

  it('to others end with the own participant, the rest goes on', () => {
    const bench = new Bench().join();
    bench.session.request({ type: 'candidate', to: 'p2', link: 1, candidate: null }, bench.nowMs);
    bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    bench.close(1006);
    bench.advance(500);
    bench.open();
    bench.clear();
    bench.receive(welcome({ participant: 'p9' }));
    expect(bench.sent.map(({ type }) => type)).toEqual(['ack', 'rename']);
    expect(bench.count('settled')).toBe(1);
  });

  it('end with the session', () => {
    const bench = new Bench().join();
    bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    bench.session.leave();
    bench.session.request({ type: 'rename', name: 'B' }, bench.nowMs);
    bench.collect();
    expect(bench.count('settled')).toBe(2);
    expect(bench.sent.at(-1)).toEqual({ type: 'leave' });
  });
});

describe('leaving', () => {
  it('needs another socket when the own one is lost, and none otherwise', () => {
    const bench = new Bench();
    expect(bench.session.farewell).toBeNull();
    bench.join();
    expect(bench.session.farewell).toBeNull();
    bench.close(1006);
    expect(bench.session.farewell).toMatchObject({
      type: 'hello',
      room: 'atrium',
      resume: { session: 's1' },
      media: SILENT,
    });
    bench.session.leave();
    expect(bench.session.farewell).toBeNull();
  });
});

describe('resuming', () => {
  it('takes the newest secret and the last number', () => {
    const bench = new Bench().join();
    bench.receive(left(1), left(2));
    bench.close(1006);
    bench.advance(500);
    bench.open();
    bench.receive(resumed({ resume_secret: 'secret2' }), left(3, '3'));
    expect(bench.messages()).toContain(3);
    bench.close(4000);
    bench.advance(10_000);
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({
      resume: { session: 's1', secret: 'secret2', participant_proof: 'proof1', last_seq: 3 },
    });
  });

  it('starts counting anew when the server does not know the session', () => {
    const bench = new Bench().join();
    bench.receive(left(1), left(2));
    bench.close(1006);
    bench.advance(500);
    bench.open();
    bench.receive(welcome({ resume_failure: 'unknown_session', session: 's2' }), left(1, '7'));
    expect(bench.messages()).toContain(7);
    expect(bench.session.lastSeq).toBe(1);
  });

  it('greets with the changed name and media', () => {
    const bench = new Bench().join();
    bench.session.request({ type: 'rename', name: 'Grace' }, bench.nowMs);
    bench.session.request({ type: 'media', media: { ...SILENT, camera: true } }, bench.nowMs);
    bench.receive({ seq: 0, cid: 1, type: 'ok' }, { seq: 0, cid: 2, type: 'ok' });
    bench.close(1006);
    bench.advance(500);
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ name: 'Grace', media: { camera: true } });
  });

  it.each([4000, 4042, 1006, 1001, 1012])('happens at once at close code %i of a good socket', (code) => {
    const bench = new Bench().join();
    bench.advance(100);
    bench.close(code);
    expect(bench.session.nextTickMs()).toBe(bench.nowMs);
  });

  it.each([4100, 4101, 4102])('happens after a pause at close code %i', (code) => {
    const bench = new Bench().join();
    bench.close(code);
    expect(bench.session.nextTickMs()).toBeGreaterThan(bench.nowMs);
    expect(bench.error()).toBeUndefined();
    expect(bench.count('interrupted')).toBe(1);
  });

  it('waits for the own ghost to leave a full room, but not for long', () => {
    const bench = new Bench().join();
    bench.close(1006);
    bench.advance(500);
    bench.open();
    bench.close(4503);
    expect(bench.error()).toBeUndefined();
    bench.advance(16_000);
    bench.close(1006);
    bench.advance(1_000);
    bench.open();
    bench.close(4503);
    expect(bench.error()?.code).toBe('room_full');
  });

  it('slows down when every new socket is closed at once', () => {
    const bench = new Bench().join();
    let opened = 0;
    for (let turn = 0; turn < 8; turn += 1) {
      bench.close(4000);
      bench.advance(Math.max(0, (bench.session.nextTickMs() ?? 0) - bench.nowMs));
      bench.open();
      bench.receive(resumed());
      opened = bench.count('open');
    }
    expect(opened).toBe(8);
    bench.close(4000);
    expect((bench.session.nextTickMs() ?? 0) - bench.nowMs).toBeGreaterThan(4_000);
  });

  it("comes back when the server's order says, not before, even with a new network", () => {
    const bench = new Bench().join();
    bench.receive({ seq: 0, type: 'reconnect', after_ms: 3_000 });
    bench.advance(500);
    bench.close(1012);
    bench.session.handleOnline(bench.nowMs);
    expect(bench.session.nextTickMs()).toBe(bench.nowMs + 2_500);
  });

  it('never gives up', () => {
    const bench = new Bench(seededRandom(7)).join();
    bench.close(1006);
    for (let turn = 0; turn < 500; turn += 1) {
      const waitMs = (bench.session.nextTickMs() ?? Infinity) - bench.nowMs;
      expect(waitMs).toBeLessThanOrEqual(10_000);
      bench.advance(waitMs);
      bench.close(1006);
    }
    expect(bench.error()).toBeUndefined();
    bench.session.handleOnline(bench.nowMs);
    expect(bench.session.nextTickMs()).toBe(bench.nowMs);
    bench.advance(0);
    bench.close(1006);
    expect((bench.session.nextTickMs() ?? Infinity) - bench.nowMs).toBeLessThanOrEqual(250);
  });
});

describe('the heartbeat', () => {
  it('finds a half-open socket within 6 s', () => {
    const bench = new Bench().join();
    bench.advance(2_499);
    expect(bench.sent).toEqual([]);
    bench.advance(1);
    expect(bench.sent).toEqual([{ type: 'ping' }]);
    bench.advance(3_000);
    expect(bench.count('close')).toBe(1);
    expect(bench.count('interrupted')).toBe(1);
    bench.advance(500);
    expect(bench.count('open')).toBe(1);
  });

  it('is content with any frame', () => {
    const bench = new Bench().join();
    bench.advance(2_500);
    bench.advance(2_900);
    bench.receive(left(1));
    bench.advance(2_400);
    expect(bench.count('close')).toBe(0);
  });

  it('asks at once when the network changed', () => {
    const bench = new Bench().join();
    bench.session.handleOnline(bench.nowMs);
    bench.collect();
    expect(bench.sent).toEqual([{ type: 'ping' }]);
  });
});

it('delivers everything once and in order over any number of lost sockets', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const bench = new Bench(random).join();
    const total = 60;
    let delivered = 0;
    for (let turns = 0; bench.session.lastSeq < total && turns < 2_000; turns += 1) {
      const choice = random();
      if (!bench.session.isLive) {
        bench.advance(Math.max(0, (bench.session.nextTickMs() ?? 0) - bench.nowMs));
        bench.open();
        delivered = bench.session.lastSeq;
        bench.receive(resumed());
      } else if (choice < 0.1) {
        bench.close(1006);
      } else if (choice < 0.15) {
        delivered += 1;
      } else if (choice < 0.2) {
        bench.receive(left(Math.max(1, delivered), String(Math.max(1, delivered))));
      } else {
        delivered += 1;
        bench.receive(left(delivered, String(delivered)));
      }
      bench.advance(random() * 100);
    }
    expect(bench.messages()).toEqual(Array.from({ length: bench.session.lastSeq }, (_, index) => index + 1));
    expect(bench.session.lastSeq).toBeGreaterThanOrEqual(total);
  }
});
