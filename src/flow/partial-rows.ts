/**
 * Partial rows on their way through a flow (see row/partial-row.ts): a step that needs what a row does not have stops the flow, before it
 * computes anything from a hole. Only runs that have partial rows come here.
 */
import { isChange, type Row } from '../row/change.ts';
import { partialNoteOf, rowImageError, type PartialNote } from '../row/partial-row.ts';
import { BadRowsError } from './bad-rows.ts';
import type { Flow, FlowStep, OperatorReads } from './contract.ts';

const declare = '; or, where the flow’s functions cope with absent columns, write row_image: partial in its source';

/** Throws SOURCE_ROW_IMAGE (stop) where the step needs a column that one of its rows lacks. */
export function refusePartial(flow: Flow, step: FlowStep, rows: readonly unknown[]): void {
  const who = `Flow ${flow.name}: function ${step.fname}`;
  for (const row of rows) {
    const note = partialNoteOf(row);
    if (note === undefined) continue;
    const must = step.must.filter((field) => !(field in carriedBy(row)) && note.absent.columns.includes(field));
    if (must.length > 0) throw rowImageError(note, { who, columns: must });
    const columns = columnsMissed(flow, step, { row, note });
    if (columns.length > 0) throw rowImageError(note, { who, columns, remedy: hasOwnCode(step) ? declare : '' });
  }
}

interface PartialRow {
  readonly row: unknown;
  readonly note: PartialNote;
}

function columnsMissed(flow: Flow, step: FlowStep, partial: PartialRow): readonly string[] {
  if (step.reads !== undefined) return missedByOperator(step.reads, partial);
  if (step.definition !== undefined) return flow.rowImage === 'partial' ? [] : missing(partial);
  if (step.mode === 'Load') {
    const keys = (step.params.key ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
    const columns = keys.length > 0 ? keys : step.must;
    return columns.length === 0 ? missing(partial) : columns.filter((name) => !(name in carriedBy(partial.row)));
  }
  // what a connector's own save makes of a partial row it knows itself, or the flow has said that it may
  return step.connector?.takesPartial === true || flow.rowImage === 'partial' ? [] : missing(partial);
}

function missedByOperator({ fields, table }: OperatorReads, partial: PartialRow): readonly string[] {
  if (table !== undefined && table !== partial.note.table) return [];
  if (fields === 'all') return missing(partial);
  return fields.filter((name) => imagesOf(partial.row).some((image) => !(name in image)));
}

function missing({ row, note }: PartialRow): readonly string[] {
  return note.absent.columns.filter((name) => imagesOf(row).some((image) => !(name in image)));
}

function hasOwnCode(step: FlowStep): boolean {
  return step.reads === undefined && (step.definition !== undefined || step.mode === 'Save');
}

/** A row that does not fit a function’s schema because of what its image lacks is not at fault; anything else passes unchanged. */
export function explainBadRows(flow: Flow, step: FlowStep, error: unknown): unknown {
  if (!(error instanceof BadRowsError)) return error;
  for (const { row, fields } of error.rows) {
    const note = partialNoteOf(row);
    if (note === undefined) continue;
    const named = new Set(fields.split(', ').map((path) => path.replace(/^(?:before|after)\./, '')));
    const columns = missing({ row, note }).filter((name) => named.has(name));
    if (columns.length > 0) return rowImageError(note, { who: `Flow ${flow.name}: function ${step.fname}`, columns });
  }
  return error;
}

function imagesOf(row: unknown): readonly Row[] {
  const images: readonly unknown[] = isChange(row) ? [row.before, row.after] : [row];
  return images.filter(isRow);
}

function carriedBy(row: unknown): Row {
  const image: unknown = isChange(row) ? (row.after ?? row.before) : row;
  return isRow(image) ? image : {};
}

function isRow(image: unknown): image is Row {
  return typeof image === 'object' && image !== null;
}
