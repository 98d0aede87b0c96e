import type { Row } from '../../row/change.ts';
import { keyText } from '../row-text.ts';
import type { Argument } from './aggregate-measures.ts';
import { ExactSum } from './exact-sum.ts';
import { encodeSortable } from './sortable.ts';
import { ExpressionFailure } from './term.ts';

/** How a batch changes one argument of one group. */
export interface Tally {
  /** Values that are not NULL: those that came less those that went. */
  count: number;
  readonly sum: ExactSum;
}

/** How a batch changes one group. */
export interface Group {
  readonly key: readonly Row[string][];
  /** Rows that came less rows that went. */
  count: number;
  /** By argument; undefined where nothing needs it. */
  readonly tallies: readonly (Tally | undefined)[];
  /** By argument: each value in its sortable bytes (as latin1 text), and by how much its count changes. */
  readonly values: readonly (Map<string, number> | undefined)[];
  /** The change that moved it last; kept for a trace only. */
  last?: unknown;
}

/** Gathers what a batch's rows do to their groups. Rows whose key has a NULL are in no group. */
export class Groups {
  readonly #fields: readonly string[];
  readonly #args: readonly Argument[];
  readonly #hasValues: boolean;
  readonly #groups = new Map<string | number, Group>();

  constructor(fields: readonly string[], args: readonly Argument[]) {
    this.#fields = fields;
    this.#args = args;
    this.#hasValues = args.some(({ hasValues }) => hasValues);
  }

  /** The groups that the batch changes, in the order in which they came. */
  get changed(): readonly Group[] {
    return [...this.#groups.values()].filter(isChanged);
  }

  /** Runs twice a change: no allocation but for a group that is new in the batch. */
  add(image: Row, sign: 1 | -1): void {
    const group = this.#groupOf(image);
    if (group === undefined) return;
    group.count += sign;
    for (let i = 0; i < this.#args.length; i += 1) {
      const arg = this.#args[i];
      const value = arg?.expression.run(image);
      if (arg === undefined || value === null) continue;
      const tally = group.tallies[i];
      if (tally !== undefined) {
        tally.count += sign;
        if (arg.isNumber) tally.sum.add(value, sign);
      }
      const values = group.values[i];
      if (values === undefined) continue;
      const bytes = encodeSortable(value, arg.isNumber).toString('latin1');
      values.set(bytes, (values.get(bytes) ?? 0) + sign);
    }
  }

  /** Notes which groups a change moves, behind its `add`s: in the group that it stays in, it may move nothing. */
  note(change: unknown, before: Row | null, after: Row | null): void {
    const left = before === null ? undefined : this.#groupOf(before);
    const entered = after === null ? undefined : this.#groupOf(after);
    const isUnmoved =
      left === entered && before !== null && after !== null && this.#args.every((arg) => isSameArg(arg, before, after));
    if (isUnmoved) return;
    if (left !== undefined) left.last = change;
    if (entered !== undefined) entered.last = change;
  }

  #groupOf(image: Row): Group | undefined {
    const id = this.#idOf(image);
    if (id === undefined) return undefined;
    const known = this.#groups.get(id);
    if (known !== undefined) return known;
    const group: Group = {
      key: this.#fields.map((field) => image[field]),
      count: 0,
      tallies: this.#args.map(({ hasTally, expression }) =>
        hasTally ? { count: 0, sum: new ExactSum(expression.scale ?? 2) } : undefined,
      ),
      values: this.#hasValues ? this.#args.map(({ hasValues }) => (hasValues ? new Map<string, number>() : undefined)) : none,
    };
    this.#groups.set(id, group);
    return group;
  }

  /** Undefined for a key with a NULL in it. */
  #idOf(image: Row): string | number | undefined {
    const [first = ''] = this.#fields;
    if (this.#fields.length === 1) {
      const value = image[first];
      if (value === null) return undefined;
      if (value === undefined) throw noField(first);
      return typeof value === 'number' || typeof value === 'string' ? value : keyText(value);
    }
    let id = '';
    for (const field of this.#fields) {
      const value = image[field];
      if (value === null) return undefined;
      if (value === undefined) throw noField(field);
      const text = keyText(value);
      id += `${text.length}:${text}`;
    }
    return id;
  }
}

function noField(name: string): ExpressionFailure {
  return new ExpressionFailure(`the row has no field ${name}`);
}

function isSameArg({ expression }: Argument, before: Row, after: Row): boolean {
  return keyText(expression.run(before)) === keyText(expression.run(after));
}

const none: Group['values'] = [];

/** Plain loops: it runs once a group. */
function isChanged(group: Group): boolean {
  if (group.count !== 0) return true;
  for (const tally of group.tallies) if (tally !== undefined && (tally.count !== 0 || !tally.sum.isZero)) return true;
  for (const values of group.values) {
    if (values === undefined) continue;
    for (const count of values.values()) if (count !== 0) return true;
  }
  return false;
}
