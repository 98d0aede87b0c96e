/**
 * The five kinds of documents. Keys stand here as they do in the YAML; KisFlow's own are a subset. Texts that KisFlow
 * leaves empty (`cname: ""`) are absent.
 */
import { z } from 'zod';
import { operatorNames, withSpecs, type OperatorName, type OperatorSpec } from './operator-spec.ts';
import { flag, list, mapping, mysqlUrl, names, oneOf, optionalText, params, secret, text, textOr, wholeNumber } from './values.ts';

/** What a document can be. */
export const kistypes = ['global', 'source', 'flow', 'func', 'conn'] as const;
export type Kistype = (typeof kistypes)[number];

interface HttpSpec {
  /** `host:port`. */
  readonly listen: string;
  /** For how many seconds behind a flow still counts as ready. */
  readonly fresh_within: number;
  /** Whoever sends it may use the API; absent: reads only, on loopback only. */
  readonly token?: string | undefined;
  /** Names that requests of the API may call this server by, besides its addresses and localhost. */
  readonly hosts: readonly string[];
}

/** The process as a whole; at most one. */
export interface GlobalSpec {
  readonly kistype: 'global';
  /** The local store: mysql://user:pass@host:3306/database. */
  readonly store?: { readonly url: string } | undefined;
  readonly redis?: { readonly url?: string | undefined } | undefined;
  /** Health and the API; absent: none. */
  readonly http?: HttpSpec | undefined;
  readonly prometheus_enable: boolean;
  readonly prometheus_listen: boolean;
  /** `host:port`. */
  readonly prometheus_serve?: string | undefined;
  /** Seconds from the first signal until work in flight is rolled back. */
  readonly stop_deadline: number;
}

/** Where rows come from. */
export interface SourceSpec {
  readonly kistype: 'source';
  readonly name: string;
  readonly type: 'mysql-binlog';
  readonly url: string;
  /** 0: chosen; else the first of a range, one for each reader. */
  readonly server_id: number;
}

/** What a flow reads of its source. */
interface FlowSourceSpec {
  readonly name: string;
  /** Table patterns: db.table, db.* or a glob. */
  readonly tables: readonly string[];
  /** after: plain rows of inserts and updates; change: whole changes, deletes too. */
  readonly rows: 'after' | 'change';
  /** The columns that it reads, besides the primary key's; empty: all. Others are not decoded, and its functions do not get them. */
  readonly columns: readonly string[];
  /** What it does when all rows of a table go without a change of each: TRUNCATE, and partitions that are dropped or exchanged. */
  readonly on_truncate: 'stop' | 'ignore' | 'apply';
  /** The same when a table is dropped. */
  readonly on_drop: 'stop' | 'ignore' | 'apply';
  /** What it does when the binlog behind its checkpoint is gone: it stops, or its tables are computed anew from a snapshot. */
  readonly on_purged: 'stop' | 'snapshot';
  /**
   * full: every row has all columns, else the flow stops. partial: its functions cope with rows that lack columns (binlog_row_image is not
   * FULL), and its computed tables have the source's defaults.
   */
  readonly row_image: 'full' | 'partial';
  /** Where it begins without a checkpoint (see parseStart). */
  readonly start: string;
  /** How many tables a snapshot reads at once, and how many chunks of each. */
  readonly snapshot: { readonly tables: number; readonly chunks: number };
}

/** One function in its place in a flow. */
export interface FlowFunctionSpec {
  readonly fname: string;
  /** Overlay the function's default_params. */
  readonly params: Readonly<Record<string, string>>;
}

/** An ordered chain of functions. */
export interface FlowSpec {
  readonly kistype: 'flow';
  readonly flow_name: string;
  /** KisFlow's; kept, not used. */
  readonly flow_id?: string | undefined;
  /** 0: loaded, not run. */
  readonly status: 0 | 1;
  /** Absent: fed by commitRow or by a job. */
  readonly source?: FlowSourceSpec | undefined;
  /** Limits of one batch; a batch has at least one row whatever its size. */
  readonly batch: { readonly rows: number; readonly bytes: number };
  /**
   * What becomes of a row that the flow cannot process. dead-row: it is kept as a dead row, later changes of its key wait behind it, and the
   * others go on. stop: the flow stops at it. skip: it is kept with the reason, and its key goes on too.
   */
  readonly on_bad_row: 'dead-row' | 'stop' | 'skip';
  /** More dead rows than this within a minute stop the flow (0: no limit), and so do more of them and those behind them than `max`. */
  readonly dead_rows: { readonly per_minute: number; readonly max: number };
  /** Whether the store keeps which source change last wrote each field of its computed rows, for `kisflow inspect`. */
  readonly lineage: boolean;
  readonly flows: readonly FlowFunctionSpec[];
}

