import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** Orders that were there before. */
export async function fillOrders({ source }: Pick<ShopProject, 'source'>, size: number): Promise<void> {
  for (let first = 1; first <= size; first += 5000) {
    const ids = Array.from({ length: Math.min(5000, size - first + 1) }, (_, i) => first + i);
    const rows = ids.map((id) => [id, id % 50, id % 1000, 'x'.repeat(id % 90)]);
    await source.connection.query('INSERT INTO orders VALUES ?', [rows]);
  }
}

/** Asks as a command does. */
export async function askRebuild({ store }: ShopProject, flows: readonly string[]): Promise<void> {
  for (const flow of flows) {
    await store.connection.query(
      "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at) VALUES (?, 'rebuild', 'waiting', '{}', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
      [flow],
    );
  }
}

/** Of all rebuilds, in the order of their flows. */
export async function rebuildsOf({ store }: ShopProject): Promise<RowDataPacket[]> {
  const [rows] = await store.connection.query<RowDataPacket[]>("SELECT * FROM kis_run WHERE kind = 'rebuild' ORDER BY flow, id");
  return rows;
}

/** Waits until all rebuilds have ended; what became of them. */
export async function endOfRuns(project: ShopProject, deadlineMs = 60_000): Promise<unknown[]> {
  const rows = await waitFor(
    async () => {
      const found = await rebuildsOf(project);
      return found.every(({ open_kind: open }) => open === null) ? found : undefined;
    },
    { deadlineMs, what: 'the end of the rebuilds' },
  );
  return rows.map(({ flow, state, error_code: code }) => ({ flow, state, error_code: code }));
}

/** The databases whose names begin with the store's. */
export async function databasesOf({ store }: ShopProject): Promise<unknown[]> {
  const [rows] = await store.connection.query<RowDataPacket[]>(
    'SELECT schema_name AS name FROM information_schema.schemata WHERE LEFT(schema_name, ?) = ?',
    [store.name.length, store.name],
  );
  return rows.map(({ name }) => name);
}

export async function isInPhase(project: ShopProject, phase: string): Promise<boolean> {
  return (await rebuildsOf(project)).some((run) => run['phase'] === phase);
}

/** Whether an old table stands in a shadow. */
export async function hasSwapped({ store }: ShopProject): Promise<boolean> {
  const [rows] = await store.connection.query<RowDataPacket[]>(
    "SELECT 1 FROM information_schema.tables WHERE LEFT(table_schema, ?) = ? AND table_name = 'kis_old_0'",
    [store.name.length + 5, `${store.name}_kis_`],
  );
  return rows.length > 0;
}

/** Says what an operator wants of the rebuild that has not ended. */
export async function wish({ store }: ShopProject, wanted: 'pause' | 'resume' | 'cancel'): Promise<void> {
  await store.connection.query("UPDATE kis_run SET wish = ? WHERE open_kind = 'rebuild'", [wanted]);
}

/** Reads the totals again and again; an answer that is an error ends it. */
export async function readAlways(
  connection: Connection,
  signal: AbortSignal,
): Promise<{ readonly answers: number; readonly least: number }> {
  let answers = 0;
  let least = Number.POSITIVE_INFINITY;
  while (!signal.aborted) {
    const [[row]] = await connection.query<RowDataPacket[]>('SELECT SUM(n) AS orders FROM totals');
    answers += 1;
    least = Math.min(least, Number(row?.['orders']));
  }
  return { answers, least };
}
