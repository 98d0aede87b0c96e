/**
 * Compares two tables of one server, chunk by chunk along their key, within the snapshot of a link: by a sum of each chunk, and row by row
 * only where the sums differ. What it holds is bounded, whatever differs: all differences are counted, and the first ones are kept.
 */
import { sleep } from '../lib/abort.ts';
import type { Row, Value } from '../row/change.ts';
import { ChunkSize } from '../snapshot/chunk-size.ts';
import type { Key, KeyRange } from '../snapshot/contract.ts';
import { boundSql, readAreUpTo, selectAreUpTo } from '../snapshot/key-sql.ts';
import { identityOf, keyOf } from '../snapshot/key-text.ts';
import type { SelectedColumn } from '../snapshot/select-rows.ts';
import { selectForm } from '../snapshot/text-value.ts';
import { textOf } from '../source/server-link.ts';
import { checksumSql, differencesSql, extrasSql } from './compare-sql.ts';
import type { CompareLink } from './compare-link.ts';
import { sqlOf, type ComparedName, type ComparedTable } from './compared-table.ts';

/** missing: in the recomputed table and not in the stored one; extra: the other way round. */
export type DifferenceKind = 'missing' | 'extra' | 'different';

export interface DifferentField {
  readonly name: string;
  /** As people read them, and cut where they are long; null: NULL. */
  readonly stored: string | null;
  readonly recomputed: string | null;
}

export interface Difference {
  /** `db.table`. */
  readonly table: string;
  /** Values of the key's columns, in its order. */
  readonly key: Key;
  readonly kind: DifferenceKind;
  /** A change of this key is dead, or waits for one that is: it differs lawfully. */
  readonly isExcused: boolean;
  /** Of a different row. */
  readonly fields: readonly DifferentField[];
}

export interface DifferenceCounts extends Readonly<Record<DifferenceKind, number>> {
  /** In none of the others. */
  readonly excused: number;
}

export interface TableComparison {
  readonly table: string;
  /** Of the side that has more. */
  readonly rows: number;
  readonly chunks: number;
  readonly counts: DifferenceCounts;
  /** The first ones. */
  readonly differences: readonly Difference[];
  /** Where rows differ that are not excused, in key order; what lies between may be equal. */
  readonly ranges: readonly KeyRange[];
}

export interface CompareOptions {
  readonly isExcused: (key: Key) => boolean;
  /** So many differences are kept. */
  readonly keptMax: number;
  /** Not more rows in a second, on average. */
  readonly rowsPerSecond?: number | undefined;
  readonly signal: AbortSignal;
  /** After each chunk. */
  readonly onChunk?: ((rows: number) => void) | undefined;
}

/** What a chunk's sum should take: a table that is read cannot be altered, and others wait behind whoever wants to. */
const targetMs = 200;
const rowsMax = 100_000;
const pageRows = 500;
/** Chunks that differ beyond this are kept as parts of a longer range. */
const rangesMax = 1000;

/** Rejects with the link's errors. */
export function compareTable(link: CompareLink, table: ComparedTable, options: CompareOptions): Promise<TableComparison> {
  return new TableWalk(link, table, options).run();
}

class TableWalk {
  readonly #link: CompareLink;
  readonly #table: ComparedTable;
  readonly #options: CompareOptions;
  readonly #size: ChunkSize;
  readonly #counts = { missing: 0, extra: 0, different: 0, excused: 0 };
  readonly #differences: Difference[] = [];
  readonly #ranges: KeyRange[] = [];
  #rows = 0;
  #chunks = 0;

  constructor(link: CompareLink, table: ComparedTable, options: CompareOptions) {
    this.#link = link;
    this.#table = table;
    this.#options = options;
    // a pause is a quarter of a second, more or less
    const most = Math.min(rowsMax, Math.max(1, Math.floor((options.rowsPerSecond ?? Number.POSITIVE_INFINITY) / 4)));
    this.#size = new ChunkSize({ rowsMax: most, bytesMax: Number.POSITIVE_INFINITY, targetMs }, 0);
  }

