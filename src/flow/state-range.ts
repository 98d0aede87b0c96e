/** Reading keyed state by prefixes: what is in a range, and how changes that are not in the store yet lie over it. */
import type { StateEntry } from './state-entry.ts';

/** The first entries, in the order of their keys' bytes, whose key begins with one of these prefixes. */
export interface StateRange {
  readonly prefixes: readonly string[];
  /** So many entries are given at most. */
  readonly limit: number;
  /** Entries that have expired by then are not given; milliseconds since 1970. */
  readonly now: number;
}

/** Tells which of many prefixes keys begin with, at the cost of a look-up for each length that the prefixes have. */
export class PrefixSet {
  readonly #prefixes: ReadonlySet<string>;
  readonly #lengths: readonly number[];

  constructor(prefixes: readonly string[]) {
    this.#prefixes = new Set(prefixes);
    this.#lengths = [...new Set(prefixes.map(({ length }) => length))];
  }

  /** The prefixes that the key begins with. */
  of(key: string): readonly string[] {
    const found: string[] = [];
    for (const length of this.#lengths) {
      const start = key.slice(0, length);
      if (start.length === length && this.#prefixes.has(start)) found.push(start);
    }
    return found;
  }

  has(key: string): boolean {
    return this.#lengths.some((length) => length <= key.length && this.#prefixes.has(key.slice(0, length)));
  }
}

/**
 * The range over changes that are newer than what `read` gives. `read` is asked for as many entries more as changes may hide, so
 * that the first ones are known whatever they hide.
 */
export async function readOver(
  range: StateRange,
  changes: Iterable<readonly [string, StateEntry]>,
  read: (range: StateRange) => Promise<ReadonlyMap<string, StateEntry>>,
): Promise<ReadonlyMap<string, StateEntry>> {
  const within = new PrefixSet(range.prefixes);
  const newer = new Map<string, StateEntry>();
  for (const [key, entry] of changes) if (within.has(key)) newer.set(key, entry);
  const older = await read({ ...range, limit: range.limit + newer.size });
  return newer.size === 0 ? older : firstLive(new Map([...older, ...newer]), range);
}

/** The entries that are there, in the order of their keys' bytes, as many as the range takes. */
export function firstLive(entries: ReadonlyMap<string, StateEntry>, { limit, now }: StateRange): ReadonlyMap<string, StateEntry> {
  const live: { readonly bytes: Buffer; readonly key: string; readonly entry: StateEntry }[] = [];
  for (const [key, entry] of entries) {
    if (entry.text !== undefined && entry.expiresAt > now) live.push({ bytes: Buffer.from(key), key, entry });
  }
  live.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  return new Map(live.slice(0, limit).map(({ key, entry }) => [key, entry]));
}

/** Ranges of bytes, `from` included and `to` not (undefined: no end), that hold what begins with the prefixes; sorted, none within another. */
export function byteRanges(prefixes: readonly string[]): readonly { readonly from: Buffer; readonly to: Buffer | undefined }[] {
  const sorted = prefixes.map((prefix) => Buffer.from(prefix)).sort((a, b) => Buffer.compare(a, b));
  const apart: Buffer[] = [];
  for (const prefix of sorted) {
    const last = apart.at(-1);
    if (last === undefined || !prefix.subarray(0, last.length).equals(last)) apart.push(prefix);
  }
  return apart.map((from) => ({ from, to: nextOf(from) }));
}

/** The least bytes that are greater than all that begin with these; undefined where there are none. */
function nextOf(prefix: Buffer): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, length));
  next.writeUInt8(next.readUInt8(length - 1) + 1, length - 1);
  return next;
}
