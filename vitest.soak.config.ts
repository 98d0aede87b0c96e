import { defineConfig } from 'vitest/config';

/** The long runs (`npm run test:soak`): minutes to hours each, one after the other. */
export default defineConfig({
  test: {
    include: ['test/soak/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/cleanup-setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 4 * 60 * 60_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
  },
});
