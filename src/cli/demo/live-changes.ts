import { createConnection, type Connection } from 'mysql2/promise';
import { sleep } from '../../lib/abort.ts';
import { SchoolChanges } from './school-changes.ts';
import { firstCustomers, ShopChanges } from './shop-changes.ts';
import { between, makeRandom, type PlannedTransaction, type Random } from './transaction.ts';

/** What has been committed so far. */
export interface ChangeCounts {
  transactions: number;
  /** Rows really changed: what the binlog holds. */
  changes: number;
}

export interface LiveChangesOptions {
  readonly url: string;
  readonly seed: number;
  readonly counts: ChangeCounts;
  /** Ends the changes, behind a whole transaction. */
  readonly signal: AbortSignal;
}

/** The id of the student, the order and the customer of the very last transaction. */
export const lastId = 999_999_999;

/** The transaction behind all others: once its effects are seen, those of all before it are there too. */
const lastTransaction: PlannedTransaction = {
  statements: [
    { sql: 'INSERT INTO school.student_score VALUES (?, 60, 70, 80)', params: [lastId] },
    { sql: "INSERT INTO shop.customers (customer_id, name) VALUES (?, 'The last one')", params: [lastId] },
    { sql: "INSERT INTO shop.orders VALUES (?, ?, 'paid', 0.99, NOW(3), NOW(3))", params: [lastId, lastId] },
  ],
};

const pauseMsMax = 12;

/** Changes the school and the shop, each on a connection of its own, until the signal; then commits the last transaction. */
export async function runLiveChanges({ url, seed, counts, signal }: LiveChangesOptions): Promise<void> {
  const school = makeRandom(seed);
  const shop = makeRandom(seed + 1);
  await withConnection(url, (connection) => runTransaction(connection, firstCustomers, counts));
  await Promise.all([
    runLoop({ url, counts, signal, random: school, plan: new SchoolChanges(school) }),
    runLoop({ url, counts, signal, random: shop, plan: new ShopChanges(shop) }),
  ]);
  await withConnection(url, (connection) => runTransaction(connection, lastTransaction, counts));
}

interface Loop extends Omit<LiveChangesOptions, 'seed'> {
  readonly random: Random;
  readonly plan: { next(): PlannedTransaction };
}

function runLoop({ url, counts, signal, random, plan }: Loop): Promise<void> {
  return withConnection(url, async (connection) => {
    while (!signal.aborted) {
      await runTransaction(connection, plan.next(), counts);
      await sleep(between(random, 0, pauseMsMax), signal);
    }
  });
}

/** Runs one transaction as planned, and counts what it committed. */
export async function runTransaction(connection: Connection, plan: PlannedTransaction, counts: ChangeCounts): Promise<void> {
  await connection.beginTransaction();
  let changes = 0;
  for (const { sql, params } of plan.statements) {
    const [result] = await connection.query(sql, [...(params ?? [])]);
    if ('affectedRows' in result) changes += result.affectedRows;
  }
  if (plan.isRolledBack === true) {
    await connection.rollback();
    return;
  }
  await connection.commit();
  counts.transactions += 1;
  counts.changes += changes;
}

/** A connection that counts changed rows as affected, not found ones. */
export async function withConnection<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection({ uri: url, flags: ['-FOUND_ROWS'], dateStrings: true, multipleStatements: true });
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
}
