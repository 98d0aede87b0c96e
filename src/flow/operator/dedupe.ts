import { createHash } from 'node:crypto';
import { isChange, makeChange, type Change, type Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import { rowKeyText } from '../row-text.ts';
import type { Fields } from './field.ts';
import { asRow, eachRow, eachRowOf, mismatch, type MadeOperator } from './operator.ts';
import { unknownName } from './problem.ts';

export interface DedupeOptions {
  readonly kind: 'dedupe';
  readonly key: readonly string[];
  /** Of plain rows with one key: which one stays. */
  readonly keep: 'first' | 'last';
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
  /** For how long a key is remembered over batches, in milliseconds; Infinity: for ever. Absent: within a batch only. Plain rows, and the first one. */
  readonly rememberMs?: number | undefined;
}

/**
 * One row a key in each batch. Of plain rows the first or the last stays. Changes of one key become the one change that they
 * amount to: an insert and its update an insert, an insert and its delete nothing, and so on. With `rememberMs` it is the first
 * plain row in so much time, over batches and restarts, by the function's state.
 */
export function makeDedupe(options: DedupeOptions, fields: Fields): MadeOperator {
  const { key, keep, table } = options;
  const problems = key.flatMap((name, index) =>
    !fields.isComplete || fields.known.has(name)
      ? []
      : [{ path: `with.key[${index}]`, ...unknownName('field', name, fields.known.keys()) }],
  );
  const { rememberMs } = options;
  const run = (flow: FlowContext, rows: readonly unknown[]): void | Promise<void> => {
    if (rememberMs !== undefined) return passUnseen(flow, rows, { key, rememberMs });
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

/** Passes rows whose key was not seen for so long, and remembers them. */
async function passUnseen(
  flow: FlowContext,
  rows: readonly unknown[],
  { key, rememberMs }: { readonly key: readonly string[]; readonly rememberMs: number },
): Promise<void> {
  const ids = new Map<unknown, string>();
  eachRow(flow, rows, (row) => {
    if (isChange(row))
      throw mismatch(flow, 'remembers keys of plain rows, and has received a change; write source.rows: after in the flow');
    ids.set(row, idOf(rowKeyText(asRow(row), key)));
  });
  const seen = new Set((await flow.state.getMany([...ids.values()])).keys());
  for (const row of rows) {
    const id = ids.get(row) ?? '';
    if (seen.has(id)) continue;
    seen.add(id);
    flow.state.set(id, 1, Number.isFinite(rememberMs) ? rememberMs : undefined);
    flow.commitRow(row);
  }
}

/** A key of the state has at most 1,024 bytes. */
function idOf(text: string): string {
  return Buffer.byteLength(text) < 1000 ? `K${text}` : `#${createHash('sha256').update(text).digest('hex')}`;
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
    if (before !== null && after === null) commitLast(flow, last, { op: 'delete', before, after });
  }
  for (const { before, after, last } of lives.values()) {
    if (after !== null) commitLast(flow, last, { op: before === null ? 'insert' : 'update', before, after });
  }
}

function commitLast(flow: FlowContext, last: Change, fields: Pick<Change, 'op' | 'before' | 'after'>): void {
  const made = makeChange({ ...last, ...fields });
  traceOf(flow)?.derive(made, last);
  flow.commitRow(made);
}
