import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deliver, Editor, NAME, pair, settle, solo, uploads } from './editors';
import { FakeServer } from './fake-server';
import { tie } from './fake-room';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

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
