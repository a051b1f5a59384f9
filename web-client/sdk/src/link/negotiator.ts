import type { Candidate, Description } from '../signal/wire';
import { LinkHealth } from './health';
import type { ConnectionState } from './health';

/** What a negotiator wants done with the connection of generation `link`, or said to the other side. */
export type LinkEffect =
  /** Replace the connection by a fresh one. `isOfferer`: add the transceivers, so that it asks for an offer. */
  | { readonly kind: 'create'; readonly link: number; readonly isOfferer: boolean }
  /** `setLocalDescription()`; report with `handleLocalSet` or `handleOperationFailed`. */
  | { readonly kind: 'set_local'; readonly link: number }
  /** `setRemoteDescription()`; report with `handleRemoteSet` or `handleOperationFailed`. */
  | { readonly kind: 'set_remote'; readonly link: number; readonly description: Description }
  /** `addIceCandidate()`; nothing to report, and a failure is harmless. */
  | { readonly kind: 'add_candidate'; readonly link: number; readonly candidate: Candidate }
  | { readonly kind: 'restart_ice'; readonly link: number }
  /** Say the local description again, with the candidates found since; nothing to report. */
  | { readonly kind: 'repeat_local'; readonly link: number }
  | { readonly kind: 'send_description'; readonly link: number; readonly description: Description }
  | { readonly kind: 'send_candidate'; readonly link: number; readonly candidate: Candidate | null };

/** How a link stands, for people. */
export type LinkHealthStatus = 'connecting' | 'connected' | 'interrupted' | 'failed';

type Operation = 'none' | 'setting_local' | 'setting_remote_offer' | 'setting_remote_answer';

const MOST_HELD_CANDIDATES = 128;

/**
 * Perfect negotiation (W3C webrtc-pc, section 10.7) for the link between two participants, over any number of
 * generations. A generation is one RTCPeerConnection on either side; its number travels with every message.
 *
 * The id that is greater in string order is polite: it gives way when both offer at the same time. Only the impolite
 * side makes the first offer of a generation, so that the transceivers exist once.
 *
 * One operation on the connection runs at a time. So `makingOffer` and `isSettingRemoteAnswerPending` of the W3C
 * pattern are the states `setting_local` and `setting_remote_answer`: a description that arrives meanwhile waits.
 */
export class Negotiator {
  readonly isPolite: boolean;
  readonly #health: LinkHealth;
  #effects: LinkEffect[] = [];
  #link: number;

  #operation: Operation = 'none';
  #signaling: 'stable' | 'have_local_offer' | 'have_remote_offer' = 'stable';
  #isNegotiationNeeded = false;
  #inbox: Description[] = [];
  #held: Candidate[] = [];
  /** The ICE user fragments of the remote description in place; null: there is none yet. */
  #remoteFragments: ReadonlySet<string> | null = null;

  /** `link`: the generation to begin with; greater than any that was used with the same participant before. */
  constructor(selfId: string, remoteId: string, nowMs: number, link = 1) {
    this.isPolite = selfId > remoteId;
    this.#health = new LinkHealth(this.isPolite, nowMs);
    this.#link = link;
    this.#effects.push({ kind: 'create', link, isOfferer: !this.isPolite });
    if (link > 1) {
      this.#makeFollow();
    }
  }

  /** The current generation. */
  get link(): number {
    return this.#link;
  }

  /** How the link stands. */
  get status(): LinkHealthStatus {
    if (this.#health.isConnected) {
      return 'connected';
    }
    if (this.#health.failures > (this.#health.wasConnected ? 1 : 0)) {
      return 'failed';
    }
    return this.#health.wasConnected ? 'interrupted' : 'connecting';
  }

  /** Whether the link works, or did until a moment ago and has not ended. */
  get isAlive(): boolean {
    return this.#health.isAlive;
  }

  /** The browser's `negotiationneeded`. */
  handleNegotiationNeeded(link: number): void {
    // The polite side's own wish before the first offer (its data channel) is met by that offer.
    if (link === this.#link && !(this.isPolite && this.#remoteFragments === null)) {
      this.#isNegotiationNeeded = true;
      this.#pump();
    }
  }

  /** `setLocalDescription()` succeeded with this result. */
  handleLocalSet(link: number, description: Description): void {
    if (link !== this.#link || this.#operation !== 'setting_local') {
      return;
    }
    this.#operation = 'none';
    this.#signaling = description.type === 'offer' ? 'have_local_offer' : 'stable';
    this.#effects.push({ kind: 'send_description', link, description });
    this.#pump();
  }

  /** `setRemoteDescription()` succeeded. */
  handleRemoteSet(link: number, description: Description, nowMs: number): void {
    if (link !== this.#link || !this.#operation.startsWith('setting_remote')) {
      return;
    }
    this.#operation = 'none';
    this.#signaling = description.type === 'offer' ? 'have_remote_offer' : 'stable';
    const fragments = userFragments(description.sdp);
    const before = this.#remoteFragments;
    if (description.type === 'offer' && before !== null && [...fragments].every((fragment) => !before.has(fragment))) {
      this.#health.handleRemoteRestart(nowMs);
    }
    this.#remoteFragments = fragments;
    this.#releaseCandidates();
    this.#pump();
  }

  /** An operation on the connection failed: this generation cannot be trusted any more. */
  handleOperationFailed(link: number, nowMs: number): void {
    if (link === this.#link && this.#operation !== 'none') {
      this.#operation = 'none';
      this.#inbox = [];
      this.#isNegotiationNeeded = false;
      this.#health.handleState('failed', nowMs);
    }
  }

  /** A description from the other side. */
  handleRemoteDescription(link: number, description: Description, nowMs: number): void {
    if (this.#follow(link, nowMs)) {
      this.#inbox.push(description);
      this.#pump();
    }
  }

