import type { LinkHealthStatus } from './link/negotiator';
import type { LinkPath } from './link/path';
import type { LeaveReason, MediaState, Participant, ParticipantRights, RoomState } from './signal/wire';

/** Id of a participant: a plain string, new for every session. */
export type ParticipantId = string;

/** How the direct connection to a participant stands; `none` for oneself. */
export type LinkStatus = 'none' | LinkHealthStatus;

/** A participant as the app sees it. Immutable; unchanged participants keep their object. */
export interface ParticipantView {
  readonly id: ParticipantId;
  readonly name: string;
  readonly isSelf: boolean;
  /** What they say that they publish. */
  readonly media: MediaState;
  /** False while their signaling is reconnecting; media may flow all the same. */
  readonly connected: boolean;
  /** Whether they may mute, remove, lock and invite. */
  readonly moderator: boolean;
  /** What they may do beyond publishing; absent: everything. What others send that they may not is not accepted. */
  readonly rights?: ParticipantRights;
  readonly link: LinkStatus;
  /** Which way media takes. */
  readonly path: LinkPath;
  /** Their microphone and camera, the same object as long as possible; for oneself the stream of `LocalMedia`. */
  readonly stream: MediaStream | null;
  /** Their screen with its sound while they share it. */
  readonly screen: MediaStream | null;
  /** Whether they are among those who speak now. */
  readonly speaking: boolean;
}

/** The way to a participant. */
export interface PathView {
  readonly link: LinkStatus;
  readonly path: LinkPath;
}

/** What the room knows about a participant from elsewhere. */
export interface LinkView extends PathView {
  readonly stream: MediaStream | null;
  readonly screen: MediaStream | null;
  readonly speaking: boolean;
}

/** A difference between two lists of participants. */
export type RosterChange =
  | { readonly kind: 'joined' | 'changed'; readonly participant: ParticipantView }
  | { readonly kind: 'left'; readonly participant: ParticipantView; readonly reason: LeaveReason };

/** Whether the link to a participant still works. */
export type IsLinked = (id: ParticipantId) => boolean;

/**
 * Who is in the room: those the server names, and those it has lost sight of, as after its own restart, while the link
 * to them still works.
 */
export class Roster {
  #self: ParticipantId;
  readonly #formerSelves = new Set<ParticipantId>();
  #participants = new Map<ParticipantId, Participant>();
  /** Those who are there only by their link. */
  readonly #unlisted = new Set<ParticipantId>();
  readonly #reasons = new Map<ParticipantId, LeaveReason>();
  #views: readonly ParticipantView[] = [];

  constructor(self: ParticipantId, room: RoomState) {
    this.#self = self;
    this.reset(self, room, () => false);
  }

  /** The own participant. */
  get self(): ParticipantId {
    return this.#self;
  }

  /** Everybody else, in order of arrival. */
  get others(): readonly Participant[] {
    return [...this.#participants.values()].filter(({ id }) => id !== this.#self);
  }

  /** The list as of the last `refresh`: oneself first, then the others in order of arrival. */
  get views(): readonly ParticipantView[] {
    return this.#views;
  }

  /**
   * Replaces everything, after a join or a session that could not be resumed. Who was there before keeps their place:
   * after a restart the server's order is that of coming back.
   */
  reset(self: ParticipantId, room: RoomState, isLinked: IsLinked): void {
    if (self !== this.#self) {
      // The server may still keep the lost session for a while: that is no other person.
      this.#formerSelves.add(this.#self);
      this.#self = self;
    }
    const listed = room.participants.filter(({ id }) => !this.#formerSelves.has(id));
    const present = new Map(listed.map((participant) => [participant.id, participant]));
    const before = [...this.#participants.values()];
    this.#participants = new Map();
    this.#unlisted.clear();
    for (const former of before) {
      const participant = present.get(former.id);
      if (participant !== undefined) {
        this.#participants.set(former.id, participant);
      } else if (former.id !== self && !this.#formerSelves.has(former.id) && isLinked(former.id)) {
        this.#keepUnlisted(former);
      }
    }
    for (const participant of listed) {
      this.#participants.set(participant.id, participant);
    }
  }

  /** Somebody came, or changed. */
  put(participant: Participant): void {
    if (!this.#formerSelves.has(participant.id)) {
      this.#participants.set(participant.id, participant);
      this.#unlisted.delete(participant.id);
    }
  }

  /** Somebody left, or was lost to the server. */
  remove(id: ParticipantId, reason: LeaveReason, isLinked: boolean): void {
    const participant = this.#participants.get(id);
    if (participant !== undefined && reason === 'lost' && isLinked) {
      this.#keepUnlisted(participant);
    } else if (this.#participants.delete(id)) {
      this.#unlisted.delete(id);
      this.#reasons.set(id, reason);
    }
  }

  /** Removes those who were there only by their link and have lost that too. Returns whether there were any. */
  dropUnlinked(isLinked: IsLinked): boolean {
    const lost = [...this.#unlisted].filter((id) => !isLinked(id));
    for (const id of lost) {
      this.remove(id, 'lost', false);
    }
    return lost.length > 0;
  }

  #keepUnlisted(participant: Participant): void {
    this.#participants.set(participant.id, { ...participant, connected: false });
    this.#unlisted.add(participant.id);
  }

  /** Builds the list anew and returns what is different from the last one, the leaving first. */
  refresh(linkOf: (participant: Participant) => LinkView): RosterChange[] {
    const before = new Map(this.#views.map((view) => [view.id, view]));
    const own = this.#participants.get(this.#self);
    const ordered = own === undefined ? this.others : [own, ...this.others];
    this.#views = ordered.map((participant) => {
      const view = { ...participant, isSelf: participant.id === this.#self, ...linkOf(participant) };
      const old = before.get(participant.id);
      return old !== undefined && isSameView(old, view) ? old : view;
    });
    const changes: RosterChange[] = [];
    for (const view of this.#views) {
      const old = before.get(view.id);
      if (old === undefined) {
        changes.push({ kind: 'joined', participant: view });
      } else if (old !== view) {
        changes.push({ kind: 'changed', participant: view });
      }
      before.delete(view.id);
    }
    const left: RosterChange[] = [...before.values()].map((participant) => ({
      kind: 'left',
      participant,
      reason: this.#reasons.get(participant.id) ?? 'lost',
    }));
    this.#reasons.clear();
    return [...left, ...changes];
  }
}

function isSameView(a: ParticipantView, b: ParticipantView): boolean {
  return (
    a.name === b.name &&
    a.connected === b.connected &&
    a.moderator === b.moderator &&
    isSameRights(a.rights, b.rights) &&
    a.link === b.link &&
    a.path === b.path &&
    a.stream === b.stream &&
    a.screen === b.screen &&
    a.speaking === b.speaking &&
    a.isSelf === b.isSelf &&
    a.media.microphone === b.media.microphone &&
    a.media.camera === b.media.camera &&
    a.media.screen === b.media.screen
  );
}

function isSameRights(a: ParticipantRights | undefined, b: ParticipantRights | undefined): boolean {
  return a?.subscribe === b?.subscribe && a?.data === b?.data && a?.documents === b?.documents;
}
