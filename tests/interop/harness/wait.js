/** Waits until `check` returns something true, and returns it. Fails after a time that nothing takes on the slowest machine. */
export async function until(what, check, { patience = 30_000 } = {}) {
  const end = performance.now() + patience;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (performance.now() > end) throw new Error(`still waiting: ${typeof what === 'function' ? what() : what}`);
    await pause(10);
  }
}

/** Lets time pass: between the edits of people, say. Never to wait for something. */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
