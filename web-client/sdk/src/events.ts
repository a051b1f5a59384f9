/** A map from event name to handler; every event of a class is declared in one such type. */
export type HandlerMap<Events> = { [K in keyof Events]: (...args: never[]) => void };

/** A handler that throws must not stop the others or the SDK itself, and must not go unnoticed either. */
function callGuarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Typed events with an unsubscribe function instead of `off`. */
export class Emitter<Events extends HandlerMap<Events>> {
  readonly #handlers = new Map<keyof Events, Set<(...args: never[]) => void>>();

  /** Calls `handler` at every `event` until the returned function is called. */
  on<K extends keyof Events>(event: K, handler: Events[K]): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers);
    // A wrapper of its own for every call, so that the same function registered twice is unsubscribed once.
    const registered = (...args: never[]) => handler(...args);
    handlers.add(registered);
    return () => {
      handlers.delete(registered);
    };
  }

  /** Calls the handlers of `event` in the order they were registered. */
  emit<K extends keyof Events>(event: K, ...args: Parameters<Events[K]>): void {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      callGuarded(() => handler(...(args as never[])));
    }
  }
}

/** Listeners of a snapshot store: told that something changed, not what. */
export class Listeners {
  readonly #listeners = new Set<() => void>();

  /** Calls `listener` after every change until the returned function is called. */
  add(listener: () => void): () => void {
    const registered = () => listener();
    this.#listeners.add(registered);
    return () => {
      this.#listeners.delete(registered);
    };
  }

  /** Whether nobody listens. */
  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Tells everybody. */
  notify(): void {
    for (const listener of [...this.#listeners]) {
      callGuarded(listener);
    }
  }
}
