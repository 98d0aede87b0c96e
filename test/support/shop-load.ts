import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { onEnd } from './cleanup.ts';
import { writeOrders } from './shop-project.ts';

export interface ShopLoad {
  /** Transactions that were done so far. */
  readonly transactions: number;
  /** Ends it; rejects with what broke it, other than a source that was gone. */
  stop(): Promise<void>;
}

export interface ShopLoadOptions {
  readonly random: () => number;
  readonly pauseMs?: number;
  /** So many orders stay when it connects anew, so that a long run does not grow slow. */
  readonly rowsMax?: number;
}

/** Changes the orders of a shop project as `writeOrders` does, through kills and restarts of its source. Ends with the test. */
export function startLoad(server: SqlAddress, database: string, options: ShopLoadOptions): ShopLoad {
  const { random, pauseMs = 0, rowsMax = 20_000 } = options;
  const over = new AbortController();
  let transactions = 0;
  const writeOnce = async (): Promise<void> => {
    const { host, port, user, password } = server;
    const connection = await createConnection({ host, port, user, password, database });
    connection.on('error', () => {}); // the statement at hand has it
    try {
      const first = await shrink(connection, rowsMax);
      await writeOrders(connection, { signal: over.signal, random, pauseMs, first, onTransaction: () => (transactions += 1) });
    } finally {
      connection.destroy();
    }
  };
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        await writeOnce();
      } catch (error) {
        if (!isGone(error)) throw error;
        await delay(50);
      }
    }
  };
  const running = run();
  running.catch(() => {}); // `stop` says it
  onEnd(async () => over.abort());
  return {
    get transactions() {
      return transactions;
    },
    async stop() {
      over.abort();
      await running;
    },
  };
}

/** Removes the oldest orders where there are too many; gives an id that no order ever had. */
async function shrink(connection: Connection, rowsMax: number): Promise<number> {
  const [rows] = await connection.query<(RowDataPacket & { n: number; last: number | null })[]>(
    'SELECT COUNT(*) AS n, MAX(id % 10000000) AS last FROM orders',
  );
  const surplus = (rows[0]?.n ?? 0) - rowsMax;
  if (surplus > 0) await connection.query('DELETE FROM orders ORDER BY id % 10000000 LIMIT ?', [surplus]);
  return (rows[0]?.last ?? 0) + 1;
}

/** The server has gone, is going, or is not there yet. */
function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code: unknown = Reflect.get(error, 'code');
  return Reflect.get(error, 'fatal') === true || /^(ECONN|EPIPE|PROTOCOL_|ER_SERVER_SHUTDOWN)/.test(String(code));
}
