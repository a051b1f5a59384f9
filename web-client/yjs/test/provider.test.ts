import type { ParticipantView, RoomChannel, RoomSnapshot } from '@stoa/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { StoaProvider } from '../src/provider';
import type { ProviderRoom } from '../src/provider';

type Handlers = {
  open: Set<(peer: string) => void>;
  close: Set<(peer: string) => void>;
  message: Set<(peer: string, bytes: Uint8Array) => void>;
};

/** One participant's room; two of them are tied together by `tie`. */
class FakeRoom implements ProviderRoom {
  readonly listeners = new Set<() => void>();
  readonly handlers: Handlers = { open: new Set(), close: new Set(), message: new Set() };
  readonly open = new Map<string, FakeRoom>();
  state: RoomSnapshot;

  constructor(readonly id: string) {
    this.state = {
      status: 'connected',
      room: 'atrium',
      self: id,
      participants: [],
      capacity: 2,
      locked: false,
      grants: {
        publish: ['microphone', 'camera', 'screen'],
        subscribe: true,
        data: true,
        documents: 'write',
        moderate: false,
        admin: false,
      },
      moderator: false,
      error: null,
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  channel(): RoomChannel {
    const { open, id, handlers } = this;
    return {
      get peers() {
        return new Set(open.keys());
      },
      send: (to, bytes) => {
        const room = open.get(to);
        room?.handlers.message.forEach((handler) => handler(id, bytes));
        return room !== undefined;
      },
      broadcast: () => undefined,
      on: (event: keyof Handlers, handler: (peer: string, bytes: Uint8Array) => void) => {
        const set: Set<(peer: string, bytes: Uint8Array) => void> = handlers[event];
        set.add(handler);
        return () => set.delete(handler);
      },
    };
  }

  set(part: Partial<RoomSnapshot>): void {
    this.state = { ...this.state, ...part };
    this.listeners.forEach((listener) => listener());
  }

  handlerCount(): number {
    return this.listeners.size + Object.values(this.handlers).reduce((sum, set) => sum + set.size, 0);
  }
}

function tie(a: FakeRoom, b: FakeRoom): void {
  a.open.set(b.id, b);
  b.open.set(a.id, a);
  a.handlers.open.forEach((handler) => handler(b.id));
  b.handlers.open.forEach((handler) => handler(a.id));
}

function untie(a: FakeRoom, b: FakeRoom): void {
  a.open.delete(b.id);
  b.open.delete(a.id);
  a.handlers.close.forEach((handler) => handler(b.id));
  b.handlers.close.forEach((handler) => handler(a.id));
}

const other = (part: Partial<ParticipantView> = {}): ParticipantView => ({
  id: 'bob',
  name: 'Bob',
  isSelf: false,
  media: { microphone: false, camera: false, screen: false },
  connected: true,
  moderator: false,
  link: 'connecting',
  path: 'unknown',
  stream: null,
  ...part,
});

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

const provide = (room: FakeRoom) => new StoaProvider(room, 'note', new Y.Doc());

describe('StoaProvider', () => {
  it('is in step at once when nobody else is there', async () => {
    const provider = provide(new FakeRoom('ada'));
    expect(provider.synced).toBe(true);
    await provider.whenSynced;
    expect(provider.connected).toBe(true);
  });

  it('exchanges documents and cursors, and tells its events', () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    ada.set({ participants: [other()] });
    const [a, b] = [provide(ada), provide(bob)];
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

  it('waits for a link that is on its way, not for one that failed', () => {
    const room = new FakeRoom('ada');
    room.set({ participants: [other()] });
    const provider = provide(room);
    expect(provider.synced).toBe(false);
    room.set({ participants: [other({ link: 'failed' })] });
    expect(provider.synced).toBe(true);
  });

  it('does not wait for long for somebody who has the document not open', () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    tie(ada, bob);
    const provider = provide(ada);
    expect(provider.synced).toBe(false);
    vi.advanceTimersByTime(3_100);
    expect(provider.synced).toBe(true);
    expect([...provider.peers]).toEqual([]);
  });

  it('follows the status of the room', () => {
    const room = new FakeRoom('ada');
    const provider = provide(room);
    const statuses: string[] = [];
    const handler = ({ status }: { status: string }) => statuses.push(status);
    provider.on('status', handler);
    room.set({ status: 'reconnecting' });
    room.set({ status: 'connected' });
    room.set({ status: 'left' });
    provider.off('status', handler);
    room.set({ status: 'connected' });
    expect(statuses).toEqual(['connecting', 'connected', 'disconnected']);
  });

  it('hides the own cursor on disconnect and loses nothing until it connects again', () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [provide(ada), provide(bob)];
    tie(ada, bob);
    a.disconnect();
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(false);
    expect(a.awareness.getStates().has(b.doc.clientID)).toBe(false);
    expect(a.awareness.getLocalState()).not.toBeNull();
    expect(a.connected).toBe(false);
    a.doc.getText('note').insert(0, 'A');
    b.doc.getText('note').insert(0, 'B');
    a.connect();
    expect(a.doc.getText('note').toJSON()).toBe(b.doc.getText('note').toJSON());
    expect(a.doc.getText('note').length).toBe(2);
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(true);
  });

  it('takes the own cursor away when the page is closed', () => {
    const [ada, bob] = [new FakeRoom('ada'), new FakeRoom('bob')];
    const [a, b] = [provide(ada), provide(bob)];
    a.awareness.setLocalStateField('user', { name: 'Ada' });
    tie(ada, bob);
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(true);
    page.dispatchEvent(new Event('pagehide'));
    expect(b.awareness.getStates().has(a.doc.clientID)).toBe(false);
    page.dispatchEvent(new Event('pageshow'));
    expect(b.awareness.getStates().get(a.doc.clientID)).toMatchObject({ user: { name: 'Ada' } });
  });

  it('leaves nothing behind when destroyed, twice', () => {
    const room = new FakeRoom('ada');
    const provider = provide(room);
    expect(room.handlerCount()).toBeGreaterThan(0);
    provider.destroy();
    provider.destroy();
    provider.connect();
    expect(room.handlerCount()).toBe(0);
    expect(provider.connected).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
