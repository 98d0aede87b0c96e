import type { Row } from '../row/change.ts';
import type { Key, KeyRange } from '../snapshot/contract.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { differencesSql, extrasSql } from './compare-sql.ts';
import type { ComparedTable } from './compared-table.ts';
import { mendStuck } from './mend-stuck.ts';
import { clearRows, deleteRows } from './mend-sql.ts';
import { writeWanted, type RunInFlow, type Wanted } from './write-wanted.ts';

export interface MendOptions {
  /** Where rows differ. */
  readonly ranges: readonly KeyRange[];
  readonly isExcused: (key: Key) => boolean;
  readonly run: RunInFlow;
}

export interface MendCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** Rows that could not be mended: a row that is not to be changed has a unique value of theirs, or others own it too. */
  readonly left: number;
}

const pageRows = 200;
/** So many rows that stand in one another's way are sorted out at once. */
const stuckMax = 500;

/**
 * Makes a stored table as the recomputed one is, where they differ. What differs is looked for again in each transaction that mends, so
 * nothing else is written. Rejects with what `run` rejects with; what was done before stays done.
 */
export function mendTable(table: ComparedTable, options: MendOptions): Promise<MendCounts> {
  return new TableMend(table, options).run();
}

class TableMend {
  readonly #table: ComparedTable;
  readonly #options: MendOptions;
  readonly #counts = { inserted: 0, updated: 0, deleted: 0, left: 0 };

  constructor(table: ComparedTable, options: MendOptions) {
    this.#table = table;
    this.#options = options;
  }

  async run(): Promise<MendCounts> {
    const { ranges, run } = this.#options;
    // first what is not to be there: others may need its unique values
    for (const range of ranges) await this.#removeExtras(range);
    const stuck: Wanted[] = [];
    for (const range of ranges) stuck.push(...(await this.#write(range)));
    for (let from = 0; from < stuck.length; from += stuckMax) {
      const some = stuck.slice(from, from + stuckMax);
      const left = await mendStuck(this.#table, some, run);
      this.#count(some.filter((row) => !left.includes(row)));
      this.#counts.left += left.length;
    }
    return this.#counts;
  }

  async #removeExtras(range: KeyRange): Promise<void> {
    await this.#pages(range, async (transaction, part) => {
      const rows = (await transaction.query(extrasSql(this.#table, part))).rows;
      const keys = rows.map((row) => this.#keyOf(row)).filter((key) => !this.#options.isExcused(key));
      const statement = this.#table.isShared ? clearRows(this.#table, keys) : deleteRows(this.#table, keys);
      if (keys.length > 0 && statement !== undefined) await transaction.query(statement);
      const counted = statement === undefined ? 'left' : 'deleted';
      return { rows, onCommit: () => void (this.#counts[counted] += keys.length) };
    });
  }

  /** Gives rows that cannot be written as yet. */
  async #write(range: KeyRange): Promise<readonly Wanted[]> {
    const stuck: Wanted[] = [];
    await this.#pages(range, async (transaction, part) => {
      const rows = (await transaction.query(differencesSql(this.#table, { ...part, hasValues: false }))).rows;
      const wanted = rows
        .map((row) => ({ key: this.#keyOf(row), isMissing: Number(row['is_missing']) === 1 }))
        .filter(({ key }) => !this.#options.isExcused(key));
      const blocked = await writeWanted(transaction, this.#table, wanted);
      const onCommit = (): void => {
        this.#count(wanted.filter((row) => !blocked.includes(row)));
        stuck.push(...blocked);
      };
      return { rows, onCommit };
    });
    return stuck;
  }

  /** A page of rows a transaction, each behind the one before. */
  async #pages(
    { after, upTo }: KeyRange,
    work: (
      transaction: StoreTransaction,
      part: KeyRange & { readonly limit: number },
    ) => Promise<{ readonly rows: readonly Row[]; readonly onCommit: () => void }>,
  ): Promise<void> {
    for (let from = after, isMore = true; isMore;) {
      let done: Awaited<ReturnType<typeof work>> | undefined;
      await this.#options.run(async (transaction) => {
        done = await work(transaction, { after: from, upTo, limit: pageRows });
      });
      done?.onCommit();
      const last = done?.rows.at(-1);
      isMore = done?.rows.length === pageRows;
      if (last !== undefined) from = this.#keyOf(last);
    }
  }

  #count(rows: readonly Wanted[]): void {
    for (const { isMissing } of rows) this.#counts[isMissing ? 'inserted' : 'updated'] += 1;
  }

  #keyOf(row: Row): Key {
    return this.#table.described.key.map((_, index) => row[`k${index}`] ?? '');
  }
}
