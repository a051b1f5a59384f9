/** The one polite live region: everything that screen readers should say unasked goes through here. */
import { signal } from '@preact/signals';

const spoken = signal('');
const waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

/** Messages close together are spoken as one, because a region that changes twice quickly loses the first. */
const GATHER_MS = 300;

export function announce(message: string): void {
  waiting.push(message);
  timer ??= setTimeout(() => {
    timer = undefined;
    const next = waiting.splice(0).join(' ');
    // The same words again are a change only if something differs.
    spoken.value = next === spoken.value ? `${next}\u00a0` : next;
  }, GATHER_MS);
}

export function Announcer() {
  return (
    <div role="status" aria-live="polite" class="visually-hidden">
      {spoken}
    </div>
  );
}
