import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DocSocket } from '../src/documents/doc-socket';
import { cutFrame, FrameReader, LARGEST_FRAME_BYTES, MESSAGE_BYTES } from '../src/documents/messages';
import { SocketKeeper } from '../src/documents/socket-keeper';
import { SocketPort } from '../src/documents/socket-port';
import { join } from '../src/join';
import { seededRandom } from './random';

const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);
const hex = (frame: Uint8Array): string => [...frame].map((byte) => byte.toString(16).padStart(2, '0')).join('');

describe('frames on a socket', () => {
  it.each([
    [0, [0]],
    [1, [0]],
    [MESSAGE_BYTES - 1, [0]],
    [MESSAGE_BYTES, [1, 2]],
    [3 * (MESSAGE_BYTES - 1), [1, 1, 2]],
    [3 * (MESSAGE_BYTES - 1) + 1, [1, 1, 1, 2]],
  ])('of %i bytes are cut into messages %j', (length, kinds) => {
    const messages = [...cutFrame(bytes(length))];
    expect(messages.map((message) => message[0])).toEqual(kinds);
    expect(Math.max(...messages.map((message) => message.length))).toBeLessThanOrEqual(MESSAGE_BYTES);
  });

  it('come back together, whatever their size', () => {
    const random = seededRandom(5);
    const reader = new FrameReader();
    for (let turn = 0; turn < 50; turn += 1) {
      const frame = Uint8Array.from({ length: Math.floor(random() * 200_000) }, () => random() * 256);
      const read = [...cutFrame(frame)].map((message) => reader.push(message)).filter((found) => found !== null);
      expect(read.map(hex)).toEqual([hex(frame)]);
    }
    expect(reader.dropped).toBe(0);
  });

  it('that are too large are dropped whole, and the next one is read', () => {
    const reader = new FrameReader();
    const part = Uint8Array.of(1, ...bytes(1));
    const large = new Uint8Array(LARGEST_FRAME_BYTES / 4 + 2);
    large[0] = 1;
    for (let turn = 0; turn < 4; turn += 1) reader.push(large);
    reader.push(part);
    expect(reader.push(Uint8Array.of(2, 1))).toBeNull();
    expect(reader.dropped).toBe(1);
    expect(reader.push(Uint8Array.of(0, 9))).toEqual(Uint8Array.of(9));
  });

  it.each([
    ['nothing at all', Uint8Array.of()],
    ['an unknown kind', Uint8Array.of(9, 1)],
  ])('%s spoils only the frame under way', (_name, message) => {
    const reader = new FrameReader();
    reader.push(Uint8Array.of(1, 5));
    expect(reader.push(message)).toBeNull();
    expect(reader.push(Uint8Array.of(2, 6))).toBeNull();
    expect(reader.dropped).toBe(1);
    expect(reader.push(Uint8Array.of(0, 4))).toEqual(Uint8Array.of(4));
  });

  it('that were given up for a whole one are forgotten', () => {
    const reader = new FrameReader();
    reader.push(Uint8Array.of(1, 5));
    expect(reader.push(Uint8Array.of(0, 4))).toEqual(Uint8Array.of(4));
    expect(reader.push(Uint8Array.of(2, 6))).toEqual(Uint8Array.of(6));
  });
});

/** A socket whose buffer empties only when the test says so. */
class SlowSocket {
  readonly sent: Uint8Array[] = [];
  readyState: 0 | 1 | 3 = 1;
  bufferedAmount = 0;

  send(message: unknown): void {
    const sent = message as Uint8Array;
    this.sent.push(sent);
    this.bufferedAmount += sent.length;
  }
}

