import { describe, expect, it } from 'vitest';
import { Bench, left, resumed, welcome } from './session-bench';

describe('a page that was loaded anew', () => {
  const RESUME = { session: 's0', secret: 'secret0', participant_proof: 'proof0' };

  it('resumes without a number, and then counts from the welcome', () => {
    const bench = new Bench(undefined, { resume: RESUME, firstCid: 1_000 });
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ type: 'hello', resume: RESUME });
    expect(bench.sent.at(-1)).not.toHaveProperty('resume.last_seq');
    bench.receive(welcome({ resumed: true }), left(1, '7'));
    expect(bench.messages()).toEqual([7]);
    bench.session.request({ type: 'rename', name: 'A' }, bench.nowMs);
    bench.close(1006);
    bench.advance(0);
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ resume: { session: 's1', last_seq: 1 } });
    bench.collect();
    expect(bench.sent.find(({ type }) => type === 'rename')?.cid).toBe(1_000);
  });

  it('still has 10 s to join', () => {
    const bench = new Bench(undefined, { resume: RESUME });
    bench.advance(10_000);
    expect(bench.error()?.code).toBe('unreachable');
  });
});

describe('a page that goes away', () => {
  it('closes its socket without a goodbye', () => {
    const bench = new Bench().join();
    bench.session.handlePageHide();
    bench.collect();
    expect(bench.effects).toEqual([{ kind: 'close', code: 1000, reason: 'page hidden' }, { kind: 'interrupted' }]);
    expect(bench.session.nextTickMs()).toBeUndefined();
  });

  it('resumes at once when it comes back', () => {
    const bench = new Bench().join();
    bench.receive(left(1));
    bench.session.handlePageHide();
    bench.advance(60_000);
    bench.session.handlePageShow(bench.nowMs);
    bench.collect();
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ resume: { session: 's1', last_seq: 1 } });
  });

  it('is of no interest once the room is left', () => {
    const bench = new Bench().join();
    bench.session.leave();
    bench.collect();
    bench.clear();
    bench.session.handlePageHide();
    bench.session.handlePageShow(bench.nowMs);
    bench.collect();
    expect(bench.effects).toEqual([]);
  });
});

describe('the first frame after a welcome', () => {
  it('is an ack, so that the server knows that the new secret arrived', () => {
    const bench = new Bench();
    bench.open();
    bench.receive(welcome());
    expect(bench.sent.at(-1)).toEqual({ type: 'ack' });
    bench.receive(left(1), left(2));
    bench.close(1006);
    bench.advance(0);
    bench.open();
    bench.receive(resumed());
    expect(bench.sent.at(-1)).toEqual({ type: 'ack', ack: 2 });
  });
});

describe('coming back', () => {
  const delays = (bench: Bench, turns: number) =>
    Array.from({ length: turns }, () => {
      const delayMs = (bench.session.nextTickMs() ?? Infinity) - bench.nowMs;
      bench.advance(delayMs);
      bench.close(1006);
      return delayMs;
    });

  it('is tried at once, then at most 1 s apart for 15 s, then more and more rarely', () => {
    const bench = new Bench(() => 0.999).join();
    for (let seq = 1; seq <= 3; seq += 1) {
      bench.advance(2_000);
      bench.receive(left(seq));
    }
    bench.close(1006);
    const [first, second, ...others] = delays(bench, 40);
    expect(first).toBe(0);
    expect(second).toBeCloseTo(250, -1);
    const hurried = others.slice(0, 12);
    expect(Math.max(...hurried)).toBeLessThanOrEqual(1_000);
    expect(Math.max(...others)).toBeGreaterThan(9_000);
  });

  it('stays quick while the links are healthy', () => {
    const bench = new Bench(() => 0.999).join();
    bench.session.setLinksHealthy(true);
    bench.close(1006);
    expect(Math.max(...delays(bench, 100))).toBeLessThanOrEqual(1_000);
  });

  it('is not hurried where the server asks for patience', () => {
    const bench = new Bench(() => 0.999).join();
    bench.session.setLinksHealthy(true);
    for (let turn = 0; turn < 8; turn += 1) {
      bench.close(4102);
      bench.advance((bench.session.nextTickMs() ?? 0) - bench.nowMs);
    }
    bench.close(4102);
    expect((bench.session.nextTickMs() ?? 0) - bench.nowMs).toBeGreaterThan(9_000);
  });

  it('ends for good by leaving', () => {
    const bench = new Bench().join();
    bench.close(1006);
    bench.session.leave();
    bench.collect();
    bench.clear();
    bench.advance(60_000);
    bench.session.handleOnline(bench.nowMs);
    bench.session.handleClose(1006, bench.nowMs);
    bench.collect();
    expect(bench.effects).toEqual([]);
    expect(bench.session.nextTickMs()).toBeUndefined();
  });
});

