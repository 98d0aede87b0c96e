import { join } from 'node:path';
import { z } from 'zod';
import { createCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { inspect } from '../../src/cli/inspect.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { assemble } from '../../src/daemon/assemble.ts';
import { BatchRunner } from '../../src/daemon/batch-runner.ts';
import { makeBatch, type Batch, type RoutedPart } from '../../src/daemon/batch.ts';
import { connectorKinds } from '../../src/daemon/flow-options.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import type { FunctionDefinition } from '../../src/flow/contract.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createRun } from '../../src/repair/run-record.ts';
import type { ChangeGroup, Row, Table, TableStatement } from '../../src/row/change.ts';
import { groupSize } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { documentOf, runCommand, type CommandOutcome } from '../cli/run-command.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder } from '../support/daemon-process.ts';
import { createDatabase } from '../support/servers.ts';

const start: Position = { server: 's', file: 'binlog.000001', offset: 100, gtid: '', rows: 0 };

/** A computed table's fields as `inspect --json` has them: how each is known, where from, and when. */
export type Traces = Readonly<Record<string, string>>;

export interface TracedProject {
  readonly store: Store;
  /** Opens a flow to run batches by hand, as a daemon does that has its lease. */
  readonly open: (flow: string) => Promise<TracedFlow>;
  readonly inspect: (table: string, key: string) => Promise<{ readonly fields: Traces; readonly notes: readonly string[] }>;
  readonly print: (...args: readonly string[]) => Promise<string>;
  /** Takes the configuration anew, with `from` in it written `to`. */
  readonly edit: (from: string, to: string) => void;
}

export interface TracedFlow {
  readonly runner: BatchRunner;
  /** All statements that were sent since the flow was opened. */
  readonly sent: readonly string[];
  /** Runs one batch of these parts; what fails because of its rows is done as the daemon does. */
  readonly run: (...parts: readonly RoutedPart[]) => Promise<void>;
  /** The same, where the changes at these places are of rows that are not read yet. */
  readonly runUnread: (unread: readonly number[], ...parts: readonly RoutedPart[]) => Promise<void>;
  /** Runs a batch of rows that a snapshot has read of this table, all of it, when the stream was where it is; gives the run. */
  readonly read: (table: Table, ...rows: readonly Row[]) => Promise<string>;
}

/** A store with these tables, and a configuration whose flows are run without a daemon and without a source. */
export async function createTracedProject(
  server: SqlAddress,
  options: { readonly conf: string; readonly tables: readonly string[]; readonly functions?: readonly FunctionDefinition[] },
): Promise<TracedProject> {
  const { url } = await createDatabase(server, 'lineage');
  const store = await openStore({ url });
  onEnd(() => store.close());
  await migrate({ store });
  for (const table of options.tables) await store.query(table);
  let conf = `kistype: global\nstore: {url: "${url}"}\n---\nkistype: source\nname: main\ntype: mysql-binlog\nurl: "mysql://nobody@127.0.0.1:1"\n---\n${options.conf}`;
  const functions = options.functions ?? [];
  const run = async (...args: readonly string[]): Promise<CommandOutcome> => {
    const [table = '', key] = args;
    const json = args.includes('--json');
    const positionals = table === '' || table === '--json' ? [] : [table];
    return runCommand(inspect, {
      files: { 'conf/all.yml': conf, ...Object.fromEntries(functions.map(({ name }) => [`functions/${name}.ts`, ''])) },
      positionals,
      json,
      options: key === undefined || key === '--json' ? {} : { key },
    });
  };
  return {
    store,
    open: (flow) => openFlow({ store, conf: () => conf, functions, flow }),
    print: async (...args) => (await run(...args)).out,
    async inspect(table, key) {
      const document = inspected.parse(documentOf(await run(table, key, '--json')));
      const fields = document.lineage.fields.map((one) => [one.field, one.trace === null ? one.reason : describe(one.trace)]);
      return { fields: Object.fromEntries(fields), notes: document.lineage.notes };
    },
    edit(from, to) {
      conf = conf.replace(from, to);
    },
  };
}

const trace = z.object({
  function: z.string(),
  known: z.string(),
  sourceTable: z.string().nullable(),
  position: z.string(),
  positionTo: z.string().nullable(),
  commitTime: z.string().nullable(),
  read: z.object({ run: z.string(), at: z.string() }).nullable(),
});
const field = z.object({ field: z.string(), reason: z.string(), trace: trace.nullable() });
const inspected = z.object({ lineage: z.object({ fields: z.array(field), notes: z.array(z.string()) }) });

function describe({ function: fname, known, sourceTable, position, positionTo, commitTime, read }: z.infer<typeof trace>): string {
  const span = positionTo === null ? position : `${position}-${positionTo}`;
  const time = read === null ? commitTime?.slice(11, 19) : `run ${read.run} ${read.at.slice(11, 19)}`;
  return `${fname} ${known} ${sourceTable} ${span} ${time}`.replaceAll('binlog.000001:', '');
}

