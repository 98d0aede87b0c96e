import { CodedError } from '../../lib/error.ts';
import type { Change, Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { eachRow, mismatch, refuse, requireChange } from './operator.ts';
import type { SessionRow } from './session-group.ts';
import { indexPrefix, readIndex, rowsPrefix, SessionKey } from './session-key.ts';
import { markOf } from './state-key.ts';
import { Watermark } from './watermark.ts';
import type { WindowOptions } from './window-options.ts';
import { readTime, timeOf } from './window-time.ts';

/** So many rows of open sessions a batch may load. */
const rowsMax = 100_000;
/** So many groups are looked at for closed sessions after a batch, and at least twice as many as it has rows. */
const closedMin = 1000;

/** Where a row's session is. */
interface Placed {
  readonly mark: string;
  readonly row: SessionRow;
}

interface StoredRow {
  readonly row: SessionRow;
  readonly key: SessionKey;
}

interface SessionChange {
  readonly change: Change;
  /** The latest time seen may be this one. */
  readonly time: number | undefined;
  readonly before: Placed | undefined;
  readonly after: Placed | undefined;
}

/**
 * One batch of a session window. The open sessions of the keys that it touches are loaded, its changes are applied to them one after
 * another, each judged by the watermark that it finds, and the differences go on. Sessions that the watermark has closed leave the
 * state: those of touched keys when they are touched, the others by an index of when they close.
 */
export class SessionBatch {
  readonly #flow: FlowContext;
  readonly #options: WindowOptions;
  readonly #keys = new Map<string, SessionKey>();

  constructor(flow: FlowContext, options: WindowOptions) {
    this.#flow = flow;
    this.#options = options;
  }

  async run(rows: readonly unknown[]): Promise<void> {
    const flow = this.#flow;
    const watermark = await Watermark.open(flow, this.#options);
    const changes = this.#read(rows);
    await this.#load([...changes.values()].flatMap(({ before, after }) => [before, after].flatMap((one) => one?.mark ?? [])));
    eachRow(flow, rows, (row) => {
      const change = changes.get(row);
      if (change === undefined) flow.commitRow(row);
      else this.#apply(change, watermark);
    });
    for (const key of this.#keys.values()) key.commit(flow);
    this.#save(this.#keys.values(), watermark);
    await this.#clean(watermark, rows.length);
    watermark.save(flow);
  }

  #read(rows: readonly unknown[]): ReadonlyMap<unknown, SessionChange> {
    const { table } = this.#options;
    const changes = new Map<unknown, SessionChange>();
    eachRow(this.#flow, rows, (row) => {
      const change = requireChange(this.#flow, row);
      if (table !== undefined && change.table !== table) return;
      if (change.key.length === 0)
        throw mismatch(this.#flow, `makes sessions of ${change.table}, which come without a primary key`);
      const { before, after } = change;
      const time = after === null ? undefined : timeOf(after, this.#options);
      changes.set(row, {
        change,
        time,
        before: before === null ? undefined : this.#place(change, before, readTime(before, this.#options)),
        after: after === null ? undefined : this.#place(change, after, time),
      });
    });
    return changes;
  }

  /** Undefined for a row in no session: without a time, or with a NULL in its key. */
  #place({ table, key }: Change, row: Row, time: number | undefined): Placed | undefined {
    const mark = markOf(row, this.#options.key);
    const own = markOf(row, key);
    if (mark === undefined || own === undefined || time === undefined) return undefined;
    return { mark, row: { id: `${table.length}:${table}${own}`, time, row } };
  }

  async #load(marks: readonly string[]): Promise<void> {
    const unknown = [...new Set(marks)].filter((mark) => !this.#keys.has(mark));
    if (unknown.length === 0) return;
    const groups = await this.#flow.state.getGroups(unknown.map(rowsPrefix), rowsMax);
    for (const mark of unknown) this.#keys.set(mark, this.#openKey(mark, groups.get(rowsPrefix(mark)) ?? new Map()));
  }

  #openKey(mark: string, entries: ReadonlyMap<string, unknown>): SessionKey {
    const { length } = rowsPrefix(mark);
    const rows = [...entries].flatMap(([id, row]): [string, Row][] => (isRow(row) ? [[id.slice(length), row]] : []));
    return new SessionKey(mark, this.#options, new Map(rows));
  }

  #apply({ change, time, before, after }: SessionChange, watermark: Watermark): void {
    if (change.after !== null && time === undefined) {
      refuse('ROW_INVALID', `${this.#options.time} is NULL, so it is in no session`, this.#options);
    }
    for (const placed of [before, after]) this.#keyOf(placed)?.touch(this.#flow, change, watermark.value);
    const isUnmoved =
      before !== undefined && after !== undefined && before.mark === after.mark && before.row.time === after.row.time;
    const olds = this.#storedOf(before, after);
    // what is not there any more, and has not moved, is in a closed session
    const isClosed = isUnmoved && olds.length === 0 && this.#options.latenessMs !== undefined;
    if (!isClosed) this.#replace(olds, after, watermark.value);
    if (time !== undefined) watermark.advance(time);
  }

  /** Rows that are there where the row was, and where it comes. */
  #storedOf(before: Placed | undefined, after: Placed | undefined): readonly StoredRow[] {
    const stored = new Map<SessionRow, SessionKey>();
    for (const placed of [before, after]) {
      const key = this.#keyOf(placed);
      const row = placed === undefined ? undefined : key?.group.get(placed.row.id);
      if (key !== undefined && row !== undefined) stored.set(row, key);
    }
    return [...stored].map(([row, key]) => ({ row, key }));
  }

  #replace(olds: readonly StoredRow[], after: Placed | undefined, watermark: number): void {
    for (const { key, row } of olds) key.group.remove(row);
    const group = this.#keyOf(after)?.group;
    if (group === undefined || after === undefined) return;
    if (group.closeOf(after.row) > watermark) {
      group.insert(after.row);
      return;
    }
    // refused, it changes nothing: rows that follow are judged as if it had not come
    if (this.#options.late === 'dead-row') for (const { key, row } of olds) key.group.insert(row);
    const problem = `its session is closed: ${this.#options.time} is ${String(after.row.row[this.#options.time])}`;
    refuse('ROW_LATE', problem, this.#options);
  }

  #keyOf(placed: Placed | undefined): SessionKey | undefined {
    return placed === undefined ? undefined : this.#keys.get(placed.mark);
  }

  #save(keys: Iterable<SessionKey>, watermark: Watermark): void {
    for (const key of keys)
      watermark.nextClose = Math.min(watermark.nextClose, key.save(this.#flow.state) ?? Number.POSITIVE_INFINITY);
  }

  /** Removes sessions that have closed, of keys that nothing touches any more too, a portion at a time. */
  async #clean(watermark: Watermark, rows: number): Promise<void> {
    if (this.#options.latenessMs === undefined || watermark.value < watermark.nextClose) return;
    const count = Math.max(closedMin, 2 * rows);
    const index = [...(await this.#flow.state.getFirst(indexPrefix, count)).keys()].map(readIndex);
    const due = index.filter(({ time }) => time <= watermark.value);
    const later = index.length < count ? Number.POSITIVE_INFINITY : watermark.value;
    watermark.nextClose = index.find(({ time }) => time > watermark.value)?.time ?? later;
    const marks = due.map(({ mark }) => mark);
    await this.#loadPortions(marks);
    const keys = marks.flatMap((mark) => this.#keys.get(mark) ?? []);
    for (const key of keys) key.close(watermark.value);
    this.#save(keys, watermark);
  }

  /** Groups that are too much at once, a half at a time. */
  async #loadPortions(marks: readonly string[]): Promise<void> {
    try {
      await this.#load(marks);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'STATE_TOO_LARGE' || marks.length < 2) throw error;
      const half = Math.ceil(marks.length / 2);
      await this.#loadPortions(marks.slice(0, half));
      await this.#loadPortions(marks.slice(half));
    }
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
