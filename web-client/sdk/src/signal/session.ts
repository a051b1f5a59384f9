import { StoaError } from '../errors';
import { Backoff } from './backoff';
import { errorOfRefusal, judgeClose } from './close-codes';
import type { CloseVerdict } from './close-codes';
import type { Reply, SignalEffect, SignalSessionOptions, Welcome } from './effects';
import { Requests } from './requests';
import type { RequestMessage } from './requests';
import type { ClientMessage, ErrorCode, MediaState, Resume, ServerFrame } from './wire';

interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

type Phase =
  | 'idle'
  /** Waits for a token. */
  | 'renewing'
  | 'opening'
  | 'greeting'
  | 'live'
  | 'waiting'
  /** The page is hidden away for good, or to come back with "back". */
  | 'suspended'
  | 'ended';

const JOIN_DEADLINE_MS = 10_000;
/** A socket that does not get as far as `welcome` in this time is given up. */
const ATTEMPT_DEADLINE_MS = 5_000;
const TOKEN_DEADLINE_MS = 10_000;
const ACK_DELAY_MS = 2_000;
const ACK_FRAMES = 64;
const SILENCE_MS = 2_500;
const PONG_DEADLINE_MS = 3_000;
/** A socket that lived this long clears the back-off; a shorter one might be part of a loop. */
const STABLE_MS = 5_000;
/** Most outages are short: for so long, and while a call goes on over its links, attempts follow each other closely. */
const HURRY_MS = 15_000;
const HURRY_DELAY_MS = 1_000;
const PATIENT_DELAY_MS = 10_000;

/** A session that was in the room may find it full of its own ghost, which the server removes within this time. */
const GHOST_MS = 15_000;

/** Close codes the client uses itself: the wire protocol leaves 4000..4099 to "resume". */
const CLOSE_NORMAL = 1000;
const CLOSE_ABANDONED = 4000;
const CLOSE_ROOM_FULL = 4503;

const NEVER = Infinity;

const NOTHING: MediaState = { microphone: false, camera: false, screen: false };

/**
 * One participant's session with the signaling server, over any number of sockets. It decides; the driver in
 * `connection.ts` owns the socket and the timer. All times are milliseconds of one monotonic clock.
 */
export class SignalSession {
  readonly #room: string;
  readonly #isTokenRenewable: boolean;
  readonly #backoff: Backoff;
  readonly #requests: Requests;
  #token: string | undefined;
  #invite: string | undefined;
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
  /** When the present outage, or the join, began. */
  #troubleSinceMs = 0;
  /** One attempt per good socket is made at once. */
  #mayHurry = true;
  #areLinksHealthy = false;
  #needsToken: boolean;
  /** Whether the token is as new as can be, so that another one would not help. */
  #isTokenNew = false;
  #refusal: Refusal | null = null;

  constructor(options: SignalSessionOptions) {
    this.#room = options.room;
    this.#name = options.name;
    this.#token = options.token;
    this.#invite = options.invite;
    this.#isTokenRenewable = options.isTokenRenewable ?? false;
    this.#needsToken = this.#isTokenRenewable && options.token === undefined;
    this.#resume = options.resume ?? null;
    this.#requests = new Requests(options.firstCid);
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
    this.#troubleSinceMs = nowMs;
    this.#open(nowMs);
  }

  /** The socket is open: greets. */
  handleOpen(nowMs: number): void {
    if (this.#phase !== 'opening') {
      return;
    }
    this.#phase = 'greeting';
    this.#attemptDueMs = nowMs + ATTEMPT_DEADLINE_MS;
    // No ack: `last_seq` says the same, and a new session has nothing to acknowledge.
    this.#effects.push({ kind: 'send', frame: this.#hello() });
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
    if (frame.type === 'welcome' && isFreshState(frame)) {
      this.#lastSeq = frame.seq;
    } else if (frame.seq > 0 && !this.#count(frame.seq, nowMs)) {
      return;
    }
    this.#handleMessage(frame, nowMs);
    if (this.#unacked >= ACK_FRAMES && this.#phase === 'live') {
      this.#send({ type: 'ack' });
    }
  }

  /** Something that is no frame of the session came in, or went out at last: the socket works. */
  handleAlive(nowMs: number): void {
    if (this.#phase === 'live') {
      this.#lastReceivedMs = nowMs;
      this.#pongDueMs = null;
    }
  }

