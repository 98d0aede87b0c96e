import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Files of other folders that have long tests (test/support/long.ts). */
const withLongTests = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('test', file))
  .filter((file) => readFileSync(file, 'utf8').includes('itLong('));

/** The long runs (`npm run test:soak`): minutes to hours each, one after the other. */
export default defineConfig({
  test: {
    include: ['test/soak/**/*.test.ts', ...withLongTests],
    env: { KISFLOW_LONG: '1' },
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/cleanup-setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 4 * 60 * 60_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
  },
});
