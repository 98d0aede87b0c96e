/** The daemon without its store: binlog source, feed, batches and a flow of one function that passes its rows on. */
import type * as RowsModule from '../src/daemon/batch-rows.ts';
import type * as BatchModule from '../src/daemon/batch.ts';
import type * as FeedModule from '../src/daemon/feed.ts';
import type * as BuildModule from '../src/flow/build.ts';
import type * as RegistryModule from '../src/flow/registry.ts';
import type * as RunnerModule from '../src/flow/runner.ts';
import type * as LoggerModule from '../src/lib/logger.ts';
import type * as SourceModule from '../src/source/binlog-source.ts';
import { importBuilt } from './built.ts';
import { answer, peakMemory } from './child-side.ts';
import { sourceToFlow } from './scripts.ts';

const { batchId } = await importBuilt<typeof BatchModule>('daemon/batch.js');
const { batchRows } = await importBuilt<typeof RowsModule>('daemon/batch-rows.js');
const { FlowFeed } = await importBuilt<typeof FeedModule>('daemon/feed.js');
const { buildFlow } = await importBuilt<typeof BuildModule>('flow/build.js');
const { Registry } = await importBuilt<typeof RegistryModule>('flow/registry.js');
const { runFlow } = await importBuilt<typeof RunnerModule>('flow/runner.js');
const { silentLogger } = await importBuilt<typeof LoggerModule>('lib/logger.js');
const { createBinlogSource } = await importBuilt<typeof SourceModule>('source/binlog-source.js');

await answer(sourceToFlow, async ({ url, rows }) => {
  const stop = new AbortController();
  const source = createBinlogSource({ name: 'bench', url, serverId: 0, logger: silentLogger });
  const { hasGtid } = await source.inspect(stop.signal);
  const start = await source.resolve({ kind: 'earliest' }, stop.signal);
  const wants = (schema: string, table: string): boolean => schema === 'bench' && table === 'orders';
  // The limits of `kisflow run`.
  const limits = { queueBytesMax: 8 * 1024 * 1024, batch: { rows: 5000, bytes: 4 * 1024 * 1024 } };
  const feed = new FlowFeed({ flow: 'pass', start, hasGtid, wants, ...limits });
  const flow = passFlow();

  const startedAt = performance.now();
  const reading = source.read({ from: start, sink: feed, wants, signal: stop.signal });
  reading.catch((error: unknown) => feed.fail(error instanceof Error ? error : new Error(String(error))));
  let seen = 0;
  while (seen < rows) {
    const batch = await feed.take(stop.signal);
    if (batch === undefined) break;
    const { rows: input } = batchRows(batch, 'after');
    if (input.length === 0) continue;
    const scope = { id: batchId(flow.name, batch), flow: flow.name, store: null, signal: stop.signal, logger: silentLogger };
    const { steps } = await runFlow(flow, input, scope);
    seen += steps[0]?.rowsOut ?? 0;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  stop.abort();
  await reading;
  await source.close();
  return { rows: seen, seconds, peakMb: peakMemory('self') };
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
