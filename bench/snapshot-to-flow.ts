/** Tables without a store: chunks, their merge with an idle stream, batches, and a flow of one function that passes its rows on. */
import type * as BuildModule from '../src/flow/build.ts';
import type * as RegistryModule from '../src/flow/registry.ts';
import type * as RunnerModule from '../src/flow/runner.ts';
import type * as LoggerModule from '../src/lib/logger.ts';
import type * as SnapshotModule from '../src/snapshot/table-snapshot.ts';
import type * as ReaderModule from '../src/snapshot/table-reader.ts';
import { importBuilt } from './built.ts';
import { answer, peakMemory } from './child-side.ts';
import { snapshotToFlow } from './scripts.ts';

const { buildFlow } = await importBuilt<typeof BuildModule>('flow/build.js');
const { Registry } = await importBuilt<typeof RegistryModule>('flow/registry.js');
const { runFlow } = await importBuilt<typeof RunnerModule>('flow/runner.js');
const { silentLogger } = await importBuilt<typeof LoggerModule>('lib/logger.js');
const { TableSnapshot } = await importBuilt<typeof SnapshotModule>('snapshot/table-snapshot.js');
const { createTableReader } = await importBuilt<typeof ReaderModule>('snapshot/table-reader.js');

await answer(snapshotToFlow, async ({ url, parallel }) => {
  const stop = new AbortController();
  const reader = createTableReader({ url, logger: silentLogger });
  const describe = () => reader.describe({ schema: 'bench', name: 'orders' }, stop.signal);
  const flow = passFlow();
  const table = await describe();
  let wake: () => void = () => {};
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const snapshot = new TableSnapshot({
    reader,
    table,
    describe,
    mode: 'first',
    read: { cursor: undefined, done: [] },
    where: undefined,
    // the limits of `kisflow run`
    limits: { rowsMax: 5000, bytesMax: 4 * 1024 * 1024, targetMs: 200 },
    parallel,
    recordedBytesMax: 16 * 1024 * 1024,
    isPaused: false,
    onArrived: () => wake(),
    logger: silentLogger,
    signal: stop.signal,
  });
  let rows = 0;
  for (let isLast = false; !isLast;) {
    const arrived = new Promise<void>((resolve) => (wake = resolve));
    const chunk = await snapshot.due(() => 'passed');
    if (chunk === undefined) await arrived;
    if (chunk === undefined) continue;
    isLast = chunk.isLast;
    if (chunk.rows.length === 0) continue;
    const scope = { id: `${rows}`, flow: flow.name, store: null, signal: stop.signal, logger: silentLogger };
    const { steps } = await runFlow(flow, [...chunk.rows], scope);
    rows += steps[0]?.rowsOut ?? 0;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  stop.abort();
  await reader.close();
  return { rows, seconds, cpuSeconds: (user + system) / 1e6, peakMb: peakMemory('self') };
});

function passFlow(): ReturnType<typeof buildFlow> {
  const registry = new Registry();
  registry.registerFunction({
    name: 'Pass',
    run(context, input) {
      for (const row of input) context.commitRow(row);
    },
  });
  return buildFlow({ name: 'pass', steps: [{ fname: 'Pass' }] }, registry);
}
