import { CodedError } from '../lib/error.ts';
import { isChange, type Row } from '../row/change.ts';
import type { RedisKey } from './redis-key.ts';

export type SaveMode = 'upsert' | 'insert' | 'update';

/** What a row does to one key: sets fields of its row, or (no row) removes it. */
export interface KeyWrite {
  readonly key: string;
  readonly row?: Row;
}

/** The writes of these rows, in order. All rows are looked at before the first is given: throws ROW_INVALID, STORE_KEY_MISSING. */
export function planWrites(rows: readonly unknown[], key: RedisKey, connector: string): readonly KeyWrite[] {
  return rows.flatMap((row): readonly KeyWrite[] => {
    if (!isChange(row)) {
      const plain = requireRow(row, connector);
      return [{ key: key.keyOf(plain, connector), row: plain }];
    }
    const gone = row.before === null ? undefined : key.keyOf(row.before, connector);
    if (row.after === null) return gone === undefined ? [] : [{ key: gone }];
    const write = { key: key.keyOf(row.after, connector), row: row.after };
    return gone === undefined || gone === write.key ? [write] : [{ key: gone }, write];
  });
}

/**
 * What the keys hold after these writes, starting from what they hold now (undefined: nothing). Fields that a row does not have are
 * left alone. Throws STORE_CONSTRAINT (row) where mode insert finds a row.
 */
export function applyWrites(
  writes: readonly KeyWrite[],
  known: ReadonlyMap<string, Row | undefined>,
  options: { readonly mode: SaveMode; readonly connector: string },
): ReadonlyMap<string, Row | undefined> {
  const rows = new Map(known);
  for (const { key, row } of writes) {
    const before = rows.get(key);
    if (row === undefined) rows.set(key, undefined);
    else if (before !== undefined && options.mode === 'insert') throw clash(options.connector, key);
    else if (before !== undefined || options.mode !== 'update') rows.set(key, { ...before, ...withoutUndefined(row) });
  }
  return rows;
}

/** There is a row already, and mode is insert. */
export function clash(connector: string, key: string): CodedError {
  return new CodedError(
    'STORE_CONSTRAINT',
    `Connector ${connector}: mode is insert, and there is already something at the key ${key}.`,
    {
      class: 'row',
      details: { connector, key },
    },
  );
}

/** Rows and bytes (about) that go to Redis in one piece: it does nothing else until it has dealt with them. */
const pieceMax = { writes: 500, bytes: 1024 * 1024 };

/** Cuts writes into pieces of a bounded size; a single larger row is a piece of its own. */
export function* piecesOf(writes: readonly KeyWrite[]): Generator<readonly KeyWrite[]> {
  let piece: KeyWrite[] = [];
  let bytes = 0;
  for (const write of writes) {
    const size = sizeOf(write);
    if (piece.length >= pieceMax.writes || (piece.length > 0 && bytes + size > pieceMax.bytes)) {
      yield piece;
      piece = [];
      bytes = 0;
    }
    piece.push(write);
    bytes += size;
  }
  if (piece.length > 0) yield piece;
}

function sizeOf({ key, row }: KeyWrite): number {
  let size = key.length;
  for (const [name, value] of Object.entries(row ?? {})) size += name.length + lengthOf(value);
  return size;
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length;
  return typeof value === 'object' && value !== null ? JSON.stringify(value).length : 16;
}

function withoutUndefined(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

function requireRow(row: unknown, connector: string): Row {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new CodedError('ROW_INVALID', `Connector ${connector}: a row must be an object, not ${JSON.stringify(row)}.`, {
      class: 'row',
    });
  }
  return Object.fromEntries(Object.entries(row));
}
