import type { StoreTransaction } from './contract.ts';

/** "Lock wait timeout exceeded": of a row's lock and of a table's. */
export const lockWaitErrno = 1205;

/** Transactions that have been open for so long. InnoDB counts in the server's own time zone. */
const holdersQuery = `SELECT t.trx_mysql_thread_id AS id, p.user AS user, p.host AS host, p.command AS command,
  TIMESTAMPDIFF(SECOND, t.trx_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM')) AS seconds
  FROM information_schema.innodb_trx t LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
  WHERE t.trx_mysql_thread_id NOT IN (0, ?) HAVING seconds >= ? ORDER BY seconds DESC LIMIT 3`;

/** A lock that was waited for in vain has been held for longer than that. */
const secondsMin = 5;

/**
 * Who may hold a lock that connection `waiter` has waited for: the oldest open transactions, in words; '' where there are none.
 * Rejects where the account may not see them (PROCESS). Which of them it is the server tells only while one waits.
 */
export async function readLockHolders(store: Pick<StoreTransaction, 'query'>, waiter: number): Promise<string> {
  const { rows } = await store.query(holdersQuery, [waiter, secondsMin]);
  return rows
    .map((row) => {
      const account = row['user'] === null ? '' : ` of ${String(row['user'])}@${String(row['host'])}`;
      const doing = row['command'] === 'Sleep' ? ', idle' : '';
      return `connection ${String(row['id'])}${account} (open for ${String(row['seconds'])} s${doing})`;
    })
    .join(', ');
}
