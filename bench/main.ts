/** `npm run bench`: docs/benchmarks.md says what is measured, and how. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import { figureTable, type Figure } from './figure.ts';
import { loadNow, machineFacts } from './machine.ts';
import { measureAggregate } from './measure-aggregate.ts';
import { measureLatency } from './measure-latency.ts';
import { measureMemory } from './measure-memory.ts';
import { measureMirror } from './measure-mirror.ts';
import { measureSource } from './measure-source.ts';
import { measurementNames, readOptions, usage, type BenchOptions, type MeasurementName } from './options.ts';
import { serverFacts, startPair } from './server-pair.ts';
import { fillSource } from './source-data.ts';

const measurements: Readonly<Record<MeasurementName, (bench: Bench) => Promise<readonly Figure[]>>> = {
  source: measureSource,
  mirror: measureMirror,
  aggregate: measureAggregate,
  latency: measureLatency,
  memory: measureMemory,
};

function log(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function run(options: BenchOptions): Promise<void> {
  const startedAt = new Date();
  const pair = await startPair(options.flavour);
  try {
    log(`${options.flavour} ${pair.source.version}: filling the source with ${options.rows} orders`);
    const data = await fillSource(pair.sourceLink, options.rows);
    log(`${data.changes} row changes in ${data.transactions} transactions, ${data.loadSeconds.toFixed(0)} s`);
    const bench: Bench = { options, pair, data, log };
    const figures: Figure[] = [];
    const loads: Record<string, readonly number[]> = {};
    const failures: Record<string, string> = {};
    for (const name of measurementNames) {
      if (!options.only.includes(name)) continue;
      loads[name] = loadNow();
      const measured = await measurements[name](bench).catch((error: unknown) => {
        failures[name] = error instanceof Error ? error.message : String(error);
        log(`${name} FAILED: ${failures[name]}`);
        return [];
      });
      figures.push(...measured);
    }
    const report = {
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      machine: machineFacts(),
      loadBefore: loads,
      options,
      source: await serverFacts(pair.sourceLink),
      store: await serverFacts(pair.storeLink),
      data,
      figures,
      failures,
    };
    if (Object.keys(failures).length > 0) process.exitCode = 1;
    const file = await writeReport(options, report, startedAt);
    process.stdout.write(
      `${title(report.machine, pair.source.version)}\n\n${figureTable(figures)}\n\n${failed(failures)}${file}\n`,
    );
  } finally {
    await pair.stop();
  }
}

function title(machine: ReturnType<typeof machineFacts>, version: string): string {
  return `${version}; ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, node ${machine.node}`;
}

function failed(failures: Readonly<Record<string, string>>): string {
  return Object.entries(failures)
    .map(([name, why]) => `${name} FAILED: ${why}\n\n`)
    .join('');
}

async function writeReport(options: BenchOptions, report: object, at: Date): Promise<string> {
  const folder = new URL('results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const stamp = at.toISOString().slice(0, 19).replaceAll(':', '');
  const file = new URL(`${stamp}-${options.flavour}.json`, folder);
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  return fileURLToPath(file);
}

// A signal ends us in the ordinary way, so that servers and daemons end with us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

let options: BenchOptions | undefined;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  log(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
if (options !== undefined) await run(options);
