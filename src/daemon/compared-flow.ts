import { CompareLink } from '../repair/compare-link.ts';
import { compareTable, type TableComparison } from '../repair/compare-table.ts';
import { describeCompared, type ComparedTable } from '../repair/compared-table.ts';
import { readExcusedKeys } from '../repair/excused-keys.ts';
import { mendTable, type MendCounts } from '../repair/mend-table.ts';
import type { Run } from '../repair/run.ts';
import { saveMended, saveVerification } from '../repair/verify-record.ts';
import { requireNoState } from '../repair/verify-state.ts';
import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { formatPosition, type Position } from '../row/position.ts';
import type { Key } from '../snapshot/contract.ts';
import { textOf } from '../source/server-link.ts';
import { quoteText } from '../source/table-definition.ts';
import { quoteName } from '../store/name.ts';
import type { Store } from '../store/open.ts';
import type { FlowService } from './flow-service.ts';
import { atOnePosition } from './one-position.ts';
import type { Shadow } from './shadow.ts';

export interface ComparedFlowOptions {
  readonly store: Store;
  readonly service: FlowService;
  readonly shadow: Shadow;
  readonly run: Run;
  /** The flow is still of the version that runs in the shadow. */
  readonly isCurrent: () => boolean;
  readonly tables: readonly string[];
  readonly owned: ReadonlyMap<string, ReadonlySet<string> | undefined>;
  readonly shared: ReadonlyMap<string, string>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** So many differences are kept in the store. */
const keptMax = 1000;

type IsExcused = (table: string, key: Key) => boolean;

/** A flow and its shadow, which is near it: their tables compared as of one position, and mended. */
export class ComparedFlow {
  readonly #options: ComparedFlowOptions;
  #found: readonly { readonly table: ComparedTable; readonly comparison: TableComparison }[] = [];
  #isExcused: IsExcused = () => false;

  constructor(options: ComparedFlowOptions) {
    this.#options = options;
  }

