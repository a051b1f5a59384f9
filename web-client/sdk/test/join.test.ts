import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { join } from '../src/join';
import type { JoinOptions } from '../src/join';
import { Doubt, isServerUp } from '../src/signal/probe';

/** Sockets that never answer by themselves. */
class FakeSocket {
  static readonly all: FakeSocket[] = [];
  readonly sent: string[] = [];
  closed: number | undefined;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(code: number): void {
    this.closed = code;
  }
}

const options = (part: Partial<JoinOptions> = {}): JoinOptions => ({
  url: 'ws://localhost/v1/ws',
  room: 'atrium',
  name: 'Ada',
  ...part,
});

const refusing = (socket: FakeSocket | undefined, code: number) => {
  socket?.onopen?.();
  socket?.onclose?.({ code });
};

beforeEach(() => {
  FakeSocket.all.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('RTCPeerConnection', class {});
  vi.stubGlobal('MediaStream', class {});
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('join', () => {
  it('opens nothing when it was aborted before', async () => {
    await expect(join(options({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'aborted' });
    expect(FakeSocket.all).toEqual([]);
  });

  it('closes the socket when it is aborted in the middle, and says goodbye if it had said hello', async () => {
    const abort = new AbortController();
    const joining = join(options({ signal: abort.signal }));
    await vi.advanceTimersByTimeAsync(0);
    const [socket] = FakeSocket.all;
    socket?.onopen?.();
    abort.abort();
    await expect(joining).rejects.toMatchObject({ code: 'aborted' });
    expect(socket?.closed).toBe(1000);
    expect(socket?.sent.map((text) => (JSON.parse(text) as { type: string }).type)).toEqual(['hello', 'leave']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it('can be aborted while it waits for a token', async () => {
    const abort = new AbortController();
    let give: (token: string) => void = () => undefined;
    const token = () => new Promise<string>((resolve) => (give = resolve));
    const joining = join(options({ signal: abort.signal, token }));
    await vi.advanceTimersByTimeAsync(0);
    abort.abort();
    await expect(joining).rejects.toMatchObject({ code: 'aborted' });
    give('late');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toEqual([]);
  });

  it('gives the same join for the same object, and another one after it failed', async () => {
    const same = options();
    const joining = join(same);
    expect(join(same)).toBe(joining);
    await vi.advanceTimersByTimeAsync(0);
    expect(FakeSocket.all).toHaveLength(1);
    refusing(FakeSocket.all[0], 4508);
    await expect(joining).rejects.toMatchObject({ code: 'room_locked' });
    const again = join(same);
    expect(again).not.toBe(joining);
    await vi.advanceTimersByTimeAsync(0);
    refusing(FakeSocket.all[1], 4509);
    await expect(again).rejects.toMatchObject({ code: 'bad_invite' });
  });

  it('greets with the token that the function gives', async () => {
    const joining = join(options({ token: () => 'fresh', invite: 'i' }));
    await vi.advanceTimersByTimeAsync(0);
    FakeSocket.all[0]?.onopen?.();
    expect(JSON.parse(FakeSocket.all[0]?.sent[0] ?? '{}')).toMatchObject({ token: 'fresh', invite: 'i' });
    FakeSocket.all[0]?.onclose?.({ code: 4200 });
    await expect(joining).rejects.toMatchObject({ code: 'authenticate' });
  });
});

describe('an aborted return', () => {
  const saved = {
    url: 'ws://localhost/v1/ws',
    session: 's1',
    resume_secret: 'secret',
    participant: 'p1',
    participant_proof: 'proof',
    links: {},
  };

  /** The messages of a socket, as it opens. */
  const opened = (socket: FakeSocket | undefined): { type: string; resume?: object }[] => {
    socket?.onopen?.();
    return (socket?.sent ?? []).map((text) => JSON.parse(text) as { type: string });
  };

  beforeEach(() => {
    const kept = new Map([['stoa/session/atrium', JSON.stringify({ ...saved, savedAt: Date.now() })]]);
    vi.stubGlobal('sessionStorage', {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
      removeItem: (key: string) => kept.delete(key),
    });
  });

  it.each([
    ['before it began', 0, 0],
    ['while its socket opens', 1, 1],
  ])('%s leaves what the former page was in, and forgets it', async (_when, begun, place) => {
    const abort = new AbortController();
    if (begun === 0) abort.abort();
    const joining = join(options({ signal: abort.signal }));
    const aborted = expect(joining).rejects.toMatchObject({ code: 'aborted' });
    await vi.advanceTimersByTimeAsync(0);
    abort.abort();
    await aborted;
    const socket = FakeSocket.all[place];
    expect(opened(socket).map(({ type }) => type)).toEqual(['hello', 'leave']);
    expect(opened(socket)[0]).toMatchObject({
      resume: { session: 's1', secret: 'secret', participant_proof: 'proof' },
    });
    expect(socket?.closed).toBe(1000);
    expect(sessionStorage.getItem('stoa/session/atrium')).toBeNull();
    socket?.onclose?.({ code: 1000 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(place + 1);
  });

  it('tries for a while to reach the server, and then no more', async () => {
    const joining = join(options({ signal: AbortSignal.abort() }));
    await expect(joining).rejects.toMatchObject({ code: 'aborted' });
    for (let turn = 0; turn < 20; turn += 1) {
      FakeSocket.all.at(-1)?.onclose?.({ code: 1006 });
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(FakeSocket.all).toHaveLength(10);
  });
});

describe('an unreachable server', () => {
  it('is asked for over HTTP after a failed socket, and a socket is tried again when it answers', async () => {
    const asked: string[] = [];
    let isUp = false;
    vi.stubGlobal('fetch', (url: URL) => {
      asked.push(url.href);
      return isUp ? Promise.resolve({ status: 200 }) : Promise.reject(new TypeError('refused'));
    });
    const joining = join(options({ url: 'wss://calls.example/stoa/v1/ws' }));
    const failed = expect(joining).rejects.toMatchObject({ code: 'unreachable' });
    await vi.advanceTimersByTimeAsync(0);
    FakeSocket.all[0]?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set(['https://calls.example/stoa/healthz']));
    expect(FakeSocket.all).toHaveLength(1);
    isUp = true;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(FakeSocket.all).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
  });

  it('gets a socket all the same when the page may not ask', () => {
    const doubt = new Doubt();
    expect(doubt.shallAsk()).toBe(false);
    doubt.handleFailed();
    for (let turn = 0; turn < 20; turn += 1) {
      expect(doubt.shallAsk()).toBe(true);
      doubt.handleNo();
    }
    expect(doubt.shallAsk()).toBe(false);
    doubt.handleFailed();
    expect(doubt.shallAsk()).toBe(true);
    doubt.handleOpened();
    expect(doubt.shallAsk()).toBe(false);
  });

  it.each([
    [200, true],
    [404, true],
    [502, false],
    [504, false],
  ])('answers with status %i: %s', async (status, isUp) => {
    vi.stubGlobal('fetch', () => Promise.resolve({ status }));
    expect(await isServerUp('ws://localhost/v1/ws', new AbortController().signal)).toBe(isUp);
  });
});
