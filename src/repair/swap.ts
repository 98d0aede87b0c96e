/**
 * Puts rebuilt tables in the place of the live ones: one RENAME of all of them, which readers see as one.
 *
 *     gate made ──► phase `swapping` ──► RENAME (the gate goes with it) ──► rows of kisflow's own tables, in one transaction
 *                          └── given up: the gate is dropped, and no RENAME that names it can happen any more
 *
 * A statement cannot be fenced by an epoch, and may be under way on a server whose client is dead. So the RENAME also renames a table of
 * this one try, the gate: once that is dropped the try has not happened and never will; once it cannot be found it has.
 */
import { CodedError } from '../lib/error.ts';
import type { Queryable } from '../checkpoint/checkpoint.ts';
import { errnoOf } from '../store/errors.ts';
import { lockWaitErrno } from '../store/lock-holders.ts';
import { quoteName } from '../store/name.ts';
import type { ShadowPlace } from './shadow-tables.ts';

export interface Swap extends ShadowPlace {
  /** The table of this try, in the shadow. */
  readonly gate: string;
}

/** No two tries under one epoch of the flow's lease. */
export function gateName(epoch: number): string {
  return `kis_swap_${epoch}`;
}

export async function makeGate(store: Queryable, { shadow, gate }: Swap): Promise<void> {
  await store.query(`CREATE TABLE ${quoteName(shadow)}.${quoteName(gate)} (id INT PRIMARY KEY)`);
}

/** How long readers may be kept waiting behind a RENAME that waits for one of them. */
const waitSecondsMax = 3;

/** Renames all tables at once. Throws REBUILD_SWAP_BLOCKED when somebody holds one of them, and then nothing has happened. */
export async function renameTables(session: Queryable, swap: Swap): Promise<void> {
  const { flow, main, shadow, tables, gate } = swap;
  const [live, made] = [quoteName(main), quoteName(shadow)];
  const pairs = tables.flatMap((table, i) => [
    `${live}.${quoteName(table)} TO ${made}.${oldName(i)}`,
    `${made}.${quoteName(table)} TO ${live}.${quoteName(table)}`,
  ]);
  await session.query(`SET SESSION lock_wait_timeout = ${waitSecondsMax}`);
  try {
    await session.query(`RENAME TABLE ${made}.${quoteName(gate)} TO ${made}.kis_swapped, ${pairs.join(', ')}`);
  } catch (error) {
    if (errnoOf(error) !== lockWaitErrno) throw error;
    throw new CodedError(
      'REBUILD_SWAP_BLOCKED',
      `Flow ${flow}: ${tables.join(', ')} could not be swapped within ${waitSecondsMax} s`,
      {
        cause: error,
        class: 'retry',
      },
    );
  }
}

/** Names of tables may be as long as names can be: the old ones are numbered. */
function oldName(index: number): string {
  return `kis_old_${index}`;
}

/** True: the swap has not happened, and never will. False: it has happened. */
export async function closeGate(store: Queryable, { shadow, gate }: Swap): Promise<boolean> {
  try {
    await store.query(`DROP TABLE ${quoteName(shadow)}.${quoteName(gate)}`);
    return true;
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'STORE_TABLE_MISSING') throw error;
  }
  await store.query(`SELECT 1 FROM ${quoteName(shadow)}.kis_swapped`); // or else the shadow was taken away by hand: nobody can tell then
  return false;
}

const heldLocksQuery = `
SELECT DISTINCT t.processlist_id AS id, t.processlist_user AS user, t.processlist_host AS host, t.processlist_command AS command
FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id
WHERE l.object_type = 'TABLE' AND l.lock_status = 'GRANTED' AND l.object_schema = ? AND l.object_name IN (?) AND t.processlist_id <> CONNECTION_ID()`;

/** MariaDB with its plugin metadata_lock_info. */
const heldLocksQueryOfMariadb = `
SELECT DISTINCT p.id AS id, p.user AS user, p.host AS host, p.command AS command
FROM information_schema.metadata_lock_info l JOIN information_schema.processlist p ON p.id = l.thread_id
WHERE l.table_schema = ? AND l.table_name IN (?) AND p.id <> CONNECTION_ID()`;

const openTransactionsQuery = `
SELECT t.trx_mysql_thread_id AS id, p.user AS user, p.host AS host, p.command AS command
FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
WHERE t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 3`;

/** Who uses the tables, in words; '' where the server does not tell this account. */
export async function readTableHolders(store: Queryable, { main, tables }: Swap): Promise<string> {
  for (const sql of [heldLocksQuery, heldLocksQueryOfMariadb, openTransactionsQuery]) {
    try {
      const { rows } = await store.query(sql, sql === openTransactionsQuery ? [] : [main, tables]);
      if (rows.length === 0) continue;
      const prefix = sql === openTransactionsQuery ? 'open transactions that may use them' : 'they are used by';
      const holders = rows.slice(0, 3).map((row) => {
        const doing = row.command === 'Sleep' ? ', idle' : '';
        return `connection ${String(row.id)} of ${String(row.user)}@${String(row.host)}${doing}`;
      });
      return `${prefix}: ${holders.join('; ')}`;
    } catch (error) {
      if (!(error instanceof CodedError) || error.class === 'retry') throw error; // else it is another server's, or not for this account
    }
  }
  return '';
}
