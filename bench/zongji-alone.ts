/** Reads the binlog with zongji and nothing else: the most that a source made of it can give. */
import ZongJi from '@vlasky/zongji';
import { answer, peakMemory } from './child-side.ts';
import { zongjiAlone } from './scripts.ts';

await answer(zongjiAlone, async ({ url, file, rows }) => {
  // The same values as the source's connections give: see src/source/server-link.ts.
  const zongji = new ZongJi({
    uri: url,
    timezone: 'Z',
    dateStrings: true,
    jsonStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: false,
  });
  const startedAt = performance.now();
  let seen = 0;
  await new Promise<void>((resolve, reject) => {
    zongji.on('error', reject);
    zongji.on('binlog', (event) => {
      if ('rows' in event) seen += event.rows.length;
      if (seen >= rows) resolve();
    });
    zongji.start({
      serverId: 4_000_000_001,
      filename: file,
      position: 4,
      includeEvents: ['tablemap', 'writerows', 'updaterows', 'deleterows'],
      includeSchema: { bench: ['orders'] },
    });
  });
  const seconds = (performance.now() - startedAt) / 1000;
  zongji.stop();
  return { rows: seen, seconds, peakMb: peakMemory('self') };
});
