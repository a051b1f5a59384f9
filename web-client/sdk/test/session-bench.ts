import type { StoaError } from '../src/errors';
import type { SignalEffect, SignalSessionOptions } from '../src/signal/effects';
import { SignalSession } from '../src/signal/session';
import type { ClientFrame, Grants, ServerFrame } from '../src/signal/wire';

export const SILENT = { microphone: false, camera: false, screen: false };
const GRANTS: Grants = {
  publish: ['microphone', 'camera', 'screen'],
  subscribe: true,
  data: true,
  documents: 'write',
  moderate: false,
  admin: false,
};
const LIMITS = { frame_bytes: 65_536, name_chars: 64, room_participants: 2, heartbeat_ms: 15_000, resume_ms: 30_000 };

export function welcome(overrides: Partial<ServerFrame & { type: 'welcome' }> = {}): ServerFrame {
  return {
    seq: 0,
    type: 'welcome',
    session: 's1',
    resume_secret: 'secret1',
    participant: 'p1',
    resumed: false,
    participant_proof: 'proof1',
    grants: GRANTS,
    room: { name: 'atrium', topology: { mode: 'mesh', epoch: 0 }, locked: false, chat_enabled: true, participants: [] },
    ice_servers: [],
    limits: LIMITS,
    ...overrides,
  };
}

/** What the server says when the missed frames follow: all but the room. */
export function resumed(overrides: Partial<ServerFrame & { type: 'welcome' }> = {}): ServerFrame {
  const frame = welcome({ resumed: true, ...overrides });
  if (frame.type === 'welcome') {
    delete frame.room;
  }
  return frame;
}

export const left = (seq: number, participant = 'p2'): ServerFrame => ({
  seq,
  type: 'participant_left',
  participant,
  reason: 'left',
});

/** A session with a hand-driven clock, whose effects are sorted by kind. */
export class Bench {
  nowMs = 1_000;
  readonly session: SignalSession;
  readonly sent: ClientFrame[] = [];
  readonly effects: SignalEffect[] = [];

  constructor(random: () => number = () => 0.5, options: Partial<SignalSessionOptions> = {}) {
    this.session = new SignalSession({ room: 'atrium', name: 'Ada', media: SILENT, random, ...options });
    this.session.start(this.nowMs);
    this.collect();
  }

  collect(): void {
    for (const effect of this.session.takeEffects()) {
      this.effects.push(effect);
      if (effect.kind === 'send') {
        this.sent.push(effect.frame);
      }
    }
  }

  receive(...frames: (ServerFrame | null)[]): void {
    for (const frame of frames) {
      this.session.handleFrame(frame, this.nowMs);
    }
    this.collect();
  }

  open(): void {
    this.session.handleOpen(this.nowMs);
    this.collect();
  }

  close(code: number): void {
    this.session.handleClose(code, this.nowMs);
    this.collect();
  }

  /** Lets time pass, ticking whenever the session asks for it. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let turns = 0; turns < 1_000; turns += 1) {
      const dueMs = this.session.nextTickMs();
      if (dueMs === undefined || dueMs > endMs) {
        this.nowMs = endMs;
        return;
      }
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.session.handleTick(this.nowMs);
      this.collect();
    }
    throw new Error('the session asks for ticks without end');
  }

  join(): this {
    this.open();
    this.receive(welcome());
    this.clear();
    return this;
  }

  clear(): void {
    this.sent.length = 0;
    this.effects.length = 0;
  }

  count(kind: SignalEffect['kind']): number {
    return this.effects.filter((effect) => effect.kind === kind).length;
  }

  messages(): number[] {
    return this.effects.flatMap((effect) =>
      effect.kind === 'message' && effect.message.type === 'participant_left'
        ? [Number(effect.message.participant)]
        : [],
    );
  }

  error(): StoaError | undefined {
    return this.effects.find((effect) => effect.kind === 'failed')?.error;
  }
}
