import { z } from 'zod';
import { CodedError } from '../lib/error.ts';
import type { Row, Value } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { Key } from '../snapshot/contract.ts';
import { isoOrNull } from '../store/iso-time.ts';

const kinds = ['snapshot', 'replay', 'rebuild', 'verify'] as const;
/** Of a run that has not ended. */
export const openStates = ['waiting', 'running', 'paused'] as const;
const states = [...openStates, 'done', 'cancelled', 'failed'] as const;
const wishes = ['pause', 'resume', 'cancel'] as const;

export type RunKind = (typeof kinds)[number];
export type RunState = (typeof states)[number];
/** What an operator wants of a run. */
export type RunWish = (typeof wishes)[number];

export const runOptions = z.object({
  /** `schema.table`; empty: all tables of the flow. */
  tables: z.array(z.string()).default([]),
  /** A condition on the rows of these tables. */
  where: z.string().optional(),
  /** Of a rebuild: where it begins, as `source.start` is written; absent: with a snapshot. Of a replay: the end of the transaction before it, a position's text. */
  from: z.string().optional(),
  /** Of a replay: the end of its last transaction, likewise. */
  to: z.string().optional(),
  /** Of a rebuild that a daemon began by itself: what the flow could not go on with, and where it stood. */
  cause: z.object({ code: z.string(), message: z.string(), position: z.string() }).optional(),
  /** Of a verify: what differs is mended. */
  repair: z.boolean().optional(),
  /** Of a verify: it compares no more rows in a second. */
  rowsPerSecond: z.number().positive().optional(),
});

/** What was asked. */
export type RunOptions = z.infer<typeof runOptions>;

export interface Run {
  readonly id: string;
  readonly flow: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly wish: RunWish | null;
  readonly options: RunOptions;
  /** The first snapshot of a flow with `start: snapshot`: rows that are not read yet are not delivered from the stream. */
  readonly isStart: boolean;
  /** Made by the schedule of its flow. */
  readonly isScheduled: boolean;
  /** Source rows a second; null while it is not known. */
  readonly rate: number | null;
  readonly errorCode: string | null;
  readonly errorText: string | null;
  /** Times are ISO 8601, by the store's clock. */
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly updatedAt: string;
  readonly endedAt: string | null;
  /** In the order of their names; none before a daemon has listed them. */
  readonly tables: readonly RunTable[];
}

export interface RunTable {
  /** `schema.table`. */
  readonly sourceTable: string;
  readonly state: 'waiting' | 'reading' | 'done';
  readonly keyColumns: readonly string[];
  /** Up to and with it all rows are committed. */
  readonly cursorKey: Key | null;
  /** Keys behind it that are committed too. */
  readonly doneKeys: readonly Key[];
  readonly rowsDone: number;
  readonly rowsTotal: number | null;
  readonly chunks: number;
  readonly startedAt: string | null;
  readonly updatedAt: string;
  readonly endedAt: string | null;
}

/** A table that a run is to read. */
export type NewRunTable = Pick<RunTable, 'sourceTable' | 'keyColumns' | 'rowsTotal'>;

/** What a run is made of. */
export interface NewRun extends Pick<Run, 'flow' | 'kind' | 'isStart'> {
  readonly options: z.input<typeof runOptions>;
  /** Those that are known already. */
  readonly tables?: readonly NewRunTable[];
}

export function isOpen(state: RunState): boolean {
  return openStates.some((open) => open === state);
}

const time = z.string().transform((text) => isoOrNull(text) ?? text);
const count = z.union([z.number(), z.string()]).transform(Number);
const key = z.array(z.custom<Value>());

/** A text column that holds JSON. */
function json<T extends z.ZodType>(parse: (text: string) => unknown, spec: T) {
  return z.string().transform(parse).pipe(spec);
}

const runRow = z.object({
  id: z.coerce.string(),
  flow: z.string(),
  kind: z.enum(kinds),
  state: z.enum(states),
  wish: z.enum(wishes).nullable(),
  options: json(JSON.parse, runOptions),
  is_start: count,
  is_scheduled: count.default(0), // a store that an older version has made has none
  rate: count.nullable(),
  error_code: z.string().nullable(),
  error_text: z.string().nullable(),
  created_at: time,
  started_at: time.nullable(),
  updated_at: time,
  ended_at: time.nullable(),
});

const tableRow = z.object({
  source_table: z.string(),
  state: z.enum(['waiting', 'reading', 'done']),
  key_columns: json(JSON.parse, z.array(z.string())),
  cursor_key: json(fromExactJson, key).nullable(),
  done_keys: json(fromExactJson, z.array(key)).nullable(),
  rows_done: count,
  rows_total: count.nullable(),
  chunks: count,
  started_at: time.nullable(),
  updated_at: time,
  ended_at: time.nullable(),
});

/** A row of kis_run with its rows of kis_run_table. Throws INTERNAL for what a version of kisflow cannot have written that this one knows. */
export function toRun(row: Row, tables: readonly Row[]): Run {
  const parsed = runRow.safeParse(row);
  const parsedTables = z.array(tableRow).safeParse(tables);
  const error = parsed.error ?? parsedTables.error;
  if (!parsed.success || !parsedTables.success) {
    throw new CodedError('INTERNAL', `Run ${String(row.id)} cannot be read; was it written by another version of kisflow?`, {
      cause: error,
    });
  }
  const { id, flow, kind, state, wish, options, rate } = parsed.data;
  return {
    id,
    flow,
    kind,
    state,
    wish,
    options,
    rate,
    isStart: parsed.data.is_start === 1,
    isScheduled: parsed.data.is_scheduled === 1,
    errorCode: parsed.data.error_code,
    errorText: parsed.data.error_text,
    createdAt: parsed.data.created_at,
    startedAt: parsed.data.started_at,
    updatedAt: parsed.data.updated_at,
    endedAt: parsed.data.ended_at,
    tables: parsedTables.data.map(toTable),
  };
}

function toTable(row: z.infer<typeof tableRow>): RunTable {
  return {
    sourceTable: row.source_table,
    state: row.state,
    keyColumns: row.key_columns,
    cursorKey: row.cursor_key,
    doneKeys: row.done_keys ?? [],
    rowsDone: row.rows_done,
    rowsTotal: row.rows_total,
    chunks: row.chunks,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    endedAt: row.ended_at,
  };
}
