type Cleanup = () => Promise<void>;

let register: ((cleanup: Cleanup) => void) | undefined;

/** Whoever runs fixtures says here how they are cleaned up: tests by cleanup-setup.ts, a bench by itself. */
export function registerCleanups(by: (cleanup: Cleanup) => void): void {
  register = by;
}

/** Runs at the end of the test that calls it, or of the file when a hook of the whole file calls it. Last in, first out. */
export function onEnd(cleanup: Cleanup): void {
  if (register === undefined) throw new Error('nobody cleans up: registerCleanups has not been called');
  register(cleanup);
}
