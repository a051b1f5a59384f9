import type { ClientMessage } from './wire';

/** A server that cannot be reached is tried for so long; later it has found out by itself. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 1_000;

/**
 * Leaves for a session that has no open socket, so that nobody sees its ghost: takes it up on another socket, with
 * `hello`, and lets go of it at once.
 */
export function sayGoodbye(open: () => WebSocket, hello: ClientMessage): void {
  const untilMs = performance.now() + PATIENCE_MS;
  const attempt = (): void => {
    const socket = open();
    let isSaid = false;
    socket.onopen = () => {
      isSaid = true;
      socket.send(JSON.stringify(hello));
      socket.send(JSON.stringify({ type: 'leave' } satisfies ClientMessage));
      socket.close(1000, '');
    };
    socket.onclose = () => {
      if (!isSaid && performance.now() + PAUSE_MS < untilMs) {
        setTimeout(attempt, PAUSE_MS);
      }
    };
  };
  try {
    attempt();
  } catch {
    // Sockets are forbidden here: then there is no session either.
  }
}
