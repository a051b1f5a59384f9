import type { DocumentsPort } from '@stoa/client';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';

/** What a document, or an update, consists of, id by id: slow, and not the way the code under test counts. */
export function unitsOfUpdate(update: Uint8Array): Set<string> {
  const units = new Set<string>();
  const { structs, ds } = Y.decodeUpdate(update);
  for (const struct of structs) {
    for (let offset = 0; offset < struct.length && !(struct instanceof Y.Skip); offset += 1) {
      units.add(`${struct.id.client}:${struct.id.clock + offset}`);
    }
  }
  for (const [client, items] of ds.clients) {
    for (const { clock, len } of items) {
      for (let offset = 0; offset < len; offset += 1) units.add(`-${client}:${clock + offset}`);
    }
  }
  return units;
}

export const unitsOf = (doc: Y.Doc): Set<string> => unitsOfUpdate(Y.encodeStateAsUpdate(doc));

interface Handlers {
  readonly open: Set<() => void>;
  readonly close: Set<() => void>;
  readonly message: Set<(frame: Uint8Array) => void>;
}

/** One client's way to the server; frames travel in order and arrive when the test says so. */
export class FakePort implements DocumentsPort {
  isOpen = false;
  isFull = false;
  readonly sent: Uint8Array[] = [];
  readonly #server: FakeServer;
  readonly #handlers: Handlers = { open: new Set(), close: new Set(), message: new Set() };
  #up: Uint8Array[] = [];
  #down: Uint8Array[] = [];
  #follower: Follower | null = null;

  constructor(server: FakeServer) {
    this.#server = server;
    server.ports.add(this);
  }

  get isIdle(): boolean {
    return this.#up.length === 0 && this.#down.length === 0;
  }

  send(frame: Uint8Array): boolean {
    if (!this.isOpen || this.isFull) return false;
    this.#up.push(frame);
    this.sent.push(frame);
    return true;
  }