describe('SocketPort', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells when it opens and closes, and passes frames both ways in between', () => {
    const port = new SocketPort();
    const log: string[] = [];
    port.on('open', () => log.push('open'));
    port.on('close', () => log.push('close'));
    port.on('message', (frame) => log.push(hex(frame)));
    const socket = new SlowSocket();
    port.receive(Uint8Array.of(0, 1));
    expect([port.isOpen, port.send(bytes(1))]).toEqual([false, false]);
    port.attach(socket);
    expect([port.isOpen, port.send(bytes(2))]).toEqual([true, true]);
    port.receive(Uint8Array.of(0, 0xab));
    port.detach();
    port.detach();
    port.receive(Uint8Array.of(0, 1));
    expect([port.isOpen, port.send(bytes(1))]).toEqual([false, false]);
    expect(socket.sent).toEqual([Uint8Array.of(0, 7, 7)]);
    expect(log).toEqual(['open', 'ab', 'close']);
  });

  it('takes no more than 4 MiB ahead of the network, keeps the order, and leaves gaps for text', () => {
    const port = new SocketPort();
    const socket = new SlowSocket();
    port.attach(socket);
    let taken = 0;
    while (port.send(bytes(100_000, taken))) taken += 1;
    expect(taken).toBe(Math.ceil((4 * 1024 * 1024) / 100_000));
    expect(socket.bufferedAmount).toBeLessThan(256 * 1024 + MESSAGE_BYTES);
    for (let turn = 0; turn < 1_000; turn += 1) {
      socket.bufferedAmount = Math.max(0, socket.bufferedAmount - 50_000);
      vi.advanceTimersByTime(10);
    }
    const reader = new FrameReader();
    const frames = socket.sent.map((message) => reader.push(message)).filter((frame) => frame !== null);
    expect(frames.map((frame) => [frame.length, frame[0]])).toEqual(
      Array.from({ length: taken }, (_, index) => [100_000, index]),
    );
    expect(port.send(bytes(1))).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says that the socket works while a large frame leaves, and not while it is stuck', () => {
    const progress = vi.fn();
    const port = new SocketPort(progress);
    const socket = new SlowSocket();
    port.attach(socket);
    port.send(bytes(1_000_000));
    vi.advanceTimersByTime(100);
    expect(progress).not.toHaveBeenCalled();
    socket.bufferedAmount -= 10_000;
    vi.advanceTimersByTime(10);
    expect(progress).toHaveBeenCalledTimes(1);
  });

  it('forgets with the socket what had not left', () => {
    const port = new SocketPort();
    const [first, second] = [new SlowSocket(), new SlowSocket()];
    port.attach(first);
    port.send(bytes(1_000_000));
    port.attach(second);
    first.bufferedAmount = 0;
    const before = first.sent.length;
    vi.advanceTimersByTime(100);
    expect([first.sent.length - before, second.sent.length]).toEqual([0, 0]);
  });
});