  /** The socket closed, or could not be opened (1006). */
  handleClose(code: number, nowMs: number): void {
    if (this.#phase !== 'opening' && this.#phase !== 'greeting' && this.#phase !== 'live') {
      return;
    }
    const verdict = judgeClose(code, this.#refusal?.code ?? null);
    const reason = this.#refusal?.message ?? `the server closed the socket with code ${code}`;
    const isFirstJoin = this.#participant === null;
    const isOwnGhost = !isFirstJoin && code === CLOSE_ROOM_FULL && nowMs < this.#lostSinceMs + GHOST_MS;
    if (verdict.kind === 'authenticate') {
      this.#reauthenticate(reason, nowMs);
      return;
    }
    if (verdict.kind === 'final' && verdict.code === 'bad_invite' && !isFirstJoin && this.#invite !== undefined) {
      // It was good when it opened the door, and whoever is inside needs no door.
      this.#invite = undefined;
      this.#wait({ kind: 'lost' }, nowMs);
      return;
    }
    if (!isOwnGhost && (verdict.kind === 'final' || (verdict.kind === 'busy' && isFirstJoin))) {
      this.#fail(new StoaError(verdict.code, reason, this.#refusal?.retryAfterMs ?? undefined), null);
      return;
    }
    this.#wait(verdict, nowMs);
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    if (this.#isJoining() && nowMs >= this.#joinDueMs) {
      this.#fail(new StoaError('unreachable', 'the server did not answer within 10 s'), CLOSE_NORMAL);
      return;
    }
    if (this.#phase === 'waiting' && nowMs >= this.#retryAtMs) {
      this.#open(nowMs);
    } else if (this.#isAttempting() && nowMs >= this.#attemptDueMs) {
      this.#abandon('no answer', nowMs);
    } else if (this.#phase === 'live') {
      this.#tickLive(nowMs);
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    const due: number[] = [];
    if (this.#isJoining()) {
      due.push(this.#joinDueMs);
    }
    if (this.#phase === 'waiting') {
      due.push(this.#retryAtMs);
    } else if (this.#isAttempting()) {
      due.push(this.#attemptDueMs);
    } else if (this.#phase === 'live') {
      due.push(this.#pongDueMs ?? this.#lastReceivedMs + SILENCE_MS);
      due.push(this.#ackDueMs ?? NEVER, this.#requests.nextTickMs() ?? NEVER);
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

  /** Whether all links to others work, so that only the signaling is missing. */
  setLinksHealthy(areHealthy: boolean): void {
    this.#areLinksHealthy = areHealthy;
  }

  /** The page goes away: for good, to be loaded anew, or to come back with "back". The server waits a little. */
  handlePageHide(): void {
    if (this.#phase === 'ended' || this.#phase === 'idle' || this.#phase === 'suspended') {
      return;
    }
    const wasLive = this.#phase === 'live';
    this.#phase = 'suspended';
    this.#pongDueMs = null;
    this.#effects.push({ kind: 'close', code: CLOSE_NORMAL, reason: 'page hidden' });
    if (wasLive) {
      this.#effects.push({ kind: 'interrupted' });
    }
  }

  /** The page came back as it was. */
  handlePageShow(nowMs: number): void {
    if (this.#phase === 'suspended') {
      this.#joinDueMs = nowMs + JOIN_DEADLINE_MS;
      this.#troubleSinceMs = nowMs;
      this.#lostSinceMs = nowMs;
      this.#open(nowMs);
    }
  }

  /** The token that `renew_token` asked for. */
  handleToken(token: string, nowMs: number): void {
    this.#token = token;
    this.#needsToken = false;
    this.#isTokenNew = true;
    if (this.#phase === 'renewing') {
      this.#open(nowMs);
    } else if (this.#phase === 'live') {
      this.request({ type: 'refresh', token }, nowMs);
    }
  }

  /** There is no token to be had at the moment. */
  handleTokenFailed(reason: string, nowMs: number): void {
    if (this.#phase !== 'renewing') {
      // While the old one lasts nothing is lost; after its end the server asks again.
      return;
    }
    if (this.#participant === null) {
      this.#fail(new StoaError('authenticate', `no token: ${reason}`), null);
    } else {
      this.#wait({ kind: 'lost' }, nowMs);
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

  /** The greeting to leave with when there is no socket that could say it; null: there is one, or nothing to leave. */
  get farewell(): ClientMessage | null {
    const isMute = this.#phase !== 'live' && this.#phase !== 'greeting' && this.#phase !== 'ended';
    return isMute && this.#resume !== null ? { ...this.#hello(), media: NOTHING } : null;
  }

  /** What to do now, in order; each effect is handed out once. */
  takeEffects(): SignalEffect[] {
    return this.#effects.splice(0);
  }

  #hello(): ClientMessage & { type: 'hello' } {
    return {
      type: 'hello',
      room: this.#room,
      name: this.#name,
      features: [],
      media: this.#media,
      ...(this.#token === undefined ? {} : { token: this.#token }),
      ...(this.#invite === undefined ? {} : { invite: this.#invite }),
      ...(this.#resume === null ? {} : { resume: this.#resumeNow(this.#resume) }),
    };
  }

  /** Whether the first `welcome` is still to come. */
  #isJoining(): boolean {
    return (
      this.#participant === null && this.#phase !== 'idle' && this.#phase !== 'ended' && this.#phase !== 'suspended'
    );
  }

  #isAttempting(): boolean {
    return this.#phase === 'renewing' || this.#phase === 'opening' || this.#phase === 'greeting';
  }

  /** A page that was loaded anew knows nothing, and says so by leaving `last_seq` out. */
  #resumeNow(resume: Resume): Resume {
    return this.#participant === null ? resume : { ...resume, last_seq: this.#lastSeq };
  }

  #open(nowMs: number): void {
    if (this.#needsToken) {
      this.#phase = 'renewing';
      this.#attemptDueMs = nowMs + TOKEN_DEADLINE_MS;
      this.#effects.push({ kind: 'renew_token' });
      return;
    }
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
        this.#settle(frame.cid, null, null, nowMs);
        break;
      case 'invited':
      case 'chat_entries':
        this.#settle(frame.cid, null, frame, nowMs);
        break;
      case 'token_expiring':
        if (this.#isTokenRenewable) {
          this.#effects.push({ kind: 'renew_token' });
        }
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
    if (this.#participant !== null && isFreshState(welcome)) {
      this.#settleDropped(this.#requests.dropConnected());
    }
    this.#phase = 'live';
    this.#liveSinceMs = nowMs;
    this.#participant = welcome.participant;
    this.#isTokenNew = false;
    this.#resume = {
      session: welcome.session,
      secret: welcome.resume_secret,
      participant_proof: welcome.participant_proof,
    };
    this.#effects.push({ kind: 'welcomed', welcome });
    // At once: until a frame arrives the server must reckon with the former secret, because this welcome may be lost.
    this.#send({ type: 'ack' }, undefined, true);
    this.#sendRequests(nowMs, true);
  }

  #handleError(frame: ServerFrame & { type: 'error' }, nowMs: number): void {
    const refusal = { code: frame.code, message: frame.message, retryAfterMs: frame.retry_after_ms ?? null };
    if (this.#phase === 'greeting') {
      this.#refusal = refusal;
      // The close that follows shall not come back earlier than the server wants.
      this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + (refusal.retryAfterMs ?? 0));
    } else {
      this.#settle(frame.cid, refusal, null, nowMs);
    }
  }

  #settle(cid: number | undefined, refusal: Refusal | null, reply: Reply | null, nowMs: number): void {
    const settled = cid === undefined ? null : this.#requests.settle(cid, refusal, nowMs);
    if (settled === null) {
      return;
    }
    if (settled.message.type === 'rename' && refusal === null) {
      this.#name = settled.message.name;
    }
    const error =
      refusal === null
        ? null
        : new StoaError(errorOfRefusal(refusal.code), refusal.message, refusal.retryAfterMs ?? undefined);
    this.#effects.push({ kind: 'settled', id: settled.id, error, reply });
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

  #send(message: ClientMessage, cid?: number, mustAck = false): void {
    const envelope: { cid?: number; ack?: number } = {};
    if (cid !== undefined) {
      envelope.cid = cid;
    }
    if (this.#unacked > 0 || (mustAck && this.#lastSeq > 0)) {
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
    const wasStable = wasLive && nowMs - this.#liveSinceMs >= STABLE_MS;
    if (wasStable) {
      this.#backoff.reset();
      this.#mayHurry = true;
    }
    const mayHurry = this.#mayHurry && wasLive;
    if (mayHurry) {
      this.#troubleSinceMs = nowMs;
    }
    this.#handleLoss(nowMs);
    const isPatient = verdict.kind === 'back_off' || verdict.kind === 'busy' || (wasLive && !wasStable);
    const isShort = this.#areLinksHealthy || nowMs < this.#troubleSinceMs + HURRY_MS;
    let delayMs = 0;
    if (mayHurry && verdict.kind !== 'back_off' && verdict.kind !== 'busy') {
      // Once: a server that closes at once again and again is not hammered.
      this.#mayHurry = false;
    } else {
      delayMs = this.#backoff.nextDelayMs(isShort && !isPatient ? HURRY_DELAY_MS : PATIENT_DELAY_MS);
    }
    this.#retryAtMs = Math.max(nowMs + delayMs, this.#notBeforeMs);
    this.#phase = 'waiting';
  }

  /** The token is not good any more: another one may be. */
  #reauthenticate(reason: string, nowMs: number): void {
    if (!this.#isTokenRenewable || this.#isTokenNew) {
      this.#fail(new StoaError('authenticate', reason, this.#refusal?.retryAfterMs ?? undefined), null);
      return;
    }
    this.#handleLoss(nowMs);
    this.#needsToken = true;
    this.#open(nowMs);
  }

  /** The socket is gone; tells it, if there was a session on it. */
  #handleLoss(nowMs: number): void {
    this.#pongDueMs = null;
    if (this.#phase === 'live') {
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
      const error = new StoaError('closed', 'the session ended');
      this.#effects.push({ kind: 'settled', id, error, reply: null });
    }
  }
}

/** Whether the server tells the whole room, and counts its frames anew. */
function isFreshState(welcome: Welcome): boolean {
  return welcome.room !== undefined || !welcome.resumed;
}
