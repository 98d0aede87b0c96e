type Cleanup = () => Promise<void>;

type Register = (cleanup: Cleanup) => void;

const nobody = 'nobody cleans up: registerCleanups has not been called';

let register: Register | undefined;
let registerForFile: Register | undefined;

/** Whoever runs fixtures says here how they are cleaned up: tests by cleanup-setup.ts, a bench by itself. */
export function registerCleanups(by: Register, forFileBy: Register = by): void {
  register = by;
  registerForFile = forFileBy;
}

/** Runs at the end of the test that calls it, or of the file when a hook of the whole file calls it. Last in, first out. */
export function onEnd(cleanup: Cleanup): void {
  if (register === undefined) throw new Error(nobody);
  register(cleanup);
}

/** Runs at the end of the file, whoever calls it. */
export function onFileEnd(cleanup: Cleanup): void {
  if (registerForFile === undefined) throw new Error(nobody);
  registerForFile(cleanup);
}
