/** Reads the binlog by the source and counts its rows: what zongji-alone.ts does with zongji. */
import type * as LoggerModule from '../src/lib/logger.ts';
import type * as SourceModule from '../src/source/binlog-source.ts';
import { importBuilt } from './built.ts';
import { answer, peakMemory } from './child-side.ts';
import { sourceAlone } from './scripts.ts';

const { silentLogger } = await importBuilt<typeof LoggerModule>('lib/logger.js');
const { createBinlogSource } = await importBuilt<typeof SourceModule>('source/binlog-source.js');

await answer(sourceAlone, async ({ url, rows, columns }) => {
  const stop = new AbortController();
  const source = createBinlogSource({ name: 'bench', url, serverId: 0, logger: silentLogger });
  const from = await source.resolve({ kind: 'earliest' }, stop.signal);
  const wanted = columns === undefined ? undefined : new Set(columns);
  const startedAt = performance.now();
  let seen = 0;
  await source.read({
    from,
    wants: (schema, table) => schema === 'bench' && table === 'orders',
    columns: () => wanted,
    signal: stop.signal,
    sink: {
      push({ groups }) {
        for (const group of groups) seen += group.op === 'delete' ? group.before.length : group.after.length;
        if (seen >= rows) stop.abort();
        return undefined;
      },
    },
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await source.close();
  return { rows: seen, seconds, peakMb: peakMemory('self') };
});
