import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';
import { encodeAwareness } from '../src/awareness';
import { StoaProvider } from '../src/provider';
import type { ProviderCopy } from '../src/provider';
import { FakePort, FakeServer, unitsOf } from './fake-server';
import { FakeRoom, tie, untie } from './fake-room';

const NAME = 'atrium';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Somebody with the document open in a room. */
class Editor {
  readonly port: FakePort;
  readonly room: FakeRoom;
  readonly doc = new Y.Doc();
  readonly provider: StoaProvider;

  constructor(
    readonly server: FakeServer,
    readonly id: string,
    copy?: ProviderCopy,
  ) {
    this.port = new FakePort(server);
    this.room = new FakeRoom(id, this.port);
    this.provider = new StoaProvider(this.room, NAME, this.doc, copy === undefined ? {} : { copy });
  }

  get text(): string {
    return this.doc.getText('note').toJSON();
  }

  get state(): [string, boolean, number] {
    return [this.provider.saveState, this.provider.saved, this.provider.pending];
  }

  write(index: number, text: string): void {
    this.doc.getText('note').insert(index, text);
  }

  erase(index: number, length: number): void {
    this.doc.getText('note').delete(index, length);
  }
}

/** Lets everything that is on its way arrive, and what that causes; nothing is committed. */
function deliver(server: FakeServer): void {
  const ports = [...server.ports];
  for (let turn = 0; ports.some((port) => !port.isIdle); turn += 1) {
    if (turn > 1_000) throw new Error('they never stop talking');
    ports.forEach((port) => port.deliverUp());
    ports.forEach((port) => port.deliverDown());
  }
}

/** The same, with everything on disk and told. */
function settle(server: FakeServer): void {
  for (let turn = 0; turn < 3; turn += 1) {
    deliver(server);
    server.commit();
    server.account();
  }
  deliver(server);
}

function solo(): { server: FakeServer; ada: Editor } {
  const server = new FakeServer(NAME);
  const ada = new Editor(server, 'ada');
  ada.port.open();
  settle(server);
  return { server, ada };
}

function pair(): { server: FakeServer; ada: Editor; bob: Editor } {
  const { server, ada } = solo();
  const bob = new Editor(server, 'bob');
  bob.port.open();
  settle(server);
  return { server, ada, bob };
}

/** Frames that the server counts, sent since the last look. */
function uploads(editor: Editor): number {
  return editor.port.sent.splice(0).filter((frame) => frame[NAME.length + 1] === 0 && frame[NAME.length + 2] !== 0)
    .length;
}

