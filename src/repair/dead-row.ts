import { CodedError, describeError } from '../lib/error.ts';
import { maskPasswords } from '../lib/mask.ts';
import type { Op, Row } from '../row/change.ts';
import { toExactJson } from '../row/exact-json.ts';
import type { StoreTransaction } from '../store/contract.ts';

/** A row that a flow could not process, or cannot process yet, and why. */
export interface DeadRow {
  readonly flow: string;
  /**
   * dead: until an operator says what becomes of it; waiting: until what a Load misses appears; parked: until an earlier change of its
   * key is done; skipped: given up by the flow's policy.
   */
  readonly state: 'dead' | 'waiting' | 'parked' | 'skipped';
  /** Of a waiting one: how long, from now on. */
  readonly waitMs: number;
  /** Hashes of the keys that others wait for behind it; none of a skipped one. */
  readonly keys: readonly string[];
  /** The function that failed; '' where none did. */
  readonly fname: string;
  readonly code: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** `schema.name` of the source table. */
  readonly table: string;
  /** The primary key's columns with their values, of the row after the change, or before it for a delete. */
  readonly key: Row;
  readonly op: Op;
  readonly before: Row | null;
  readonly after: Row | null;
  /** Columns of the table that one of the images lacks (binlog_row_image is not FULL); empty where both are whole. */
  readonly absent: readonly string[];
  /** `file:offset` of the transaction, with its GTID where there is one. */
  readonly position: string;
  /** Commit time at the source in milliseconds since 1970; 0 where it is not known. */
  readonly time: number;
}

/** A row of kis_dead_row: its columns before `row_change`, and the change as exact JSON. */
interface Entry {
  readonly values: readonly (string | null)[];
  readonly change: string;
}

const columns =
  'flow, state, park_keys, wait_until, tries, ended_at, ended_by, fname, code, message, stack, source_table, row_key, op, position, commit_time';
/** Values of the columns; the time that is left becomes a moment by the store's clock. */
const marks =
  '?, ?, ?, UTC_TIMESTAMP(3) + INTERVAL ? * 1000 MICROSECOND, ?, IF(?, UTC_TIMESTAMP(3), NULL), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?';
const statementBytes = 512 * 1024;
/** Of a message, and of a stack. */
const textCharsMax = 8000;

/**
 * Keeps rows as dead, in their order, in the batch's own transaction (L1). A change that is larger than the server takes in one
 * statement is kept in parts. Rejects with the store's error; one that would blame a row stops the flow instead, because what
 * cannot even be kept as dead must not be passed.
 */
export async function keepDeadRows(store: StoreTransaction, rows: readonly DeadRow[]): Promise<void> {
  // a character takes at most three bytes in UTF-8, and an escaped one two
  const charsMax = Math.floor(Math.min(statementBytes, store.maxPacketBytes / 2) / 3);
  let waiting: Entry[] = [];
  let chars = 0;
  try {
    for (const row of rows) {
      const entry = toEntry(row);
      const isLarge = entry.change.length > charsMax;
      const more = entry.values.reduce((sum, value) => sum + (value?.length ?? 0), entry.change.length);
      if (isLarge || chars + more > charsMax) {
        await insert(store, waiting);
        waiting = [];
        chars = 0;
      }
      chars += more;
      if (isLarge) await insertInParts(store, entry, charsMax);
      else waiting.push(entry);
    }
    await insert(store, waiting);
  } catch (error) {
    if (!(error instanceof CodedError) || error.class !== 'row') throw error;
    throw new CodedError(error.code, `A dead row could not be kept: ${describeError(error)}`, { cause: error });
  }
}

/** How many rows of the flow became dead, or were skipped, in the last minute, by the store's clock. */
export async function countLatestDeadRows(store: Pick<StoreTransaction, 'query'>, flow: string): Promise<number> {
  const { rows } = await store.query(
    `SELECT COUNT(*) AS count FROM kis_dead_row
     WHERE flow = ? AND state IN ('dead', 'skipped') AND created_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE`,
    [flow],
  );
  return Number(rows[0]?.count ?? 0);
}

async function insert(store: StoreTransaction, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  const list = entries.map(() => `(${marks}, 0, ?, UTC_TIMESTAMP(3))`).join(', ');
  const params = entries.flatMap(({ values, change }) => [...values, change]);
  await store.query(`INSERT INTO kis_dead_row (${columns}, parts, row_change, created_at) VALUES ${list}`, params);
}

async function insertInParts(store: StoreTransaction, { values, change }: Entry, charsMax: number): Promise<void> {
  const parts = cut(change, charsMax);
  await store.query(
    `INSERT INTO kis_dead_row (${columns}, parts, row_change, created_at) VALUES (${marks}, ?, '', UTC_TIMESTAMP(3))`,
    [...values, parts.length],
  );
  const { rows } = await store.query('SELECT LAST_INSERT_ID() AS id');
  for (const [part, text] of parts.entries()) {
    await store.query('INSERT INTO kis_dead_row_part (dead_row, part, row_change) VALUES (?, ?, ?)', [rows[0]?.id, part, text]);
  }
}

/** Pieces of at most so many characters, none of which ends within a surrogate pair. */
function cut(text: string, charsMax: number): readonly string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    const end = Math.min(from + charsMax, text.length);
    const to = end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? '') ? end - 1 : end;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}

function toEntry(row: DeadRow): Entry {
  const time = row.time === 0 ? null : new Date(row.time).toISOString().slice(0, -1).replace('T', ' ');
  const key = toExactJson(row.key, { foreign: 'describe' });
  const isSkipped = row.state === 'skipped';
  const texts = [
    row.flow,
    row.state,
    isSkipped ? null : row.keys.join(' '),
    row.state === 'waiting' ? String(row.waitMs) : null,
    row.state === 'dead' || isSkipped ? '1' : '0',
    ...(isSkipped ? ['1', 'on_bad_row: skip'] : ['0', null]),
    row.fname,
    row.code,
    shorten(row.message),
    row.stack === undefined ? null : shorten(maskPasswords(row.stack)),
  ];
  return {
    values: [...texts, row.table, key, row.op, row.position, time],
    change: toExactJson(
      { before: row.before, after: row.after, ...(row.absent.length === 0 ? {} : { absent: row.absent }) },
      { foreign: 'describe' },
    ),
  };
}

function shorten(text: string): string {
  return text.length <= textCharsMax ? text : `${text.slice(0, textCharsMax - 1)}…`;
}
