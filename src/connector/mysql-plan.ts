/**
 * From the rows of one save to the writes that have their effect: without side effects, and done before the first statement is sent.
 *
 * Where equal keys can be told, each key is written once: later fields overlay earlier ones, and a delete forgets what came
 * before it. Then no two writes touch one row, so all deletes go first and the rest is sorted by its columns into few
 * statements. Where equal keys cannot be told (accents, padding), or where other unique keys make rows depend on one
 * another, every row is written in its order, and only neighbours share a statement.
 */
import { CodedError } from '../lib/error.ts';
import { inTurns } from '../lib/turns.ts';
import { isChange, type Row } from '../row/change.ts';
import { partialNoteOf } from '../row/partial-row.ts';
import { readPartial, type PartialOperation, type PartialUpdate } from './mysql-partial.ts';
import {
  dropUndefined,
  hasSameKey,
  hasShape,
  identifyRow,
  makeShape,
  writeKey,
  writeValues,
  type RowWrite,
  type SaveMode,
  type Shape,
} from './mysql-shape.ts';
import type { TableDefinition } from './mysql-table.ts';

/** Rows with the same columns, or keys to delete, in order: what one or more statements do. */
export type Write =
  | { readonly kind: 'rows'; readonly rows: readonly RowWrite[] }
  | { readonly kind: 'delete'; readonly keys: readonly string[] }
  | {
      readonly kind: 'update';
      readonly updates: readonly PartialUpdate[];
      /** Of rows that differ, and of which no other write is: they may share statements, in any order. */
      readonly isMerged: boolean;
    };

/** Shapes seen by a table's rows, the last one first in mind. Dropped with the table's definition. */
export class ShapeCache {
  readonly #table: TableDefinition;
  readonly #shapes = new Map<string, Shape>();
  #last: Shape | undefined;

  constructor(table: TableDefinition) {
    this.#table = table;
  }

  get table(): TableDefinition {
    return this.#table;
  }

