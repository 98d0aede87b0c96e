import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { packageFile } from '../../lib/package-file.ts';

/** kisflow's own version. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return z.object({ version: z.string() }).parse(manifest).version;
}
