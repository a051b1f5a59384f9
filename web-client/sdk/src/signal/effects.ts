import type { StoaError } from '../errors';
import type { ClientFrame, MediaState, Resume, ServerMessage } from './wire';

/** The answer to `hello`. */
export type Welcome = Extract<ServerMessage, { type: 'welcome' }>;

/** An answer that says more than that a request was carried out: to `invite`, to `chat_history`. */
export type Reply = Extract<ServerMessage, { type: 'invited' | 'chat_entries' }>;

/** What the room reacts to; what concerns the session alone is dealt with here. */
export type RoomMessage = Exclude<
  ServerMessage,
  { type: 'welcome' | 'ok' | 'invited' | 'chat_entries' | 'error' | 'pong' | 'reconnect' | 'token_expiring' }
>;

/** What a session wants done; the driver carries it out in order. */
export type SignalEffect =
  /** Open a socket; whatever socket there was is of no interest any more. */
  | { readonly kind: 'open' }
  | { readonly kind: 'send'; readonly frame: ClientFrame }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  /** With `welcome.room`, that is the whole truth and replaces what was known. */
  | { readonly kind: 'welcomed'; readonly welcome: Welcome }
  | { readonly kind: 'message'; readonly message: RoomMessage }
  | { readonly kind: 'interrupted' }
  /** Get a new token; report with `handleToken` or `handleTokenFailed`. */
  | { readonly kind: 'renew_token' }
  /** A request was answered; `error` is null if it was carried out. */
  | {
      readonly kind: 'settled';
      readonly id: number;
      readonly error: StoaError | null;
      readonly reply: Reply | null;
    }
  /** The end, for a reason. */
  | { readonly kind: 'failed'; readonly error: StoaError };

/** What a session starts with. */
export interface SignalSessionOptions {
  readonly room: string;
  readonly name: string;
  readonly invite?: string;
  readonly token?: string;
  /** Whether `renew_token` can be answered; then the first token is got that way as well, unless one is given. */
  readonly isTokenRenewable?: boolean;
  readonly media: MediaState;
  /** The session of this page before it was reloaded. */
  readonly resume?: Resume;
  /** Greater than any `cid` that the resumed session has seen. */
  readonly firstCid?: number;
  /** Numbers in [0, 1), for the jitter. */
  readonly random: () => number;
}
