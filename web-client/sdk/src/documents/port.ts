/**
 * The way to the server for documents: reliable, ordered frames of Stoa's own dialect. Whoever follows documents through
 * it opens them anew at every `open`, since the server forgets them with the socket.
 */
export interface DocumentsPort {
  /** Whether frames pass right now. */
  readonly isOpen: boolean;
  /** Sends a frame; false: not open, larger than 64 MiB, or more than 4 MiB wait already. */
  send(frame: Uint8Array): boolean;
  /** Calls `handler` until the returned function is called. */
  on(event: 'open' | 'close', handler: () => void): () => void;
  on(event: 'message', handler: (frame: Uint8Array) => void): () => void;
}
