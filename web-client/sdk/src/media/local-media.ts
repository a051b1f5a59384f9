import { DeviceError } from '../errors';
import type { DeviceKind } from '../errors';
import { Listeners } from '../events';
import { deviceErrorCode } from './device-errors';
import { DeviceIntent } from './device-intent';
import type { DeviceChoice, DeviceRequest, LocalDeviceState } from './device-intent';
import { LevelMeter } from './level-meter';
import { MutedMeter } from './muted-meter';
import { ScreenShare } from './screen-share';

/** Everything about the own devices; replaced as a whole on every change. */
export interface LocalMediaState {
  readonly microphone: LocalDeviceState;
  readonly camera: LocalDeviceState;
  readonly microphones: readonly DeviceChoice[];
  readonly cameras: readonly DeviceChoice[];
  readonly speakers: readonly DeviceChoice[];
  /** The live tracks; always the same object, tracks come and go. */
  readonly stream: MediaStream;
  /** The shared screen, and its sound if there is any; null: nothing is shared. */
  readonly screen: MediaStream | null;
}

/** What is wanted at first; both default to true. */
export interface LocalMediaOptions {
  readonly microphone?: boolean;
  readonly camera?: boolean;
}

const KINDS: readonly DeviceKind[] = ['microphone', 'camera'];
const TRACK_KIND = { microphone: 'audio', camera: 'video' } as const;
const AUDIO: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30 },
};

/**
 * The own microphone and camera: drives two `DeviceIntent`s. Made before joining and handed to `join`; outlives the
 * room, so that a preview goes on where the call ends.
 */
export class LocalMedia {
  readonly #intents: Record<DeviceKind, DeviceIntent>;
  readonly #tracks: Record<DeviceKind, MediaStreamTrack | null> = { microphone: null, camera: null };
  readonly #openings: Record<DeviceKind, Promise<void> | null> = { microphone: null, camera: null };
  readonly #listeners = new Listeners();
  readonly #meter = new LevelMeter(() => this.#tracks.microphone);
  readonly #mutedMeter = new MutedMeter();
  readonly #stream = new MediaStream();
  readonly #screen = new ScreenShare(() => this.#publish());
  #isWatching = false;
  #state: LocalMediaState;

