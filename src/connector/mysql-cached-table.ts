import { CodedError } from '../lib/error.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import type { ConnectorOptions } from './contract.ts';
import { ShapeCache } from './mysql-plan.ts';
import { parseTableName, readTable, type TableDefinition } from './mysql-table.ts';

/** The server's errors that show that the definition is another one: unknown column, count of values, unknown table. */
const staleErrnos: ReadonlySet<number> = new Set([1054, 1136, 1146]);
/** A column without a default is not given: it may have been added since. */
const requiredErrno = 1364;

/**
 * The table's definition: read once, and again when a row or the server shows that it has changed. Columns may come and go; an altered
 * primary key, or a new column that every row must give, ends the flow, because it would write other rows than it means.
 */
export class CachedTable {
  readonly #options: ConnectorOptions;
  #shapes: ShapeCache | undefined;
  /** Columns that every row had to give when the table was first read. */
  #required: readonly string[] = [];
  #hasRead = false;
  /** What each flow's last rows were written by: flows may share a connector, and each has to learn that the key is another one. */
  readonly #written = new Map<string, TableDefinition>();
  /** Transactions that have looked at the key: it cannot be altered before they end. */
  readonly #checked = new WeakSet<StoreTransaction>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** Reads the definition only when it is not known, or when the work finds a column in its rows that may have been added since. */
  async use<T>(store: StoreTransaction, work: (shapes: ShapeCache) => T | Promise<T>): Promise<T> {
    const known = this.#shapes;
    if (known !== undefined) {
      try {
        return await work(known);
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'STORE_COLUMN_UNKNOWN') throw error;
      }
    }
    return work(await this.#read(store));
  }

  /** Notes what the server's error says about the definition. */
  async watch<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const errno = errnoOf(error) ?? 0;
      if (staleErrnos.has(errno)) this.#shapes = undefined;
      throw error;
    }
  }

  /**
   * Before a transaction's first write, whose statements were made for `table`: rejects with STORE_TABLE_ALTERED when the primary key is not
   * that, or not the one that the flow wrote by before. Without it an upsert would make second rows, and the server would not mind. A
   * question of 0.1 ms to a server nearby; the table is not altered until the transaction ends.
   */
  async requireKey(
    store: StoreTransaction,
    { table, flow }: { readonly table: TableDefinition; readonly flow: string },
  ): Promise<void> {
    if (this.#checked.has(store)) return;
    this.#requireSameKey(flow, this.#written.get(flow) ?? table, table);
    this.#written.set(flow, table);
    if (table.primaryKey.length === 0) return;
    if (hasUnaskedColumn(table) || !(await this.#hasKey(store, table)))
      this.#requireSameKey(flow, table, (await this.#read(store)).table);
    this.#checked.add(store);
  }

  async #hasKey(store: StoreTransaction, table: TableDefinition): Promise<boolean> {
    const names = table.primaryKey.map(({ name }) => name);
    const columns = table.primaryKey.map(({ sql }) => sql).join(', ');
    const { keyColumns = [] } = await this.watch(store.query(`SELECT *, ${columns} FROM ${table.sql} LIMIT 0`));
    return keyColumns.toSorted().join() === names.toSorted().join();
  }

  /** After a refusal: rejects with STORE_TABLE_ALTERED where it is not the row that is at fault. */
  async requireUnaltered(store: StoreTransaction, refusal: unknown): Promise<void> {
    if (errnoOf(refusal) !== requiredErrno) return;
    const { table } = await this.#read(store);
    const added = requiredOf(table).filter((column) => !this.#required.includes(column));
    if (added.length === 0) return;
    throw altered(table, `it has a new column that every row must give: ${added.join(', ')}. Give it a default, or let it be NULL`);
  }

  async #read(store: StoreTransaction): Promise<ShapeCache> {
    const { key, name } = this.#options;
    if (key === '') throw new CodedError('STORE_TABLE_MISSING', `Connector ${name} names no table: write its key`);
    const table = await readTable(store, parseTableName(key, store.database));
    if (!this.#hasRead) this.#required = requiredOf(table);
    this.#hasRead = true;
    // what was found of its rows' shapes stays
    if (this.#shapes === undefined || !isSame(this.#shapes.table, table)) this.#shapes = new ShapeCache(table);
    return this.#shapes;
  }

  #requireSameKey(flow: string, before: TableDefinition, now: TableDefinition): void {
    if (keyOf(before) === keyOf(now)) return;
    // whoever resumes the flow has seen to it, and may have altered it back
    this.#written.delete(flow);
    this.#shapes = undefined;
    const key = now.primaryKey.length === 0 ? 'there is none now' : `it is ${keyOf(now)} now`;
    throw altered(
      now,
      `its primary key was ${keyOf(before)}, and ${key}; compare its rows with the source's before the flow goes on`,
    );
  }
}

/** The driver asks for no column of such a name: it makes objects of rows, and these are names of what every object has. */
function hasUnaskedColumn({ columns }: TableDefinition): boolean {
  return [...columns.values()].some(({ name }) => /^__(proto|(define|lookup)(Getter|Setter))__$/.test(name));
}

function requiredOf({ columns }: TableDefinition): readonly string[] {
  return [...columns.values()].filter(({ isRequired }) => isRequired).map(({ name }) => name);
}

function keyOf({ primaryKey }: TableDefinition): string {
  return primaryKey.map(({ name }) => name).join(', ') || '(none)';
}

function isSame(a: TableDefinition, b: TableDefinition): boolean {
  const [one, other] = [a, b].map(({ columns, primaryKey, hasSecondaryUnique }) =>
    JSON.stringify([[...columns], primaryKey, hasSecondaryUnique]),
  );
  return one === other;
}

function altered({ id }: TableDefinition, what: string): CodedError {
  return new CodedError('STORE_TABLE_ALTERED', `The table ${id} was altered under its flow: ${what}.`, { details: { table: id } });
}
