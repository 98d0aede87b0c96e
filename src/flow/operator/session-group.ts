import type { Row } from '../../row/change.ts';

/** A row of a session window. */
export interface SessionRow {
  /** What it is known by among the rows of its key. */
  readonly id: string;
  /** Its time in milliseconds since 1970. */
  readonly time: number;
  readonly row: Row;
}

/** A row with the first row of its session. */
export interface InSession {
  readonly of: SessionRow;
  readonly first: SessionRow;
}

/**
 * The rows of one key in the order of their time. Rows with less than the gap between neighbours are one session; so what sessions there
 * are follows from the rows alone.
 */
export class SessionGroup {
  readonly #gapMs: number;
  readonly #rows: SessionRow[];
  readonly #byId: Map<string, SessionRow>;

  constructor(gapMs: number, rows: readonly SessionRow[]) {
    this.#gapMs = gapMs;
    this.#rows = rows.toSorted(compare);
    this.#byId = new Map(rows.map((row) => [row.id, row]));
  }

  get(id: string): SessionRow | undefined {
    return this.#byId.get(id);
  }

  get rows(): readonly SessionRow[] {
    return this.#rows;
  }

  insert(row: SessionRow): void {
    this.#rows.splice(this.#placeOf(row), 0, row);
    this.#byId.set(row.id, row);
  }

  remove(row: SessionRow): void {
    this.#rows.splice(this.#placeOf(row), 1);
    this.#byId.delete(row.id);
  }

  /** When the session closes that a row of this time would be in, by the watermark. */
  closeOf(row: SessionRow): number {
    let last = row.time;
    for (let at = this.#placeOf(row); at < this.#rows.length; at += 1) {
      const next = this.#rows[at]?.time ?? last;
      if (next - last >= this.#gapMs) break;
      last = next;
    }
    return last + this.#gapMs;
  }

  /** When the first session closes; undefined where there is none. */
  get firstClose(): number | undefined {
    const [first] = this.#rows;
    return first === undefined ? undefined : this.closeOf(first);
  }

  /** Every row with its session. */
  get sessions(): readonly InSession[] {
    let first: SessionRow | undefined;
    let last = 0;
    return this.#rows.map((row): InSession => {
      if (first === undefined || row.time - last >= this.#gapMs) first = row;
      last = row.time;
      return { of: row, first };
    });
  }

  /** Takes away the sessions that are closed at this watermark: they are the first ones. */
  takeClosed(watermark: number): readonly InSession[] {
    const [first] = this.#rows;
    if (first === undefined || first.time + this.#gapMs > watermark) return [];
    let closed = 0;
    for (const [at, { time }] of this.#rows.entries()) {
      if (time + this.#gapMs > watermark) break;
      const next = this.#rows[at + 1];
      if (next === undefined || next.time - time >= this.#gapMs) closed = at + 1;
    }
    const taken = this.sessions.slice(0, closed);
    for (const { id } of this.#rows.splice(0, closed)) this.#byId.delete(id);
    return taken;
  }

  /** Where a row is, or belongs. */
  #placeOf(row: SessionRow): number {
    let [from, to] = [0, this.#rows.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const other = this.#rows[middle];
      if (other !== undefined && compare(other, row) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function compare(a: SessionRow, b: SessionRow): number {
  return a.time - b.time || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
