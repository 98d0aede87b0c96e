import { groupSize, isChange, type Row } from '../row/change.ts';
import type { Position } from '../row/position.ts';
import type { RowOrigin, TracedTable } from '../row/row-trace.ts';
import { imagesOf, parsePlace, placeOf, type Batch } from './batch.ts';
import type { Kept } from './kept-run.ts';

/** What a trace is about: the changes of a batch, or rows that were kept and are tried again. */
export interface TraceSubject {
  /** The sequence number that the batch continues. */
  readonly sequence: number;
  /** `file:offset` of both ends; with the run where it is a chunk, which has no changes of the stream. */
  readonly from: string;
  readonly to: string;
  /** Commit time of its last transaction, or when a chunk was read; 0 where it is not known. */
  readonly time: number;
  /** All its changes, in the order of their places. */
  readonly changes: () => Iterable<SourceChange>;
}

/** One change at the source. */
export interface SourceChange {
  readonly origin: RowOrigin;
  /** Names of its table's primary key columns. */
  readonly key: readonly string[];
  readonly image: Row;
}

export function subjectOf(batch: Batch, sequence: number): TraceSubject {
  const { start, end, time, parts, chunk } = batch;
  const changes = (): Iterable<SourceChange> => changesOf(batch);
  const [part] = parts;
  if (chunk === undefined || part === undefined) return { sequence, from: shortPlace(start), to: shortPlace(end), time, changes };
  return { sequence, from: placeOf(part), to: placeOf(part), time: part.time, changes };
}

/** Kept rows leave the position as it is. */
export function subjectOfKept(
  kept: readonly Kept[],
  { sequence, position }: { readonly sequence: number; readonly position: Position },
): TraceSubject {
  const at = shortPlace(position);
  const changes = kept.map(({ change }): SourceChange => ({
    origin: { table: change.table, position: change.position, time: change.time },
    key: change.key,
    image: change.after ?? change.before ?? {},
  }));
  const { origin: first } = changes[0] ?? {};
  const { origin: last } = changes.at(-1) ?? {};
  // a change of the stream was committed, a row of a chunk was read: of both together there is no one time
  const isMixed = new Set(changes.map(({ origin }) => parsePlace(origin.position).run)).size > 1;
  return {
    sequence,
    from: first?.position ?? at,
    to: last?.position ?? at,
    time: isMixed ? 0 : (last?.time ?? 0),
    changes: () => changes,
  };
}

function shortPlace({ file, offset }: Position): string {
  return `${file}:${offset}`;
}

function* changesOf(batch: Batch): Generator<SourceChange> {
  for (const part of batch.parts) {
    for (const group of part.groups) {
      const origin = { table: group.table.id, position: placeOf(part), time: part.time };
      for (let i = 0; i < groupSize(group); i += 1) {
        const { before, after } = imagesOf(group, i);
        yield { origin, key: group.table.primaryKey, image: after ?? before ?? {} };
      }
    }
  }
}

/** The rows that a run was given, and the changes that they are. */
export interface GivenRows {
  readonly rows: readonly unknown[];
  /** Of each row, the place of its change. */
  readonly places: () => readonly number[];
}

/** Which change a row of a run is, or was made of; and what of a batch's changes has a key. Read from the changes when it is first asked for. */
export class TracedRows {
  readonly #subject: TraceSubject;
  #given: GivenRows = { rows: [], places: () => [] };
  /** Rows that were made of others. */
  readonly #derived = new Map<unknown, RowOrigin | undefined>();
  #origins: ReadonlyMap<unknown, RowOrigin> | undefined;
  #wanted: readonly SourceChange[] | undefined;
  /** `table position` of all changes. */
  #places: ReadonlySet<string> | undefined;
  readonly #byKey = new Map<TracedTable, ReadonlyMap<string, RowOrigin | undefined>>();

  constructor(subject: TraceSubject) {
    this.#subject = subject;
  }

  take(given: GivenRows): void {
    this.#given = given;
  }

  derive(made: unknown, from: unknown): void {
    if (made !== from) this.#derived.set(made, this.originOf(from));
  }

  /** The change that the row is, or was made of; undefined where that is not known. */
  originOf(row: unknown): RowOrigin | undefined {
    if (this.#derived.has(row)) return this.#derived.get(row);
    return this.#givenOrigins().get(row) ?? this.#originOfChange(row);
  }

  /** The change of the same key, where the table's key is that of the changes' own table, and of no second one; the last one of it. */
  byKey(table: TracedTable, text: string): RowOrigin | undefined {
    let known = this.#byKey.get(table);
    if (known === undefined) {
      known = this.#readKeys(table);
      this.#byKey.set(table, known);
    }
    return known.get(text);
  }

  /** The one table that all changes are of; undefined where they are of several. */
  get onlyTable(): string | undefined {
    const tables = new Set(this.#changes().map(({ origin }) => origin.table));
    return tables.size === 1 ? [...tables][0] : undefined;
  }

  /** A change that a function has made again keeps its place; what a program made up is not believed. */
  #originOfChange(row: unknown): RowOrigin | undefined {
    if (!isChange(row)) return undefined;
    const { table, position, time } = row;
    this.#places ??= new Set(this.#changes().map(({ origin }) => `${origin.table} ${origin.position}`));
    return this.#places.has(`${table} ${position}`) ? { table, position, time } : undefined;
  }

  #givenOrigins(): ReadonlyMap<unknown, RowOrigin> {
    if (this.#origins === undefined) {
      const changes = this.#changes();
      this.#origins = new Map(
        this.#given.rows.flatMap((row, at) => {
          const change = changes[at];
          return change === undefined ? [] : [[row, change.origin] as const];
        }),
      );
    }
    return this.#origins;
  }

  /** The changes that the run was given, in the order of its rows. */
  #changes(): readonly SourceChange[] {
    if (this.#wanted === undefined) {
      const all = [...this.#subject.changes()];
      this.#wanted = this.#given.places().flatMap((place) => all[place] ?? []);
    }
    return this.#wanted;
  }

  #readKeys(table: TracedTable): ReadonlyMap<string, RowOrigin | undefined> {
    const found = new Map<string, RowOrigin | undefined>();
    const wanted = table.key.toSorted().join('\0');
    for (const { key, image, origin } of this.#changes()) {
      if (
        key
          .map((name) => name.toLowerCase())
          .toSorted()
          .join('\0') !== wanted
      )
        continue;
      const traced = table.keyOf(image);
      if (traced === undefined || traced.isLoose) continue;
      const known = found.get(traced.text);
      const isOther = found.has(traced.text) && known?.table !== origin.table;
      found.set(traced.text, isOther ? undefined : origin);
    }
    return found;
  }
}
