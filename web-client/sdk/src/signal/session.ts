import { StoaError } from '../errors';
import { Backoff } from './backoff';
import { judgeClose } from './close-codes';
import type { CloseVerdict } from './close-codes';
import { Requests } from './requests';
import type { RequestMessage } from './requests';
import type { ClientFrame, ClientMessage, ErrorCode, MediaState, Resume, ServerFrame, ServerMessage } from './wire';

/** The answer to `hello`. */
export type Welcome = Extract<ServerMessage, { type: 'welcome' }>;

/** What the room reacts to; `welcome`, `pong`, acks and answers are dealt with here. */
export type RoomMessage = Exclude<ServerMessage, { type: 'welcome' | 'ok' | 'error' | 'pong' | 'reconnect' }>;

/** What a session wants done; the driver carries it out in order. */
export type SignalEffect =
  /** Open a socket; whatever socket there was is of no interest any more. */
  | { readonly kind: 'open' }
  | { readonly kind: 'send'; readonly frame: ClientFrame }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  /** `resumed` false: `welcome.room` is the whole truth and replaces what was known. */
  | { readonly kind: 'welcomed'; readonly welcome: Welcome }
  | { readonly kind: 'message'; readonly message: RoomMessage }
  | { readonly kind: 'interrupted' }
  /** A request was answered; `error` is null if it was carried out. */
  | { readonly kind: 'settled'; readonly id: number; readonly error: StoaError | null }
  /** The end, for a reason. */
  | { readonly kind: 'failed'; readonly error: StoaError };

/** What a session starts with. */
export interface SignalSessionOptions {
  readonly room: string;
  readonly name: string;
  readonly token?: string;
  readonly media: MediaState;
  /** Numbers in [0, 1), for the jitter. */
  readonly random: () => number;
}

type Phase = 'idle' | 'opening' | 'greeting' | 'live' | 'waiting' | 'ended';

const JOIN_DEADLINE_MS = 10_000;
/** A socket that does not get as far as `welcome` in this time is given up. */
const ATTEMPT_DEADLINE_MS = 5_000;
const ACK_DELAY_MS = 2_000;
const ACK_FRAMES = 64;
const SILENCE_MS = 2_500;
const PONG_DEADLINE_MS = 3_000;
/** A socket that lived this long clears the back-off; a shorter one might be part of a loop. */
const STABLE_MS = 5_000;

/** A session that was in the room may find it full of its own ghost, which the server removes within this time. */
const GHOST_MS = 15_000;

/** Close codes the client uses itself: the wire protocol leaves 4000..4099 to "resume". */
const CLOSE_NORMAL = 1000;
const CLOSE_ABANDONED = 4000;
const CLOSE_ROOM_FULL = 4503;

/**
 * One participant's session with the signaling server, over any number of sockets. It decides; the driver in
 * `connection.ts` owns the socket and the timer. All times are milliseconds of one monotonic clock.
 */
export class SignalSession {
  readonly #room: string;
  readonly #token: string | undefined;
  readonly #backoff: Backoff;
  readonly #requests = new Requests();
  #name: string;
  #media: MediaState;

  #phase: Phase = 'idle';
  #effects: SignalEffect[] = [];
  #resume: Resume | null = null;
  #participant: string | null = null;
  #lastSeq = 0;
  #unacked = 0;
  #ackDueMs: number | null = null;
  #lastReceivedMs = 0;
  #pongDueMs: number | null = null;
  #attemptDueMs = 0;
  #joinDueMs = 0;
  #retryAtMs = 0;
  /** The server's order when to come back; not even a new network overrides it. */
  #notBeforeMs = 0;
  #liveSinceMs = 0;
  #lostSinceMs = 0;
  #refusal: { code: ErrorCode; message: string; retryAfterMs: number | null } | null = null;

  constructor(options: SignalSessionOptions) {
    this.#room = options.room;
    this.#name = options.name;
    this.#token = options.token;
    this.#media = options.media;
    this.#backoff = new Backoff(options.random);
  }

