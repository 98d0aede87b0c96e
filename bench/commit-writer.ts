/** Commits orders at a steady rate over several connections, and notes when each commit's answer came. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { answer, sayReady, steadyNow } from './child-side.ts';
import { connectTo } from './connect.ts';
import { insertOrders, orderRow } from './orders.ts';
import { commitWriter } from './scripts.ts';

await answer(commitWriter, async (input) => {
  const { url, table, firstId, commits, rowsPerCommit, perSecond, connections, thenTo } = input;
  const sql = insertOrders(table);
  const links = await Promise.all(Array.from({ length: connections }, () => connectTo(url)));
  const thenLinks = thenTo === undefined ? [] : await Promise.all(links.map(() => connectTo(thenTo.url)));
  const thenSql = insertOrders(thenTo?.table ?? '');
  const committedAt = Array.from({ length: commits }, () => 0);
  const tookMs = Array.from({ length: commits }, () => 0);
  sayReady();
  const startedAt = steadyNow();
  let next = 0;
  const writeAll = async (link: Connection, thenLink: Connection | undefined): Promise<void> => {
    while (next < commits) {
      const number = next;
      next += 1;
      const early = perSecond === 0 ? 0 : startedAt + (number * 1000) / perSecond - steadyNow();
      if (early > 0.5) await sleep(early);
      const rows = Array.from({ length: rowsPerCommit }, (_, i) => orderRow(firstId + number * rowsPerCommit + i, 0));
      const sentAt = steadyNow();
      await link.query(sql, [rows]);
      const at = steadyNow();
      committedAt[number] = at;
      tookMs[number] = at - sentAt;
      await thenLink?.query(thenSql, [rows]);
    }
  };
  await Promise.all(links.map((link, i) => writeAll(link, thenLinks[i])));
  const achieved = (commits * 1000) / (steadyNow() - startedAt);
  await Promise.all([...links, ...thenLinks].map((link) => link.end()));
  return { committedAt, tookMs, achieved };
});
