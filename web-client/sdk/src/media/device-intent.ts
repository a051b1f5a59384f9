import type { DeviceError } from '../errors';

/** A microphone, camera or speaker to choose from. */
export interface DeviceChoice {
  readonly deviceId: string;
  readonly label: string;
}

/** One device as the user sees it: what is wanted apart from what is. */
export interface LocalDeviceState {
  /** Intent. */
  readonly wanted: boolean;
  /** Fact: a live, enabled track exists. */
  readonly actual: boolean;
  /** Whether the browser is being asked for it. */
  readonly opening: boolean;
  /** The open device, or the one chosen for the next opening; null: the browser chooses. */
  readonly deviceId: string | null;
  /** Name of the open device; empty while none is open. */
  readonly label: string;
  /** Why it is not as wanted; after a failed switch also while another device is open. */
  readonly error: DeviceError | null;
}

/** What is to be done with a device; `open` takes time, the others do not. */
export type DeviceStep = 'open' | 'close' | 'enable' | 'disable';

/** How an open device is turned off: the microphone keeps the device and sends silence, the camera gives it back. */
export type OffMode = 'silence' | 'close';

/** The device that an opening asks for. */
export interface DeviceRequest {
  readonly deviceId: string | null;
}

interface OpenTrack {
  readonly deviceId: string;
  readonly label: string;
  isEnabled: boolean;
}

/**
 * Decides for one device kind what to do, from the user's intent and the facts reported. The last intent wins: what
 * was wanted when an opening began does not matter when it ends. Nothing is ever opened that is not wanted.
 */
export class DeviceIntent {
  readonly #offMode: OffMode;
  #wanted: boolean;
  /** Whether devices may be opened at all: from the first start to the last stop. */
  #isActive = false;
  #chosenId: string | null = null;
  /** The device before a switch, to go back to if the new one fails. */
  #formerId: string | null = null;
  #opening: DeviceRequest | null = null;
  #track: OpenTrack | null = null;
  #error: DeviceError | null = null;
  /** After a failure nothing is tried again until something changes. */
  #isHeld = false;
  /** The device that vanished while in use. */
  #lostId: string | null = null;
  /** The devices listed since the last failure; null: not listed since. */
  #listed: ReadonlySet<string> | null = null;

  constructor(offMode: OffMode, wanted: boolean) {
    this.#offMode = offMode;
    this.#wanted = wanted;
  }

  /** The present state, for the snapshot. */
  get state(): LocalDeviceState {
    return {
      wanted: this.#wanted,
      actual: this.#track?.isEnabled ?? false,
      opening: this.#opening !== null,
      deviceId: this.#track?.deviceId ?? this.#chosenId,
      label: this.#track?.label ?? '',
      error: this.#error,
    };
  }

  /** The device that `open` shall ask for, exactly. */
  get request(): DeviceRequest {
    return { deviceId: this.#chosenId };
  }

  /** The user turns it on or off. Turning on (again) also retries after a failure. */
  setWanted(wanted: boolean): void {
    this.#wanted = wanted;
    this.#isActive ||= wanted;
    this.#forgive();
  }

  /** Devices may be opened from now on; retries after a failure. */
  start(): void {
    this.#isActive = true;
    this.#forgive();
  }

  /** All devices are given back until the next start; the intent stays. */
  stop(): void {
    this.#isActive = false;
    this.#forgive();
  }

  /** The user chooses a device. */
  choose(deviceId: string): void {
    this.#formerId = this.#track?.deviceId ?? this.#chosenId;
    this.#chosenId = deviceId;
    this.#forgive();
  }

  /** What to do now; null: nothing, or an opening has to end first. */
  nextStep(): DeviceStep | null {
    const shallBeOn = this.#wanted && this.#isActive;
    if (this.#track === null) {
      return shallBeOn && this.#opening === null && !this.#isHeld ? 'open' : null;
    }
    const isOtherDevice = this.#chosenId !== null && this.#chosenId !== this.#track.deviceId;
    if (!this.#isActive || isOtherDevice || (!shallBeOn && this.#offMode === 'close')) {
      return 'close';
    }
    if (shallBeOn === this.#track.isEnabled) {
      return null;
    }
    return shallBeOn ? 'enable' : 'disable';
  }

  /** The browser is being asked. */
  handleOpening(): DeviceRequest {
    this.#opening = this.request;
    return this.#opening;
  }

  /** The browser gave a device. False: it is not wanted any more and must be stopped at once. */
  handleOpened(deviceId: string, label: string): boolean {
    const asked = this.#opening;
    this.#opening = null;
    if (!this.#isActive || !this.#wanted || asked?.deviceId !== this.#chosenId) {
      return false;
    }
    this.#track = { deviceId, label, isEnabled: true };
    this.#formerId = null;
    this.#lostId = null;
    if (asked.deviceId !== null) {
      // Some browsers name a device differently than they list it: what was asked for exactly is what came.
      this.#chosenId = deviceId;
    }
    return true;
  }

  /** The browser refused. */
  handleOpenFailed(error: DeviceError): void {
    const asked = this.#opening;
    this.#opening = null;
    if (asked?.deviceId !== this.#chosenId) {
      // Another device was chosen meanwhile: this failure says nothing about it.
      return;
    }
    this.#error = error;
    this.#listed = null;
    const isAboutDevice = error.code === 'over_constrained' || error.code === 'not_found' || error.code === 'in_use';
    if (this.#chosenId !== null && isAboutDevice) {
      // Goes back to the device before, then to the browser's choice; the error stays, to say why.
      this.#chosenId = this.#formerId === this.#chosenId ? null : this.#formerId;
      this.#formerId = null;
      return;
    }
    this.#isHeld = true;
  }

  /** The track was stopped by us. */
  handleClosed(): void {
    this.#track = null;
  }

  /** The track was turned on or off by us. */
  handleEnabled(isEnabled: boolean): void {
    if (this.#track !== null) {
      this.#track.isEnabled = isEnabled;
    }
  }

  /** The device vanished, or the browser took it away. */
  handleEnded(error: DeviceError): void {
    this.#lostId = this.#track?.deviceId ?? null;
    this.#track = null;
    this.#isHeld = true;
    if (this.#wanted) {
      this.#error = error;
    }
  }

  /** The list of devices changed: what was lost, or was not there, may be back. */
  handleDevices(present: readonly DeviceChoice[]): void {
    const isBack = this.#lostId !== null && present.some(({ deviceId }) => deviceId === this.#lostId);
    // Browsers may list a device and still find none that fits: only one that was not listed before is a reason to try again.
    const listed = this.#listed;
    const isNew = listed !== null && present.some(({ deviceId }) => !listed.has(deviceId));
    this.#listed = new Set(present.map(({ deviceId }) => deviceId));
    if (!this.#isHeld || !(isBack || (isNew && this.#error?.code === 'not_found'))) {
      return;
    }
    this.#forgive();
    if (isBack) {
      // The very device, not whatever the browser would choose now.
      this.#chosenId = this.#lostId;
      this.#formerId = null;
    }
  }

  #forgive(): void {
    this.#isHeld = false;
    this.#error = null;
  }
}
