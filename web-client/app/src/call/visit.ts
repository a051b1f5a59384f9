/** One visit to a room's page: before, during and after the call. Owns the devices and at most one Room. */
import { signal, type ReadonlySignal } from '@preact/signals';
import { StoaError, type JoinOptions, type LocalMedia, type Room, type StoaErrorCode } from '@stoa/client';

export interface Wanted {
  readonly microphone: boolean;
  readonly camera: boolean;
}

export type Phase =
  | {
      readonly kind: 'lobby';
      readonly media: LocalMedia;
      readonly joining: boolean;
      readonly problem: StoaErrorCode | null;
    }
  | { readonly kind: 'call'; readonly room: Room }
  | { readonly kind: 'ended'; readonly problem: StoaErrorCode | null };

/** What a visit needs of the world; tests give their own. */
export interface VisitDriver {
  createMedia(wanted: Wanted): LocalMedia;
  join(options: JoinOptions): Promise<Room>;
  url: string;
}

export class Visit {
  readonly #room: string;
  readonly #driver: VisitDriver;
  readonly #phase;
  #wanted: Wanted = { microphone: true, camera: true };
  #joining: AbortController | null = null;
  #unwatch: (() => void) | null = null;
  #disposed = false;

  constructor(room: string, driver: VisitDriver) {
    this.#room = room;
    this.#driver = driver;
    this.#phase = signal<Phase>(this.#lobby());
  }

  get phase(): ReadonlySignal<Phase> {
    return this.#phase;
  }

  /** Opens camera and microphone for the preview. */
  open(): void {
    const phase = this.#phase.peek();
    if (phase.kind === 'lobby' && !this.#disposed) void phase.media.start();
  }

  /** Enters the room. Failures show in `phase`; a second call while one runs does nothing. */
  async join(name: string, withDevices: boolean): Promise<void> {
    const lobby = this.#phase.peek();
    if (lobby.kind !== 'lobby' || lobby.joining || this.#disposed) return;
    const abort = new AbortController();
    this.#joining = abort;
    this.#phase.value = { ...lobby, joining: true, problem: null };
    try {
      const room = await this.#driver.join({
        url: this.#driver.url,
        room: this.#room,
        name,
        signal: abort.signal,
        ...(withDevices ? { media: lobby.media } : {}),
      });
      // The abort may have come after the server's welcome.
      if (abort.signal.aborted) await room.leave();
      else this.#enter(room, lobby.media);
    } catch (error) {
      if (!abort.signal.aborted) this.#phase.value = { ...lobby, joining: false, problem: codeOf(error) };
    } finally {
      if (this.#joining === abort) this.#joining = null;
    }
  }

  /** Stops waiting for the server. */
  cancel(): void {
    this.#joining?.abort();
    this.#joining = null;
    const phase = this.#phase.peek();
    if (phase.kind === 'lobby') this.#phase.value = { ...phase, joining: false };
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

  /** The page is gone: nothing may stay open. */
  dispose(): void {
    this.#disposed = true;
    this.#joining?.abort();
    this.#joining = null;
    const phase = this.#phase.peek();
    if (phase.kind === 'lobby') phase.media.stop();
    this.#end(null);
  }

  #lobby(): Phase {
    return { kind: 'lobby', media: this.#driver.createMedia(this.#wanted), joining: false, problem: null };
  }

  #enter(room: Room, lobbyMedia: LocalMedia): void {
    if (room.media !== lobbyMedia) lobbyMedia.stop();
    this.#phase.value = { kind: 'call', room };
    this.#unwatch = room.subscribe(() => {
      const { status, error } = room.state;
      if (status === 'failed') this.#end(codeOf(error));
      if (status === 'left') this.#end(null);
    });
  }

  #end(problem: StoaErrorCode | null): void {
    const phase = this.#phase.peek();
    if (phase.kind !== 'call') return;
    this.#unwatch?.();
    this.#unwatch = null;
    const { microphone, camera } = phase.room.media.state;
    // Intent survives: whoever was muted comes back muted.
    this.#wanted = { microphone: microphone.wanted, camera: camera.wanted };
    this.#phase.value = { kind: 'ended', problem };
    phase.room.media.stop();
    void phase.room.leave();
  }
}

function codeOf(error: unknown): StoaErrorCode {
  return error instanceof StoaError ? error.code : 'closed';
}
