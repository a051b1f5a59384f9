/** What a pulse port tells. */
export interface PulseHandlers {
  /** Something came from the other side. */
  readonly heard: () => void;
  /** A second has passed on the open channel. */
  readonly beat: () => void;
  /** The other side closed its end. */
  readonly ended: () => void;
}

const PERIOD_MS = 1_000;
const PING = 0;
const PONG = 1;

/**
 * Says something every second over a data channel of its own, and answers: a link on which everybody is silent looks
 * like a broken one otherwise. Lost messages are not sent again, so that each one tells how the path is now.
 */
export class PulsePort {
  readonly #channel: RTCDataChannel;
  readonly #handlers: PulseHandlers;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(connection: RTCPeerConnection, handlers: PulseHandlers) {
    this.#handlers = handlers;
    this.#channel = connection.createDataChannel('link', {
      negotiated: true,
      id: 1,
      ordered: false,
      maxRetransmits: 0,
    });
    this.#channel.binaryType = 'arraybuffer';
    this.#channel.onopen = () => this.#handleOpen();
    this.#channel.onclose = () => {
      this.detach();
      handlers.ended();
    };
    this.#channel.onmessage = (event: MessageEvent<unknown>) => this.#handleMessage(event.data);
  }

  /** Ends it; no handler is called afterwards. */
  detach(): void {
    clearInterval(this.#timer);
    this.#channel.onopen = null;
    this.#channel.onclose = null;
    this.#channel.onmessage = null;
    this.#channel.close();
  }

  #handleOpen(): void {
    this.#send(PING);
    this.#timer = setInterval(() => {
      this.#send(PING);
      this.#handlers.beat();
    }, PERIOD_MS);
  }

  #handleMessage(data: unknown): void {
    if (data instanceof ArrayBuffer && new Uint8Array(data)[0] === PING) {
      this.#send(PONG);
    }
    this.#handlers.heard();
  }

  #send(kind: number): void {
    // Nothing is gained by queueing pulses on a path that is stuck.
    if (this.#channel.readyState === 'open' && this.#channel.bufferedAmount === 0) {
      this.#channel.send(Uint8Array.of(kind));
    }
  }
}
