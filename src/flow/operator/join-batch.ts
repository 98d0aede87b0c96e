import { CodedError } from '../../lib/error.ts';
import { isChange, makeChange, type Change, type Row } from '../../row/change.ts';
import { keyText } from '../row-text.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import type { JoinOptions } from './join-options.ts';
import { isWithin, openHeader, type JoinKeys } from './join-header.ts';
import { joinedKey } from './join-key.ts';
import { JoinSide, type Place } from './join-side.ts';
import { eachRow, mismatch, requireChange } from './operator.ts';
import { sameRow } from './same-row.ts';

/** So many rows a batch may load beside its own, and so many it may emit. */
const rowsMax = 100_000;

/** A change of one side, with where its rows are and what is kept of them. */
interface SideChange {
  readonly change: Change;
  readonly side: JoinSide;
  readonly before: PlacedRow | undefined;
  readonly after: PlacedRow | undefined;
}

interface PlacedRow {
  readonly place: Place;
  readonly row: Row;
}

interface Sides {
  readonly left: JoinSide;
  readonly right: JoinSide;
  /** The key of joined rows; empty while there can be none, because rows of one side only were seen. */
  readonly key: readonly string[];
}

/**
 * One batch of a join. First all is loaded that its changes may touch, in three questions to the state at most: the changed rows
 * themselves, the rows of the other side that are known by their key, and groups of rows. Then change after change is applied
 * in memory, and what joined rows it makes, changes and takes away goes on in its place.
 */
export class JoinBatch {
  readonly #flow: FlowContext;
  readonly #options: JoinOptions;
  #emitted = 0;

  constructor(flow: FlowContext, options: JoinOptions) {
    this.#flow = flow;
    this.#options = options;
  }

  async run(rows: readonly unknown[]): Promise<void> {
    const { left, right } = this.#options;
    const changes = rows.map((row) => requireChange(this.#flow, row));
    const own = changes.filter(({ table }) => table === left || table === right);
    const sides = own.length === 0 ? undefined : this.#openSides(await openHeader(this.#flow, this.#options, own));
    if (sides === undefined) {
      this.#flow.commitRowBatch(rows);
      return;
    }
    const placed = this.#place(own, sides);
    await this.#load([...placed.values()].flat(), sides);
    for (const change of changes) {
      const sideChanges = placed.get(change);
      if (sideChanges === undefined) this.#flow.commitRow(change);
      else for (const sideChange of sideChanges) this.#apply(sideChange, sides);
    }
    this.#save(sides);
  }

  #openSides({ left, right }: JoinKeys): Sides {
    const { on, type, take } = this.#options;
    const leftOn = Object.keys(on);
    const rightOn = Object.values(on);
    const isKeyed = left !== undefined && right !== undefined;
    const { key, missing } = isKeyed ? joinedKey(this.#options, { left, right }) : { key: left ?? [], missing: [] };
    if (missing.length > 0) {
      const names = missing.join(', ');
      throw mismatch(
        this.#flow,
        `joins several rows of ${this.#options.right} to one, and ${names} of their key is not in with.take`,
      );
    }
    const isRightSingle = right === undefined || isWithin(right, rightOn);
    return {
      key,
      left: new JoinSide({
        name: 'L',
        on: leftOn,
        key: left ?? [],
        kept: undefined,
        keepsNull: type === 'left',
        isSingle: left !== undefined && isWithin(left, leftOn),
      }),
      right: new JoinSide({
        name: 'R',
        on: rightOn,
        key: right ?? [],
        kept: [...new Set(Object.values(take))],
        keepsNull: false,
        isSingle: isRightSingle,
      }),
    };
  }

  /** Where each change's rows are. A table that is joined to itself changes on both sides. */
  #place(changes: readonly Change[], { left, right }: Sides): ReadonlyMap<Change, readonly SideChange[]> {
    const placed = new Map<Change, SideChange[]>();
    eachRow(this.#flow, changes, (row) => {
      if (!isChange(row)) return;
      const sides: SideChange[] = [];
      if (row.table === this.#options.left) sides.push(placeChange(row, left));
      if (row.table === this.#options.right) sides.push(placeChange(row, right));
      placed.set(row, sides);
    });
    return placed;
  }

  async #load(changes: readonly SideChange[], sides: Sides): Promise<void> {
    const own = new Wanted();
    for (const { side, before, after } of changes) {
      for (const image of [before, after]) if (image !== undefined) own.want(side, image.place);
    }
    const quiet = changes.filter(isQuiet);
    const loud = changes.filter((one) => !isQuiet(one));
    const others = othersOf(loud, sides);
    await this.#loadRows([own, others.rows]);
    // what changes nothing that is joined needs the other side only where it was never seen before
    const unseen = quiet.filter(({ side, before }) => before !== undefined && side.get(before.place) === undefined);
    const late = othersOf(unseen, sides);
    await this.#loadRows([late.rows]);
    await this.#loadGroups(new Map([...others.groups, ...late.groups]));
  }

  async #loadRows(wanted: readonly Wanted[]): Promise<void> {
    const places = new Map(wanted.flatMap(({ places: some }) => [...some]));
    if (places.size === 0) return;
    const rows = await this.#flow.state.getMany([...places.keys()]);
    for (const [id, { side, group }] of places) side.load(group, id, rows.get(id));
  }

