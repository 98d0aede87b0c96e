import { statfsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

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

/** Files of about a minute and more, the longest first. */
const longest = [
  'daemon/rebuild',
  'daemon/store-faults',
  'security/secrets',
  'cli/demo',
  'daemon/dead-rows',
  'daemon/dead-keys',
  'daemon/standby',
];

/** Begins with what takes longest: as the last one it would leave the other workers without work. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/${name}.mysql.test.ts`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

const withServer = ['test/**/*.mysql.test.ts', 'test/**/*.redis.test.ts'];
const never = ['test/soak/**', 'dist/**', 'node_modules/**'];
const common = {
  setupFiles: 'test/support/cleanup-setup.ts',
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 120_000,
  // Of .ci/run, which names what passed only then.
  retry: Number(process.env['KISFLOW_TEST_RETRIES'] ?? 0),
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // Each file may run servers of its own: many more at once starve them of the processor, fewer leave it idle while tests wait.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    teardownTimeout: 60_000,
    projects: [
      // Reading the code takes longer than most of these tests: a worker reads it once, and not for each file.
      { test: { ...common, name: 'alone', include: ['test/**/*.test.ts'], exclude: [...never, ...withServer], isolate: false } },
      // What a test of these leaves behind when it fails, the next file shall not meet.
      { test: { ...common, name: 'servers', include: withServer, exclude: never } },
    ],
  },
});
