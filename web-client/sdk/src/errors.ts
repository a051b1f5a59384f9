/** Why joining or staying in a room failed. A closed union: new codes come with a new major version. */
export type StoaErrorCode =
  | 'bad_room'
  | 'bad_name'
  | 'room_full'
  | 'server_full'
  | 'rate_limited'
  | 'protocol'
  | 'replaced'
  | 'authenticate'
  | 'forbidden'
  | 'room_locked'
  | 'bad_invite'
  | 'removed'
  | 'chat_disabled'
  | 'unavailable'
  | 'unreachable'
  | 'aborted'
  | 'closed'
  | 'unsupported_browser'
  | 'screen_denied'
  | 'screen_unsupported'
  | 'screen_failed';

/** Whether the same attempt may succeed later without the user changing anything. */
const RETRYABLE: Record<StoaErrorCode, boolean> = {
  bad_room: false,
  bad_name: false,
  room_full: true,
  server_full: true,
  rate_limited: true,
  protocol: false,
  replaced: true,
  authenticate: false,
  forbidden: false,
  room_locked: true,
  bad_invite: false,
  removed: false,
  chat_disabled: true,
  unavailable: true,
  unreachable: true,
  aborted: true,
  closed: true,
  unsupported_browser: false,
  screen_denied: true,
  screen_unsupported: false,
  screen_failed: true,
};

/** An error of the room or of the way to the server. */
export class StoaError extends Error {
  /** For programs. */
  readonly code: StoaErrorCode;
  /** Whether trying the same again may help. */
  readonly retryable: boolean;
  /** Key of the sentence for people in the app's dictionary: `error.` and the code. */
  readonly i18nKey: string;
  /** When the server says to try again, in milliseconds from now. */
  declare readonly retryAfterMs?: number;

  constructor(code: StoaErrorCode, message: string = code, retryAfterMs?: number) {
    super(message);
    this.name = 'StoaError';
    this.code = code;
    this.retryable = RETRYABLE[code];
    this.i18nKey = `error.${code}`;
    if (retryAfterMs !== undefined) {
      this.retryAfterMs = retryAfterMs;
    }
  }
}

/** Why a microphone or a camera is not available. */
export type DeviceErrorCode =
  | 'denied_by_user'
  | 'denied_by_system'
  | 'blocked_by_policy'
  | 'insecure'
  | 'not_found'
  | 'in_use'
  | 'over_constrained'
  | 'ended'
  | 'unknown';

/** The kinds of devices that are opened. */
export type DeviceKind = 'microphone' | 'camera';

/** A device that was wanted is not there. */
export class DeviceError extends Error {
  /** For programs. */
  readonly code: DeviceErrorCode;
  /** Which device. */
  readonly kind: DeviceKind;
  /** Whether trying again on this page may help; if not, the page itself must be served or embedded differently. */
  readonly retryable: boolean;
  /** Key of the sentence for people in the app's dictionary: `device.` and the code. */
  readonly i18nKey: string;

  constructor(code: DeviceErrorCode, kind: DeviceKind, message: string = code) {
    super(message);
    this.name = 'DeviceError';
    this.code = code;
    this.kind = kind;
    this.retryable = code !== 'insecure' && code !== 'blocked_by_policy';
    this.i18nKey = `device.${code}`;
  }
}
