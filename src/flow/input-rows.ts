import { describeError } from '../lib/error.ts';
import { isChange, makeChange } from '../row/change.ts';
import { BadRowsError, badRowsMax, type BadRow } from './bad-rows.ts';
import type { FlowStep, RowSchema, RowSerializer } from './contract.ts';
import { showRow } from './row-text.ts';

/**
/**
 * What a step's code receives: JSON texts of objects become objects (or its own serializer decodes the rows), `must` fields are
 * checked, and the input schema parses each row. Without any of them the input itself is returned: nothing is copied. Throws a
 * BadRowsError (ROW_INVALID, class row) that names every row which does not fit.
 */
export function prepareRows(flowName: string, step: FlowStep, input: readonly unknown[]): readonly unknown[] {
  const serializer = step.definition?.serialize;
  const rows = serializer === undefined ? parseTexts(input) : decodeRows({ flowName, step, input }, serializer);
  const schema = step.definition?.input;
  if (step.must.length === 0 && schema === undefined) return rows;
  const bad: BadRow[] = [];
  if (step.must.length > 0) checkMust({ flowName, step, input }, rows, bad);
  const parsed = schema === undefined ? rows : parseRows({ flowName, step, input }, { schema, rows, bad });
  if (bad.length === 0) return parsed;
  throw badRowsError(
    { flowName, step, input },
    bad.sort((a, b) => a.index - b.index),
  );
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

interface StepInput {
  readonly flowName: string;
  readonly step: FlowStep;
  /** The rows as they came: what a bad row is known by. */
  readonly input: readonly unknown[];
}

/** The rows as the function's own serializer gives them; throws a BadRowsError that names those it throws for. */
function decodeRows(place: StepInput, serializer: RowSerializer): readonly unknown[] {
  const bad: BadRow[] = [];
  const rows: unknown[] = [];
  for (const [index, row] of place.input.entries()) {
    try {
      rows.push(serializer.decode(row));
    } catch (error) {
      bad.push(describeBadRow(place, { row, index, fields: '(row)', problem: `cannot be decoded (${describeError(error)})` }));
      if (bad.length >= badRowsMax) break;
    }
  }
  if (bad.length > 0) throw badRowsError(place, bad);
  return rows;
}

function checkMust(place: StepInput, rows: readonly unknown[], bad: BadRow[]): void {
  const { must } = place.step;
  for (const [index, row] of rows.entries()) {
    const image = imageOf(row);
    // Hot: no allocation for a row that fits.
    for (const field of must) {
      if (hasField(image, field)) continue;
      const fields = must.filter((name) => !hasField(image, name)).join(', ');
      bad.push(describeBadRow(place, { row, index, fields, problem: `lacks ${fields}` }));
      break;
    }
    if (bad.length >= badRowsMax) return;
  }
}

function hasField(image: unknown, field: string): boolean {
  return typeof image === 'object' && image !== null && Reflect.get(image, field) !== undefined;
}

/** The rows as the schema gives them; those that it refuses, and that are not known to be bad already, are added to `bad`. */
function parseRows(
  place: StepInput,
  given: { readonly schema: RowSchema; readonly rows: readonly unknown[]; readonly bad: BadRow[] },
): readonly unknown[] {
  const { schema, rows, bad } = given;
  const known = new Set(bad.map(({ index }) => index));
  const parsed: unknown[] = [];
  for (const [index, row] of rows.entries()) {
    if (bad.length >= badRowsMax) break;
    const result = known.has(index) ? undefined : schema.safeParse(row);
    if (result === undefined) continue;
    if (result.success) parsed.push(keepChange(row, result.data));
    else bad.push(describeBadRow(place, { row, index, ...describeIssues(result.error.issues) }));
  }
  return parsed;
}

type Issues = readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];

function describeIssues(issues: Issues): { readonly fields: string; readonly problem: string } {
  const fields = [...new Set(issues.map((issue) => issue.path.map(String).join('.') || '(row)'))].join(', ');
  const problems = issues.map((issue) => `${issue.path.map(String).join('.') || 'the row'}: ${issue.message}`);
  return { fields, problem: `does not fit the input schema (${problems.join('; ')})` };
}

/** A schema gives back only the fields it names; a change stays a whole change, so that a connector can still apply it. */
function keepChange(row: unknown, parsed: unknown): unknown {
  if (!isChange(row) || isChange(parsed) || typeof parsed !== 'object' || parsed === null) return parsed;
  return makeChange({ ...row, ...parsed });
}

function badRowsError({ flowName, step }: StepInput, rows: readonly BadRow[]): BadRowsError {
  return new BadRowsError({ flowName, functionName: step.fname, rows });
}

function describeBadRow(
  { flowName, step, input }: StepInput,
  {
    row,
    index,
    fields,
    problem,
  }: { readonly row: unknown; readonly index: number; readonly fields: string; readonly problem: string },
): BadRow {
  const message = `Flow ${flowName}, function ${step.fname}: row ${index} ${problem}: ${showRow(row)}`;
  return { row: input[index], index, message, fields };
}
