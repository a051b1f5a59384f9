import { TrackAnalyser, levelOfAmplitude } from './media/level-meter';
import type { ParticipantId } from './roster';

/** Speech is above it, a room without speech below; levels as of `levelOf`. */
const SPEECH_LEVEL = 0.3;
/** A single noise is no speech. */
const ATTACK_MS = 300;
/** Nobody stops speaking between two words. */
const RELEASE_MS = 1_000;
/** How much of the former level is kept from sample to sample. */
const INERTIA = 0.7;
/** Whoever is not clearly louder does not pass whoever speaks already. */
const CLEARLY = 1.15;

interface Voice {
  level: number;
  /** Since when it is loud; null: it is not. */
  loudSinceMs: number | null;
  loudAtMs: number;
  isSpeaking: boolean;
}

/** Decides from the levels of all who speaks, the loudest first. */
export class SpeakerRanking {
  readonly #voices = new Map<ParticipantId, Voice>();
  #speakers: readonly ParticipantId[] = [];

  /** Who speaks; the same object as long as it is the same list. */
  get speakers(): readonly ParticipantId[] {
    return this.#speakers;
  }

  /** Takes the present level, 0..1, of everybody who can be heard. Returns whether the list is another. */
  push(levels: ReadonlyMap<ParticipantId, number>, nowMs: number): boolean {
    for (const id of [...this.#voices.keys()]) {
      if (!levels.has(id)) {
        this.#voices.delete(id);
      }
    }
    for (const [id, level] of levels) {
      this.#hear(id, level, nowMs);
    }
    const speakers = this.#rank();
    if (speakers.join() === this.#speakers.join()) {
      return false;
    }
    this.#speakers = speakers;
    return true;
  }

  #hear(id: ParticipantId, level: number, nowMs: number): void {
    const voice = this.#voices.get(id) ?? { level: 0, loudSinceMs: null, loudAtMs: -Infinity, isSpeaking: false };
    this.#voices.set(id, voice);
    voice.level = INERTIA * voice.level + (1 - INERTIA) * level;
    if (level >= SPEECH_LEVEL) {
      voice.loudSinceMs ??= nowMs;
      voice.loudAtMs = nowMs;
    } else if (nowMs >= voice.loudAtMs + ATTACK_MS) {
      voice.loudSinceMs = null;
    }
    const hasBegun = voice.loudSinceMs !== null && nowMs >= voice.loudSinceMs + ATTACK_MS;
    voice.isSpeaking = hasBegun || (voice.isSpeaking && nowMs < voice.loudAtMs + RELEASE_MS);
  }

  #rank(): ParticipantId[] {
    const levelOf = (id: ParticipantId): number => this.#voices.get(id)?.level ?? 0;
    const speaking = [...this.#voices].filter(([, { isSpeaking }]) => isSpeaking).map(([id]) => id);
    const ranked = this.#speakers.filter((id) => speaking.includes(id));
    for (const id of speaking.filter((other) => !ranked.includes(other))) {
      ranked.push(id);
    }
    for (let place = 1; place < ranked.length; place += 1) {
      for (let at = place; at > 0; at -= 1) {
        const [ahead, behind] = [ranked[at - 1] ?? '', ranked[at] ?? ''];
        if (levelOf(behind) < levelOf(ahead) * CLEARLY) {
          break;
        }
        ranked[at - 1] = behind;
        ranked[at] = ahead;
      }
    }
    return ranked;
  }
}

/** What a meter listens to. */
export interface SpeakerSources {
  /** Whether anybody wants to know. */
  readonly isWanted: () => boolean;
  /** The own open microphone; null: it is off. */
  readonly own: () => { readonly id: ParticipantId; readonly track: MediaStreamTrack | null };
  /** Receivers of the voices of others. */
  readonly others: () => Iterable<readonly [ParticipantId, RTCRtpReceiver]>;
  readonly changed: () => void;
}

const PERIOD_MS = 200;

/** Finds out who speaks in a mesh, where no server tells it. */
export class SpeakerMeter {
  readonly #sources: SpeakerSources;
  readonly #analyser = new TrackAnalyser();
  readonly #timer: ReturnType<typeof setInterval>;
  #ranking = new SpeakerRanking();
  #measured: MediaStreamTrack | null = null;

  constructor(sources: SpeakerSources) {
    this.#sources = sources;
    this.#timer = setInterval(() => this.#measure(), PERIOD_MS);
  }

  /** Who speaks. */
  get speakers(): readonly ParticipantId[] {
    return this.#ranking.speakers;
  }

  /** Gives everything back. */
  close(): void {
    clearInterval(this.#timer);
    this.#listenTo(null);
  }

  #measure(): void {
    const isWanted = this.#sources.isWanted();
    const others = isWanted ? [...this.#sources.others()] : [];
    const own = this.#sources.own();
    // Alone nobody needs to be told who speaks.
    this.#listenTo(others.length > 0 ? own.track : null);
    const levels = new Map(others.map(([id, receiver]) => [id, levelOfReceiver(receiver)]));
    if (this.#measured !== null) {
      levels.set(own.id, this.#analyser.level());
    }
    if (this.#ranking.push(levels, performance.now())) {
      this.#sources.changed();
    }
  }

  #listenTo(track: MediaStreamTrack | null): void {
    if (track === this.#measured) {
      return;
    }
    this.#measured = track;
    if (track === null) {
      this.#analyser.release();
    } else {
      this.#analyser.connect(track);
    }
  }
}

/** A source that has not sent for a moment does not speak. */
const SILENT_AFTER_MS = 1_000;

function levelOfReceiver(receiver: RTCRtpReceiver): number {
  const nowMs = performance.timeOrigin + performance.now();
  const [source] = receiver.getSynchronizationSources();
  // Firefox counts from the page's start, others from 1970.
  const isRecent = (atMs: number): boolean => Math.min(nowMs - atMs, performance.now() - atMs) < SILENT_AFTER_MS;
  return source?.audioLevel === undefined || !isRecent(source.timestamp) ? 0 : levelOfAmplitude(source.audioLevel);
}