describe('saved', () => {
  it('is said only once the server has it on disk', () => {
    const { server, ada } = solo();
    expect(ada.state).toEqual(['saved', true, 0]);
    ada.write(0, 'hello');
    expect(ada.state).toEqual(['saving', false, 5]);
    deliver(server);
    expect(ada.state).toEqual(['saving', false, 5]);
    server.commit();
    expect(ada.state).toEqual(['saving', false, 5]);
    deliver(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('counts deletes, which no state vector tells of', () => {
    const { server, ada } = solo();
    ada.write(0, 'hello');
    settle(server);
    ada.erase(1, 2);
    expect(ada.state).toEqual(['saving', false, 2]);
    server.account();
    deliver(server);
    expect(ada.state).toEqual(['saving', false, 2]);
    server.commit();
    deliver(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('is told as an event, at once and in both directions', () => {
    const { server, ada } = solo();
    const told: unknown[] = [];
    ada.provider.on('saved', (saved) => told.push(saved));
    ada.provider.on('saveState', (state) => told.push([state, ada.provider.pending]));
    ada.write(0, 'x');
    settle(server);
    expect(told).toEqual([['saving', 1], false, ['saved', 0], true]);
  });

  it('is not said offline of what was written offline, and all of it is sent as one when the way is back', () => {
    const { server, ada } = solo();
    ada.write(0, 'one ');
    settle(server);
    ada.port.lose();
    expect(ada.state).toEqual(['offline', true, 0]);
    ada.write(4, 'two ');
    ada.write(8, 'three');
    ada.erase(0, 2);
    expect(ada.state).toEqual(['offline', false, 11]);
    uploads(ada);
    ada.port.open();
    expect(ada.state).toEqual(['offline', false, 11]);
    settle(server);
    expect(uploads(ada)).toBe(1);
    expect(ada.state).toEqual(['saved', true, 0]);
    expect(server.committed().getText('note').toJSON()).toBe(ada.text);
  });

  it('is taken back when a server lost what it had sent to others but not written', () => {
    const { server, ada, bob } = pair();
    ada.write(0, 'gone with the server');
    deliver(server);
    expect(bob.text).toBe('gone with the server');
    expect(bob.state).toEqual(['saving', false, 20]);
    server.crash();
    ada.provider.destroy();
    bob.port.open();
    settle(server);
    expect(server.committed().getText('note').toJSON()).toBe('gone with the server');
    expect(bob.state).toEqual(['saved', true, 0]);
  });

  it('is learnt anew from a server that lost what it had on disk', () => {
    const { server, ada } = solo();
    ada.write(0, 'precious');
    settle(server);
    server.log = [];
    server.crash();
    ada.port.open();
    deliver(server);
    server.account();
    deliver(server);
    expect(ada.state).toEqual(['saving', false, 8]);
    settle(server);
    expect(server.committed().getText('note').toJSON()).toBe('precious');
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('does not wait for ever for an answer that never comes', () => {
    const { server, ada } = solo();
    ada.write(0, 'x');
    deliver(server);
    // As if the commit had been told to nobody.
    const [follower] = server.followers;
    server.followers.clear();
    server.commit();
    if (follower !== undefined) server.followers.add(follower);
    vi.advanceTimersByTime(59_000);
    uploads(ada);
    deliver(server);
    expect(ada.state).toEqual(['saving', false, 1]);
    vi.advanceTimersByTime(180_000);
    expect(uploads(ada)).toBeGreaterThan(0);
    deliver(server);
    server.account();
    deliver(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });
});

describe('custody', () => {
  it('of what the server has on disk already is none', () => {
    const { server, ada } = solo();
    ada.write(0, 'much to read');
    ada.erase(0, 5);
    settle(server);
    const bob = new Editor(server, 'bob');
    bob.port.open();
    bob.port.deliverUp();
    server.account();
    settle(server);
    expect(bob.state).toEqual(['saved', true, 0]);
    // The answer to the server's question, which is empty.
    expect(uploads(bob)).toBe(1);
    ada.write(0, 'more ');
    settle(server);
    vi.advanceTimersByTime(60_000);
    expect(uploads(bob)).toBe(0);
    expect(bob.state).toEqual(['saved', true, 0]);
  });

  it('leaves to its author what the author brings to the server', () => {
    const { server, ada, bob } = pair();
    tie(ada.room, bob.room);
    settle(server);
    uploads(bob);
    ada.write(0, 'hello');
    expect(bob.text).toBe('hello');
    expect(bob.state).toEqual(['saving', false, 5]);
    deliver(server);
    vi.advanceTimersByTime(4_000);
    settle(server);
    expect(uploads(bob)).toBe(0);
    expect(bob.state).toEqual(['saved', true, 0]);
  });

  it('brings to the server after a second what its author cannot', () => {
    const { server, ada, bob } = pair();
    tie(ada.room, bob.room);
    ada.write(0, 'start ');
    settle(server);
    ada.port.lose();
    uploads(bob);
    ada.write(6, 'hello');
    ada.erase(0, 2);
    expect(ada.state).toEqual(['offline', false, 7]);
    vi.advanceTimersByTime(900);
    expect(uploads(bob)).toBe(0);
    vi.advanceTimersByTime(200);
    expect(uploads(bob)).toBe(1);
    settle(server);
    expect(server.committed().getText('note').toJSON()).toBe('art hello');
    expect(bob.state).toEqual(['saved', true, 0]);
    uploads(ada);
    ada.port.open();
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it("does not wait for one's own", () => {
    const { server, ada, bob } = pair();
    tie(ada.room, bob.room);
    settle(server);
    ada.port.lose();
    bob.write(0, 'on the way ');
    ada.write(0, 'hello ');
    uploads(bob);
    vi.advanceTimersByTime(1_100);
    expect(uploads(bob)).toBe(1);
  });

  it('is content with a notice that covers it, and not with one that covers only what was inserted', () => {
    const { server, ada, bob } = pair();
    tie(ada.room, bob.room);
    ada.write(0, 'hello');
    settle(server);
    ada.port.lose();
    ada.erase(0, 5);
    uploads(bob);
    server.account();
    deliver(server);
    vi.advanceTimersByTime(1_100);
    expect(uploads(bob)).toBe(1);
  });

  it('gives the server again what it sent but never told to be on disk', () => {
    const { server, ada, bob } = pair();
    ada.write(0, 'hello');
    deliver(server);
    ada.provider.destroy();
    uploads(bob);
    vi.advanceTimersByTime(4_900);
    expect(uploads(bob)).toBe(0);
    vi.advanceTimersByTime(2_200);
    expect(uploads(bob)).toBe(1);
    settle(server);
    expect(bob.state).toEqual(['saved', true, 0]);
  });

  it('of more than it can hold goes as one difference', () => {
    const { server, ada, bob } = pair();
    tie(ada.room, bob.room);
    settle(server);
    ada.port.lose();
    uploads(bob);
    for (let turn = 0; turn < 20; turn += 1) ada.doc.getMap('map').set(`${turn}`, new Uint8Array(100_000));
    expect(uploads(bob)).toBe(0);
    vi.advanceTimersByTime(1_100);
    expect(uploads(bob)).toBe(1);
    settle(server);
    expect(server.committed().getMap('map').size).toBe(20);
  });
});

describe('a slow way', () => {
  it('gets what it refused as one difference', () => {
    const { server, ada } = solo();
    ada.port.isFull = true;
    uploads(ada);
    for (let turn = 0; turn < 10; turn += 1) ada.write(0, 'x');
    ada.erase(0, 3);
    vi.advanceTimersByTime(10_000);
    expect(ada.state).toEqual(['saving', false, 13]);
    ada.port.isFull = false;
    vi.advanceTimersByTime(300);
    expect(uploads(ada)).toBe(1);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
    ada.write(0, 'y');
    expect(uploads(ada)).toBe(1);
  });

  it('opens the document later if even that is refused', () => {
    const server = new FakeServer(NAME);
    const ada = new Editor(server, 'ada');
    ada.port.isFull = true;
    ada.port.open();
    expect(ada.provider.status).toBe('connecting');
    vi.advanceTimersByTime(1_000);
    ada.port.isFull = false;
    vi.advanceTimersByTime(300);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('has bounded traffic: without answers, what follows waits', () => {
    const { server, ada } = solo();
    uploads(ada);
    for (let turn = 0; turn < 1_500; turn += 1) ada.write(0, 'x');
    expect(uploads(ada)).toBe(1_000);
    settle(server);
    vi.advanceTimersByTime(10);
    expect(uploads(ada)).toBe(1);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });
});

describe('what the server refuses', () => {
  it('because of its disk is held back and sent when the disk is well', () => {
    const { server, ada } = solo();
    ada.write(0, 'on the way ');
    server.setStorage(1);
    deliver(server);
    expect(ada.provider.saveState).toBe('storage-failing');
    uploads(ada);
    ada.write(0, 'held ');
    vi.advanceTimersByTime(30_000);
    expect(uploads(ada)).toBe(0);
    expect(ada.state).toEqual(['storage-failing', false, 16]);
    server.setStorage(0);
    deliver(server);
    vi.advanceTimersByTime(10);
    expect(uploads(ada)).toBe(1);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('because of its disk may be lost there, and is sent again', () => {
    const { server, ada } = solo();
    ada.write(0, 'dropped');
    server.setStorage(1);
    deliver(server);
    server.dropWaiting();
    server.setStorage(0);
    deliver(server);
    vi.advanceTimersByTime(10);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('stays pending, is told with its reason, and is tried again', () => {
    const { server, ada } = solo();
    server.refusal = 5;
    ada.write(0, 'too much');
    deliver(server);
    expect(ada.state).toEqual(['refused', false, 8]);
    expect(ada.provider.refusal).toEqual({ of: 'update', code: 5, message: 'refused with 5' });
    server.refusal = null;
    vi.advanceTimersByTime(7_100);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
    expect(ada.provider.refusal).toBeNull();
  });

  it('because it is too large is taken once it is deleted', () => {
    const { server, ada } = solo();
    server.refusal = 2;
    ada.doc.getMap('map').set('large', new Uint8Array(9 * 1024 * 1024));
    deliver(server);
    server.refusal = null;
    uploads(ada);
    vi.advanceTimersByTime(60_000);
    expect(uploads(ada)).toBe(0);
    ada.doc.getMap('map').delete('large');
    settle(server);
    expect(ada.provider.saveState).toBe('refused');
    vi.advanceTimersByTime(7_100);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('is not asked again at once', () => {
    const { server, ada } = solo();
    server.refusal = 3;
    ada.write(0, 'x');
    uploads(ada);
    let count = 0;
    for (let second = 0; second < 600; second += 1) {
      deliver(server);
      vi.advanceTimersByTime(1_000);
      count += uploads(ada);
    }
    expect(count).toBeGreaterThan(3);
    expect(count).toBeLessThan(10);
  });
});

describe('rights', () => {
  it('to read alone: nothing is uploaded, awareness is', () => {
    const server = new FakeServer(NAME);
    server.access = 1;
    const ada = new Editor(server, 'ada');
    ada.write(0, 'before');
    ada.port.open();
    settle(server);
    ada.write(0, 'x');
    vi.advanceTimersByTime(30_000);
    settle(server);
    expect(ada.state).toEqual(['read-only', false, 7]);
    expect(ada.provider.access).toBe('read');
    expect(uploads(ada)).toBe(0);
    server.setAccess(2);
    deliver(server);
    vi.advanceTimersByTime(10);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
    expect(server.committed().getText('note').toJSON()).toBe(ada.text);
  });

  it("to read alone: what others write and the server has not on disk yet is not one's own", () => {
    const { server, ada } = solo();
    server.access = 1;
    const rita = new Editor(server, 'rita');
    rita.port.open();
    settle(server);
    server.access = 2;
    ada.write(0, 'fresh');
    deliver(server);
    expect([rita.text, ...rita.state, rita.provider.onlyHere]).toEqual(['fresh', 'read-only', false, 5, false]);
    rita.write(0, 'x');
    expect(rita.provider.onlyHere).toBe(true);
  });

  it('that end while something is on its way', () => {
    const { server, ada } = solo();
    ada.write(0, 'x');
    server.setAccess(1);
    deliver(server);
    expect(ada.state).toEqual(['read-only', false, 1]);
  });

  it('that are none: the document is closed until they change', () => {
    const { server, ada } = solo();
    ada.port.close(2);
    deliver(server);
    expect([ada.provider.saveState, ada.provider.access, ada.provider.status]).toEqual([
      'refused',
      'none',
      'connecting',
    ]);
    expect(ada.provider.refusal).toEqual({ of: 'document', code: 2, message: 'closed with 2' });
    vi.advanceTimersByTime(600_000);
    deliver(server);
    expect(ada.provider.saveState).toBe('refused');
    ada.room.set({ grants: { ...ada.room.state.grants, documents: 'read' } });
    settle(server);
    expect(ada.provider.saveState).toBe('saved');
  });
});

describe('a document that the server closes', () => {
  it.each([
    [3, 'refused', 5_000],
    [5, 'storage-failing', 2_000],
    [6, 'offline', 1_000],
  ] as const)('with %i is opened again after a while', (code, state, waitMs) => {
    const { server, ada } = solo();
    ada.port.close(code);
    deliver(server);
    ada.write(0, 'meanwhile');
    expect(ada.provider.saveState).toBe(state);
    vi.advanceTimersByTime(waitMs - 100);
    settle(server);
    expect(ada.provider.saveState).toBe(state);
    vi.advanceTimersByTime(200);
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('again and again is opened less and less often', () => {
    const { server, ada } = solo();
    let opened = 0;
    for (let second = 0; second < 600; second += 1) {
      if (ada.port.follower !== null) {
        opened += 1;
        ada.port.close(5);
      }
      ada.port.deliverDown();
      vi.advanceTimersByTime(1_000);
      ada.port.deliverUp();
      if (second % 100 === 99) server.account();
    }
    expect(opened).toBeGreaterThan(5);
  });

  it.each([4, 7])('with %i stays closed', (code) => {
    const { server, ada } = solo();
    ada.port.close(code);
    deliver(server);
    vi.advanceTimersByTime(600_000);
    expect(ada.port.follower).toBeNull();
    expect(ada.provider.saveState).toBe('refused');
  });
});

/** A copy that a test loads and keeps by hand. */
class FakeCopy implements ProviderCopy {
  readonly loaded: Promise<number>;
  readonly kept: number[] = [];
  load: (epoch: number) => void = () => undefined;
  finish: () => void = () => undefined;

  constructor() {
    this.loaded = new Promise((resolve) => (this.load = resolve));
  }

  keepEpoch(epoch: number): Promise<void> {
    this.kept.push(epoch);
    return new Promise((resolve) => (this.finish = resolve));
  }
}

const microtasks = async () => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

describe('the epoch', () => {
  it('is kept before anything of others comes in', async () => {
    const { server, ada: bob } = solo();
    bob.write(0, 'from Bob');
    settle(server);
    const copy = new FakeCopy();
    const ada = new Editor(server, 'ada', copy);
    ada.port.open();
    settle(server);
    expect(ada.port.sent).toEqual([]);
    copy.load(0);
    await microtasks();
    settle(server);
    bob.write(0, 'more ');
    settle(server);
    expect([copy.kept, ada.text]).toEqual([[1], '']);
    copy.finish();
    await microtasks();
    settle(server);
    expect(ada.text).toBe('more from Bob');
    expect(ada.state).toEqual(['saved', true, 0]);
  });

  it('of the copy opens the way to participants before the server is reached', async () => {
    const server = new FakeServer(NAME);
    const copies = [new FakeCopy(), new FakeCopy()];
    const [ada, bob] = copies.map((copy, index) => new Editor(server, `editor ${index}`, copy)) as [Editor, Editor];
    tie(ada.room, bob.room);
    ada.write(0, 'hello');
    expect([...ada.room.sent, ...bob.room.sent]).toEqual([]);
    copies[0]?.load(3);
    await microtasks();
    expect(bob.text).toBe('');
    copies[1]?.load(3);
    await microtasks();
    expect(bob.text).toBe('hello');
    expect([bob.provider.synced, bob.provider.status, bob.provider.saveState]).toEqual([true, 'connected', 'offline']);
  });

  it('keeps copies of different epochs apart', async () => {
    const server = new FakeServer(NAME);
    const copies = [new FakeCopy(), new FakeCopy()];
    const [ada, bob] = copies.map((copy, index) => new Editor(server, `editor ${index}`, copy)) as [Editor, Editor];
    copies.forEach((copy, index) => copy.load(index + 1));
    await microtasks();
    tie(ada.room, bob.room);
    ada.write(0, 'hello');
    expect([bob.text, bob.provider.malformedFrames]).toEqual(['', 0]);
  });

  it('without one nobody is spoken to, until the server tells it', () => {
    const server = new FakeServer(NAME);
    const [ada, bob] = [new Editor(server, 'ada'), new Editor(server, 'bob')];
    tie(ada.room, bob.room);
    ada.write(0, 'hello');
    expect(ada.room.sent).toEqual([]);
    ada.port.open();
    settle(server);
    expect(bob.text).toBe('');
    bob.port.open();
    settle(server);
    expect([bob.text, ...bob.provider.peers]).toEqual(['hello', 'ada']);
  });

  it.each(['while it is followed', 'while one was away'])('that is another one, learnt %s, ends the copy', (when) => {
    const { server, ada } = solo();
    const gone = vi.fn();
    ada.provider.on('gone', gone);
    ada.write(0, 'of the first epoch');
    settle(server);
    if (when !== 'while it is followed') ada.port.lose();
    server.erase();
    ada.write(0, 'still typing, ');
    ada.port.open();
    settle(server);
    expect(gone).toHaveBeenCalledTimes(1);
    expect([ada.provider.isGone, ada.provider.connected, ada.text]).toEqual([
      true,
      false,
      'still typing, of the first epoch',
    ]);
    ada.provider.connect();
    settle(server);
    expect(server.live.getText('note').toJSON()).toBe('');
    const again = new Editor(server, 'ada again');
    again.port.open();
    again.write(0, 'anew');
    settle(server);
    expect(server.committed().getText('note').toJSON()).toBe('anew');
  });
});

describe('frames that make no sense', () => {
  it('are dropped and counted, and about others ignored', () => {
    const { server, ada } = solo();
    ada.port.say(0, () => undefined);
    ada.port.say(103, () => undefined);
    ada.port.say(0, (encoder) => [2, 2, 200, 200].forEach((byte) => encoding.writeUint8(encoder, byte)));
    ada.port.say(0, () => undefined, 'another');
    ada.port.say(250, () => undefined);
    deliver(server);
    expect(ada.provider.malformedFrames).toBe(3);
    ada.write(0, 'x');
    settle(server);
    expect(ada.state).toEqual(['saved', true, 0]);
  });
});

describe('awareness over the server', () => {
  it('shows cursors, and takes them away with the socket', () => {
    const { server, ada, bob } = pair();
    bob.provider.awareness.setLocalStateField('user', { name: 'Bob', color: 'evil' });
    settle(server);
    const stateOfBob = () => ada.provider.awareness.getStates().get(bob.doc.clientID);
    expect(stateOfBob()).toEqual({ user: { name: 'Bob', color: '#6b7280' } });
    ada.port.lose();
    expect(stateOfBob()).toBeUndefined();
    ada.port.open();
    bob.provider.awareness.setLocalStateField('cursor', 1);
    settle(server);
    expect(stateOfBob()).toBeDefined();
    bob.provider.disconnect();
    settle(server);
    expect(stateOfBob()).toBeUndefined();
  });

  it('is told as news after a lost socket, since the server may have told that one is gone', () => {
    const { server, ada, bob } = pair();
    bob.port.lose();
    ada.port.say(1, (encoder) => {
      const clock = bob.provider.awareness.meta.get(bob.doc.clientID)?.clock ?? 0;
      const update = encodeAwareness([{ clientId: bob.doc.clientID, clock, state: null }]);
      encoding.writeVarUint8Array(encoder, update);
    });
    settle(server);
    expect(ada.provider.awareness.getStates().has(bob.doc.clientID)).toBe(false);
    bob.port.open();
    settle(server);
    expect(ada.provider.awareness.getStates().has(bob.doc.clientID)).toBe(true);
  });
});

/** The whole state in a form that depends on the content alone, not on how it came about. */
function canonical(doc: Y.Doc): string {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return [...Y.encodeStateAsUpdate(copy)].join();
}

/** Says so if something is called saved that is not. */
function checkSaved(server: FakeServer, editors: readonly Editor[], seed: number): void {
  let committed: Set<string> | null = null;
  for (const { provider, doc, id, port } of editors) {
    if (provider.saveState === 'saved' && !(provider.saved && port.isOpen)) throw new Error(`seed ${seed}: ${id}`);
    if (provider.saved !== (provider.saved && provider.pending === 0))
      throw new Error(`seed ${seed}: ${id} counts wrong`);
    if (!provider.saved) continue;
    committed ??= server.committedUnits();
    for (const unit of unitsOf(doc)) {
      if (!committed.has(unit)) throw new Error(`seed ${seed}: ${id} calls ${unit} saved`);
    }
  }
}

describe('under any schedule', () => {
  function run(seed: number): void {
    let state = seed * 7_919;
    const next = (bound: number) => (state = (state * 48_271) % 2_147_483_647) % bound;
    const server = new FakeServer(NAME);
    const editors = ['ada', 'bob', 'eve'].map((id) => new Editor(server, id));
    editors.forEach(({ doc }, index) => (doc.clientID = seed * 10 + index));
    const pick = () => editors[next(3)] as Editor;
    for (let turn = 0; turn < 120; turn += 1) {
      const editor = pick();
      const choice = next(20);
      if (choice < 6) editor.write(next(editor.text.length + 1), String.fromCharCode(97 + next(26)));
      else if (choice < 8 && editor.text.length > 0) editor.erase(next(editor.text.length), 1);
      else if (choice < 10) editor.port.deliverUp(1 + next(4));
      else if (choice < 12) editor.port.deliverDown(1 + next(4));
      else if (choice < 13) server.commit(1 + next(3));
      else if (choice < 14) server.account();
      else if (choice < 15) vi.advanceTimersByTime(next(3_000));
      else if (choice < 16) editor.port.isOpen ? editor.port.lose(next(4)) : editor.port.open();
      else if (choice < 17) tie(editor.room, pick().room);
      else if (choice < 18) untie(editor.room, pick().room);
      else if (next(4) > 0) editor.port.isFull = !editor.port.isFull;
      else if (next(3) > 0) server.setStorage(server.storage === 0 ? 1 : 0);
      else server.crash();
      checkSaved(server, editors, seed);
    }
    // Now all is well, and time passes.
    for (const { port } of editors) {
      port.isFull = false;
      port.open();
    }
    if (server.storage !== 0) server.setStorage(0);
    for (let turn = 0; turn < 12; turn += 1) {
      settle(server);
      checkSaved(server, editors, seed);
      vi.advanceTimersByTime(1_000);
    }
    settle(server);
    const [expected] = [canonical(server.committed())];
    for (const { doc, provider, id } of editors) {
      expect([seed, id, canonical(doc)]).toEqual([seed, id, expected]);
      expect([seed, id, provider.saveState, provider.pending]).toEqual([seed, id, 'saved', 0]);
      provider.destroy();
    }
  }

  it('all end with the same, and nothing is called saved that is not on disk', { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= 150; seed += 1) run(seed);
  });
});
