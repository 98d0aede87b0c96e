/**
 * Audits the dependencies that the package is installed with, and tells three outcomes apart: nothing found (exit code 0), something
 * found (1), and not done, because the registry does not answer such questions or there is no network. The last one is no pass: it
 * says so, last line first, and is a failure (2) where KISFLOW_REQUIRE_AUDIT is set. A run without network must not go red for it alone.
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';

const Counts = z.object({ moderate: z.number(), high: z.number(), critical: z.number() });
const Audit = z.object({
  metadata: z.object({ vulnerabilities: Counts }),
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), range: z.string() })),
});
const Failure = z.object({ message: z.string() });

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // npm died before it said anything
  }
}

const { stdout, stderr, error } = spawnSync('npm', ['audit', '--omit=dev', '--audit-level=moderate', '--json'], {
  encoding: 'utf8',
});
const said = readJson(stdout ?? '');
const audit = Audit.safeParse(said);
if (audit.success) {
  const { moderate, high, critical } = audit.data.metadata.vulnerabilities;
  for (const [name, { severity, range }] of Object.entries(audit.data.vulnerabilities))
    console.log(`${severity}: ${name} ${range}`);
  console.log(`audited: ${critical} critical, ${high} high, ${moderate} moderate`);
  process.exitCode = moderate + high + critical > 0 ? 1 : 0;
} else {
  const failure = Failure.safeParse(said);
  const why = failure.success
    ? failure.data.message
    : (error?.message ?? (stderr ?? '').trim().split('\n')[0] ?? 'npm said nothing');
  console.log(`NOT AUDITED: ${why}`);
  process.exitCode = process.env['KISFLOW_REQUIRE_AUDIT'] === undefined ? 0 : 2;
}
