import type { FlowState } from '../state.ts';
import type { Row } from '../../row/change.ts';
import { markOf } from './state-key.ts';
import { ExpressionFailure } from './term.ts';

/** Where a row of one side is kept. */
export interface Place {
  /** Its values in the fields that are joined on; undefined where one of them is NULL, which joins nothing. */
  readonly group: string | undefined;
  /** Its key in the state: the group, and its primary key where a group may have several rows. */
  readonly id: string;
}

export interface JoinSideOptions {
  readonly name: 'L' | 'R';
  readonly on: readonly string[];
  readonly key: readonly string[];
  /** Fields that are kept; undefined: all. */
  readonly kept: readonly string[] | undefined;
  /** Whether rows that join nothing are kept too. */
  readonly keepsNull: boolean;
  /** Whether a group has one row at most. */
  readonly isSingle: boolean;
}

/**
 * The rows of one side of a join, as one batch sees and changes them. What the batch needs is loaded first; then `get` and `rows`
 * answer from memory, and `save` hands what has changed to the state.
 */
export class JoinSide {
  readonly isSingle: boolean;
  readonly #options: JoinSideOptions;
  /** By group, and in it by id. */
  readonly #groups = new Map<string, Map<string, Row>>();
  readonly #changed = new Map<string, Row | undefined>();

  constructor(options: JoinSideOptions) {
    this.#options = options;
    this.isSingle = options.isSingle;
  }

  placeOf(image: Row): Place {
    const { name, on, key, isSingle } = this.#options;
    const group = markOf(image, on);
    if (group !== undefined && isSingle) return { group, id: this.idOf(group) };
    const row = markOf(image, key);
    if (row === undefined) throw new ExpressionFailure(`its key (${key.join(', ')}) has a NULL`);
    return { group, id: group === undefined ? `${name}n${row}` : `${this.idOf(group)}${row}` };
  }

  /** The key of a group's only row; of several rows, what their keys begin with. */
  idOf(group: string): string {
    return `${this.#options.name}v${group}`;
  }

  /** What is kept of a row. */
  pick(image: Row): Row {
    const { kept } = this.#options;
    if (kept === undefined) return image;
    const picked: Row = {};
    for (const field of kept) {
      if (image[field] === undefined) throw new ExpressionFailure(`the row has no field ${field}`);
      picked[field] = image[field];
    }
    return picked;
  }

  /** Takes over what the state has. */
  load(group: string | undefined, id: string, row: unknown): void {
    if (!this.#changed.has(id) && isRow(row)) this.#groupOf(group).set(id, row);
  }

  get({ group, id }: Place): Row | undefined {
    return this.#groups.get(group ?? '')?.get(id);
  }

  /** The rows of a group, if the batch has loaded it; none for NULL. */
  rows(group: string | undefined): readonly Row[] {
    return group === undefined ? [] : [...(this.#groups.get(group)?.values() ?? [])];
  }

  put(place: Place, row: Row): void {
    if (place.group === undefined && !this.#options.keepsNull) return;
    this.#groupOf(place.group).set(place.id, row);
    this.#changed.set(place.id, row);
  }

  remove({ group, id }: Place): void {
    this.#groups.get(group ?? '')?.delete(id);
    this.#changed.set(id, undefined);
  }

  save(state: FlowState): void {
    for (const [id, row] of this.#changed) {
      if (row === undefined) state.delete(id);
      else state.set(id, row);
    }
  }

  /** A group's mark is never empty, so that what joins nothing can be there under ''. */
  #groupOf(group: string | undefined): Map<string, Row> {
    const known = this.#groups.get(group ?? '') ?? new Map<string, Row>();
    this.#groups.set(group ?? '', known);
    return known;
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
