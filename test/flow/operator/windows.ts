/** Histories of rows with a time, and windows as they follow from all rows, one change after another. */
import * as fc from 'fast-check';
import { defineFunction } from '../../../src/flow/define.ts';
import { createFlow } from '../../../src/flow/driven-flow.ts';
import { MemoryRunState } from '../../../src/flow/memory-state.ts';
import { BadRowsError } from '../../../src/flow/bad-rows.ts';
import type { WindowOptions } from '../../../src/flow/operator/window-options.ts';
import { isChange, makeChange, type Change, type Row } from '../../../src/row/change.ts';

export const tumbling: WindowOptions = {
  kind: 'window',
  shape: 'tumbling',
  time: 'at',
  unit: 's',
  sizeMs: 10_000,
  everyMs: 10_000,
  gapMs: 0,
  key: [],
  latenessMs: undefined,
  late: 'dead-row',
  as: { start: 'window_start', end: 'window_end' },
};
export const sliding: WindowOptions = { ...tumbling, shape: 'sliding', sizeMs: 10_000, everyMs: 4000 };
export const sessions: WindowOptions = { ...tumbling, shape: 'session', sizeMs: 0, everyMs: 0, gapMs: 6000, key: ['who'] };

type Step =
  | { readonly op: 'insert'; readonly row: Row }
  | { readonly op: 'update'; readonly at: number; readonly row: Row }
  | { readonly op: 'touch'; readonly at: number; readonly n: number }
  | { readonly op: 'rekey'; readonly at: number }
  | { readonly op: 'remove'; readonly at: number };

/** Time goes on by and by; some rows are behind, a few have no time. */
const time = fc.oneof({ weight: 20, arbitrary: fc.integer({ min: -25, max: 15 }) }, { weight: 1, arbitrary: fc.constant(null) });
const anyRow: fc.Arbitrary<Row> = fc.record({ at: time, who: fc.constantFrom('a', 'b', 'c', null), n: fc.nat({ max: 3 }) });
const anyPlace = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('insert' as const), row: anyRow }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('update' as const), at: anyPlace, row: anyRow }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('touch' as const), at: anyPlace, n: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rekey' as const), at: anyPlace }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), at: anyPlace }) },
);

/** Changes of one table. No key comes back: what is in a closed window is forgotten, and it would be taken for another row. */
export const histories: fc.Arbitrary<readonly Change[]> = fc.array(step, { maxLength: 60 }).map((steps) => {
  const rows: Row[] = [];
  const changes: Change[] = [];
  let id = 0;
  const note = (before: Row | null, after: Row | null): void => {
    if (before !== null) rows.splice(rows.indexOf(before), 1);
    if (after !== null) rows.push(after);
    const op = before === null ? 'insert' : after === null ? 'delete' : 'update';
    changes.push(makeChange({ op, table: 'shop.clicks', key: ['id'], before, after, position: 'b.1:4', time: 0 }));
  };
  for (const [index, one] of steps.entries()) {
    const timed = (given: Row): Row => ({ ...given, at: given['at'] === null ? null : 100 + index + Number(given['at']) });
    if (one.op === 'insert') {
      note(null, { id: (id += 1), ...timed(one.row) });
      continue;
    }
    const before = rows[one.at % Math.max(rows.length, 1)];
    if (before === undefined) continue;
    if (one.op === 'remove') note(before, null);
    else if (one.op === 'update') note(before, { ...before, ...timed(one.row) });
    else note(before, one.op === 'touch' ? { ...before, n: one.n } : { ...before, id: (id += 1) });
  }
  return changes;
});

