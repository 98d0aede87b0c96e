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

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', 'dist/**', 'node_modules/**'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/cleanup-setup.ts'],
    pool: 'forks',
    // Each file may run servers of its own: more at once than this starves them of the processor.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
