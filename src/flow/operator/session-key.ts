import { makeChange, type Change, type Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import type { FlowState } from '../state.ts';
import { sameRow } from './same-row.ts';
import { SessionGroup, type InSession, type SessionRow } from './session-group.ts';
import type { WindowOptions } from './window-options.ts';
import { readTime } from './window-time.ts';

/** An entry of the index: the key of a group, by when its first session closes. Times before 1970 are positive too. */
const timeOffset = 1e14;
const timeDigits = 17;
export const indexPrefix = 'I';

/** What the keys of a group's rows begin with. */
export function rowsPrefix(mark: string): string {
  return `S${mark}`;
}

/** When a group's first session closes, and which group it is. */
export function readIndex(id: string): { readonly time: number; readonly mark: string } {
  return { time: Number(id.slice(1, 1 + timeDigits)) - timeOffset, mark: id.slice(1 + timeDigits) };
}

/** A row with the start of its session, as its own time field has it. */
interface Started {
  readonly row: Row;
  readonly start: Row[string];
}

/** The open sessions of one key, as one batch sees and changes them. */
export class SessionKey {
  readonly group: SessionGroup;
  readonly #mark: string;
  readonly #options: WindowOptions;
  /** Rows as the state has them, by id. */
  #stored: ReadonlyMap<string, Row>;
  /** Rows as they went on in batches before, by id. */
  readonly #emitted = new Map<string, Started>();
  #indexedAt: number | undefined;
  #last: Change | undefined;

  constructor(mark: string, options: WindowOptions, stored: ReadonlyMap<string, Row>) {
    this.#mark = mark;
    this.#options = options;
    this.#stored = stored;
    const rows = [...stored].map(([id, row]): SessionRow => ({ id, row, time: readTime(row, options) ?? 0 }));
    this.group = new SessionGroup(options.gapMs, rows);
    for (const one of this.group.sessions) this.#emitted.set(one.of.id, this.#startOf(one));
    this.#indexedAt = this.#closeTime();
  }

  /** A change comes: closed sessions are over before it. What became of them in this batch goes on. */
  touch(flow: FlowContext, change: Change, watermark: number): void {
    this.#last = change;
    for (const closed of this.group.takeClosed(watermark)) {
      const { id } = closed.of;
      this.#emit(flow, this.#emitted.get(id), this.#startOf(closed));
      this.#emitted.delete(id);
    }
  }

  /** Hands on what the batch has changed: what goes, and then what changes and comes. */
  commit(flow: FlowContext): void {
    const now = new Map(this.group.sessions.map((one) => [one.of.id, this.#startOf(one)]));
    for (const [id, before] of this.#emitted) if (before.start !== now.get(id)?.start) this.#emit(flow, before, undefined);
    for (const [id, after] of now) {
      const before = this.#emitted.get(id);
      this.#emit(flow, before?.start === after.start ? before : undefined, after);
    }
  }

  /** Removes what has closed; it has gone on already. */
  close(watermark: number): void {
    this.group.takeClosed(watermark);
  }

  /** Keeps the rows, and when the first session closes, which it gives. */
  save(state: FlowState): number | undefined {
    const prefix = rowsPrefix(this.#mark);
    for (const id of this.#stored.keys()) if (this.group.get(id) === undefined) state.delete(`${prefix}${id}`);
    for (const { id, row } of this.group.rows) if (this.#stored.get(id) !== row) state.set(`${prefix}${id}`, row);
    this.#stored = new Map(this.group.rows.map(({ id, row }) => [id, row]));
    const time = this.#closeTime();
    if (this.#options.latenessMs === undefined || time === this.#indexedAt) return time;
    if (this.#indexedAt !== undefined) state.delete(this.#indexId(this.#indexedAt));
    if (time !== undefined) state.set(this.#indexId(time), 1);
    this.#indexedAt = time;
    return time;
  }

  #closeTime(): number | undefined {
    const time = this.group.firstClose;
    return time === undefined ? undefined : Math.ceil(time);
  }

  #indexId(time: number): string {
    return `${indexPrefix}${String(time + timeOffset).padStart(timeDigits, '0')}${this.#mark}`;
  }

  #startOf({ of, first }: InSession): Started {
    return { row: of.row, start: first.row[this.#options.time] };
  }

  /** A session's start is in the key: a row that gets into another one goes and comes. */
  #emit(flow: FlowContext, before: Started | undefined, after: Started | undefined): void {
    const change = this.#last;
    if (change === undefined) return;
    if (before !== undefined && after !== undefined) {
      if (before.start !== after.start) {
        this.#emit(flow, before, undefined);
        this.#emit(flow, undefined, after);
        return;
      }
      if (before.row === after.row || sameRow(before.row, after.row)) return;
    }
    const { start } = this.#options.as;
    const place = (one: Started | undefined): Row | null => (one === undefined ? null : { ...one.row, [start]: one.start });
    const op = before === undefined ? 'insert' : after === undefined ? 'delete' : 'update';
    const made = makeChange({ ...change, op, key: [...change.key, start], before: place(before), after: place(after) });
    traceOf(flow)?.derive(made, change);
    flow.commitRow(made);
  }
}
