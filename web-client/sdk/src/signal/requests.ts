import type { ClientMessage, ErrorCode } from './wire';

/** Messages that the server answers with `ok`, `error` or a reply of its own. */
export type RequestMessage = Exclude<ClientMessage, { type: 'hello' | 'ack' | 'ping' | 'leave' }>;

/** A request that was carried out (`refusal` is null) or refused. */
export interface Settled {
  readonly id: number;
  readonly message: RequestMessage;
  readonly refusal: ErrorCode | null;
}

interface Pending {
  readonly id: number;
  readonly message: RequestMessage;
  /** Null while it waits to be sent again: the server answers a `cid` only once, so a second attempt needs a new one. */
  cid: number | null;
}

const RATE_LIMIT_PAUSE_MS = 1_000;

/** The requests that have no answer yet. They outlive a socket, so that nothing said during an outage is lost. */
export class Requests {
  #nextId = 1;
  #nextCid: number;
  #pending: Pending[] = [];
  #retryAtMs: number | null = null;

  constructor(firstCid = 1) {
    this.#nextCid = firstCid;
  }

  /** Takes a request on; it must then be sent with `sendable`. Returns its id, which stays the same over retries. */
  add(message: RequestMessage): number {
    const id = this.#nextId++;
    this.#pending.push({ id, message, cid: null });
    return id;
  }

  /**
   * The requests to send now, in their order. `again` repeats those already sent on an earlier socket, with the same
   * `cid`, so that the server carries out none of them twice.
   */
  sendable(nowMs: number, again: boolean): { cid: number; message: RequestMessage }[] {
    if (this.#retryAtMs !== null && nowMs < this.#retryAtMs && !again) {
      return [];
    }
    this.#retryAtMs = null;
    const frames: { cid: number; message: RequestMessage }[] = [];
    for (const request of this.#pending) {
      const isNew = request.cid === null;
      request.cid ??= this.#nextCid++;
      if (isNew || again) {
        frames.push({ cid: request.cid, message: request.message });
      }
    }
    return frames;
  }

  /** Takes an answer in. Null: not an answer to anything open, or the request will be repeated after a pause. */
  settle(cid: number, refusal: { code: ErrorCode; retryAfterMs: number | null } | null, nowMs: number): Settled | null {
    const index = this.#pending.findIndex((request) => request.cid === cid);
    const request = this.#pending[index];
    if (request === undefined) {
      return null;
    }
    if (refusal?.code === 'rate_limited') {
      request.cid = null;
      this.#retryAtMs = Math.max(this.#retryAtMs ?? 0, nowMs + (refusal.retryAfterMs ?? RATE_LIMIT_PAUSE_MS));
      return null;
    }
    this.#pending.splice(index, 1);
    return { id: request.id, message: request.message, refusal: refusal?.code ?? null };
  }

  /** Drops what was addressed to other participants: under a new own id the old links are gone on both sides. */
  dropAddressed(): number[] {
    return this.#remove((message) => message.type === 'description' || message.type === 'candidate');
  }

  /** Drops what was about a connection to the SFU: the room begins another one when it is told everything anew. */
  dropConnected(): number[] {
    return this.#remove(({ type }) => type === 'sfu_offer' || type === 'sfu_wish' || type === 'sfu_close');
  }

  /** Drops everything. Returns the ids. */
  dropAll(): number[] {
    return this.#remove(() => true);
  }

  /** When refused requests are due again. */
  nextTickMs(): number | undefined {
    return this.#retryAtMs ?? undefined;
  }

  #remove(isGone: (message: RequestMessage) => boolean): number[] {
    const gone = this.#pending.filter((request) => isGone(request.message));
    this.#pending = this.#pending.filter((request) => !isGone(request.message));
    return gone.map((request) => request.id);
  }
}
