import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { MESH_PARTICIPANTS, StoaProvider } from '../src/provider';
import type { ProviderCopy } from '../src/provider';
import { FakePort, FakeServer } from './fake-server';
import { FakeRoom, participant, tie, untie } from './fake-room';

let page: EventTarget;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
  page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Copies that have met a server before, so that participants may meet. */
const COPY: ProviderCopy = { loaded: Promise.resolve(1), keepEpoch: () => Promise.resolve() };

const provide = async (room: FakeRoom) => {
  const provider = new StoaProvider(room, 'note', new Y.Doc(), { copy: COPY });
  await COPY.loaded;
  await Promise.resolve();
  return provider;
};

describe('StoaProvider', () => {
  it('is in step with the server as soon as its state is there', async () => {
    const server = new FakeServer('note');
    const port = new FakePort(server);
    const provider = new StoaProvider(port, 'note', new Y.Doc());
    expect([provider.synced, provider.connected, provider.status]).toEqual([false, true, 'connecting']);
    port.open();
    for (let turn = 0; turn < 3; turn += 1) {
      port.deliverUp();
      port.deliverDown();
    }
    expect([provider.synced, provider.status]).toEqual([true, 'connected']);
    await provider.whenSynced;
    port.lose();
    expect([provider.synced, provider.status]).toEqual([false, 'connecting']);
  });

  it('exchanges documents and cursors, and tells its events', async () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [await provide(ada), await provide(bob)];
    const events: unknown[] = [];
    a.on('sync', (synced) => events.push(synced));
    a.on('peers', (peers) => events.push([...peers]));
    expect(a.synced).toBe(false);
    b.doc.getText('note').insert(0, 'from Bob');
    b.awareness.setLocalStateField('user', { name: 'Bob', color: 'evil' });
    tie(ada, bob);
    expect(a.doc.getText('note').toJSON()).toBe('from Bob');
    expect(a.awareness.getStates().get(b.doc.clientID)).toEqual({ user: { name: 'Bob', color: '#6b7280' } });
    expect([...a.peers]).toEqual(['bob']);
    expect(events).toEqual([['bob'], true]);
    untie(ada, bob);
    expect(a.awareness.getStates().has(b.doc.clientID)).toBe(false);
    expect([...a.peers]).toEqual([]);
  });

  it('follows the status of its ways, and ends with the room', async () => {
    const server = new FakeServer('note');
    const port = new FakePort(server);
    const [room, bob] = [new FakeRoom('ada', port), new FakeRoom('bob')];
    const provider = await provide(room);
    await provide(bob);
    const statuses: string[] = [];
    const handler = ({ status }: { status: string }) => statuses.push(status);
    provider.on('status', handler);
    port.open();
    port.deliverUp();
    port.deliverDown();
    port.lose();
    tie(room, bob);
    room.set({ status: 'reconnecting' });
    room.set({ status: 'left' });
    provider.off('status', handler);
    room.set({ status: 'connected' });
    expect(statuses).toEqual(['connected', 'connecting', 'connected', 'disconnected']);
  });

  it('hides the own cursor on disconnect and loses nothing until it connects again', async () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [await provide(ada), await provide(bob)];
    tie(ada, bob);
    a.disconnect();
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(false);
    expect(a.awareness.getStates().has(b.doc.clientID)).toBe(false);
    expect(a.awareness.getLocalState()).not.toBeNull();
    expect(a.connected).toBe(false);
    a.doc.getText('note').insert(0, 'A');
    b.doc.getText('note').insert(0, 'B');
    a.connect();
    await Promise.resolve();
    await Promise.resolve();
    expect(a.doc.getText('note').toJSON()).toBe(b.doc.getText('note').toJSON());
    expect(a.doc.getText('note').length).toBe(2);
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(true);
  });

  it('takes the own cursor away when the page is closed', async () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [await provide(ada), await provide(bob)];
    a.awareness.setLocalStateField('user', { name: 'Ada' });
    tie(ada, bob);
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(true);
    page.dispatchEvent(new Event('pagehide'));
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(false);
    page.dispatchEvent(new Event('pageshow'));
    expect(b.awareness.getStates().get(a.doc.clientID)).toMatchObject({ user: { name: 'Ada' } });
  });

  it('speaks to participants directly only while the room is small', async () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [await provide(ada), await provide(bob)];
    const text = (provider: StoaProvider) => provider.doc.getText('note').toJSON();
    const fill = (count: number) => {
      const participants = Array.from({ length: count }, (_, index) =>
        participant(['ada', 'bob'][index] ?? `p${index}`),
      );
      ada.set({ participants });
      bob.set({ participants });
    };
    tie(ada, bob);
    fill(MESH_PARTICIPANTS);
    a.doc.getText('note').insert(0, 'all ');
    expect(text(b)).toBe('all ');
    fill(MESH_PARTICIPANTS + 1);
    expect([...a.peers]).toEqual([]);
    const sent = ada.sent.length;
    a.doc.getText('note').insert(0, 'not ');
    a.awareness.setLocalStateField('user', { name: 'Ada' });
    expect([ada.sent.length, text(b)]).toEqual([sent, 'all ']);
    // Who comes into a large room does not begin with it either.
    const late = new FakeRoom('late');
    late.set({ participants: ada.state.participants });
    await provide(late);
    tie(late, ada);
    expect(late.sent).toEqual([]);
    fill(MESH_PARTICIPANTS);
    expect([text(b), [...a.peers]]).toEqual(['not all ', ['bob']]);
    expect(b.awareness.getStates().get(a.doc.clientID)).toMatchObject({ user: { name: 'Ada' } });
  });

  it('leaves nothing behind when destroyed, twice', async () => {
    const room = new FakeRoom('ada');
    const provider = await provide(room);
    expect(room.handlerCount()).toBeGreaterThan(0);
    provider.destroy();
    provider.destroy();
    provider.connect();
    expect(room.handlerCount()).toBe(0);
    expect(provider.connected).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
