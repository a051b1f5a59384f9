/** Where asking is of no use (a page may be forbidden to ask), a socket is tried all the same after so many noes. */
const MOST_NOES = 20;

/**
 * Decides whether to ask for the server over HTTP before a socket is opened. Browsers answer failed sockets with delays
 * of their own, Firefox with up to a minute, so that frequent attempts would come back late; requests are not delayed.
 */
export class Doubt {
  #isDoubtful = false;
  #noes = 0;

  /** Whether to ask first. */
  shallAsk(): boolean {
    return this.#isDoubtful && this.#noes < MOST_NOES;
  }

  /** The server did not answer the question. */
  handleNo(): void {
    this.#noes += 1;
  }

  /** A socket could not be opened. */
  handleFailed(): void {
    this.#isDoubtful = true;
    this.#noes = 0;
  }

  /** A socket was opened. */
  handleOpened(): void {
    this.#isDoubtful = false;
  }
}

/** Asks whether the server behind a WebSocket address answers HTTP; a proxy in front of it says when it is gone. */
export async function isServerUp(url: string, signal: AbortSignal): Promise<boolean> {
  const health = new URL('../healthz', url);
  health.protocol = health.protocol === 'wss:' ? 'https:' : 'http:';
  try {
    const { status } = await fetch(health, { mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal });
    return status < 502 || status > 504;
  } catch {
    return false;
  }
}
