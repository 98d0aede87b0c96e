import { isChange, makeChange, type Change, type Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { rowKeyText } from '../row-text.ts';
import type { Fields } from './field.ts';
import { asRow, eachRowOf, type MadeOperator } from './operator.ts';
import { unknownName } from './problem.ts';

export interface DedupeOptions {
  readonly kind: 'dedupe';
  readonly key: readonly string[];
  /** Of plain rows with one key: which one stays. */
  readonly keep: 'first' | 'last';
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
}

/**
 * One row a key in each batch. Of plain rows the first or the last stays. Changes of one key become the one change that they
 * amount to: an insert and its update an insert, an insert and its delete nothing, and so on.
 */
export function makeDedupe(options: DedupeOptions, fields: Fields): MadeOperator {
  const { key, keep, table } = options;
  const problems = key.flatMap((name, index) =>
    !fields.isComplete || fields.known.has(name)
      ? []
      : [{ path: `with.key[${index}]`, ...unknownName('field', name, fields.known.keys()) }],
  );
  const run = (flow: FlowContext, rows: readonly unknown[]): void => {
    const changes = new Map<string, Life>();
    const plain = new Map<string, unknown>();
    eachRowOf(table, { flow, rows }, (row) => {
      if (isChange(row)) {
        live(changes, row, key);
        return;
      }
      const text = rowKeyText(asRow(row), key);
      if (keep === 'last') plain.delete(text); // the row goes where its last one stands
      if (keep === 'last' || !plain.has(text)) plain.set(text, row);
    });
    commitLives(flow, changes);
    for (const row of plain.values()) flow.commitRow(row);
  };
  return { run: problems.length > 0 ? undefined : run, fields, problems };
}

/** What became of a key in a batch. */
interface Life {
  readonly before: Row | null;
  after: Row | null;
  last: Change;
}

/** A change of the key itself ends one life and goes on with another. */
function live(lives: Map<string, Life>, change: Change, key: readonly string[]): void {
  const { before, after } = change;
  if (before !== null) {
    const text = `${change.table}\u0001${rowKeyText(before, key)}`;
    const life = lives.get(text);
    if (life === undefined) lives.set(text, { before, after: null, last: change });
    else Object.assign(life, { after: null, last: change });
  }
  if (after !== null) {
    const text = `${change.table}\u0001${rowKeyText(after, key)}`;
    const life = lives.get(text);
    if (life === undefined) lives.set(text, { before: null, after, last: change });
    else Object.assign(life, { after, last: change });
  }
}

/** Rows that are gone go first, so that a row may take over what only one may have. */
function commitLives(flow: FlowContext, lives: ReadonlyMap<string, Life>): void {
  for (const { before, after, last } of lives.values()) {
    if (before !== null && after === null) flow.commitRow(makeChange({ ...last, op: 'delete', before, after }));
  }
  for (const { before, after, last } of lives.values()) {
    if (after !== null) flow.commitRow(makeChange({ ...last, op: before === null ? 'insert' : 'update', before, after }));
  }
}
