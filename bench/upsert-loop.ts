/** What a program without kisflow would do: the rows in memory, 5,000 to a statement, one after the other. */
import { answer, peakMemory } from './child-side.ts';
import { connectTo } from './connect.ts';
import { orderTransactions, upsertOrders, type OrderRow } from './orders.ts';
import { upsertLoop } from './scripts.ts';

await answer(upsertLoop, async ({ url, table, inserts }) => {
  const rows: OrderRow[] = [];
  for (const transaction of orderTransactions(inserts)) rows.push(...transaction.rows);
  const connection = await connectTo(url);
  const sql = upsertOrders(table);
  const startedAt = performance.now();
  for (let at = 0; at < rows.length; at += 5000) await connection.query(sql, [rows.slice(at, at + 5000)]);
  const seconds = (performance.now() - startedAt) / 1000;
  await connection.end();
  return { rows: rows.length, seconds, peakMb: peakMemory('self') };
});
