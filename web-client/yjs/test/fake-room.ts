import type { DocumentsPort, ParticipantView, RoomChannel, RoomSnapshot } from '@stoa/client';
import type { ProviderRoom } from '../src/provider';

type Handlers = {
  open: Set<(peer: string) => void>;
  close: Set<(peer: string) => void>;
  message: Set<(peer: string, bytes: Uint8Array) => void>;
};

/** The way to a server that is not there. */
export const NO_SERVER: DocumentsPort = { isOpen: false, send: () => false, on: () => () => undefined };

/** One participant's room; two of them are tied together by `tie`. */
export class FakeRoom implements ProviderRoom {
  readonly listeners = new Set<() => void>();
  readonly handlers: Handlers = { open: new Set(), close: new Set(), message: new Set() };
  readonly open = new Map<string, FakeRoom>();
  readonly sent: { to: string; bytes: Uint8Array }[] = [];
  state: RoomSnapshot;

  constructor(
    readonly id: string,
    readonly documents: DocumentsPort = NO_SERVER,
  ) {
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
      topology: 'mesh',
      speakers: [],
      error: null,
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  channel(): RoomChannel {
    const { open, id, handlers, sent } = this;
    return {
      get peers() {
        return new Set(open.keys());
      },
      send: (to, bytes) => {
        const room = open.get(to);
        sent.push({ to, bytes });
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

export function tie(a: FakeRoom, b: FakeRoom): void {
  if (!a.open.has(b.id)) {
    a.open.set(b.id, b);
    b.open.set(a.id, a);
    a.handlers.open.forEach((handler) => handler(b.id));
    b.handlers.open.forEach((handler) => handler(a.id));
  }
}

export function untie(a: FakeRoom, b: FakeRoom): void {
  if (a.open.has(b.id)) {
    a.open.delete(b.id);
    b.open.delete(a.id);
    a.handlers.close.forEach((handler) => handler(b.id));
    b.handlers.close.forEach((handler) => handler(a.id));
  }
}

export const participant = (id: string, part: Partial<ParticipantView> = {}): ParticipantView => ({
  id,
  name: id,
  isSelf: false,
  media: { microphone: false, camera: false, screen: false },
  connected: true,
  moderator: false,
  link: 'connected',
  path: 'direct',
  stream: null,
  screen: null,
  speaking: false,
  ...part,
});