  async #loadGroups(groups: ReadonlyMap<string, SideGroup>): Promise<void> {
    if (groups.size === 0) return;
    const loaded = await this.#flow.state.getGroups([...groups.keys()], rowsMax).catch((error: unknown) => {
      throw error instanceof CodedError && error.code === 'STATE_TOO_LARGE' ? this.#tooLarge('load', error) : error;
    });
    for (const [prefix, { side, group }] of groups) {
      for (const [id, row] of loaded.get(prefix) ?? []) side.load(group, id, row);
    }
  }

  #apply({ change, side, before, after }: SideChange, sides: Sides): void {
    const places = new Map([before, after].flatMap((image) => (image === undefined ? [] : [[image.place.id, image.place]])));
    const olds = [...places.values()].flatMap((place): readonly PlacedRow[] => {
      const row = side.get(place);
      return row === undefined ? [] : [{ place, row }];
    });
    const groups = [...new Set([...places.values()].map(({ group }) => group))];
    const isLeftJoin = this.#options.type === 'left';
    const joinedOf = (placed: readonly PlacedRow[]): readonly Row[] => {
      if (side === sides.left) return placed.flatMap(({ place, row }) => this.#joinLeft(row, place.group, sides));
      // a left row that loses its right row, or gets one, is joined before and after
      if (isLeftJoin) return groups.flatMap((group) => this.#joinGroup(group, sides));
      return placed.flatMap(({ place, row }) => sides.left.rows(place.group).map((left) => this.#join(left, row)));
    };
    const gone = joinedOf(olds);
    for (const { place } of olds) side.remove(place);
    if (after !== undefined) side.put(after.place, after.row);
    this.#emit({ change, key: sides.key }, gone, joinedOf(after === undefined ? [] : [after]));
  }

  #joinGroup(group: string | undefined, sides: Sides): readonly Row[] {
    return sides.left.rows(group).flatMap((left) => this.#joinLeft(left, group, sides));
  }

  /** The joined rows of a row of left. */
  #joinLeft(left: Row, group: string | undefined, { right }: Sides): readonly Row[] {
    const rows = right.rows(group);
    if (rows.length === 0 && this.#options.type === 'left') return [this.#join(left, undefined)];
    return rows.map((row) => this.#join(left, row));
  }

  #join(left: Row, right: Row | undefined): Row {
    const joined: Row = { ...left };
    for (const [name, column] of Object.entries(this.#options.take)) joined[name] = right?.[column] ?? null;
    return joined;
  }

  #emit(from: { readonly change: Change; readonly key: readonly string[] }, gone: readonly Row[], come: readonly Row[]): void {
    const { change, key } = from;
    const trace = traceOf(this.#flow);
    const table = this.#options.as ?? this.#options.left;
    const idOf = (row: Row): string => key.map((name) => `${keyText(row[name]).length}:${keyText(row[name])}`).join('');
    const before = new Map(gone.map((row) => [idOf(row), row]));
    const after = new Map(come.map((row) => [idOf(row), row]));
    const make = (fields: Pick<Change, 'op' | 'before' | 'after'>): void => {
      this.#emitted += 1;
      if (this.#emitted > rowsMax) throw this.#tooLarge('emit');
      const made = makeChange({ ...change, ...fields, table, key });
      trace?.derive(made, change);
      this.#flow.commitRow(made);
    };
    for (const [id, row] of before) if (!after.has(id)) make({ op: 'delete', before: row, after: null });
    for (const [id, row] of after) {
      const old = before.get(id);
      if (old === undefined) make({ op: 'insert', before: null, after: row });
      else if (!sameRow(old, row)) make({ op: 'update', before: old, after: row });
    }
  }

  #save({ left, right }: Sides): void {
    try {
      left.save(this.#flow.state);
      right.save(this.#flow.state);
    } catch (error) {
      throw error instanceof TypeError ? this.#tooLarge('keep', error) : error;
    }
  }

  #tooLarge(verb: 'load' | 'emit' | 'keep', cause?: Error): CodedError {
    const { flowName, functionName } = this.#flow;
    const what = verb === 'keep' ? `keep a row (${cause?.message ?? ''})` : `${verb} more than ${rowsMax} rows for one batch`;
    return new CodedError('JOIN_TOO_LARGE', `Flow ${flowName}: function ${functionName} would have to ${what}.`, {
      class: 'row',
      cause,
      details: { flow: flowName, function: functionName },
    });
  }
}

interface SideGroup {
  readonly side: JoinSide;
  readonly group: string | undefined;
}

/** Rows to load, by their keys in the state. */
class Wanted {
  readonly places = new Map<string, SideGroup>();

  want(side: JoinSide, { group, id }: Place): void {
    this.places.set(id, { side, group });
  }
}

/** What changes need of the other side: single rows, and groups by the beginning of their keys. */
function othersOf(
  changes: readonly SideChange[],
  { left, right }: Sides,
): { readonly rows: Wanted; readonly groups: ReadonlyMap<string, SideGroup> } {
  const rows = new Wanted();
  const groups = new Map<string, SideGroup>();
  for (const { side, before, after } of changes) {
    const other = side === left ? right : left;
    for (const group of [before?.place.group, after?.place.group]) {
      if (group === undefined) continue;
      if (other.isSingle) rows.want(other, { group, id: other.idOf(group) });
      else groups.set(other.idOf(group), { side: other, group });
    }
  }
  return { rows, groups };
}

function placeChange(change: Change, side: JoinSide): SideChange {
  const placeRow = (image: Row | null): PlacedRow | undefined =>
    image === null ? undefined : { place: side.placeOf(image), row: side.pick(image) };
  return { change, side, before: placeRow(change.before), after: placeRow(change.after) };
}

/** Whether nothing that is kept changes. */
function isQuiet({ before, after }: SideChange): boolean {
  return before !== undefined && after !== undefined && before.place.id === after.place.id && sameRow(before.row, after.row);
}
