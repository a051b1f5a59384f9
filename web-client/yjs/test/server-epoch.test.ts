import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';
import { encodeAwareness } from '../src/awareness';
import type { ProviderCopy } from '../src/provider';
import { deliver, Editor, NAME, pair, settle, solo } from './editors';
import { FakeServer, unitsOf } from './fake-server';
import { tie, untie } from './fake-room';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
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