  async run(): Promise<TableComparison> {
    const since = performance.now();
    let after: Key | undefined;
    for (;;) {
      const upTo = await this.#nextBound(after);
      if (upTo !== undefined) await this.#compare({ after, upTo });
      await this.#link.release();
      if (upTo === undefined) break;
      this.#options.onChunk?.(this.#rows);
      await this.#pace(since);
      after = upTo;
    }
    const { id: table } = this.#table;
    const [rows, chunks, counts] = [this.#rows, this.#chunks, this.#counts];
    return { table, rows, chunks, counts, differences: this.#differences, ranges: this.#ranges };
  }

  /** The end of the next chunk: neither side has more rows in it than a chunk has. Undefined where there are none left. */
  async #nextBound(after: Key | undefined): Promise<Key | undefined> {
    const { stored, recomputed, described } = this.#table;
    const [one, other] = [await this.#bound(stored, after), await this.#bound(recomputed, after)];
    if (one === undefined || other === undefined) return one ?? other;
    if (identityOf(one) === identityOf(other)) return one;
    const [row] = await this.#link.select(selectAreUpTo(described.key, [one], other), [{ name: 'answer', form: 'address' }]);
    return readAreUpTo(row?.['answer'], 1)[0] === true ? one : other;
  }

  async #bound(name: ComparedName, after: Key | undefined): Promise<Key | undefined> {
    const { key } = this.#table.described;
    const sql = boundSql({ table: sqlOf(name), key, rowsMax: this.#size.rows, after });
    const columns = key.map(({ name: column, type }) => ({ name: column, form: selectForm(type) }));
    const [row] = await this.#link.select(sql, columns);
    return row === undefined ? undefined : keyOf(row, key);
  }

  async #compare(range: KeyRange): Promise<void> {
    const startedAt = performance.now();
    const [stored, recomputed] = await this.#link.query(checksumSql(this.#table, range));
    const rows = Math.max(Number(stored?.['count']), Number(recomputed?.['count']));
    this.#size.learn({ rows, bytes: 0, ms: performance.now() - startedAt });
    this.#rows += rows;
    this.#chunks += 1;
    const isSame =
      Number(stored?.['count']) === Number(recomputed?.['count']) && textOf(stored, 'sum') === textOf(recomputed, 'sum');
    if (isSame) return;
    const before = this.#unexcused;
    await this.#readDifferences(range);
    await this.#readExtras(range);
    if (this.#unexcused > before) this.#keepRange(range);
  }

  get #unexcused(): number {
    const { missing, extra, different } = this.#counts;
    return missing + extra + different;
  }

  /** A page of rows at a time, each behind the one before. */
  async #readDifferences({ after, upTo }: KeyRange): Promise<void> {
    const { columns } = this.#table;
    for (let from = after; ;) {
      const room = this.#options.keptMax - this.#differences.length;
      const hasValues = room > 0;
      const limit = hasValues ? Math.min(room, pageRows / 5) : pageRows;
      const flags = [plain('is_missing'), ...columns.map((_, n) => plain(`d${n}`))];
      const values = hasValues ? columns.flatMap((_, n) => [plain(`s${n}`), plain(`r${n}`)]) : [];
      const sql = differencesSql(this.#table, { after: from, upTo, limit, hasValues });
      const rows = await this.#link.select(sql, [...this.#keyColumns, ...flags, ...values]);
      for (const row of rows) this.#note(row, this.#isMissing(row) ? 'missing' : 'different');
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      from = this.#keyOf(last);
      await this.#link.release();
    }
  }

  async #readExtras({ after, upTo }: KeyRange): Promise<void> {
    for (let from = after; ;) {
      const rows = await this.#link.select(extrasSql(this.#table, { after: from, upTo, limit: pageRows }), this.#keyColumns);
      for (const row of rows) this.#note(row, 'extra');
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageRows) return;
      from = this.#keyOf(last);
      await this.#link.release();
    }
  }

  get #keyColumns(): readonly SelectedColumn[] {
    return this.#table.described.key.map(({ type }, index) => ({ name: `k${index}`, form: selectForm(type) }));
  }

  #keyOf(row: Row): Key {
    return this.#table.described.key.map((_, index) => row[`k${index}`] ?? '');
  }

  #isMissing(row: Row): boolean {
    return Number(row['is_missing']) === 1;
  }

  #note(row: Row, kind: DifferenceKind): void {
    const key = this.#keyOf(row);
    const isExcused = this.#options.isExcused(key);
    this.#counts[isExcused ? 'excused' : kind] += 1;
    if (this.#differences.length >= this.#options.keptMax) return;
    this.#differences.push({
      table: this.#table.id,
      key,
      kind,
      isExcused,
      fields: kind === 'different' ? this.#fieldsOf(row) : [],
    });
  }

  #fieldsOf(row: Row): readonly DifferentField[] {
    return this.#table.columns.flatMap(({ name }, n) =>
      Number(row[`d${n}`]) === 1 ? [{ name, stored: shown(row[`s${n}`]), recomputed: shown(row[`r${n}`]) }] : [],
    );
  }

  #keepRange(range: KeyRange): void {
    const last = this.#ranges.at(-1);
    const isNext = last?.upTo !== undefined && range.after !== undefined && identityOf(last.upTo) === identityOf(range.after);
    if (last !== undefined && (isNext || this.#ranges.length >= rangesMax)) {
      this.#ranges[this.#ranges.length - 1] = { after: last.after, upTo: range.upTo };
    } else this.#ranges.push(range);
  }

  async #pace(since: number): Promise<void> {
    const { rowsPerSecond, signal } = this.#options;
    if (rowsPerSecond === undefined) return;
    const waitMs = (this.#rows / rowsPerSecond) * 1000 - (performance.now() - since);
    if (waitMs > 0) await sleep(waitMs, signal);
  }
}

function plain(name: string): SelectedColumn {
  return { name, form: 'plain' };
}

function shown(value: Value): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : String(value);
}
