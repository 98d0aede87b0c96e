/** Looks again and again which orders can be seen in the store, from a connection of its own, and notes when each was first seen. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { answer, sayReady, steadyNow } from './child-side.ts';
import { connectTo } from './connect.ts';
import { visiblePoller } from './scripts.ts';

await answer(visiblePoller, async ({ url, table, firstId, rows, pauseMs, deadlineMs }) => {
  const link = await connectTo(url);
  await link.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  const seenAt = Array.from({ length: rows }, () => 0);
  sayReady();
  const startedAt = steadyNow();
  let seen = 0;
  let polls = 0;
  /** All rows before this one have been seen: commits of several connections need not come in the order of their ids. */
  let low = 0;
  while (seen < rows && steadyNow() - startedAt < deadlineMs) {
    const [found] = await link.query<RowDataPacket[]>(
      `SELECT id FROM ${table} WHERE id BETWEEN ${firstId + low} AND ${firstId + rows - 1} ORDER BY id LIMIT 5000`,
    );
    const at = steadyNow();
    polls += 1;
    for (const row of found) {
      const number = Number(row['id']) - firstId;
      if (seenAt[number] !== 0) continue;
      seenAt[number] = at;
      seen += 1;
    }
    while (low < rows && seenAt[low] !== 0) low += 1;
    await sleep(pauseMs);
  }
  const periodMs = (steadyNow() - startedAt) / polls;
  await link.end();
  return { seenAt, periodMs };
});
