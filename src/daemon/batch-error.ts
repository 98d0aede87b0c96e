import { CodedError, describeError } from '../lib/error.ts';
import { formatPosition } from '../row/position.ts';
import type { Batch } from './batch.ts';

/** A batch's failure as a CodedError, of the class that a daemon takes it for. */
export function toCoded(error: unknown, flow: string): CodedError {
  if (error instanceof CodedError) return error;
  return new CodedError('INTERNAL', `Flow ${flow}: ${describeError(error)}`, { cause: error });
}

/** Adds where it happened: flow, position, and for a single change that it may be about its table and key. */
export function atBatch(error: CodedError, flow: string, batch: Batch): CodedError {
  // a statement about a whole table is about no change behind it
  const isOfRows = error.code !== 'SOURCE_TABLE_EMPTIED';
  const group = batch.size === 1 && isOfRows ? batch.parts.find((part) => part.size > 0)?.groups[0] : undefined;
  const row = group === undefined ? undefined : group.op === 'delete' ? group.before[0] : group.after[0];
  const key = Object.fromEntries((group?.table.primaryKey ?? []).map((name) => [name, row?.[name]]));
  const count = isOfRows ? ` (${batch.size} changes)` : '';
  const what = group === undefined ? count : ` (${group.op} of ${group.table.id} ${JSON.stringify(key)})`;
  const position = formatPosition(batch.start);
  return new CodedError(error.code, `Flow ${flow} at ${position}${what}: ${error.message}`, {
    class: error.class,
    cause: error.cause,
    details: {
      ...error.details,
      flow,
      position,
      ...(group === undefined ? {} : { table: group.table.id, key: JSON.stringify(key) }),
    },
  });
}