describe('rights', () => {
  it('are shown in hello', () => {
    const bench = new Bench(undefined, { token: 't', invite: 'i' });
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ type: 'hello', token: 't', invite: 'i' });
  });

  it('do not need the invitation any more once inside', () => {
    const bench = new Bench(undefined, { invite: 'i' }).join();
    bench.close(1006);
    bench.advance(0);
    bench.open();
    bench.close(4509);
    expect(bench.error()).toBeUndefined();
    bench.advance(1_000);
    bench.open();
    expect(bench.sent.at(-1)).not.toHaveProperty('invite');
    bench.close(4509);
    expect(bench.error()?.code).toBe('bad_invite');
  });

  it('get a token before the first hello, and a new one before it ends', () => {
    const bench = new Bench(undefined, { isTokenRenewable: true });
    expect(bench.effects.map(({ kind }) => kind)).toEqual(['renew_token']);
    bench.session.handleToken('one', bench.nowMs);
    bench.collect();
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ type: 'hello', token: 'one' });
    bench.receive(welcome());
    bench.clear();
    bench.receive({ seq: 1, type: 'token_expiring', expires_in_ms: 30_000 });
    expect(bench.count('renew_token')).toBe(1);
    bench.session.handleToken('two', bench.nowMs);
    bench.collect();
    expect(bench.sent).toEqual([{ type: 'refresh', token: 'two', cid: 1, ack: 1 }]);
  });

  it('get a new token when the server asks for it, and give up when a new one does not help', () => {
    const bench = new Bench(undefined, { isTokenRenewable: true, token: 'one' }).join();
    bench.close(4200);
    expect(bench.effects.map(({ kind }) => kind)).toEqual(['interrupted', 'renew_token']);
    bench.session.handleToken('two', bench.nowMs);
    bench.collect();
    bench.open();
    expect(bench.sent.at(-1)).toMatchObject({ token: 'two', resume: { session: 's1' } });
    bench.close(4200);
    expect(bench.error()?.code).toBe('authenticate');
  });

  it('end the session if the token cannot be renewed', () => {
    const bench = new Bench(undefined, { token: 'one' }).join();
    bench.close(4200);
    expect(bench.error()?.code).toBe('authenticate');
  });

  it('ask for a token again and again during a call, and fail a join without one', () => {
    const bench = new Bench(undefined, { isTokenRenewable: true, token: 'one' }).join();
    bench.close(4200);
    bench.session.handleTokenFailed('offline', bench.nowMs);
    bench.advance(1_000);
    expect(bench.count('renew_token')).toBe(2);
    expect(bench.count('open')).toBe(0);
    const joining = new Bench(undefined, { isTokenRenewable: true });
    joining.session.handleTokenFailed('offline', joining.nowMs);
    joining.collect();
    expect(joining.error()?.code).toBe('authenticate');
  });

  it('are refused with their own codes, and an invitation comes with its request', () => {
    const bench = new Bench().join();
    bench.session.request({ type: 'lock', locked: true }, bench.nowMs);
    bench.session.request({ type: 'invite', expires_in_ms: 1_000 }, bench.nowMs);
    bench.receive({ seq: 1, cid: 1, type: 'error', code: 'forbidden', message: 'no' });
    bench.receive({ seq: 2, cid: 2, type: 'invited', invite: 'i', expires_at_ms: 5 });
    const settled = bench.effects.filter((effect) => effect.kind === 'settled');
    expect(settled.map(({ error, reply }) => [error?.code, reply])).toEqual([
      ['forbidden', null],
      [undefined, expect.objectContaining({ type: 'invited', invite: 'i' })],
    ]);
  });
});

describe('what was asked about a connection to the SFU', () => {
  const lose = (bench: Bench): void => {
    bench.session.request({ type: 'sfu_offer', connection: 7, offer_id: 1, sdp: '', tracks: [] }, bench.nowMs);
    bench.close(1006);
    bench.advance(0);
    bench.open();
    bench.collect();
    bench.clear();
  };

  it('is asked again of a server that goes on', () => {
    const bench = new Bench().join();
    lose(bench);
    bench.receive(resumed());
    bench.collect();
    expect(bench.sent.filter(({ type }) => type === 'sfu_offer')).toHaveLength(1);
  });

  it('is given up, before anything else, when the server tells everything anew', () => {
    const bench = new Bench().join();
    lose(bench);
    bench.receive(welcome({ resumed: false }));
    const kinds = bench.effects.map(({ kind }) => kind);
    expect(kinds.indexOf('settled')).toBeGreaterThanOrEqual(0);
    expect(kinds.indexOf('settled')).toBeLessThan(kinds.indexOf('welcomed'));
    expect(bench.sent.filter(({ type }) => type === 'sfu_offer')).toHaveLength(0);
  });
});