/** One function: its mode, what its rows must have, and how it is run. */
export interface FuncSpec {
  readonly kistype: 'func';
  readonly fname: string;
  readonly fmode: 'Verify' | 'Load' | 'Calculate' | 'Save' | 'Expand';
  readonly source: { readonly name?: string | undefined; readonly must: readonly string[] };
  readonly option: {
    readonly cname?: string | undefined;
    readonly retry_times: number;
    /** Milliseconds before the first retry, doubled each time. */
    readonly return_duration: number;
    /** Milliseconds that one call may take. */
    readonly timeout: number;
    /** What a Load function without code does with a row that it finds nothing for. */
    readonly missing: 'null' | 'wait' | 'dead-row';
    /** Milliseconds that `missing: wait` waits. */
    readonly wait_ms: number;
    readonly default_params: Readonly<Record<string, string>>;
    /** Giving it the same rows again changes nothing: a flow of such functions may be read again. */
    readonly repeatable: boolean;
  };
  /** What it does when it is an operator and has no code. */
  readonly operator?: OperatorSpec | undefined;
}

/** Named access to a storage. */
export interface ConnSpec {
  readonly kistype: 'conn';
  readonly cname: string;
  /** Which types there are is asked when it is opened: see checkConnectorTypes. */
  readonly type: string;
  /** `store`, or the storage's own address; '' when absent. */
  readonly addrs: string;
  /** Table, hash or topic; '' when absent. */
  readonly key: string;
  /** For a table: `mode` (upsert, insert, update) and `columns`, a comma list of the columns that its flow owns. */
  readonly params: Readonly<Record<string, string>>;
  /** Functions bound to it, as KisFlow exports them; kept, not used. */
  readonly load: readonly string[];
  readonly save: readonly string[];
}

export type Spec = GlobalSpec | SourceSpec | FlowSpec | FuncSpec | ConnSpec;

/** Rows and bytes of one batch where a flow does not say. */
const defaultBatch = { rows: 5000, bytes: 4 * 1024 * 1024 } as const;

const aDay = 24 * 60 * 60;
const uint32 = 2 ** 32 - 1;

export const globalSpec: z.ZodType<GlobalSpec> = mapping({
  kistype: z.literal('global'),
  store: mapping({ url: mysqlUrl({ example: 'mysql://user:pass@host:3306/kisflow', needsDatabase: true }) }).optional(),
  redis: mapping({ url: optionalText }).optional(),
  http: mapping({
    listen: textOr('127.0.0.1:8060'),
    fresh_within: wholeNumber({ min: 1, max: aDay, fallback: 30, unit: ' of seconds' }),
    token: secret({ charsMin: 16 }),
    hosts: names,
  }).optional(),
  prometheus_enable: flag,
  prometheus_listen: flag,
  prometheus_serve: optionalText,
  stop_deadline: wholeNumber({ min: 1, max: aDay, fallback: 20, unit: ' of seconds' }),
});

const sourceSpec: z.ZodType<SourceSpec> = mapping({
  kistype: z.literal('source'),
  name: text('name the source'),
  type: oneOf(['mysql-binlog']),
  url: mysqlUrl({ example: 'mysql://user:pass@host:3306', needsDatabase: false }),
  server_id: wholeNumber({ min: 0, max: uint32, fallback: 0 }),
});

const flowSnapshot = mapping({
  tables: wholeNumber({ min: 1, max: 16, fallback: 2 }),
  chunks: wholeNumber({ min: 1, max: 16, fallback: 1 }),
});

const flowSource = mapping({
  name: text('name a source'),
  tables: list(text('write db.table, db.* or a glob')),
  rows: oneOf(['after', 'change'], 'after'),
  columns: list(text('write a column’s name')),
  row_image: oneOf(['full', 'partial'], 'full'),
  start: textOr('snapshot'),
  snapshot: flowSnapshot.optional().transform((limits) => limits ?? flowSnapshot.parse({})),
  on_truncate: oneOf(['stop', 'ignore', 'apply'], 'stop'),
  on_drop: oneOf(['stop', 'ignore', 'apply'], 'stop'),
  on_purged: oneOf(['stop', 'snapshot'], 'stop'),
});

