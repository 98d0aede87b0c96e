import { statfsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const memoryFolder = '/dev/shm';
const bytesNeeded = 6 * 1024 ** 3;

/**
 * Servers keep their data in memory where the machine has room for it: they flush as they are set to, and a statement that makes a table
 * takes a third less. The long runs (vitest.soak.config.ts) stay on the disk.
 */
function useMemoryFolder(): void {
  if (process.env['TMPDIR'] !== undefined) return;
  try {
    const { bavail, bsize } = statfsSync(memoryFolder);
    if (bavail * bsize >= bytesNeeded) process.env['TMPDIR'] = memoryFolder;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error; // a system without it
  }
}

useMemoryFolder();

const withServer = ['test/**/*.mysql.test.ts', 'test/**/*.redis.test.ts'];
const never = ['test/soak/**', 'dist/**', 'node_modules/**'];
const common = {
  setupFiles: 'test/support/cleanup-setup.ts',
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 120_000,
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // Each file may run servers of its own: more at once than this starves them of the processor.
    maxWorkers: 2,
    teardownTimeout: 60_000,
    projects: [
      // Reading the code takes longer than most of these tests: a worker reads it once, and not for each file.
      { test: { ...common, name: 'alone', include: ['test/**/*.test.ts'], exclude: [...never, ...withServer], isolate: false } },
      // What a test of these leaves behind when it fails, the next file shall not meet.
      { test: { ...common, name: 'servers', include: withServer, exclude: never } },
    ],
  },
});
