import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const Locked = z.object({
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  dev: z.boolean().optional(),
  devOptional: z.boolean().optional(),
  optional: z.boolean().optional(),
  hasInstallScript: z.boolean().optional(),
  inBundle: z.boolean().optional(),
});
const Lock = z.object({ lockfileVersion: z.number(), packages: z.record(z.string(), Locked) });

const lock = Lock.parse(JSON.parse(readFileSync(join(resolve(import.meta.dirname, '../..'), 'package-lock.json'), 'utf8')));
const packages = Object.entries(lock.packages).filter(([path, each]) => path !== '' && each.inBundle !== true);

const registry = 'https://registry.npmjs.org/';

describe('dependencies', () => {
  it('each comes from a registry, not from a repository or an address, and is held to the bytes it had when it was chosen', () => {
    const loose = packages.filter(
      ([, each]) => !(each.resolved ?? registry).startsWith(registry) || each.integrity?.startsWith('sha512-') !== true,
    );
    expect(loose.map(([path]) => path)).toEqual([]);
    expect(packages.length).toBeGreaterThan(100);
  });

  it('none that the package is installed with runs code when it is installed', () => {
    const scripts = packages.filter(([, each]) => each.hasInstallScript === true && each.dev !== true && each.devOptional !== true);
    expect(scripts.map(([path]) => path)).toEqual([]);
  });
});
