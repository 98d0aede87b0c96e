/** `npm run bench`: docs/benchmarks.md says what is measured, and how. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Bench, SmallBench } from './bench.ts';
import { figureTable, type Figure } from './figure.ts';
import { loadNow, machineFacts } from './machine.ts';
import { measureAggregate } from './measure-aggregate.ts';
import { measureDecode } from './measure-decode.ts';
import { measureFaults } from './measure-faults.ts';
import { measureFlow } from './measure-flow.ts';
import { measureLatency } from './measure-latency.ts';
import { measureLineage } from './measure-lineage.ts';
import { measureMemory } from './measure-memory.ts';
import { measureMirror } from './measure-mirror.ts';
import { measureRebuild } from './measure-rebuild.ts';
import { measureReplay } from './measure-replay.ts';
import { measureSnapshot } from './measure-snapshot.ts';
import { measureSource } from './measure-source.ts';
import { measureVerify } from './measure-verify.ts';
import { measurementNames, readOptions, usage, type BenchOptions, type MeasurementName } from './options.ts';
import { serverFacts, startPair } from './server-pair.ts';
import { fillSource } from './source-data.ts';

/** What needs no server. */
const small: Readonly<Partial<Record<MeasurementName, (bench: SmallBench) => Promise<readonly Figure[]>>>> = { flow: measureFlow };

const onServers: Readonly<Partial<Record<MeasurementName, (bench: Bench) => Promise<readonly Figure[]>>>> = {
  decode: measureDecode,
  source: measureSource,
  snapshot: measureSnapshot,
  mirror: measureMirror,
  aggregate: measureAggregate,
  lineage: measureLineage,
  latency: measureLatency,
  memory: measureMemory,
  replay: measureReplay,
  rebuild: measureRebuild,
  verify: measureVerify,
  faults: measureFaults,
};

/** What all measurements of a run have given so far. */
interface Results {
  readonly figures: Figure[];
  readonly loads: Record<string, readonly number[]>;
  readonly failures: Record<string, string>;
}

function log(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Takes the wanted ones of these measurements. One that fails does not keep the others from being taken. */
async function take<Given extends SmallBench>(
  measurements: Readonly<Partial<Record<MeasurementName, (bench: Given) => Promise<readonly Figure[]>>>>,
  bench: Given,
  { figures, loads, failures }: Results,
): Promise<void> {
  for (const name of measurementNames) {
    const measure = measurements[name];
    if (measure === undefined || !bench.options.only.includes(name)) continue;
    loads[name] = loadNow();
    try {
      figures.push(...(await measure(bench)));
    } catch (error) {
      failures[name] = error instanceof Error ? error.message : String(error);
      log(`${name} FAILED: ${failures[name]}`);
    }
  }
}

async function run(options: BenchOptions): Promise<void> {
  const startedAt = new Date();
  const results: Results = { figures: [], loads: {}, failures: {} };
  await take(small, { options, log }, results);
  const servers = options.only.some((name) => onServers[name] !== undefined) ? await runOnServers(options, results) : undefined;
  const { figures, loads, failures } = results;
  const machine = machineFacts();
  const seconds = (Date.now() - startedAt.getTime()) / 1000;
  const report = {
    startedAt: startedAt.toISOString(),
    seconds,
    machine,
    loadBefore: loads,
    options,
    ...servers,
    figures,
    failures,
  };
  if (Object.keys(failures).length > 0) process.exitCode = 1;
  const file = await writeReport(servers === undefined ? 'flow' : options.flavour, report, startedAt);
  process.stdout.write(`${title(machine, servers?.version)}\n\n${figureTable(figures)}\n\n${failed(failures)}${file}\n`);
}

/** Takes what needs servers, on a pair that is there for so long; gives what the report says of them. */
async function runOnServers(options: BenchOptions, results: Results) {
  const pair = await startPair(options.flavour);
  try {
    const { version } = pair.source;
    log(`${options.flavour} ${version}: filling the source with ${options.rows} orders`);
    const data = await fillSource(pair.sourceLink, options.rows);
    log(`${data.changes} row changes in ${data.transactions} transactions, ${data.loadSeconds.toFixed(0)} s`);
    const facts = { source: await serverFacts(pair.sourceLink), store: await serverFacts(pair.storeLink) };
    await take(onServers, { options, pair, data, log }, results);
    return { version, ...facts, data };
  } finally {
    await pair.stop();
  }
}

function title(machine: ReturnType<typeof machineFacts>, version: string | undefined): string {
  return `${version ?? 'no server'}; ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, node ${machine.node}`;
}

function failed(failures: Readonly<Record<string, string>>): string {
  return Object.entries(failures)
    .map(([name, why]) => `${name} FAILED: ${why}\n\n`)
    .join('');
}

async function writeReport(kind: string, report: object, at: Date): Promise<string> {
  const folder = new URL('results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const stamp = at.toISOString().slice(0, 19).replaceAll(':', '');
  const file = new URL(`${stamp}-${kind}.json`, folder);
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
