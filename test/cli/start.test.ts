import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** Says on stderr which packages were required, when the process ends. */
const spy = `import { createRequire } from 'node:module';
const { cache } = createRequire('${dist}/');
process.on('exit', () => {
  const packages = Object.keys(cache).map((file) => file.replace(/.*node_modules\\/((@[^/]+\\/)?[^/]+).*/, '$1'));
  process.stderr.write(JSON.stringify([...new Set(packages)]));
});`;

/** The packages of CommonJS that a file of the build loads. */
function packagesOf(file: string, ...args: string[]): readonly string[] {
  const node = ['--import', `data:text/javascript,${encodeURIComponent(spy)}`];
  const { stderr } = spawnSync(process.execPath, [...node, join(dist, file), ...args], { encoding: 'utf8' });
  const packages: unknown = JSON.parse(stderr);
  return Array.isArray(packages) ? packages.map(String) : [];
}

describe('a start loads only what it needs', () => {
  it('the overview loads no package', () => {
    expect(packagesOf('main.js', '--help')).toEqual([]);
  });

  it.each(['status', 'check', 'run'])('%s loads the driver, and nothing of metrics, traces or TypeScript', (command) => {
    const packages = packagesOf('main.js', command, '--help');
    expect(packages).toContain('mysql2');
    for (const later of [
      'prom-client',
      '@opentelemetry/api',
      '@opentelemetry/sdk-trace-base',
      'jiti',
      'ioredis',
      'testcontainers',
    ]) {
      expect(packages).not.toContain(later);
    }
  });

  it('functions that import kisflow do not pay for metrics', () => {
    expect(packagesOf('index.js')).not.toContain('prom-client');
  });

  it('what makes metrics and traces loads them', () => {
    const part = (name: string): string =>
      join('part', readdirSync(join(dist, 'part')).find((file) => file.startsWith(`${name}-`)) ?? '');
    expect(packagesOf(part('daemon-metrics'))).toContain('prom-client');
    expect(packagesOf(part('tracing'))).toContain('@opentelemetry/sdk-trace-base');
  });
});