  /** Saves what it finds. Rejects with what may pass (retry) when the two did not stand for one position. */
  async compare(): Promise<void> {
    const { store, run, logger, signal } = this.#options;
    const link = await CompareLink.open({ address: store.address, signal });
    if (link.holdsTables) {
      logger.info(
        { flow: run.flow, run: run.id },
        'computed tables cannot be altered until they are compared: the store account has no BINLOG ADMIN',
      );
    }
    try {
      const tables = await this.#describe(link);
      let position: Position | undefined;
      const heldMs = await this.#atOnePosition(async (place) => {
        position = place;
        await this.#beginAt(link);
      });
      if (position !== undefined) await this.#compareAll(link, { tables, position, heldMs });
      await link.end();
    } finally {
      link.close();
    }
  }

  /** Mends what differed and still does. */
  async mend(): Promise<void> {
    const { store, shadow, run, logger } = this.#options;
    await requireNoState(store, [store.database, shadow.store.database], run.flow);
    const counts: (MendCounts & { readonly table: string })[] = [];
    for (const { table, comparison } of this.#found) {
      if (comparison.ranges.length === 0) continue;
      const mended = await mendTable(table, {
        ranges: comparison.ranges,
        isExcused: (key) => this.#isExcused(table.id, key),
        run: async (work) => void (await this.#atOnePosition(() => this.#live.doAside(work))),
      });
      counts.push({ table: table.id, ...mended });
    }
    await saveMended(store, run.id, counts);
    logger.info({ flow: run.flow, run: run.id, tables: counts }, 'verify has mended');
  }

  get #live() {
    const { live } = this.#options.service;
    if (live !== undefined) return live;
    throw new CodedError('VERIFY_NOT_STANDING', `Flow ${this.#options.run.flow} does not run now.`, { class: 'retry' });
  }

  #atOnePosition(work: (position: Position) => Promise<void>): Promise<number> {
    const { shadow, signal, run, isCurrent } = this.#options;
    if (!isCurrent()) {
      throw new CodedError('VERIFY_NOT_STANDING', `Flow ${run.flow} is of another version now.`, { class: 'retry' });
    }
    const feed = shadow.service.live?.feed;
    if (feed === undefined) {
      throw new CodedError('VERIFY_NOT_STANDING', `Flow ${run.flow} does not run in its shadow now.`, { class: 'retry' });
    }
    return atOnePosition({ live: this.#live.feed, shadow: feed, signal }, work);
  }

  async #describe(link: CompareLink): Promise<readonly ComparedTable[]> {
    const { tables, owned, shared, store, shadow } = this.#options;
    const described: ComparedTable[] = [];
    for (const name of tables) {
      const stored = { schema: store.database, name };
      const recomputed = { schema: shadow.store.database, name };
      described.push(
        await describeCompared(
          link.query,
          { stored, recomputed, columns: owned.get(name), isShared: shared.has(name) },
          link.flavour,
        ),
      );
    }
    return described;
  }

  /** The snapshot is of a moment at which both stood: their checkpoints are in it as they were before. */
  async #beginAt(link: CompareLink): Promise<void> {
    const { store, shadow, run } = this.#options;
    const stores = [store, shadow.store];
    const before = await Promise.all(stores.map((one) => readCheckpoint(one, run.flow)));
    await link.begin();
    for (const [index, { database }] of stores.entries()) {
      const [row] = await link.query(
        `SELECT CAST(epoch AS CHAR) AS epoch, CAST(sequence AS CHAR) AS sequence FROM ${quoteName(database)}.kis_checkpoint WHERE flow = ${quoteText(run.flow)}`,
      );
      const isSame =
        textOf(row, 'epoch') === String(before[index]?.epoch) && textOf(row, 'sequence') === String(before[index]?.sequence);
      if (isSame) continue;
      throw new CodedError('VERIFY_NOT_STANDING', `Flow ${run.flow} was moved on in ${database} while it should have stood.`, {
        class: 'retry',
      });
    }
    await link.release();
  }

  async #compareAll(
    link: CompareLink,
    {
      tables,
      position,
      heldMs,
    }: { readonly tables: readonly ComparedTable[]; readonly position: Position; readonly heldMs: number },
  ): Promise<void> {
    const { store, run, logger, signal } = this.#options;
    this.#isExcused = await this.#readExcused(link, tables);
    const found: { table: ComparedTable; comparison: TableComparison }[] = [];
    let room = keptMax;
    for (const table of tables) {
      const comparison = await compareTable(link, table, {
        isExcused: (key) => this.#isExcused(table.id, key),
        keptMax: room,
        rowsPerSecond: run.options.rowsPerSecond,
        signal,
      });
      room -= comparison.differences.length;
      found.push({ table, comparison });
    }
    this.#found = found;
    const comparisons = found.map(({ comparison }) => comparison);
    await store.transaction((transaction) =>
      saveVerification(transaction, { run: run.id, flow: run.flow, position, heldMs, tables: comparisons }),
    );
    const counts = comparisons.map(({ table, rows, counts: of }) => ({ table, rows, ...of }));
    logger.info(
      { flow: run.flow, run: run.id, position: formatPosition(position), heldMs: Math.round(heldMs), tables: counts },
      'verify has compared',
    );
    this.#warn(comparisons);
  }

  /** Whoever asked for the run sees it; of one that was scheduled, this is what somebody is told by. */
  #warn(comparisons: readonly TableComparison[]): void {
    const { run, logger } = this.#options;
    const wrong = comparisons
      .map(({ table, counts: { missing, extra, different } }) => ({ table, missing, extra, different }))
      .filter(({ missing, extra, different }) => missing + extra + different > 0);
    if (wrong.length === 0) return;
    const remedy =
      run.options.repair === true
        ? 'this run mends them'
        : `\`kisflow runs show ${run.id}\` shows them, \`kisflow verify ${run.flow} --repair\` mends them`;
    logger.warn({ flow: run.flow, run: run.id, tables: wrong, remedy }, 'rows of computed tables are not what the flow computes');
  }

  /** Both have dead rows, and what waits may have been applied in one of them alone. */
  async #readExcused(link: CompareLink, tables: readonly ComparedTable[]): Promise<IsExcused> {
    const { store, shadow, run } = this.#options;
    const keys = new Map(tables.map(({ id, described }) => [id, described.key]));
    const both: IsExcused[] = [];
    for (const { database } of [store, shadow.store])
      both.push(await readExcusedKeys(link.query, { database, flow: run.flow, keys }));
    return (table, key) => both.some((isExcused) => isExcused(table, key));
  }
}