  on(event: 'open' | 'close' | 'message', handler: (frame: Uint8Array) => void): () => void {
    const set: Set<(frame: Uint8Array) => void> = this.#handlers[event] as Set<(frame: Uint8Array) => void>;
    set.add(handler);
    return () => set.delete(handler);
  }

  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.#handlers.open.forEach((handler) => handler());
  }

  /** The socket is lost; what is on its way from the client may have arrived or not. */
  lose(arrives = 0): void {
    if (!this.isOpen) return;
    this.deliverUp(arrives);
    this.isOpen = false;
    this.isFull = false;
    this.#up = [];
    this.#down = [];
    this.#unfollow();
    this.#handlers.close.forEach((handler) => handler());
  }

  deliverUp(count = Infinity): void {
    for (const frame of this.#up.splice(0, count)) this.#receive(frame);
  }

  deliverDown(count = Infinity): void {
    for (const frame of this.#down.splice(0, count)) this.#handlers.message.forEach((handler) => handler(frame));
  }

  /** From the server. */
  say(type: number, write: (encoder: encoding.Encoder) => void, name = this.#server.name): void {
    const encoder = encoding.createEncoder();
    encoding.writeVarString(encoder, name);
    encoding.writeVarUint(encoder, type);
    write(encoder);
    this.#down.push(encoding.toUint8Array(encoder));
  }

  get follower(): Follower | null {
    return this.#follower;
  }

  #unfollow(): void {
    if (this.#follower !== null) this.#server.followers.delete(this.#follower);
    this.#follower = null;
  }

  #receive(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame);
    if (decoding.readVarString(decoder) !== this.#server.name) throw new Error('about another document');
    const type = decoding.readVarUint(decoder);
    if (type === 100) {
      decoding.readVarUint(decoder);
      decoding.readVarUint(decoder);
      this.#unfollow();
      this.#follower = this.#server.follow(this);
    } else if (type === 106) {
      this.#unfollow();
    } else if (this.#follower !== null) {
      this.#follower.handle(type, decoder);
    }
  }

  /** The server stops it. */
  close(code: number): void {
    this.#unfollow();
    this.say(107, (encoder) => {
      encoding.writeVarUint(encoder, code);
      encoding.writeVarString(encoder, `closed with ${code}`);
    });
  }
}

/** What the server knows of a client that follows. */
export class Follower {
  count = 0;
  readonly #server: FakeServer;
  readonly #settled = new Set<number>();
  #acked = 0;
  #clocks = new Map<number, number>();
  #deletes = new Set<string>();
  isAccounted = false;

  constructor(
    server: FakeServer,
    readonly port: FakePort,
  ) {
    this.#server = server;
  }

  handle(type: number, decoder: decoding.Decoder): void {
    if (type === 1) {
      this.#server.tellAwareness(this, decoding.readVarUint8Array(decoder));
      return;
    }
    if (type !== 0) return;
    const step = decoding.readVarUint(decoder);
    const payload = decoding.readVarUint8Array(decoder);
    if (step === 0) {
      this.sync(1, Y.encodeStateAsUpdate(this.#server.live, payload));
      if (this.#server.access === 2) this.ask();
    } else {
      this.count += 1;
      this.#server.take(this, this.count, payload);
    }
  }

  ask(): void {
    this.sync(0, Y.encodeStateVector(this.#server.live));
  }

  sync(step: number, payload: Uint8Array): void {
    this.port.say(0, (encoder) => {
      encoding.writeVarUint(encoder, step);
      encoding.writeVarUint8Array(encoder, payload);
    });
  }

  settle(number: number): void {
    this.#settled.add(number);
    const before = this.#acked;
    while (this.#settled.has(this.#acked + 1)) this.#acked += 1;
    if (this.#acked > before) this.port.say(102, (encoder) => encoding.writeVarUint(encoder, this.#acked));
  }

  refuse(number: number, code: number): void {
    this.port.say(105, (encoder) => {
      encoding.writeVarUint(encoder, number);
      encoding.writeVarUint(encoder, code);
      encoding.writeVarString(encoder, `refused with ${code}`);
    });
    this.settle(number);
  }

  /** Tells what is on disk since it was last told; at first everything. */
  account(): void {
    const committed = this.#server.committed();
    const clocks = Y.decodeStateVector(Y.encodeStateVector(committed));
    const moved = [...clocks].filter(([client, clock]) => this.#clocks.get(client) !== clock);
    const deletes = [...unitsOf(committed)].filter((unit) => unit.startsWith('-') && !this.#deletes.has(unit));
    if (this.isAccounted && moved.length === 0 && deletes.length === 0) return;
    this.isAccounted = true;
    this.#clocks = clocks;
    deletes.forEach((unit) => this.#deletes.add(unit));
    this.port.say(103, (encoder) => {
      encoding.writeVarUint8Array(encoder, encodeClocks(moved));
      encoding.writeVarUint8Array(encoder, encodeDeletes(deletes));
    });
  }
}

function encodeClocks(clocks: readonly [number, number][]): Uint8Array {
  return Y.encodeStateVector(new Map(clocks));
}

function encodeDeletes(units: readonly string[]): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, units.length);
  for (const unit of units) {
    const [client, clock] = unit.slice(1).split(':').map(Number);
    encoding.writeVarUint(encoder, client ?? 0);
    encoding.writeVarUint(encoder, 1);
    encoding.writeVarUint(encoder, clock ?? 0);
    encoding.writeVarUint(encoder, 1);
  }
  return encoding.toUint8Array(encoder);
}

/** A server that keeps one document and speaks the native dialect; it commits when the test says so. */
export class FakeServer {
  readonly ports = new Set<FakePort>();
  readonly followers = new Set<Follower>();
  log: Uint8Array[] = [];
  live = this.#fresh();
  epoch = 1;
  access: 1 | 2 = 2;
  storage = 0;
  /** Refuses what comes with this code. */
  refusal: number | null = null;
  #waiting: { readonly follower: Follower; readonly number: number; readonly update: Uint8Array }[] = [];
  #source: Follower | null = null;

  constructor(readonly name: string) {}

  get uncommitted(): number {
    return this.#waiting.length;
  }

  follow(port: FakePort): Follower {
    const follower = new Follower(this, port);
    this.followers.add(follower);
    port.say(101, (encoder) => {
      encoding.writeVarUint(encoder, this.epoch);
      encoding.writeVarUint(encoder, this.access);
      encoding.writeVarUint(encoder, this.storage);
    });
    return follower;
  }

  take(follower: Follower, number: number, update: Uint8Array): void {
    if (this.access === 1 || this.refusal !== null) {
      follower.refuse(number, this.refusal ?? 1);
      return;
    }
    this.#source = follower;
    Y.applyUpdate(this.live, update);
    this.#source = null;
    this.#waiting.push({ follower, number, update });
  }

  tellAwareness(from: Follower, update: Uint8Array): void {
    for (const { port } of [...this.followers].filter((follower) => follower !== from)) {
      port.say(1, (encoder) => encoding.writeVarUint8Array(encoder, update));
    }
  }

  /** Writes the first of what waits to disk. */
  commit(count = Infinity): void {
    if (this.storage !== 0) return;
    const written = this.#waiting.splice(0, count);
    this.log.push(...written.map(({ update }) => update));
    for (const { follower, number } of written) {
      if (this.followers.has(follower)) follower.settle(number);
    }
  }

  account(): void {
    this.followers.forEach((follower) => follower.account());
  }

  /** Drops what waits, as a server may whose disk refuses. */
  dropWaiting(): void {
    this.#waiting = [];
    this.live = this.#fresh();
    this.log.forEach((update) => Y.applyUpdate(this.live, update));
  }

  /** What is on disk. */
  committed(): Y.Doc {
    const doc = new Y.Doc();
    this.log.forEach((update) => Y.applyUpdate(doc, update));
    return doc;
  }

  /** What is on disk, id by id, with what still waits for its predecessors. */
  committedUnits(): Set<string> {
    return new Set(this.log.flatMap((update) => [...unitsOfUpdate(update)]));
  }

  setStorage(storage: 0 | 1): void {
    this.storage = storage;
    for (const { port } of this.followers) {
      port.say(104, (encoder) => {
        encoding.writeVarUint(encoder, storage);
        encoding.writeVarString(encoder, 'disk full');
      });
    }
  }

  setAccess(access: 1 | 2): void {
    this.access = access;
    for (const { port } of this.followers) port.say(108, (encoder) => encoding.writeVarUint(encoder, access));
  }

  /** Ends at once, and begins again with what is on disk. */
  crash(): void {
    this.#waiting = [];
    this.live = this.#fresh();
    this.storage = 0;
    this.log.forEach((update) => Y.applyUpdate(this.live, update));
    this.ports.forEach((port) => port.lose());
  }

  /** The document is erased and begun anew. */
  erase(): void {
    this.epoch += 1;
    this.log = [];
    this.#waiting = [];
    this.live = this.#fresh();
    for (const { port } of this.followers) port.close(1);
  }

  #fresh(): Y.Doc {
    const doc = new Y.Doc();
    doc.on('update', (update: Uint8Array) => {
      for (const follower of this.followers) {
        if (follower !== this.#source) follower.sync(2, update);
      }
    });
    return doc;
  }
}