  /** Throws STORE_COLUMN_UNKNOWN. */
  prepare(row: Row): RowWrite {
    const shape = this.#shapeOf(row);
    const text = writeValues(this.#table, shape, row);
    return text === undefined ? this.prepare(dropUndefined(row)) : { row, shape, text };
  }

  #shapeOf(row: Row): Shape {
    if (this.#last !== undefined && hasShape(this.#last, row)) return this.#last;
    const name = Object.keys(row).join('\0');
    let shape = this.#shapes.get(name);
    if (shape === undefined) {
      shape = makeShape(this.#table, row);
      if (this.#shapes.size < 1000) this.#shapes.set(name, shape);
    }
    this.#last = shape;
    return shape;
  }
}

/** About 1 ms of work. */
const sliceRows = 500;

/** Plans the writes of `rows`. Rejects with the row's or the table's error (STORE_KEY_MISSING, STORE_COLUMN_UNKNOWN, STORE_CONSTRAINT, ROW_INVALID). */
export async function planWrites(shapes: ShapeCache, rows: readonly unknown[], mode: SaveMode): Promise<readonly Write[]> {
  if (mode !== 'insert' && !shapes.table.hasSecondaryUnique) {
    const merged = new MergedPlan(shapes, mode);
    await inTurns(rows, sliceRows, (slice) => merged.add(slice));
    if (merged.canTellKeys) return merged.collect();
  }
  const ordered = new OrderedPlan(shapes, mode);
  await inTurns(rows, sliceRows, (slice) => ordered.add(slice));
  return ordered.writes;
}

/** A key that is removed first, and then, where there is a write, written anew. Keys that are only written have just their write. */
interface DeletedKey {
  /** A row that has the key. */
  readonly row: Row;
  readonly write: RowWrite | undefined;
}

/** Each key written once. A key written once costs one object and one entry of a map (1.3 µs a row with nine columns, of which writing the values is 0.8). */
class MergedPlan {
  readonly #shapes: ShapeCache;
  readonly #mode: SaveMode;
  readonly #states = new Map<string | number, RowWrite | PartialUpdate | DeletedKey>();
  #canTellKeys = true;

  constructor(shapes: ShapeCache, mode: SaveMode) {
    this.#shapes = shapes;
    this.#mode = mode;
  }

  /** False when equal keys cannot be told: then the plan is none. */
  get canTellKeys(): boolean {
    return this.#canTellKeys;
  }

  add(rows: readonly unknown[]): void {
    if (this.#canTellKeys) this.#canTellKeys = rows.every((item) => this.#addOne(item));
  }

  #addOne(item: unknown): boolean {
    const { table } = this.#shapes;
    const states = this.#states;
    const { gone, written, partial } = readOperation(table, item, this.#mode);
    if (partial !== undefined) return this.#addPartial(partial);
    if (gone !== undefined) {
      const identity = identifyRow(table, gone);
      const known = identity === undefined ? undefined : states.get(identity);
      if (identity === undefined || (known !== undefined && !hasSameKey(table, known.row, gone))) return false;
      states.set(identity, { row: gone, write: undefined });
    }
    if (written === undefined) return true;
    const identity = identifyRow(table, written);
    if (identity === undefined) return false;
    const known = states.get(identity);
    if (known === undefined) {
      states.set(identity, this.#shapes.prepare(written));
      return true;
    }
    if (!hasSameKey(table, known.row, written)) return false;
    states.set(identity, this.#overlay(known, written));
    return true;
  }

  /** A key that changes where the row is touches two keys, and a row that was deleted before is not there: both need the order of rows. */
  #addPartial({ at, row, note }: Update): boolean {
    const { table } = this.#shapes;
    const identity = hasSameKey(table, at, row) ? identifyRow(table, row) : undefined;
    if (identity === undefined) return false;
    const known = this.#states.get(identity);
    if (known === undefined) {
      this.#states.set(identity, { ...this.#shapes.prepare(row), at, note });
      return true;
    }
    if (!hasSameKey(table, known.row, row) || ('write' in known && known.write === undefined)) return false;
    this.#states.set(identity, this.#overlay(known, row));
    return true;
  }

  /** What was to be updated only stays so: the row has to be there. */
  #overlay(known: RowWrite | PartialUpdate | DeletedKey, row: Row): RowWrite | PartialUpdate | DeletedKey {
    const next = overlay(this.#shapes, 'write' in known ? known.write : known, row);
    if ('write' in known) return { ...known, write: next };
    return isUpdate(known) ? { ...known, ...next } : next;
  }

  collect(): readonly Write[] {
    const { table } = this.#shapes;
    const keys: string[] = [];
    const groups = new Map<string, RowWrite[]>();
    let group: RowWrite[] = [];
    let shape: Shape | undefined;
    const updates: PartialUpdate[] = [];
    for (const state of this.#states.values()) {
      const isDeleted = 'write' in state;
      if (isDeleted) keys.push(writeKey(table, state.row));
      const write = isDeleted ? state.write : state;
      if (write === undefined) continue;
      if (isUpdate(write)) {
        updates.push(write);
        continue;
      }
      if (write.shape !== shape) {
        shape = write.shape;
        group = groups.get(shape.group) ?? [];
        groups.set(shape.group, group);
      }
      group.push(write);
    }
    const writes: Write[] = keys.length === 0 ? [] : [{ kind: 'delete', keys }];
    for (const members of groups.values()) writes.push({ kind: 'rows', rows: members });
    if (updates.length > 0) writes.push({ kind: 'update', updates: updates.toSorted(byShape), isMerged: true });
    return writes;
  }
}

/** A union's members are told apart by what only one of them has, which `in` cannot say where it extends the other. */
function isUpdate(write: RowWrite | PartialUpdate): write is PartialUpdate {
  return 'note' in write;
}

/** Rows with the same columns next to one another. */
function byShape(a: RowWrite, b: RowWrite): number {
  return a.shape.group < b.shape.group ? -1 : Number(a.shape.group > b.shape.group);
}

function overlay(shapes: ShapeCache, earlier: RowWrite | undefined, row: Row): RowWrite {
  const later = shapes.prepare(row);
  if (earlier === undefined || earlier.shape === later.shape) return later;
  return shapes.prepare({ ...earlier.row, ...later.row });
}

/** Every row in its order. */
class OrderedPlan {
  readonly #shapes: ShapeCache;
  readonly #mode: SaveMode;
  readonly #runs: (
    | { kind: 'rows'; group: string; rows: RowWrite[] }
    | { kind: 'delete'; keys: string[] }
    | { kind: 'update'; updates: readonly PartialUpdate[]; isMerged: false }
  )[] = [];

  constructor(shapes: ShapeCache, mode: SaveMode) {
    this.#shapes = shapes;
    this.#mode = mode;
  }

  get writes(): readonly Write[] {
    return this.#runs;
  }

  add(rows: readonly unknown[]): void {
    for (const item of rows) this.#addOne(item);
  }

  #addOne(item: unknown): void {
    const { table } = this.#shapes;
    const runs = this.#runs;
    const { gone, written, partial } = readOperation(table, item, this.#mode);
    if (partial !== undefined) {
      const { at, row, note } = partial;
      runs.push({ kind: 'update', updates: [{ ...this.#shapes.prepare(row), at, note }], isMerged: false });
      return;
    }
    const last = runs.at(-1);
    if (gone !== undefined) {
      if (last?.kind === 'delete') last.keys.push(writeKey(table, gone));
      else runs.push({ kind: 'delete', keys: [writeKey(table, gone)] });
    }
    if (written === undefined) return;
    if (this.#mode !== 'insert') writeKey(table, written); // a row without its key is found before anything is written
    const write = this.#shapes.prepare(written);
    const run = runs.at(-1);
    if (run?.kind === 'rows' && run.group === write.shape.group) run.rows.push(write);
    else runs.push({ kind: 'rows', group: write.shape.group, rows: [write] });
  }
}

interface Operation {
  /** The row whose key is removed first. */
  readonly gone?: Row | undefined;
  readonly written?: Row | undefined;
  /** Instead of both: some columns of a row. */
  readonly partial?: Update | undefined;
}

type Update = Extract<PartialOperation, { kind: 'update' }>;

/** What a row does to the table. Throws ROW_INVALID (row) for what is no row. */
export function readOperation(table: TableDefinition, item: unknown, mode: SaveMode): Operation {
  if (!isRow(item))
    throw new CodedError('ROW_INVALID', `A row for ${table.id} must be an object, not ${String(item)}`, { class: 'row' });
  const note = partialNoteOf(item);
  const partial = note === undefined ? undefined : readPartial(table, item, { note, mode });
  if (partial?.kind === 'update') return { partial };
  if (!isChange(item)) return { written: item };
  const { before, after } = item;
  if (before === null) return { written: after ?? undefined };
  if (after === null) return { gone: before };
  return hasSameKey(table, before, after) ? { written: after } : { gone: before, written: after };
}

function isRow(item: unknown): item is Row {
  return typeof item === 'object' && item !== null && !Array.isArray(item);
}