  /** Opens nothing yet. */
  constructor(options: LocalMediaOptions = {}) {
    this.#intents = {
      microphone: new DeviceIntent('silence', options.microphone ?? true),
      camera: new DeviceIntent('close', options.camera ?? true),
    };
    this.#state = this.#snapshot([], [], []);
  }

  /** The present state; immutable. */
  get state(): LocalMediaState {
    return this.#state;
  }

  /** Calls `listener` after every change of `state` until the returned function is called. */
  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Opens what is wanted; resolves when the browser has decided. Never rejects: failures are in
   * `state.microphone.error` and `state.camera.error`, and starting again tries again. Idempotent.
   */
  async start(): Promise<void> {
    this.#watch();
    for (const kind of KINDS) {
      this.#intents[kind].start();
    }
    await this.#settle();
  }

  /** Turns the microphone on or off. Off keeps the device and sends silence. */
  async setMicrophoneEnabled(on: boolean): Promise<void> {
    await this.#setWanted('microphone', on);
  }

  /** Turns the camera on or off. Off gives the device back, so that its light goes out. */
  async setCameraEnabled(on: boolean): Promise<void> {
    await this.#setWanted('camera', on);
  }

  /**
   * Lets the user choose a screen, a window or a tab to share. Does nothing while one is shared. Needs a user's gesture.
   *
   * Rejects with a `StoaError`: `screen_denied` (by the user, who may just have changed their mind, or the system),
   * `screen_unsupported`, `screen_failed`.
   */
  startScreen(): Promise<void> {
    return this.#screen.start();
  }

  /** Ends the sharing. */
  stopScreen(): void {
    this.#screen.stop();
  }

  /**
   * Uses another device from now on. If it cannot be opened, the former device, or else any, takes its place and the
   * error stays in the state.
   */
  async switchDevice(kind: DeviceKind, deviceId: string): Promise<void> {
    this.#intents[kind].choose(deviceId);
    await this.#settle();
  }

  /** Reads the list of devices anew; also done by itself when one is plugged in or out. */
  async refreshDevices(): Promise<void> {
    const found = await listDevices();
    const choices = (kind: MediaDeviceKind): DeviceChoice[] =>
      found
        // Without permission browsers list devices that have neither id nor name: nothing to choose from.
        .filter((device) => device.kind === kind && device.deviceId !== '')
        .map(({ deviceId, label }) => ({ deviceId, label }));
    const microphones = choices('audioinput');
    const cameras = choices('videoinput');
    this.#state = this.#snapshot(microphones, cameras, choices('audiooutput'));
    this.#listeners.notify();
    this.#intents.microphone.handleDevices(microphones);
    this.#intents.camera.handleDevices(cameras);
    this.#advance();
  }

  /** Calls `listener` with the input level, 0..1, on animation frames until the returned function is called. */
  onLevel(listener: (level: number) => void): () => void {
    return this.#meter.add(listener);
  }

  /**
   * Calls `listener` when somebody speaks into the muted microphone, at most every 10 s, until the returned function is
   * called.
   */
  onTalkingWhileMuted(listener: () => void): () => void {
    return this.#mutedMeter.add(listener);
  }

  /** Gives every device back. What is wanted stays, and `start` opens it again. */
  stop(): void {
    this.#unwatch();
    this.#screen.stop();
    for (const kind of KINDS) {
      this.#intents[kind].stop();
    }
    this.#advance();
  }

  #watch(): void {
    if (!this.#isWatching && hasMediaDevices()) {
      this.#isWatching = true;
      navigator.mediaDevices.addEventListener('devicechange', this.#onDeviceChange);
    }
  }

  #unwatch(): void {
    if (this.#isWatching) {
      this.#isWatching = false;
      navigator.mediaDevices.removeEventListener('devicechange', this.#onDeviceChange);
    }
  }

  readonly #onDeviceChange = (): void => {
    void this.refreshDevices();
  };

  async #setWanted(kind: DeviceKind, on: boolean): Promise<void> {
    if (on) {
      this.#watch();
    }
    this.#intents[kind].setWanted(on);
    await this.#settle();
  }

  /** Does what is due and waits until no opening is under way. */
  async #settle(): Promise<void> {
    this.#advance();
    while (this.#openings.microphone !== null || this.#openings.camera !== null) {
      await Promise.all([this.#openings.microphone, this.#openings.camera]);
    }
  }

  /** Does what is due: the quick steps at once, openings in the background. */
  #advance(): void {
    const toOpen = KINDS.filter((kind) => this.#advanceKind(kind));
    if (toOpen.length === 2) {
      // One request for both: one question to the user instead of two.
      this.#track(toOpen, this.#openBoth());
    } else {
      for (const kind of toOpen) {
        this.#track([kind], this.#openOne(kind));
      }
    }
    this.#publish();
  }

  /** Returns whether the device is to be opened. */
  #advanceKind(kind: DeviceKind): boolean {
    const intent = this.#intents[kind];
    for (let step = intent.nextStep(); step !== null; step = intent.nextStep()) {
      if (step === 'open') {
        return true;
      }
      if (step === 'close') {
        this.#release(kind);
        intent.handleClosed();
      } else {
        const track = this.#tracks[kind];
        if (track !== null) {
          track.enabled = step === 'enable';
        }
        intent.handleEnabled(step === 'enable');
      }
    }
    return false;
  }

  #track(kinds: readonly DeviceKind[], opening: Promise<void>): void {
    const tracked: Promise<void> = opening.then(() => {
      for (const kind of kinds) {
        // Another opening may have followed already, for example of the device to fall back to.
        if (this.#openings[kind] === tracked) {
          this.#openings[kind] = null;
        }
      }
      this.#advance();
    });
    for (const kind of kinds) {
      this.#openings[kind] = tracked;
    }
  }

  async #openBoth(): Promise<void> {
    const microphone = this.#intents.microphone.handleOpening();
    const camera = this.#intents.camera.handleOpening();
    let stream: MediaStream;
    try {
      stream = await openDevices({
        audio: constraintsFor('microphone', microphone),
        video: constraintsFor('camera', camera),
      });
    } catch {
      // Separately, so that one missing device does not cost the other.
      await this.#finish('microphone', microphone);
      await this.#finish('camera', camera);
      await this.refreshDevices();
      return;
    }
    this.#adopt('microphone', stream);
    this.#adopt('camera', stream);
    await this.refreshDevices();
  }

  async #openOne(kind: DeviceKind): Promise<void> {
    await this.#finish(kind, this.#intents[kind].handleOpening());
    await this.refreshDevices();
  }

  async #finish(kind: DeviceKind, request: DeviceRequest): Promise<void> {
    try {
      const constraints = constraintsFor(kind, request);
      this.#adopt(kind, await openDevices(kind === 'microphone' ? { audio: constraints } : { video: constraints }));
    } catch (error) {
      this.#intents[kind].handleOpenFailed(await deviceError(kind, error));
    }
  }

  #adopt(kind: DeviceKind, stream: MediaStream): void {
    const track = stream.getTracks().find((candidate) => candidate.kind === TRACK_KIND[kind]);
    if (track === undefined) {
      this.#intents[kind].handleOpenFailed(new DeviceError('unknown', kind, 'the browser gave no track'));
      return;
    }
    if (!this.#intents[kind].handleOpened(track.getSettings().deviceId ?? '', track.label)) {
      track.stop();
      return;
    }
    this.#tracks[kind] = track;
    this.#stream.addTrack(track);
    track.addEventListener('ended', () => this.#handleEnded(kind, track));
    this.#publish();
  }

  #handleEnded(kind: DeviceKind, track: MediaStreamTrack): void {
    if (this.#tracks[kind] === track) {
      this.#release(kind);
      this.#intents[kind].handleEnded(new DeviceError('ended', kind, `the ${kind} stopped`));
      this.#publish();
    }
  }

  #release(kind: DeviceKind): void {
    const track = this.#tracks[kind];
    this.#tracks[kind] = null;
    if (track !== null) {
      this.#stream.removeTrack(track);
      track.stop();
    }
  }

  #publish(): void {
    const { microphone } = this.#tracks;
    this.#mutedMeter.setMuted(microphone?.enabled === false ? microphone : null);
    const { microphones, cameras, speakers } = this.#state;
    const next = this.#snapshot(microphones, cameras, speakers);
    const isSame =
      isSameDevice(next.microphone, this.#state.microphone) &&
      isSameDevice(next.camera, this.#state.camera) &&
      next.screen === this.#state.screen;
    if (!isSame) {
      this.#state = next;
      this.#listeners.notify();
    }
  }

  #snapshot(
    microphones: readonly DeviceChoice[],
    cameras: readonly DeviceChoice[],
    speakers: readonly DeviceChoice[],
  ): LocalMediaState {
    return {
      microphone: this.#intents.microphone.state,
      camera: this.#intents.camera.state,
      microphones,
      cameras,
      speakers,
      stream: this.#stream,
      screen: this.#screen.stream,
    };
  }
}

