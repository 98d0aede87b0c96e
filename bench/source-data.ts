import type { Connection, RowDataPacket } from 'mysql2/promise';
import { format } from 'mysql2';
import { askRow } from './connect.ts';
import { createOrders, insertOrders, ordersChecksum, orderTransactions, upsertOrders } from './orders.ts';

/** What the source holds, and what computed tables must hold in the end. */
export interface SourceData {
  readonly inserts: number;
  /** Row changes in the binlog: inserts and updates. */
  readonly changes: number;
  readonly transactions: number;
  readonly binlogFile: string;
  readonly ordersChecksum: string;
  readonly totalsChecksum: string;
  readonly loadSeconds: number;
}

/** The totals that a flow keeps, recomputed. */
const totalsQuery = `SELECT COUNT(*) AS n, SUM(CRC32(CONCAT_WS('|', customer_id, orders, amount))) AS crc FROM (
  SELECT customer_id, COUNT(*) AS orders, SUM(amount) AS amount FROM bench.orders GROUP BY customer_id) AS totals`;

export const keptTotalsQuery =
  "SELECT COUNT(*) AS n, SUM(CRC32(CONCAT_WS('|', customer_id, orders, amount))) AS crc FROM bench.customer_total";

const together = 20;

/** Fills bench.orders; while it does, commits do not wait for the disk (the binlog is the same). */
export async function fillSource(link: Connection, inserts: number): Promise<SourceData> {
  const [rows] = await link.query<RowDataPacket[]>('SHOW BINARY LOGS');
  const binlogFile = String(rows[0]?.['Log_name']);
  await link.query(`CREATE DATABASE bench CHARACTER SET utf8mb4; ${createOrders('bench.orders')}`);
  const startedAt = performance.now();
  const counts = await withoutWaiting(link, () => writeOrders(link, inserts));
  return {
    inserts,
    ...counts,
    binlogFile,
    ordersChecksum: await askRow(link, ordersChecksum('bench.orders')),
    totalsChecksum: await askRow(link, totalsQuery),
    loadSeconds: (performance.now() - startedAt) / 1000,
  };
}

async function writeOrders(link: Connection, inserts: number): Promise<{ changes: number; transactions: number }> {
  const insert = insertOrders('bench.orders');
  const upsert = upsertOrders('bench.orders');
  let waiting: string[] = [];
  let changes = 0;
  let transactions = 0;
  const flush = async (): Promise<void> => {
    if (waiting.length > 0) await link.query(waiting.join(';'));
    waiting = [];
  };
  for (const { isUpdate, rows } of orderTransactions(inserts)) {
    waiting.push(format(isUpdate ? upsert : insert, [rows.map((row) => [...row])]));
    changes += rows.length;
    transactions += 1;
    if (waiting.length === together) await flush();
  }
  await flush();
  return { changes, transactions };
}

async function withoutWaiting<T>(link: Connection, work: () => Promise<T>): Promise<T> {
  const [rows] = await link.query<RowDataPacket[]>('SELECT @@sync_binlog AS sync, @@innodb_flush_log_at_trx_commit AS flush');
  await link.query('SET GLOBAL sync_binlog = 0, GLOBAL innodb_flush_log_at_trx_commit = 2');
  try {
    return await work();
  } finally {
    await link.query('SET GLOBAL sync_binlog = ?, GLOBAL innodb_flush_log_at_trx_commit = ?', [
      rows[0]?.['sync'],
      rows[0]?.['flush'],
    ]);
  }
}