const flowBatch = mapping({
  rows: wholeNumber({ min: 1, max: 1_000_000, fallback: defaultBatch.rows }),
  bytes: wholeNumber({ min: 1024, max: 1024 ** 3, fallback: defaultBatch.bytes }),
});

const flowDeadRows = mapping({
  per_minute: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 1000 }),
  max: wholeNumber({ min: 1, max: 1_000_000, fallback: 50_000 }),
});

const flowSpec: z.ZodType<FlowSpec> = mapping({
  kistype: z.literal('flow'),
  flow_name: text('name the flow'),
  flow_id: optionalText,
  status: oneOf(['0', '1'], '1').transform((status) => (status === '1' ? 1 : 0)),
  source: flowSource.optional(),
  batch: flowBatch.optional().transform((batch) => batch ?? defaultBatch),
  on_bad_row: oneOf(['dead-row', 'stop', 'skip'], 'dead-row'),
  dead_rows: flowDeadRows.optional().transform((limits) => limits ?? flowDeadRows.parse({})),
  lineage: flag,
  flows: list(mapping({ fname: text('name a function'), params })),
});

const funcSource = mapping({ name: optionalText, must: names });

const funcOption = mapping({
  cname: optionalText,
  retry_times: wholeNumber({ min: 0, max: 1000, fallback: 0 }),
  return_duration: wholeNumber({ min: 0, max: aDay * 1000, fallback: 200, unit: ' of milliseconds' }),
  timeout: wholeNumber({ min: 1, max: aDay * 1000, fallback: 30_000, unit: ' of milliseconds' }),
  missing: oneOf(['null', 'wait', 'dead-row'], 'null'),
  wait_ms: wholeNumber({ min: 1, max: aDay * 1000, fallback: 60_000, unit: ' of milliseconds' }),
  default_params: params,
  repeatable: flag,
});

const funcKeys = {
  kistype: z.literal('func'),
  fname: text('name the function'),
  fmode: oneOf(['Verify', 'Load', 'Calculate', 'Save', 'Expand']),
  source: funcSource.optional().transform((source) => source ?? { must: [] }),
  option: funcOption.optional().transform((option) => option ?? funcOption.parse({})),
};

/** A function with code. An operator that there is none of is found here. */
const codeFuncSpec = mapping({
  ...funcKeys,
  operator: oneOf(operatorNames).optional(),
  with: z.unknown().optional(),
}).transform((func, context): FuncSpec => {
  const { operator: _, with: given, ...spec } = func;
  if (given !== undefined) {
    const message = `belongs to an operator; write operator: ${operatorNames.join(', ')}`;
    context.addIssue({ code: 'custom', path: ['with'], message });
  }
  return spec;
});

function operatorFuncSpec(name: OperatorName): z.ZodType<FuncSpec> {
  return mapping({ ...funcKeys, operator: z.literal(name), with: withSpecs[name] }).transform(
    ({ with: operator, ...spec }): FuncSpec => ({ ...spec, operator }),
  );
}

const operatorFuncSpecs = new Map<unknown, z.ZodType<FuncSpec>>(operatorNames.map((name) => [name, operatorFuncSpec(name)]));

/** Which keys a function has depends on its operator; that is looked at first, so that all mistakes are found at once. */
const funcSpec: z.ZodType<FuncSpec> = z.unknown().transform((value, context) => {
  const operator: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'operator') : undefined;
  const result = (operatorFuncSpecs.get(operator) ?? codeFuncSpec).safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: undefined });
  return z.NEVER;
});

const connSpec: z.ZodType<ConnSpec> = mapping({
  kistype: z.literal('conn'),
  cname: text('name the connector'),
  type: text('write mysql or memory'),
  addrs: textOr(''),
  key: textOr(''),
  params,
  load: names,
  save: names,
});

/** The spec of each kind. */
export const specs = {
  global: globalSpec,
  source: sourceSpec,
  flow: flowSpec,
  func: funcSpec,
  conn: connSpec,
} as const satisfies Record<Kistype, z.ZodType<Spec>>;
