import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { isChange, makeChange, type Row } from '../row/change.ts';
import { keepPartial } from '../row/partial-row.ts';
import type { RowTrace } from '../row/row-trace.ts';
import type { ConnectorSession } from '../connector/contract.ts';
import type { FlowStep } from './contract.ts';
import type { RunState } from './context.ts';
import { imageOf, prepareRows } from './input-rows.ts';
import { BadRowsError, badRowsMax, type BadRow } from './bad-rows.ts';
import { rowKeyText, showRow } from './row-text.ts';
import { isStepRetry, stoppedError } from './step-error.ts';

/**
 * A Save or Load step without code of its own: the connector's save or load runs. Returns the rows that go on.
 *
 * Save passes its rows on as they came. Load takes its rows as keys and passes them on merged with what was loaded,
 * `{...row, ...loaded}`: once for each row found, unchanged where none was. The key columns are the parameter `key` (names with
 * commas), else the step's `must`, else all fields of a row. Values are matched as text: 7 and '7' are one key. Rows that nothing
 * was found for may be bad rows, as the step's `missing` says: then it rejects with a BadRowsError (LOAD_ROW_MISSING).
 */
export async function runConnectorStep(run: RunState, step: FlowStep, input: readonly unknown[]): Promise<readonly unknown[]> {
  const { connector, mode } = step;
  if (connector === undefined || (mode !== 'Save' && mode !== 'Load')) throw noCodeError(run, step);
  const rows = prepareRows(run.flow.name, step, input);
  if (rows.length === 0) return rows;
  for (let tries = 0; ; tries += 1) {
    try {
      const session = run.sessionOf(connector);
      return mode === 'Save'
        ? await saveRows(session, rows)
        : await loadRows(session, { flowName: run.flow.name, step, input, trace: run.scope.trace }, rows);
    } catch (error) {
      if (tries >= step.retryTimes || !isStepRetry(error)) throw connectorError(run, step, error);
    }
    await sleep(step.retryDelayMs * 2 ** tries, run.scope.signal);
    if (run.scope.signal.aborted) throw stoppedError(run.flow.name, run.scope.signal.reason);
  }
}

async function saveRows(session: ConnectorSession, rows: readonly unknown[]): Promise<readonly unknown[]> {
  await session.save(rows);
  return rows;
}

function keyColumns(step: FlowStep): readonly string[] {
  const named = (step.params.key ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  return named.length > 0 ? named : step.must;
}

interface LoadPlace {
  readonly flowName: string;
  readonly step: FlowStep;
  /** The rows as they came: what a bad row is known by. */
  readonly input: readonly unknown[];
  readonly trace: RowTrace | undefined;
}

async function loadRows(session: ConnectorSession, place: LoadPlace, rows: readonly unknown[]): Promise<readonly unknown[]> {
  const columns = keyColumns(place.step);
  const keys = new Map<string, Row>();
  const textOf = rows.map((row) => {
    const key = pickKey(imageOf(row), columns);
    const text = rowKeyText(key, Object.keys(key));
    if (!keys.has(text)) keys.set(text, key);
    return { text, names: Object.keys(key) };
  });
  const found = new Map<string, Map<string, Row[]>>();
  const loaded = await session.load([...keys.values()]);
  const { kind, waitMs } = place.step.missing ?? { kind: 'null', waitMs: 0 };
  const missing: BadRow[] = [];
  const merged = rows.flatMap((row, index) => {
    const { text, names } = textOf[index] ?? { text: '', names: [] };
    const matches = indexBy(found, loaded, names).get(text);
    if (matches !== undefined) return matches.map((match) => traced(place.trace, merge(row, match), row));
    if (kind !== 'null' && missing.length < badRowsMax) missing.push(describeMissing(place, { index, key: keys.get(text), names }));
    return [row];
  });
  if (missing.length === 0) return merged;
  const { flowName, step } = place;
  throw new BadRowsError({
    flowName,
    functionName: step.fname,
    rows: missing,
    code: 'LOAD_ROW_MISSING',
    waitMs: kind === 'wait' ? waitMs : 0,
  });
}

function describeMissing(
  { flowName, step, input }: LoadPlace,
  { index, key, names }: { readonly index: number; readonly key: Row | undefined; readonly names: readonly string[] },
): BadRow {
  const where = step.connector?.name ?? '';
  const message = `Flow ${flowName}, function ${step.fname}: nothing in connector ${where} has ${showRow(key)}`;
  return { row: input[index], index, message, fields: names.join(', ') };
}

/** Loaded rows by their key text; one index for each set of key columns (rows may have different fields). */
function indexBy(found: Map<string, Map<string, Row[]>>, loaded: readonly Row[], names: readonly string[]): Map<string, Row[]> {
  const id = names.join('\u0001');
  const known = found.get(id);
  if (known !== undefined) return known;
  const index = new Map<string, Row[]>();
  for (const row of loaded) {
    const text = rowKeyText(row, names);
    const same = index.get(text);
    if (same === undefined) index.set(text, [row]);
    else same.push(row);
  }
  found.set(id, index);
  return index;
}

function pickKey(image: unknown, columns: readonly string[]): Row {
  const fields = new Map(typeof image === 'object' && image !== null ? Object.entries(image) : []);
  const names = columns.length > 0 ? columns : [...fields.keys()];
  return Object.fromEntries(names.map((name) => [name, fields.get(name)]));
}

function traced(trace: RowTrace | undefined, made: unknown, from: unknown): unknown {
  trace?.derive(made, from);
  return made;
}

function merge(row: unknown, loaded: Row): unknown {
  if (!isChange(row)) return typeof row === 'object' && row !== null ? keepPartial(row, { ...row, ...loaded }) : loaded;
  // A delete has no row after it; what was loaded belongs to the row it deletes.
  if (row.after === null) return makeChange({ ...row, before: { ...row.before, ...loaded } });
  return makeChange({ ...row, after: { ...row.after, ...loaded } });
}

/** What a connector of a project's own throws may be any error. */
function connectorError(run: RunState, step: FlowStep, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const connector = step.connector?.name ?? '';
  const message = `Flow ${run.flow.name}: connector ${connector} of function ${step.fname} failed: ${describeError(error)}`;
  return new CodedError('CONNECTOR_FAILED', message, {
    cause: error,
    details: { flow: run.flow.name, function: step.fname, connector },
  });
}

function noCodeError(run: RunState, step: FlowStep): CodedError {
  const message = `Flow ${run.flow.name}: function ${step.fname} has no code; only Save and Load run without, through a connector.`;
  return new CodedError('FUNCTION_FAILED', message, { details: { flow: run.flow.name, function: step.fname } });
}
