import { afterAll, onTestFinished, TestRunner } from 'vitest';

type Cleanup = () => Promise<void>;

const forFile: Cleanup[] = [];

// Registered once a test file, by the import.
afterAll(async () => {
  for (const cleanup of forFile.toReversed()) await cleanup();
  forFile.length = 0;
}, 120_000);

/** Runs at the end of the test that calls it, or of the file when a hook of the whole file calls it. Last in, first out. */
export function onEnd(cleanup: Cleanup): void {
  if (TestRunner.getCurrentTest() === undefined) forFile.push(cleanup);
  else onTestFinished(cleanup, 120_000);
}
