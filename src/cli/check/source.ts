import type { Configuration } from '../../config/configuration.ts';
import { computedTables, storeDatabaseOf } from '../../config/plan.ts';
import type { FlowSpec, SourceSpec } from '../../config/spec.ts';
import { CodedError } from '../../lib/error.ts';
import { reservedTables } from '../../router/router.ts';
import { toCodedError } from '../../source/server-error.ts';
import { textOf, withServer, type Query } from '../../source/server-link.ts';
import { readServerSettings, type ServerSettings } from '../../source/server-settings.ts';
import { examineBinlog } from './binlog-settings.ts';
import { examineCascades, listHiddenCascades } from './cascades.ts';
import { findingOf, type Finding } from './finding.ts';
import { isSamePlace, placeOf, placeVariables, type ServerPlace } from './server-place.ts';
import { examineRowImage } from './row-image.ts';
import { examineSnapshotTables } from './snapshot-tables.ts';
import { examinePositions } from './source-position.ts';
import { examineServerId, examineSessions, examineSourceSettings } from './source-settings.ts';
import { examineFlowTables, listSourceTables, readSourceColumns, type SourceColumn, type SourceTable } from './source-tables.ts';
import type { ExaminedStore } from './store.ts';

const connectTimeoutMs = 5000;
const deadlineMs = 30_000;
/** Of how many tables of one flow the columns are read: a wildcard may take in thousands. */
const columnTablesMax = 200;

/** A source as far as it could be examined; parts that could not be are empty. */
export interface ExaminedSource {
  readonly spec: SourceSpec;
  readonly findings: readonly Finding[];
  readonly place: ServerPlace | undefined;
  /** The tables that each of its flows reads now, by the flow's name. */
  readonly tables: ReadonlyMap<string, readonly SourceTable[]>;
  /** Columns by `db.table`, of the tables of flows in `columnsFor`. */
  readonly columns: ReadonlyMap<string, readonly SourceColumn[]>;
}

export interface SourceScope {
  readonly configuration: Configuration;
  readonly spec: SourceSpec;
  /** Enabled flows that read this source. */
  readonly flows: readonly FlowSpec[];
  /** Names of the flows whose source columns are wanted. */
  readonly columnsFor: ReadonlySet<string>;
  /** Functions that have code; undefined: not known. */
  readonly functionNames: ReadonlySet<string> | undefined;
  readonly store: ExaminedStore;
  readonly stop: AbortSignal;
}

/** Examines a source: its server, the account, the tables of its flows and the places where they go on. Never rejects for a server's fault. */
export async function examineSource(scope: SourceScope): Promise<ExaminedSource> {
  const { spec } = scope;
  const subject = `source ${spec.name}`;
  const signal = AbortSignal.any([scope.stop, AbortSignal.timeout(deadlineMs)]);
  const findings: Finding[] = [];
  const empty = { spec, place: undefined, tables: new Map<string, SourceTable[]>(), columns: new Map<string, SourceColumn[]>() };
  try {
    const link = { url: spec.url, connectTimeoutMs, signal };
    const around = { ...scope, subject, signal, findings };
    return { ...(await withServer(link, (query) => lookAround(withCodes(query, signal), around))), findings };
  } catch (error) {
    findings.push(findingOf(error, { subject, remedy: connectRemedy(spec, error) }));
    return { ...empty, findings };
  }
}

/** The server's errors as codes, statement by statement, so that one refused question does not end the others. */
function withCodes(query: Query, signal: AbortSignal): Query {
  return async (sql) => {
    try {
      return await query(sql);
    } catch (error) {
      throw signal.aborted ? signal.reason : toCodedError(error);
    }
  };
}

interface Around extends SourceScope {
  readonly subject: string;
  readonly signal: AbortSignal;
  readonly findings: Finding[];
}

