/** Loaded before each test file (setupFiles): cleanups run at the end of a test, or of its file. */
import { afterAll, onTestFinished, TestRunner } from 'vitest';
import { registerCleanups } from './cleanup.ts';

const forFile: (() => Promise<void>)[] = [];

afterAll(async () => {
  for (const cleanup of forFile.toReversed()) await cleanup();
  forFile.length = 0;
}, 120_000);

const atFileEnd = (cleanup: () => Promise<void>): void => void forFile.push(cleanup);

registerCleanups((cleanup) => {
  if (TestRunner.getCurrentTest() === undefined) atFileEnd(cleanup);
  else onTestFinished(cleanup, 120_000);
}, atFileEnd);