  /** The last `seq` that arrived. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Whether the server listens right now. */
  get isLive(): boolean {
    return this.#phase === 'live';
  }

  /** Begins; the first join is given 10 s. */
  start(nowMs: number): void {
    this.#joinDueMs = nowMs + JOIN_DEADLINE_MS;
    this.#open(nowMs);
  }

  /** The socket is open: greets. */
  handleOpen(nowMs: number): void {
    if (this.#phase !== 'opening') {
      return;
    }
    this.#phase = 'greeting';
    this.#attemptDueMs = nowMs + ATTEMPT_DEADLINE_MS;
    const hello: ClientMessage = {
      type: 'hello',
      room: this.#room,
      name: this.#name,
      features: [],
      media: this.#media,
      ...(this.#token === undefined ? {} : { token: this.#token }),
      ...(this.#resume === null ? {} : { resume: { ...this.#resume, last_seq: this.#lastSeq } }),
    };
    // No ack: `last_seq` says the same, and a new session has nothing to acknowledge.
    this.#effects.push({ kind: 'send', frame: hello });
  }

  /** A frame came in; null: it could not be read. */
  handleFrame(frame: ServerFrame | null, nowMs: number): void {
    if (this.#phase !== 'greeting' && this.#phase !== 'live') {
      return;
    }
    if (frame === null) {
      // Skipping it would leave a hole in the numbering that no resume can fill.
      this.#fail(new StoaError('protocol', 'the server sent a frame that this version cannot read'), CLOSE_NORMAL);
      return;
    }
    this.#lastReceivedMs = nowMs;
    this.#pongDueMs = null;
    if (frame.type === 'welcome' && !frame.resumed) {
      this.#lastSeq = frame.seq;
    } else if (frame.seq > 0 && !this.#count(frame.seq, nowMs)) {
      return;
    }
    this.#handleMessage(frame, nowMs);
    if (this.#unacked >= ACK_FRAMES && this.#phase === 'live') {
      this.#send({ type: 'ack' });
    }
  }

  /** The socket closed, or could not be opened (1006). */
  handleClose(code: number, nowMs: number): void {
    if (this.#phase === 'ended' || this.#phase === 'idle' || this.#phase === 'waiting') {
      return;
    }
    const verdict = judgeClose(code, this.#refusal?.code ?? null);
    const reason = this.#refusal?.message ?? `the server closed the socket with code ${code}`;
    const isFirstJoin = this.#participant === null;
    const isOwnGhost = !isFirstJoin && code === CLOSE_ROOM_FULL && nowMs < this.#lostSinceMs + GHOST_MS;
    if (!isOwnGhost && (verdict.kind === 'final' || (verdict.kind === 'busy' && isFirstJoin))) {
      this.#fail(new StoaError(verdict.code, reason, this.#refusal?.retryAfterMs ?? undefined), null);
      return;
    }
    this.#wait(verdict, nowMs);
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    if (this.#participant === null && this.#phase !== 'idle' && this.#phase !== 'ended' && nowMs >= this.#joinDueMs) {
      this.#fail(new StoaError('unreachable', 'the server did not answer within 10 s'), CLOSE_NORMAL);
      return;
    }
    if (this.#phase === 'waiting' && nowMs >= this.#retryAtMs) {
      this.#open(nowMs);
    } else if ((this.#phase === 'opening' || this.#phase === 'greeting') && nowMs >= this.#attemptDueMs) {
      this.#abandon('no answer', nowMs);
    } else if (this.#phase === 'live') {
      this.#tickLive(nowMs);
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    const due: number[] = [];
    if (this.#participant === null && this.#phase !== 'idle' && this.#phase !== 'ended') {
      due.push(this.#joinDueMs);
    }
    if (this.#phase === 'waiting') {
      due.push(this.#retryAtMs);
    } else if (this.#phase === 'opening' || this.#phase === 'greeting') {
      due.push(this.#attemptDueMs);
    } else if (this.#phase === 'live') {
      due.push(this.#pongDueMs ?? this.#lastReceivedMs + SILENCE_MS);
      due.push(this.#ackDueMs ?? Infinity, this.#requests.nextTickMs() ?? Infinity);
    }
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** The browser says that there is a network again. */
  handleOnline(nowMs: number): void {
    this.#backoff.reset();
    if (this.#phase === 'waiting') {
      this.#retryAtMs = Math.max(nowMs, this.#notBeforeMs);
    } else if (this.#phase === 'live' && this.#pongDueMs === null) {
      // The socket may belong to the old network: asks at once instead of after the usual silence.
      this.#ping(nowMs);
    }
  }

  /** Asks something of the server; the answer is an effect `settled` with the returned id. Outlives lost sockets. */
  request(message: RequestMessage, nowMs: number): number {
    if (message.type === 'media') {
      this.#media = message.media;
    }
    const id = this.#requests.add(message);
    if (this.#phase === 'ended') {
      this.#settleDropped(this.#requests.dropAll());
    } else if (this.#phase === 'live') {
      this.#sendRequests(nowMs, false);
    }
    return id;
  }

  /** Leaves for good. */
  leave(): void {
    if (this.#phase === 'ended') {
      return;
    }
    if (this.#phase === 'live' || this.#phase === 'greeting') {
      this.#send({ type: 'leave' });
    }
    this.#end(CLOSE_NORMAL);
  }

  /** What to do now, in order; each effect is handed out once. */
  takeEffects(): SignalEffect[] {
    return this.#effects.splice(0);
  }

  #open(nowMs: number): void {
    this.#phase = 'opening';
    this.#attemptDueMs = nowMs + ATTEMPT_DEADLINE_MS;
    this.#refusal = null;
    this.#unacked = 0;
    this.#ackDueMs = null;
    this.#effects.push({ kind: 'open' });
  }

  /** Counts a numbered frame. False: it was there before, or something is missing before it. */
  #count(seq: number, nowMs: number): boolean {
    if (seq <= this.#lastSeq) {
      // The server repeats what it has no ack for.
      this.#noteUnacked(nowMs);
      return false;
    }
    if (seq > this.#lastSeq + 1) {
      this.#abandon('frames missing', nowMs);
      return false;
    }
    this.#lastSeq = seq;
    this.#noteUnacked(nowMs);
    return true;
  }

  #noteUnacked(nowMs: number): void {
    this.#unacked += 1;
    this.#ackDueMs ??= nowMs + ACK_DELAY_MS;
  }

  #handleMessage(frame: ServerFrame, nowMs: number): void {
    switch (frame.type) {
      case 'welcome':
        this.#handleWelcome(frame, nowMs);
        break;
      case 'ok':
        this.#settle(frame.cid, null, nowMs);
        break;
      case 'error':
        this.#handleError(frame, nowMs);
        break;
      case 'pong':
        break;
      case 'reconnect':
        this.#notBeforeMs = nowMs + frame.after_ms;
        break;
      default:
        this.#effects.push({ kind: 'message', message: frame });
    }
  }

  #handleWelcome(welcome: Welcome, nowMs: number): void {
    const isSameParticipant = this.#participant === welcome.participant;
    if (this.#participant !== null && !isSameParticipant) {
      this.#settleDropped(this.#requests.dropAddressed());
    }
    this.#phase = 'live';
    this.#liveSinceMs = nowMs;
    this.#participant = welcome.participant;
    this.#resume = { session: welcome.session, secret: welcome.resume_secret, last_seq: this.#lastSeq };
    this.#effects.push({ kind: 'welcomed', welcome });
    this.#sendRequests(nowMs, true);
  }

  #handleError(frame: ServerFrame & { type: 'error' }, nowMs: number): void {
    const refusal = { code: frame.code, message: frame.message, retryAfterMs: frame.retry_after_ms ?? null };
    if (this.#phase === 'greeting') {
      this.#refusal = refusal;
      // The close that follows shall not come back earlier than the server wants.
      this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + (refusal.retryAfterMs ?? 0));
    } else {
      this.#settle(frame.cid, refusal, nowMs);
    }
  }

  #settle(
    cid: number | undefined,
    refusal: { code: ErrorCode; message: string; retryAfterMs: number | null } | null,
    nowMs: number,
  ): void {
    const settled = cid === undefined ? null : this.#requests.settle(cid, refusal, nowMs);
    if (settled === null) {
      return;
    }
    if (settled.message.type === 'rename' && refusal === null) {
      this.#name = settled.message.name;
    }
    const error =
      refusal === null ? null : new StoaError(refusal.code === 'bad_name' ? 'bad_name' : 'protocol', refusal.message);
    this.#effects.push({ kind: 'settled', id: settled.id, error });
  }

  #tickLive(nowMs: number): void {
    if (this.#pongDueMs !== null && nowMs >= this.#pongDueMs) {
      this.#abandon('no pong', nowMs);
      return;
    }
    if (this.#pongDueMs === null && nowMs >= this.#lastReceivedMs + SILENCE_MS) {
      this.#ping(nowMs);
    }
    if (this.#ackDueMs !== null && nowMs >= this.#ackDueMs) {
      this.#send({ type: 'ack' });
    }
    this.#sendRequests(nowMs, false);
  }

  #ping(nowMs: number): void {
    this.#pongDueMs = nowMs + PONG_DEADLINE_MS;
    this.#send({ type: 'ping' });
  }

  #sendRequests(nowMs: number, again: boolean): void {
    for (const { cid, message } of this.#requests.sendable(nowMs, again)) {
      this.#send(message, cid);
    }
  }

