import type { SqlAddress } from '../../../src/embedded/server.ts';
import { connectTo } from '../servers.ts';

/** What happens to the definition of a source table while it is written. */
export interface SourceTableContext {
  readonly source: SqlAddress;
  readonly database: string;
}

export async function alterOrders({ source, database }: SourceTableContext, ...specifications: readonly string[]): Promise<void> {
  const connection = await connectTo(source, database);
  for (const specification of specifications) await connection.query(`ALTER TABLE orders ${specification}`);
}

/**
 * Puts a table of another definition in the place of the orders, with writers at work, as pt-online-schema-change does: triggers keep the
 * new one current while it is filled, and one RENAME swaps the two.
 */
export async function swapOrders({ source, database }: SourceTableContext, specification: string): Promise<void> {
  const connection = await connectTo(source, database);
  const columns = 'id, customer, cents, note';
  const row = 'NEW.id, NEW.customer, NEW.cents, NEW.note';
  for (const sql of [
    'CREATE TABLE _orders_new LIKE orders',
    `ALTER TABLE _orders_new ${specification}`,
    `CREATE TRIGGER orders_i AFTER INSERT ON orders FOR EACH ROW REPLACE INTO _orders_new (${columns}) VALUES (${row})`,
    'CREATE TRIGGER orders_d AFTER DELETE ON orders FOR EACH ROW DELETE FROM _orders_new WHERE id = OLD.id',
    `CREATE TRIGGER orders_u AFTER UPDATE ON orders FOR EACH ROW BEGIN
       DELETE FROM _orders_new WHERE id = OLD.id;
       REPLACE INTO _orders_new (${columns}) VALUES (${row});
     END`,
    // locks what it copies, so that no writer's change is overtaken by its copy
    `INSERT IGNORE INTO _orders_new (${columns}) SELECT ${columns} FROM orders FOR UPDATE`,
    'RENAME TABLE orders TO _orders_old, _orders_new TO orders',
    'DROP TABLE _orders_old',
  ])
    await retrying(() => connection.query(sql));
}

/** Writers at work may be in the way. */
async function retrying(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      const isLock = error instanceof Error && 'code' in error && String(error.code).startsWith('ER_LOCK_');
      if (!isLock || tries === 20) throw error;
    }
  }
}
