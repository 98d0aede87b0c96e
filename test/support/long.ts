import { it } from 'vitest';

/** A test of the long runs: `npm run test:soak` runs the files that have some, with them. Elsewhere it is not declared at all. */
export function itLong(name: string, run: () => Promise<void>, timeoutMs?: number): void {
  if (process.env['KISFLOW_LONG'] === '1') it(name, run, timeoutMs);
}