async function openFlow(given: {
  readonly store: Store;
  readonly conf: () => string;
  readonly functions: readonly FunctionDefinition[];
  readonly flow: string;
}): Promise<TracedFlow> {
  const { store, functions, flow: name } = given;
  const folder = await createFolder({ 'conf/all.yml': given.conf() });
  const functionNames = new Set(functions.map((one) => one.name));
  const configuration = await loadConfiguration({ dir: join(folder, 'conf'), env: {}, functionNames });
  const assembly = assemble({
    configuration,
    functions,
    kinds: connectorKinds,
    codeHashes: new Map(),
    storeDatabase: store.database,
    storeSources: new Set(),
  });
  const subject = assembly.flows.find(({ flow }) => flow.name === name);
  if (subject === undefined) throw new Error(`no flow ${name}`);
  const session = await store.openSession();
  const sent: string[] = [];
  const query = session.query.bind(session);
  session.query = (sql, params) => {
    sent.push(sql);
    return query(sql, params);
  };
  const leases = new LeaseKeeper({ store, holder: `test ${name}`, ttlMs: 60_000 });
  const lease = await leases.acquire(name, session.threadId);
  if (lease === undefined) throw new Error(`${name} is held`);
  await createCheckpoint(store, { flow: name, position: start, epoch: lease.epoch });
  const { rows } = await store.query('SELECT sequence FROM kis_checkpoint WHERE flow = ?', [name]);
  let position = start;
  const runBatch = async (batch: Batch): Promise<void> => {
    const attempt = runner.begin(batch, Promise.resolve());
    await attempt.committed.catch((error: unknown) => runner.recover([attempt], error));
  };
  const runner = new BatchRunner({
    ...subject,
    store,
    session,
    leases,
    lease,
    runFlow,
    position,
    sequence: Number(rows[0]?.['sequence']),
    hasGtid: false,
    logger: silentLogger,
    retryLimitMs: 1000,
    signal: new AbortController().signal,
    intents: { keep: async () => {} },
    onRetry: () => {},
    onCommit: () => {},
    atBoundary: () => {},
    watchdog: { enter: () => {}, leave: () => {} },
  });
  onEnd(async () => runner.destroy());
  await runner.parked.load();
  const runUnread: TracedFlow['runUnread'] = async (unread, ...parts) => {
    const batch = { ...makeBatch(position, parts, { hasGtid: false }), unread };
    await runBatch(batch);
    position = batch.end;
  };
  return {
    runner,
    sent,
    run: (...parts) => runUnread([], ...parts),
    runUnread,
    async read(table, ...rowsRead) {
      const { id: sourceTable, primaryKey: keyColumns } = table;
      const tables = [{ sourceTable, keyColumns, rowsTotal: null }];
      const id = await createRun(store, { flow: name, kind: 'snapshot', options: {}, isStart: false, tables });
      const part = { ...commit(position.offset, [updatedAll(table, rowsRead)]), run: id, time: readAt };
      const keys = rowsRead.map((row) => keyColumns.map((column) => row[column] ?? null));
      const chunk = {
        run: id,
        sourceTable,
        keys,
        before: { cursor: undefined, done: [] },
        after: { cursor: undefined, done: keys },
        isLast: true,
      };
      await runBatch({ ...makeBatch(position, [part], { hasGtid: false }), time: 0, origin: `run ${id}`, chunk });
      return id;
    },
  };
}

/** When `read` reads. */
export const readAt = Date.UTC(2026, 0, 1, 12);

/** A transaction that ends at this offset, committed so many seconds after midnight. */
export function commit(offset: number, groups: readonly ChangeGroup[], statements?: readonly TableStatement[]): RoutedPart {
  return {
    groups,
    size: groups.reduce((sum, group) => sum + groupSize(group), 0),
    server: start.server,
    file: start.file,
    offset,
    gtid: '',
    time: Date.UTC(2026, 0, 1, 0, 0, offset % 60),
    bytes: 100,
    isFinal: true,
    ...(statements === undefined ? {} : { statements }),
  };
}

export function tableOf(name: string, columns: readonly string[], primaryKey: readonly string[] = ['id']): Table {
  return { schema: 'shop', name, id: `shop.${name}`, columns: columns.map((column) => ({ name: column })), primaryKey };
}

const updatedAll = (table: Table, rows: readonly Row[]): ChangeGroup => ({ op: 'update', table, before: rows, after: rows });
export const inserted = (table: Table, ...after: readonly Row[]): ChangeGroup => ({ op: 'insert', table, after });
export const deleted = (table: Table, ...before: readonly Row[]): ChangeGroup => ({ op: 'delete', table, before });
export const updated = (table: Table, before: Row, after: Row): ChangeGroup => ({
  op: 'update',
  table,
  before: [before],
  after: [after],
});