async function lookAround(query: Query, around: Around): Promise<Omit<ExaminedSource, 'findings'>> {
  const { spec, flows, findings, subject } = around;
  const settings = await readServerSettings(query);
  findings.push(...examineSourceSettings(settings, subject));
  findings.push(...(await examineSessions(query, settings, subject)));
  const serverId = { subject, serverId: spec.server_id, readers: Math.max(1, flows.length) };
  findings.push(...(await examineServerId(query, settings, serverId)));
  const place = await readPlace(query, settings);
  const tables = await examineTables(query, settings, { ...around, place });
  const { configuration, functionNames } = around;
  for (const flow of flows) {
    if (around.store.checkpoints.has(flow.flow_name)) continue;
    findings.push(...(await examineSnapshotTables(query, flow, tables.get(flow.flow_name) ?? [])));
  }
  findings.push(...examineRowImage({ configuration, settings, flows, functionNames, tables }));
  findings.push(...(await examineBinlog(query, settings, { subject, tables: [...tables.values()].flat() })));
  const wanted = flows.filter(({ flow_name }) => around.columnsFor.has(flow_name));
  const columns = await readSourceColumns(
    query,
    wanted.flatMap(({ flow_name }) => (tables.get(flow_name) ?? []).slice(0, columnTablesMax)),
  );
  await examinePlaces(query, settings, around);
  return { spec, place, tables, columns };
}

async function readPlace(query: Query, settings: ServerSettings): Promise<ServerPlace> {
  const names = placeVariables.map((name) => `'${name}'`).join(', ');
  const rows = await query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const values = new Map(rows.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  return placeOf(settings.server, (name) => values.get(name) ?? '');
}

async function examineTables(
  query: Query,
  settings: ServerSettings,
  { configuration, flows, findings, store, place }: Around & { readonly place: ServerPlace },
): Promise<ReadonlyMap<string, readonly SourceTable[]>> {
  const all = await listSourceTables(query);
  const cascades = await listHiddenCascades(query, settings.flavour);
  const storeDatabase = storeDatabaseOf(configuration);
  const isStore = store.place !== undefined && isSamePlace(store.place, place);
  const isReserved = isStore ? reservedTables(computedTables(configuration, storeDatabase), storeDatabase) : () => false;
  const grants = { account: settings.account, lines: settings.grants.lines };
  const tables = new Map<string, readonly SourceTable[]>();
  for (const flow of flows) {
    const examined = examineFlowTables(flow, { all, grants, isReserved });
    findings.push(...examined.findings, ...examineCascades(flow.flow_name, examined.tables, cascades));
    tables.set(flow.flow_name, examined.tables);
  }
  return tables;
}

/** Places are examined where the server lets a reader ask for them; where it does not, that is a finding already. */
async function examinePlaces(query: Query, settings: ServerSettings, around: Around): Promise<void> {
  const { spec, flows, findings, store, signal } = around;
  if (!settings.hasBinlog || settings.grants.canAskStatus === false) return;
  try {
    const scope = { query, settings, url: spec.url, connectTimeoutMs, signal, now: Date.now() };
    findings.push(...(await examinePositions(flows, store.checkpoints, scope)));
  } catch (error) {
    findings.push(findingOf(error, { subject: around.subject, remedy: connectRemedy(spec, error) }));
  }
}

function connectRemedy(spec: SourceSpec, error: unknown): string {
  const url = new URL(spec.url);
  const user = decodeURIComponent(url.username);
  const where = `${url.hostname}:${url.port || '3306'}`;
  const code = error instanceof CodedError ? error.code : undefined;
  const grant = `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%';`;
  if (code === 'SOURCE_TLS') return `-- in the url of source ${spec.name}: ?ssl=verify&ssl_ca=/path/ca.pem, or as the message says`;
  if (code === 'SOURCE_GRANT_MISSING') return grant;
  if (code === 'SOURCE_ACCESS_DENIED') {
    return [
      `-- correct the url of source ${spec.name}, or on ${where}, with the url's password:`,
      `CREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY '<the password>';`,
      grant,
    ].join('\n');
  }
  return `-- a server must answer at ${where}; else correct the url of source ${spec.name}`;
}
