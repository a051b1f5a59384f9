/** One visit to a room's page: before, during and after the call. Owns the devices and at most one Room. */
import { signal, type ReadonlySignal } from '@preact/signals';
import type { JoinOptions, LocalMedia, Room } from '@stoa/client';
import type { Pass } from '../pass';
import type { CallMemory } from './returning';
import { troubleOf, type Trouble } from './room-problem';

export interface Wanted {
  readonly microphone: boolean;
  readonly camera: boolean;
}

export type Phase =
  | {
      readonly kind: 'lobby';
      readonly media: LocalMedia;
      readonly joining: boolean;
      readonly problem: Trouble | null;
    }
  /** After a reload, on the way back into the call. */
  | { readonly kind: 'returning'; readonly media: LocalMedia }
  | { readonly kind: 'call'; readonly room: Room }
  | { readonly kind: 'ended'; readonly problem: Trouble | null };

type Waiting = Extract<Phase, { readonly media: LocalMedia }>;

/** What a visit needs of the world; tests give their own. */
export interface VisitDriver {
  createMedia(wanted: Wanted): LocalMedia;
  join(options: JoinOptions): Promise<Room>;
  /** What lets one in, as far as the link said. */
  pass(room: string): Pass;
  /** Whether this tab's memory is its own: a duplicated tab has a copy of another's. */
  claim(): Promise<boolean>;
  readonly memory: CallMemory;
  readonly url: string;
}

export class Visit {
  readonly #room: string;
  readonly #driver: VisitDriver;
  readonly #phase;
  #wanted: Wanted = { microphone: true, camera: true };
  #name = '';
  #joining: AbortController | null = null;
  #unwatch: (() => void) | null = null;
  #disposed = false;

  constructor(room: string, driver: VisitDriver) {
    this.#room = room;
    this.#driver = driver;
    const before = driver.memory.recall(room);
    if (before !== null) {
      this.#wanted = before.wanted;
      this.#name = before.name;
    }
    this.#phase = signal<Phase>(
      before === null ? this.#lobby() : { kind: 'returning', media: driver.createMedia(before.wanted) },
    );
  }

  get phase(): ReadonlySignal<Phase> {
    return this.#phase;
  }

  /** Opens camera and microphone for the preview, or goes back into the call that a reload interrupted. */
  open(): void {
    const phase = this.#phase.peek();
    if (this.#disposed) return;
    if (phase.kind === 'lobby') void phase.media.start();
    if (phase.kind === 'returning') void this.#return(phase);
    else void this.#driver.claim();
  }

  /** Enters the room. Failures show in `phase`; a second call while one runs does nothing. */
  async join(name: string, withDevices: boolean): Promise<void> {
    const lobby = this.#phase.peek();
    if (lobby.kind !== 'lobby' || lobby.joining || this.#disposed) return;
    this.#name = name;
    const abort = this.#begin();
    this.#phase.value = { ...lobby, joining: true, problem: null };
    await this.#enter(lobby.media, withDevices, abort);
  }

  /** Stops waiting for the server. */
  cancel(): void {
    this.#joining?.abort();
    this.#joining = null;
    const phase = this.#phase.peek();
    if (phase.kind === 'returning') this.#driver.memory.forget(this.#room);
    if (phase.kind === 'lobby' || phase.kind === 'returning') this.#backToLobby(phase, null);
  }

  leave(): void {
    this.#end(null);
  }

  /** Back to the lobby after a call, with the microphone and camera wanted as before. */
  again(): void {
    if (this.#phase.peek().kind !== 'ended' || this.#disposed) return;
    this.#phase.value = this.#lobby();
    this.open();
  }

  /** Writes down how the call stands, for the page that may follow this one. */
  readonly remember = (): void => {
    const phase = this.#phase.peek();
    if (phase.kind !== 'call') return;
    this.#wanted = wantedOf(phase.room.media);
    this.#driver.memory.keep(this.#room, { name: this.#name, wanted: this.#wanted });
  };

  /** The page is gone: nothing may stay open. */
  dispose(): void {
    this.#disposed = true;
    this.#joining?.abort();
    this.#joining = null;
    const phase = this.#phase.peek();
    if (phase.kind === 'lobby' || phase.kind === 'returning') phase.media.stop();
    if (phase.kind === 'returning') this.#driver.memory.forget(this.#room);
    this.#end(null);
  }

  #begin(): AbortController {
    this.#joining = new AbortController();
    return this.#joining;
  }

  async #return({ media }: Waiting): Promise<void> {
    if (this.#joining !== null) return;
    const abort = this.#begin();
    const mine = await this.#driver.claim();
    if (!mine) {
      if (!abort.signal.aborted) this.cancel();
      return;
    }
    // After a cancel it only leaves the call that this tab was in.
    if (!abort.signal.aborted) void media.start();
    await this.#enter(media, true, abort);
  }

  /** The rest of joining: either the call begins, or the lobby says why not. */
  async #enter(media: LocalMedia, withDevices: boolean, abort: AbortController): Promise<void> {
    const pass = this.#driver.pass(this.#room);
    try {
      const room = await this.#driver.join({
        url: this.#driver.url,
        room: this.#room,
        name: this.#name,
        signal: abort.signal,
        ...pass,
        ...(withDevices ? { media } : {}),
      });
      // The abort may have come after the server's welcome.
      if (abort.signal.aborted) await room.leave();
      else this.#begun(room, media);
    } catch (error) {
      const phase = this.#phase.peek();
      if (!abort.signal.aborted && 'media' in phase) {
        this.#driver.memory.forget(this.#room);
        this.#backToLobby(phase, troubleOf(error, pass.token));
      }
    } finally {
      if (this.#joining === abort) this.#joining = null;
    }
  }

  #lobby(): Phase {
    return { kind: 'lobby', media: this.#driver.createMedia(this.#wanted), joining: false, problem: null };
  }

  #backToLobby({ kind, media }: Waiting, problem: Trouble | null): void {
    this.#phase.value = { kind: 'lobby', media, joining: false, problem };
    // In the lobby the preview has been there all the time.
    if (kind === 'returning') this.open();
  }

  #begun(room: Room, lobbyMedia: LocalMedia): void {
    if (room.media !== lobbyMedia) lobbyMedia.stop();
    this.#phase.value = { kind: 'call', room };
    const stops = [
      room.media.subscribe(this.remember),
      room.subscribe(() => {
        const { status, error } = room.state;
        if (status === 'failed') this.#end(troubleOf(error, this.#driver.pass(this.#room).token));
        if (status === 'left') this.#end(null);
      }),
    ];
    this.#unwatch = () => stops.forEach((stop) => stop());
    this.remember();
  }

  #end(problem: Trouble | null): void {
    const phase = this.#phase.peek();
    if (phase.kind !== 'call') return;
    this.#unwatch?.();
    this.#unwatch = null;
    // Intent survives: whoever was muted comes back muted.
    this.#wanted = wantedOf(phase.room.media);
    this.#driver.memory.forget(this.#room);
    this.#phase.value = { kind: 'ended', problem };
    phase.room.media.stop();
    void phase.room.leave();
  }
}

function wantedOf({ state }: LocalMedia): Wanted {
  return { microphone: state.microphone.wanted, camera: state.camera.wanted };
}