function isSameDevice(a: LocalDeviceState, b: LocalDeviceState): boolean {
  return (
    a.wanted === b.wanted &&
    a.actual === b.actual &&
    a.opening === b.opening &&
    a.deviceId === b.deviceId &&
    a.label === b.label &&
    a.error === b.error
  );
}

function constraintsFor(kind: DeviceKind, { deviceId }: DeviceRequest): MediaTrackConstraints {
  const base = kind === 'microphone' ? AUDIO : VIDEO;
  return deviceId === null ? base : { ...base, deviceId: { exact: deviceId } };
}

/** False on insecure pages, although the types say that it always exists. */
function hasMediaDevices(): boolean {
  return 'mediaDevices' in navigator && typeof navigator.mediaDevices?.getUserMedia === 'function';
}

async function openDevices(constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!hasMediaDevices()) {
    throw new TypeError('navigator.mediaDevices does not exist');
  }
  return navigator.mediaDevices.getUserMedia(constraints);
}

async function listDevices(): Promise<MediaDeviceInfo[]> {
  try {
    return hasMediaDevices() ? await navigator.mediaDevices.enumerateDevices() : [];
  } catch {
    return [];
  }
}

async function deviceError(kind: DeviceKind, error: unknown): Promise<DeviceError> {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  const message = error instanceof Error || error instanceof DOMException ? error.message : String(error);
  const code = deviceErrorCode({
    name,
    message,
    permission: await permissionOf(kind),
    isAllowedByPolicy: policyOf(kind),
    isSecure: isSecureContext,
    hasMediaDevices: hasMediaDevices(),
  });
  return new DeviceError(code, kind, message);
}

async function permissionOf(kind: DeviceKind): Promise<PermissionState | null> {
  try {
    return (await navigator.permissions.query({ name: kind as PermissionName })).state;
  } catch {
    return null;
  }
}

function policyOf(kind: DeviceKind): boolean | null {
  const { featurePolicy } = document as Document & { featurePolicy?: { allowsFeature(name: string): boolean } };
  return featurePolicy?.allowsFeature(kind) ?? null;
}
