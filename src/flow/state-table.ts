/** Statements on kis_state. Keys are bytes there: two keys that differ in anything are two. */
import { CodedError, describeError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { byteRanges, type StateRange } from './state-range.ts';
import { noEntry, type StateEntry } from './state-entry.ts';

/** An entry with its place. */
export interface StateChange {
  readonly fname: string;
  readonly key: string;
  readonly entry: StateEntry;
}

const keysMax = 500;
const statementBytes = 512 * 1024;
/** State is held in memory: its values stay below what a statement of this size holds, whatever the server takes. */
const packetBytesMax = 16 * 1024 * 1024;
/** Expired entries are removed so many at a time. */
export const expiredMax = 1000;

/** How many characters a value may have, so that a statement holds it: at most three bytes each, escaped or not. */
export function valueCharsMax(store: StoreTransaction): number {
  return Math.floor((Math.min(store.maxPacketBytes, packetBytesMax) - 16 * 1024) / 3);
}

/** Every key is in the answer. */
export async function readEntries(
  store: StoreTransaction,
  place: { readonly flow: string; readonly fname: string; readonly keys: readonly string[] },
): Promise<ReadonlyMap<string, StateEntry>> {
  const { flow, fname, keys } = place;
  const entries = new Map<string, StateEntry>(keys.map((key) => [key, noEntry]));
  for (let from = 0; from < keys.length; from += keysMax) {
    const some = keys.slice(from, from + keysMax).map((key) => Buffer.from(key));
    const { rows } = await store.query(
      'SELECT state_key, value, expires_at FROM kis_state WHERE flow = ? AND fname = ? AND state_key IN (?)',
      [flow, fname, some],
    );
    for (const row of rows) entries.set(textOf(row.state_key), entryOf(row));
  }
  return entries;
}

/** What is in a range of keys, in the order of their bytes. */
export async function readRange(
  store: StoreTransaction,
  place: { readonly flow: string; readonly fname: string },
  { prefixes, limit, now }: StateRange,
): Promise<ReadonlyMap<string, StateEntry>> {
  const entries = new Map<string, StateEntry>();
  for (const ranges of portions(byteRanges(prefixes))) {
    if (entries.size >= limit) break;
    const conditions = ranges.map(({ to }) => (to === undefined ? 'state_key >= ?' : 'state_key >= ? AND state_key < ?'));
    const bounds = ranges.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to]));
    // the other index has the flow in front too: the ranges are what makes it quick
    const { rows } = await store.query(
      `SELECT state_key, value, expires_at FROM kis_state FORCE INDEX (PRIMARY)
       WHERE flow = ? AND fname = ? AND (expires_at IS NULL OR expires_at > ?) AND (${conditions.join(' OR ')})
       ORDER BY state_key LIMIT ${Math.min(limit - entries.size, Number.MAX_SAFE_INTEGER)}`,
      [place.flow, place.fname, now, ...bounds],
    );
    for (const row of rows) entries.set(textOf(row.state_key), entryOf(row));
  }
  return entries;
}

/** Ranges for one statement each: as many as there may be keys, and no more than fit it (in hexadecimal). */
function portions(ranges: ReturnType<typeof byteRanges>): readonly ReturnType<typeof byteRanges>[] {
  const all: ReturnType<typeof byteRanges>[] = [];
  let from = 0;
  while (from < ranges.length) {
    let to = from;
    for (let bytes = 0; to < ranges.length && to - from < keysMax && bytes < statementBytes / 2; to += 1) {
      bytes += 4 * (ranges[to]?.from.length ?? 0) + 40;
    }
    all.push(ranges.slice(from, to));
    from = to;
  }
  return all;
}

function entryOf(row: Row): StateEntry {
  return {
    text: String(row['value']),
    expiresAt: row['expires_at'] === null ? Number.POSITIVE_INFINITY : Number(row['expires_at']),
  };
}

/** Writes entries, and deletes those without a value. A refusal is not a row's fault: it stops the flow. */
export async function writeEntries(store: StoreTransaction, flow: string, changes: readonly StateChange[]): Promise<void> {
  try {
    await deleteEntries(store, flow, changes);
    await replaceEntries(store, flow, changes);
  } catch (error) {
    if (!(error instanceof CodedError) || error.class !== 'row') throw error;
    throw new CodedError(error.code, `The state of flow ${flow} could not be kept: ${describeError(error)}`, { cause: error });
  }
}

/** Removes entries of the flow that have expired, a portion of them; gives how many. */
export async function removeExpired(store: StoreTransaction, flow: string, now: number): Promise<number> {
  const { affectedRows } = await store.query(
    `DELETE FROM kis_state WHERE flow = ? AND expires_at <= ? ORDER BY expires_at LIMIT ${expiredMax}`,
    [flow, now],
  );
  return affectedRows;
}

async function deleteEntries(store: StoreTransaction, flow: string, changes: readonly StateChange[]): Promise<void> {
  const keysOf = new Map<string, Buffer[]>();
  for (const { fname, key, entry } of changes) {
    if (entry.text !== undefined) continue;
    const keys = keysOf.get(fname) ?? [];
    keys.push(Buffer.from(key));
    keysOf.set(fname, keys);
  }
  for (const [fname, keys] of keysOf) {
    for (let from = 0; from < keys.length; from += keysMax) {
      const some = keys.slice(from, from + keysMax);
      await store.query('DELETE FROM kis_state WHERE flow = ? AND fname = ? AND state_key IN (?)', [flow, fname, some]);
    }
  }
}

async function replaceEntries(store: StoreTransaction, flow: string, changes: readonly StateChange[]): Promise<void> {
  const charsMax = Math.floor(Math.min(statementBytes, store.maxPacketBytes - 16 * 1024) / 3);
  let rows: unknown[][] = [];
  let chars = 0;
  const flush = async (): Promise<void> => {
    if (rows.length > 0) await store.query('REPLACE INTO kis_state (flow, fname, state_key, value, expires_at) VALUES ?', [rows]);
    rows = [];
    chars = 0;
  };
  for (const { fname, key, entry } of changes) {
    if (entry.text === undefined) continue;
    const more = flow.length + fname.length + 2 * key.length + entry.text.length + 40;
    if (chars + more > charsMax) await flush();
    chars += more;
    rows.push([flow, fname, Buffer.from(key), entry.text, Number.isFinite(entry.expiresAt) ? entry.expiresAt : null]);
  }
  await flush();
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}