  #send(message: ClientMessage, cid?: number): void {
    const envelope: { cid?: number; ack?: number } = {};
    if (cid !== undefined) {
      envelope.cid = cid;
    }
    if (this.#unacked > 0) {
      envelope.ack = this.#lastSeq;
      this.#unacked = 0;
      this.#ackDueMs = null;
    }
    this.#effects.push({ kind: 'send', frame: { ...envelope, ...message } });
  }

  /** Gives a socket up that is still open as far as the browser knows. */
  #abandon(reason: string, nowMs: number): void {
    this.#effects.push({ kind: 'close', code: CLOSE_ABANDONED, reason });
    this.#wait({ kind: 'resume_now' }, nowMs);
  }

  #wait(verdict: CloseVerdict, nowMs: number): void {
    const wasLive = this.#phase === 'live';
    if (wasLive && nowMs - this.#liveSinceMs >= STABLE_MS) {
      this.#backoff.reset();
    }
    const isAtOnce = verdict.kind === 'resume_now' && wasLive && this.#backoff.isFresh;
    // Drawn in any case, so that a server that closes at once again and again is not hammered.
    const delayMs = this.#backoff.nextDelayMs();
    this.#retryAtMs = Math.max(nowMs + (isAtOnce ? 0 : delayMs), this.#notBeforeMs);
    this.#phase = 'waiting';
    this.#pongDueMs = null;
    if (wasLive) {
      this.#lostSinceMs = nowMs;
      this.#effects.push({ kind: 'interrupted' });
    }
  }

  #fail(error: StoaError, closeCode: number | null): void {
    this.#end(closeCode);
    this.#effects.push({ kind: 'failed', error });
  }

  #end(closeCode: number | null): void {
    this.#phase = 'ended';
    if (closeCode !== null) {
      this.#effects.push({ kind: 'close', code: closeCode, reason: '' });
    }
    this.#settleDropped(this.#requests.dropAll());
  }

  #settleDropped(ids: number[]): void {
    for (const id of ids) {
      this.#effects.push({ kind: 'settled', id, error: new StoaError('closed', 'the session ended') });
    }
  }
}
