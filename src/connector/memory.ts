import { CodedError } from '../lib/error.ts';
import { isChange, type Row } from '../row/change.ts';
import type { BatchScope, Connector, ConnectorOptions, ConnectorSession } from './contract.ts';

type SaveMode = 'upsert' | 'insert' | 'update';

/**
 * A table in memory, for tests and trials. `params.primary_key` names its key columns (with commas; `id` without it), and
 * `params.mode` is upsert, insert or update as for mysql. Key values are compared as text: 7 and '7' are one key. It is not part
 * of a batch's transaction: what a failed batch saved stays, and saving it again changes nothing (in mode upsert).
 */
export class MemoryConnector implements Connector {
  readonly name: string;
  readonly type = 'memory';
  readonly guarantee = 'at-least-once';
  readonly takesPartial = false;
  readonly #keyColumns: readonly string[];
  readonly #mode: SaveMode;
  readonly #rows = new Map<string, Row>();

  constructor(options: ConnectorOptions) {
    this.name = options.name;
    this.#keyColumns = (options.params.primary_key ?? 'id').split(',').map((column) => column.trim());
    this.#mode = readMode(options);
  }

  async open(): Promise<void> {}

  session(_batch: BatchScope): ConnectorSession {
    return {
      save: async (rows) => this.#save(rows),
      load: async (keys) => this.#load(keys),
      query: async () => {
        throw new CodedError(
          'CONNECTOR_FAILED',
          `Connector ${this.name}: a memory table has no query language; use save and load.`,
        );
      },
    };
  }

  async close(): Promise<void> {}

  /** Copies of all rows, ordered by key: numbers as numbers, everything else as text. */
  rows(): readonly Row[] {
    const compare = (a: Row, b: Row): number => {
      const column = this.#keyColumns.find((name) => keyPart(a[name]) !== keyPart(b[name]));
      return column === undefined ? 0 : compareParts(keyPart(a[column]), keyPart(b[column]));
    };
    return [...this.#rows.values()].map((row) => ({ ...row })).sort(compare);
  }

  /** All rows are checked before the first is written. */
  #save(rows: readonly unknown[]): void {
    const writes = rows.flatMap((row) => this.#writesOf(row));
    for (const { keyText, row } of writes) {
      if (row === undefined) this.#rows.delete(keyText);
      else this.#write(keyText, row);
    }
  }

  /** What a row does to the table: sets fields of the row with this key, or (no row) removes it. */
  #writesOf(row: unknown): readonly { readonly keyText: string; readonly row?: Row }[] {
    if (!isChange(row)) {
      const plain = this.#requireRow(row);
      return [{ keyText: this.#requireKey(plain), row: plain }];
    }
    const gone = row.before === null ? undefined : this.#requireKey(row.before);
    if (row.after === null) return gone === undefined ? [] : [{ keyText: gone }];
    const keyText = this.#requireKey(row.after);
    const write = { keyText, row: row.after };
    return gone === undefined || gone === keyText ? [write] : [{ keyText: gone }, write];
  }

  #write(keyText: string, row: Row): void {
    const known = this.#rows.get(keyText);
    if (this.#mode === 'update' && known === undefined) return;
    if (this.#mode === 'insert' && known !== undefined) {
      throw new CodedError('STORE_CONSTRAINT', `Connector ${this.name}: there is already a row with the key ${keyText}.`, {
        class: 'row',
      });
    }
    const fields = Object.entries(row).filter(([, value]) => value !== undefined);
    this.#rows.set(keyText, { ...known, ...Object.fromEntries(fields) });
  }

  #load(keys: readonly Row[]): Row[] {
    const found = new Map<string, Row>();
    for (const key of keys) {
      for (const [text, row] of this.#find(key)) found.set(text, { ...row });
    }
    return [...found.values()];
  }

  #find(key: Row): readonly (readonly [string, Row])[] {
    const columns = Object.keys(key);
    const hasWholeKey = columns.length === this.#keyColumns.length && this.#keyColumns.every((column) => column in key);
    if (!hasWholeKey) {
      return [...this.#rows].filter(([, row]) => columns.every((column) => keyPart(row[column]) === keyPart(key[column])));
    }
    const text = this.#keyText(key);
    const row = this.#rows.get(text);
    return row === undefined ? [] : [[text, row]];
  }

  #requireRow(row: unknown): Row {
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new CodedError('ROW_INVALID', `Connector ${this.name}: a row must be an object, not ${String(row)}.`, { class: 'row' });
    }
    return Object.fromEntries(Object.entries(row));
  }

  #requireKey(row: Row): string {
    const missing = this.#keyColumns.filter((column) => row[column] === undefined || row[column] === null);
    if (missing.length === 0) return this.#keyText(row);
    throw new CodedError('STORE_KEY_MISSING', `Connector ${this.name}: a row lacks ${missing.join(', ')} of the table's key.`, {
      class: 'row',
      details: { connector: this.name, fields: missing.join(', ') },
    });
  }

  #keyText(row: Row): string {
    return this.#keyColumns.map((column) => keyPart(row[column])).join('\u0000');
  }
}

/** Makes a memory connector from its part of the configuration. */
export function makeMemoryConnector(options: ConnectorOptions): MemoryConnector {
  return new MemoryConnector(options);
}

function readMode(options: ConnectorOptions): SaveMode {
  const mode = options.params.mode ?? 'upsert';
  if (mode === 'upsert' || mode === 'insert' || mode === 'update') return mode;
  throw new CodedError('CONFIG_INVALID', `Connector ${options.name}: params.mode is ${mode}; write upsert, insert or update.`);
}

function keyPart(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  return value instanceof Date ? value.toISOString() : String(value);
}

function compareParts(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  if (!Number.isNaN(difference)) return difference;
  return a < b ? -1 : 1;
}