describe('SocketKeeper', () => {
  const keeper = () => {
    const keeper = new SocketKeeper(() => 0.5);
    keeper.start(0);
    keeper.takeActions();
    return keeper;
  };
  const kinds = (of: SocketKeeper) => of.takeActions().map(({ kind }) => kind);

  it('asks after 15 s of silence and gives the socket up 6 s later', () => {
    const socket = keeper();
    socket.handleOpen(0);
    expect(socket.nextTickMs()).toBe(15_000);
    socket.handleAlive(10_000);
    expect(socket.nextTickMs()).toBe(25_000);
    socket.handleTick(25_000);
    expect(kinds(socket)).toEqual(['ask']);
    expect(socket.nextTickMs()).toBe(31_000);
    socket.handleAlive(30_000);
    socket.handleTick(31_000);
    expect(kinds(socket)).toEqual([]);
    socket.handleTick(45_000);
    socket.handleTick(51_000);
    expect(kinds(socket)).toEqual(['ask', 'close']);
    const retryMs = socket.nextTickMs() ?? 0;
    socket.handleTick(retryMs);
    expect(kinds(socket)).toEqual(['open']);
  });

  it('comes back later and later, and quickly again after a good socket', () => {
    const socket = keeper();
    let nowMs = 0;
    const waits = Array.from({ length: 8 }, () => {
      socket.handleClose(1006, '', nowMs);
      const waitMs = (socket.nextTickMs() ?? 0) - nowMs;
      nowMs += waitMs;
      socket.handleTick(nowMs);
      return waitMs;
    });
    expect(waits).toEqual([125, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    socket.handleOpen(nowMs);
    socket.handleClose(1012, '', nowMs + 5_000);
    expect(socket.nextTickMs()).toBe(nowMs + 5_000 + 125);
  });

  it('gives an attempt 10 s', () => {
    const socket = keeper();
    expect(socket.nextTickMs()).toBe(10_000);
    socket.handleTick(10_000);
    expect(kinds(socket)).toEqual(['close']);
  });

  it.each([4400, 4401, 4403, 4404, 4410, 4499])('takes %i for the end', (code) => {
    const socket = keeper();
    socket.handleClose(code, 'no', 0);
    expect(socket.failure).toEqual({ code, reason: 'no' });
    expect(socket.nextTickMs()).toBeUndefined();
  });

  it('asks nothing about a document that the server does not serve', () => {
    const socket = keeper();
    socket.handleOpen(0);
    socket.handleTick(15_000);
    socket.setAnswering(false);
    expect(socket.nextTickMs()).toBeUndefined();
    socket.handleTick(60_000);
    socket.handleOnline(60_000);
    expect(kinds(socket)).toEqual(['ask']);
    socket.setAnswering(true);
    socket.handleAlive(60_000);
    expect(socket.nextTickMs()).toBe(75_000);
  });

  it('hurries when the network is back, and sleeps while the page is away', () => {
    const socket = keeper();
    socket.handleClose(1006, '', 0);
    socket.handleOnline(10);
    expect(socket.nextTickMs()).toBe(10);
    socket.handleTick(10);
    socket.handleOpen(20);
    socket.handleOnline(30);
    expect(kinds(socket)).toEqual(['open', 'ask']);
    socket.handlePageHide();
    expect(socket.nextTickMs()).toBeUndefined();
    socket.handlePageShow(40);
    expect(kinds(socket)).toEqual(['close', 'open']);
    socket.close();
    socket.handlePageShow(50);
    socket.handleTick(60);
    expect(kinds(socket)).toEqual(['close']);
  });
});

/** Sockets that do only what the test does. */
class FakeSocket extends SlowSocket {
  static readonly all: FakeSocket[] = [];
  readonly texts: string[] = [];
  binaryType = '';
  closed: number | undefined;
  override readyState: 0 | 1 | 3 = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    super();
    FakeSocket.all.push(this);
  }

  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }

  override send(message: unknown): void {
    if (typeof message === 'string') this.texts.push(message);
    else super.send(message);
  }

  close(code: number): void {
    this.closed = code;
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(...bytes: number[]): void {
    this.onmessage?.({ data: Uint8Array.from(bytes).buffer });
  }

  lose(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

const onPage = () => {
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  return page;
};

describe('DocSocket', () => {
  let page: EventTarget;

  beforeEach(() => {
    FakeSocket.all.length = 0;
    vi.useFakeTimers();
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('fetch', () => Promise.resolve({ status: 200 }));
    page = onPage();
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('speaks its own subprotocol at the address of the document', () => {
    const socket = new DocSocket({ url: 'wss://stoa.example/v1/ws', doc: 'atrium/plan ☂', token: 'a b' });
    expect(FakeSocket.last.url).toBe('wss://stoa.example/yjs/atrium%2Fplan%20%E2%98%82?token=a+b');
    expect([FakeSocket.last.protocol, FakeSocket.last.binaryType]).toEqual(['stoa.v1.docs', 'arraybuffer']);
    socket.close();
    expect(FakeSocket.last.closed).toBe(1000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('asks for awareness when nothing is heard, and takes another socket when that is not answered', async () => {
    const doc = 'd'.repeat(200);
    const socket = new DocSocket({ url: 'ws://localhost', doc });
    const log: string[] = [];
    socket.on('open', () => log.push('open'));
    socket.on('close', () => log.push('close'));
    FakeSocket.last.open();
    await vi.advanceTimersByTimeAsync(15_000);
    const question = Uint8Array.from([0, 0xc8, 0x01, ...new TextEncoder().encode(doc), 3]);
    expect(FakeSocket.last.sent).toEqual([question]);
    FakeSocket.last.say(0, 1);
    await vi.advanceTimersByTimeAsync(14_000);
    expect(FakeSocket.last.sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(7_300);
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.all[0]?.closed).toBe(4000);
    FakeSocket.last.open();
    expect(log).toEqual(['open', 'close', 'open']);
    socket.close();
  });

  it('knows from the server whether the document is served', async () => {
    const socket = new DocSocket({ url: 'ws://localhost', doc: 'd' });
    FakeSocket.last.open();
    FakeSocket.last.say(0, 1, 0x64, 107, 3, 0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.last.sent).toEqual([]);
    FakeSocket.last.say(0, 1, 0x64, 101, 1, 2, 0);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(FakeSocket.last.sent).toHaveLength(1);
    socket.close();
  });

  it('gives up for good when the server says so, and tells why', async () => {
    const socket = new DocSocket({ url: 'ws://localhost', doc: 'd' });
    const failed = vi.fn();
    socket.on('failed', failed);
    FakeSocket.last.open();
    FakeSocket.last.lose(4403, 'this document is not yours');
    expect(failed).toHaveBeenCalledWith({ code: 4403, reason: 'this document is not yours' });
    expect(socket.failure?.code).toBe(4403);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(socket.isOpen).toBe(false);
  });

  it('asks over HTTP before it tries again where a socket could not be opened', async () => {
    const asked = vi.fn(() => Promise.reject(new TypeError('down')));
    vi.stubGlobal('fetch', asked);
    const socket = new DocSocket({ url: 'ws://localhost', doc: 'd' });
    FakeSocket.last.lose();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(String((asked.mock.calls as unknown[][])[0]?.[0])).toBe('http://localhost/healthz');
    vi.stubGlobal('fetch', () => Promise.resolve({ status: 200 }));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.all).toHaveLength(2);
    socket.close();
  });

  it('rests while the page is away', async () => {
    const socket = new DocSocket({ url: 'ws://localhost', doc: 'd' });
    FakeSocket.last.open();
    page.dispatchEvent(new Event('pagehide'));
    expect([FakeSocket.last.closed, socket.isOpen]).toEqual([1000, false]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    page.dispatchEvent(new Event('pageshow'));
    expect(FakeSocket.all).toHaveLength(2);
    socket.close();
  });
});

describe('the documents of a room', () => {
  const welcome = (part: object) =>
    JSON.stringify({
      seq: 1,
      type: 'welcome',
      session: 's',
      resume_secret: 'r',
      participant: 'me',
      participant_proof: 'p',
      grants: { publish: [], subscribe: true, data: true, documents: 'write', moderate: false, admin: false },
      resumed: false,
      room: {
        name: 'atrium',
        topology: { mode: 'mesh', epoch: 0 },
        locked: false,
        chat_enabled: true,
        participants: [],
      },
      ice_servers: [],
      limits: { room_participants: 2, heartbeat_ms: 1, resume_ms: 1 },
      ...part,
    });

  beforeEach(() => {
    FakeSocket.all.length = 0;
    vi.useFakeTimers();
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('RTCPeerConnection', class {});
    vi.stubGlobal('MediaStream', MediaStreamWithoutTracks);
    vi.stubGlobal('document', { visibilityState: 'hidden' });
    onPage();
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('go over its own socket, are open from each welcome on, and closed without one', async () => {
    const joining = join({ url: 'ws://localhost/v1/ws', room: 'atrium', name: 'Ada' });
    await vi.advanceTimersByTimeAsync(0);
    FakeSocket.last.open();
    FakeSocket.last.say(0, 1);
    FakeSocket.last.onmessage?.({ data: welcome({}) });
    const { documents, ...room } = await withLeave(joining);
    const log: string[] = [];
    documents.on('open', () => log.push('open'));
    documents.on('close', () => log.push('close'));
    documents.on('message', (frame) => log.push(hex(frame)));
    expect(documents.isOpen).toBe(true);
    FakeSocket.last.say(0, 0xcd);
    documents.send(Uint8Array.of(5));
    expect(FakeSocket.last.sent).toEqual([Uint8Array.of(0, 5)]);
    FakeSocket.last.lose(4000);
    expect(documents.isOpen).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    FakeSocket.last.open();
    expect(documents.isOpen).toBe(false);
    FakeSocket.last.onmessage?.({ data: welcome({ seq: 0, resumed: true, room: undefined }) });
    expect(documents.isOpen).toBe(true);
    await room.leave();
    expect(log).toEqual(['cd', 'close', 'open', 'close']);
  });

  it('count as a sign of life', async () => {
    const joining = join({ url: 'ws://localhost/v1/ws', room: 'atrium', name: 'Ada' });
    await vi.advanceTimersByTimeAsync(0);
    FakeSocket.last.open();
    FakeSocket.last.onmessage?.({ data: welcome({}) });
    const room = await withLeave(joining);
    for (let turn = 0; turn < 10; turn += 1) {
      await vi.advanceTimersByTimeAsync(2_000);
      FakeSocket.last.say(0, 1);
    }
    expect(FakeSocket.last.texts.filter((text) => text.includes('ping'))).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_600);
    expect(FakeSocket.last.texts.filter((text) => text.includes('ping'))).toHaveLength(1);
    FakeSocket.last.say(0, 1);
    await vi.advanceTimersByTimeAsync(2_400);
    expect(FakeSocket.all).toHaveLength(1);
    await room.leave();
  });

  const withLeave = async (joining: ReturnType<typeof join>) => {
    const room = await joining;
    return { documents: room.documents, leave: () => room.leave() };
  };
});

class MediaStreamWithoutTracks {
  getAudioTracks = () => [];
  getVideoTracks = () => [];
  getTracks = () => [];
}
