import { CodedError, describeError } from '../lib/error.ts';
import { isChange, makeChange } from '../row/change.ts';
import type { FlowStep, RowSchema } from './contract.ts';
import { showRow } from './row-text.ts';

/**
 * What a step's code receives: JSON texts of objects become objects (or its own serializer decodes the rows), `must` fields are checked, and the input schema parses each
 * row. Without any of them the input itself is returned: nothing is copied. Throws ROW_INVALID (class row) for the first row that
 * does not fit.
 */
export function prepareRows(flowName: string, step: FlowStep, input: readonly unknown[]): readonly unknown[] {
  const serializer = step.definition?.serialize;
  const rows =
    serializer === undefined
      ? parseTexts(input)
      : input.map((row, index) => decodeRow({ flowName, step, row, index }, () => serializer.decode(row)));
  if (step.must.length > 0) checkMust(flowName, step, rows);
  const schema = step.definition?.input;
  return schema === undefined ? rows : rows.map((row, index) => parseRow({ flowName, step, schema, row, index }));
}

/** The row that a row carries: of a change, the row after it, or before it for a delete. */
export function imageOf(row: unknown): unknown {
  return isChange(row) ? (row.after ?? row.before) : row;
}

function parseTexts(input: readonly unknown[]): readonly unknown[] {
  return input.some((row) => typeof row === 'string') ? input.map(parseText) : input;
}

/** KisFlow's rows are often JSON texts. Any other text stays what it is. */
function parseText(row: unknown): unknown {
  if (typeof row !== 'string' || !/^\s*\{/.test(row)) return row;
  try {
    return JSON.parse(row);
  } catch {
    // Not JSON after all; `must` or the schema refuse it where it matters.
    return row;
  }
}

function decodeRow(place: RowPlace, decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    throw invalidRow(place, { fields: '(row)', problem: `cannot be decoded (${describeError(error)})` });
  }
}

function checkMust(flowName: string, step: FlowStep, rows: readonly unknown[]): void {
  for (const [index, row] of rows.entries()) {
    const image = imageOf(row);
    // Hot: no allocation for a row that fits.
    for (const field of step.must) {
      if (!hasField(image, field)) throw missingFields({ flowName, step, row, index, image });
    }
  }
}

function hasField(image: unknown, field: string): boolean {
  return typeof image === 'object' && image !== null && Reflect.get(image, field) !== undefined;
}

interface RowPlace {
  readonly flowName: string;
  readonly step: FlowStep;
  readonly row: unknown;
  readonly index: number;
}

function missingFields(place: RowPlace & { readonly image: unknown }): CodedError {
  const missing = place.step.must.filter((field) => !hasField(place.image, field)).join(', ');
  return invalidRow(place, { fields: missing, problem: `lacks ${missing}` });
}

function parseRow(place: RowPlace & { readonly schema: RowSchema }): unknown {
  const result = place.schema.safeParse(place.row);
  if (result.success) return keepChange(place.row, result.data);
  const { issues } = result.error;
  const fields = [...new Set(issues.map((issue) => issue.path.map(String).join('.') || '(row)'))].join(', ');
  const problems = issues.map((issue) => `${issue.path.map(String).join('.') || 'the row'}: ${issue.message}`);
  throw invalidRow(place, { fields, problem: `does not fit the input schema (${problems.join('; ')})` });
}

/** A schema gives back only the fields it names; a change stays a whole change, so that a connector can still apply it. */
function keepChange(row: unknown, parsed: unknown): unknown {
  if (!isChange(row) || isChange(parsed) || typeof parsed !== 'object' || parsed === null) return parsed;
  return makeChange({ ...row, ...parsed });
}

function invalidRow(place: RowPlace, what: { readonly fields: string; readonly problem: string }): CodedError {
  const { flowName, step, row, index } = place;
  return new CodedError('ROW_INVALID', `Flow ${flowName}, function ${step.fname}: row ${index} ${what.problem}: ${showRow(row)}`, {
    class: 'row',
    details: { flow: flowName, function: step.fname, row: index, fields: what.fields },
  });
}
