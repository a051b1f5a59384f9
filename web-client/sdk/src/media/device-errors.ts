import type { DeviceErrorCode } from '../errors';

/** What is known about a request for a device that failed. */
export interface DeviceFailure {
  /** `DOMException.name`. */
  readonly name: string;
  /** `DOMException.message`; only read where the name alone does not tell. */
  readonly message: string;
  /** What the Permissions API says about the kind of device; null: it does not know the kind. */
  readonly permission: PermissionState | null;
  /** Whether the embedding page's permissions policy allows it; null: the browser does not tell. */
  readonly isAllowedByPolicy: boolean | null;
  /** `isSecureContext`. */
  readonly isSecure: boolean;
  /** Whether `navigator.mediaDevices` exists. */
  readonly hasMediaDevices: boolean;
}

/** Finds out why a device could not be opened. */
export function deviceErrorCode(failure: DeviceFailure): DeviceErrorCode {
  if (!failure.isSecure || !failure.hasMediaDevices) {
    return 'insecure';
  }
  switch (failure.name) {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
      return denialCode(failure);
    case 'SecurityError':
      return 'blocked_by_policy';
    case 'NotFoundError':
      return 'not_found';
    case 'NotReadableError':
    case 'AbortError':
      return 'in_use';
    case 'OverconstrainedError':
      return 'over_constrained';
    default:
      return 'unknown';
  }
}

function denialCode(failure: DeviceFailure): DeviceErrorCode {
  if (failure.isAllowedByPolicy === false || /permissions? policy|feature policy/i.test(failure.message)) {
    return 'blocked_by_policy';
  }
  // Chromium names the system. Others just refuse although the page itself has the permission.
  if (/\bsystem\b/i.test(failure.message) || failure.permission === 'granted') {
    return 'denied_by_system';
  }
  return 'denied_by_user';
}