/** Cuts into batches at these places. */
export function cut<T>(items: readonly T[], places: readonly number[]): readonly (readonly T[])[] {
  const ends = [...new Set(places.map((place) => place % (items.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, items.length].map((end, index) => items.slice(ends[index - 1] ?? 0, end));
}

/** What was refused, with all that comes of the same row later: it is left out, because it would build on what is not there. */
class Parked {
  readonly dead: Change[] = [];
  readonly #ids = new Set<unknown>();

  /** Whether the change waits behind another one; what waits for it does then too. */
  takes(change: Change): boolean {
    const isTaken = [change.before, change.after].some((image) => image !== null && this.#ids.has(image['id']));
    if (isTaken) this.#note(change);
    return isTaken;
  }

  add(change: Change): void {
    this.dead.push(change);
    this.#note(change);
  }

  #note({ before, after }: Change): void {
    for (const image of [before, after]) if (image !== null) this.#ids.add(image['id']);
  }
}

/** A flow with a window. What it refuses first is taken out of its batch, which is run again. */
export function makeWindowFlow(operator: WindowOptions) {
  let seen: unknown[] = [];
  const parked = new Parked();
  const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
  const flow = createFlow({ name: 'shop', steps: [{ fname: 'Window', operator }, { fname: 'Collect' }], functions: [collect] });
  const runRows = async (rows: readonly Change[]): Promise<readonly Change[]> => {
    seen = [];
    flow.commitRowBatch(rows);
    const error: unknown = await flow.run().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) return seen.filter(isChange);
    const bad = error instanceof BadRowsError ? error.rows[0]?.row : undefined;
    if (!isChange(bad)) throw new Error('the window refused no change', { cause: error });
    const index = rows.indexOf(bad);
    parked.add(bad);
    return runRows([...rows.slice(0, index), ...rows.slice(index + 1).filter((row) => !parked.takes(row))]);
  };
  const run = (rows: readonly Change[]): Promise<readonly Change[]> => runRows(rows.filter((row) => !parked.takes(row)));
  /** How many entries of the state begin so. */
  const count = async (prefix: string): Promise<number> => {
    const range = { prefixes: [prefix], limit: 100_000, now: Date.now() };
    return (await new MemoryRunState(flow.flow).readRange('Window', range)).size;
  };
  return { run, dead: parked.dead, count };
}

/** A row in a window, as the figures behind it know it. */
interface Entry {
  readonly id: unknown;
  readonly who: unknown;
  row: Row;
  readonly ms: number;
  /** Of a session: its start, once it is closed. */
  frozen: number | undefined;
}

/** What is in which window after all changes, and which rows are dead: found row by row, without any batch. */
export function windowAll(options: WindowOptions, changes: readonly Change[]) {
  const model = options.shape === 'session' ? new SessionModel(options) : new FixedModel(options);
  let seen = Number.NEGATIVE_INFINITY;
  const parked = new Parked();
  for (const change of changes) {
    if (parked.takes(change)) continue;
    const isDead = !model.apply(change, seen - (options.latenessMs ?? Number.POSITIVE_INFINITY));
    if (isDead) parked.add(change);
    const after = change.after?.['at'];
    if (!isDead && typeof after === 'number' && options.latenessMs !== undefined) seen = Math.max(seen, after * 1000);
  }
  return { rows: model.rows(), dead: parked.dead, open: model.open(seen - (options.latenessMs ?? Number.POSITIVE_INFINITY)) };
}

function msOf(image: Row | null): number | undefined {
  const value = image?.['at'];
  return typeof value === 'number' ? value * 1000 : undefined;
}

/** Tumbling and sliding windows. */
class FixedModel {
  readonly #options: WindowOptions;
  /** By start, the rows in the window by id. */
  readonly #windows = new Map<number, Map<unknown, Row>>();

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  apply({ before, after }: Change, watermark: number): boolean {
    const { sizeMs, late } = this.#options;
    const isOpen = (start: number): boolean => start + sizeMs > watermark;
    const [left, come] = [this.#startsOf(msOf(before)), this.#startsOf(msOf(after))];
    const isNull = after !== null && msOf(after) === undefined;
    const hasMoved = left.join() !== come.join();
    const isLate = after !== null && hasMoved && !come.some(isOpen);
    if ((isNull || isLate) && late === 'dead-row') return false;
    for (const start of left) if (isOpen(start)) this.#windows.get(start)?.delete(before?.['id']);
    if (after === null) return true;
    for (const start of come) {
      if (!isOpen(start)) continue;
      this.#windows.set(start, (this.#windows.get(start) ?? new Map<unknown, Row>()).set(after['id'], after));
    }
    return true;
  }

  rows(): Row[] {
    return [...this.#windows].flatMap(([start, rows]) =>
      [...rows.values()].map((one) => ({ ...one, window_start: start / 1000, window_end: (start + this.#options.sizeMs) / 1000 })),
    );
  }

  open(): number {
    return 0;
  }

  #startsOf(ms: number | undefined): number[] {
    const { everyMs, sizeMs } = this.#options;
    const starts: number[] = [];
    if (ms === undefined) return starts;
    for (let start = 0; start <= ms; start += everyMs) if (ms < start + sizeMs) starts.push(start);
    return starts;
  }
}

class SessionModel {
  readonly #options: WindowOptions;
  readonly #entries = new Set<Entry>();

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  apply({ before, after }: Change, watermark: number): boolean {
    const { late, latenessMs, gapMs } = this.#options;
    this.#freeze(watermark);
    const timeAfter = msOf(after);
    if (after !== null && timeAfter === undefined && late === 'dead-row') return false;
    const find = (image: Row | null): Entry | undefined =>
      image === null || msOf(image) === undefined
        ? undefined
        : [...this.#entries].find(({ id, who, frozen }) => frozen === undefined && id === image['id'] && who === image['who']);
    const olds = new Set([find(before), find(after)].flatMap((entry) => entry ?? []));
    const isUnmoved =
      before !== null &&
      after !== null &&
      before['who'] === after['who'] &&
      msOf(before) !== undefined &&
      msOf(before) === timeAfter;
    if (isUnmoved && olds.size === 0 && latenessMs !== undefined) return true;
    for (const old of olds) this.#entries.delete(old);
    if (after === null || timeAfter === undefined || after['who'] === null) return true;
    const entry: Entry = { id: after['id'], who: after['who'], row: after, ms: timeAfter, frozen: undefined };
    this.#entries.add(entry);
    const own = this.#sessions().find((session) => session.includes(entry)) ?? [];
    if ((own.at(-1)?.ms ?? 0) + gapMs > watermark) return true;
    this.#entries.delete(entry);
    if (late === 'dead-row') for (const old of olds) this.#entries.add(old);
    return late !== 'dead-row';
  }

  rows(): Row[] {
    const started = this.#sessions().flatMap((session) =>
      session.map(({ row: one }) => ({ ...one, window_start: (session[0]?.ms ?? 0) / 1000 })),
    );
    const frozen = [...this.#entries].flatMap(({ row: one, frozen: start }) =>
      start === undefined ? [] : [{ ...one, window_start: start / 1000 }],
    );
    return [...started, ...frozen];
  }

  /** Rows of sessions that are open in the end. */
  open(watermark: number): number {
    this.#freeze(watermark);
    return [...this.#entries].filter(({ frozen }) => frozen === undefined).length;
  }

  #freeze(watermark: number): void {
    for (const session of this.#sessions()) {
      if ((session.at(-1)?.ms ?? 0) + this.#options.gapMs > watermark) continue;
      for (const entry of session) entry.frozen = session[0]?.ms;
    }
  }

  /** Of rows that are not frozen. */
  #sessions(): Entry[][] {
    const all: Entry[][] = [];
    const live = [...this.#entries].filter(({ frozen }) => frozen === undefined);
    for (const who of new Set(live.map((entry) => entry.who))) {
      let session: Entry[] = [];
      for (const entry of live.filter((one) => one.who === who).toSorted((a, b) => a.ms - b.ms)) {
        const last = session.at(-1);
        if (last !== undefined && entry.ms - last.ms < this.#options.gapMs) session.push(entry);
        else all.push((session = [entry]));
      }
    }
    return all;
  }
}