  /** A candidate from the other side; null: no more of them. */
  handleRemoteCandidate(link: number, candidate: Candidate | null, nowMs: number): void {
    if (!this.#follow(link, nowMs) || candidate === null) {
      return;
    }
    this.#held.push(candidate);
    this.#releaseCandidates();
    if (this.#held.length > MOST_HELD_CANDIDATES) {
      // The oldest are the likeliest to belong to an offer that lost a collision.
      this.#held.shift();
    }
  }

  /** The browser found a candidate of its own. */
  handleLocalCandidate(link: number, candidate: Candidate | null): void {
    if (link === this.#link) {
      this.#effects.push({ kind: 'send_candidate', link, candidate });
    }
  }

  /** The browser reports how the connection stands. */
  handleConnectionState(link: number, state: ConnectionState, nowMs: number): void {
    if (link === this.#link) {
      this.#health.handleState(state, nowMs);
    }
  }

  /** Something came from the other side over the connection itself. */
  handleHeard(link: number, nowMs: number): void {
    if (link === this.#link) {
      this.#health.handleHeard(nowMs);
    }
  }

  /** How many bytes the connection has received in all. */
  handleInboundBytes(link: number, total: number, nowMs: number): void {
    if (link === this.#link) {
      this.#health.handleInboundBytes(total, nowMs);
    }
  }

  /** The other side closed its end of the connection. */
  handleEnded(link: number, nowMs: number): void {
    if (link === this.#link) {
      this.#health.handleEnded(nowMs);
    }
  }

  /** Whether signaling reaches the other side. */
  setReachable(isReachable: boolean, nowMs: number): void {
    if (this.#health.setReachable(isReachable, nowMs) && !this.#health.isConnected) {
      this.#repeat();
    }
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    const remedy = this.#health.handleTick(nowMs);
    if (remedy === 'restart_ice') {
      this.#effects.push({ kind: 'restart_ice', link: this.#link });
    } else if (remedy === 'new_generation') {
      this.#begin(this.#link + 1, nowMs);
      this.#makeFollow();
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    return this.#health.nextTickMs();
  }

  /** What to do now, in order; each effect is handed out once. */
  takeEffects(): LinkEffect[] {
    return this.#effects.splice(0);
  }

  /** Whether a message of this generation counts; a newer one replaces the connection. */
  #follow(link: number, nowMs: number): boolean {
    if (link > this.#link) {
      this.#begin(link, nowMs);
    }
    return link === this.#link;
  }

  /** The offer of the impolite side makes the other follow; the polite side needs another message that does. */
  #makeFollow(): void {
    if (this.isPolite) {
      this.#effects.push({ kind: 'send_candidate', link: this.#link, candidate: null });
    }
  }

  /** What was said last may be lost with the server, or with the page that the other side had before. */
  #repeat(): void {
    if (this.#signaling === 'have_local_offer') {
      this.#effects.push({ kind: 'repeat_local', link: this.#link });
    } else if (this.#remoteFragments === null) {
      this.#makeFollow();
    }
  }

  #begin(link: number, nowMs: number): void {
    this.#link = link;
    this.#operation = 'none';
    this.#signaling = 'stable';
    this.#isNegotiationNeeded = false;
    this.#inbox = [];
    this.#held = [];
    this.#remoteFragments = null;
    this.#health.handleGeneration(nowMs);
    this.#effects.push({ kind: 'create', link, isOfferer: !this.isPolite });
  }

  /** Starts the next operation, if none runs. */
  #pump(): void {
    while (this.#operation === 'none') {
      if (this.#signaling === 'have_remote_offer') {
        this.#setLocal();
        return;
      }
      const description = this.#inbox.shift();
      if (description !== undefined) {
        this.#take(description);
      } else if (this.#isNegotiationNeeded && this.#signaling === 'stable') {
        this.#setLocal();
      } else {
        return;
      }
    }
  }

  #setLocal(): void {
    if (this.#signaling === 'stable') {
      this.#isNegotiationNeeded = false;
    }
    this.#operation = 'setting_local';
    this.#effects.push({ kind: 'set_local', link: this.#link });
  }

  #take(description: Description): void {
    const isOffer = description.type === 'offer';
    const hasLocalOffer = this.#signaling === 'have_local_offer';
    if (isOffer && hasLocalOffer && !this.isPolite) {
      // Both offered: the other side gives way and answers ours. The candidates of its offer find no description.
      return;
    }
    if (!isOffer && !hasLocalOffer) {
      // The answer to an offer that was rolled back, or a repetition.
      return;
    }
    this.#operation = isOffer ? 'setting_remote_offer' : 'setting_remote_answer';
    this.#effects.push({ kind: 'set_remote', link: this.#link, description });
  }

  /** Hands on the candidates that belong to the remote description in place; others wait for theirs. */
  #releaseCandidates(): void {
    const fragments = this.#remoteFragments;
    if (fragments === null || this.#operation.startsWith('setting_remote')) {
      return;
    }
    const isReady = ({ username_fragment: fragment }: Candidate) => fragment === undefined || fragments.has(fragment);
    for (const candidate of this.#held.filter(isReady)) {
      this.#effects.push({ kind: 'add_candidate', link: this.#link, candidate });
    }
    this.#held = this.#held.filter((candidate) => !isReady(candidate));
  }
}

/** The ICE user fragments that a session description names. */
function userFragments(sdp: string): ReadonlySet<string> {
  const fragments = new Set<string>();
  for (const match of sdp.matchAll(/^a=ice-ufrag:(\S+)/gm)) {
    fragments.add(match[1] ?? '');
  }
  return fragments;
}
