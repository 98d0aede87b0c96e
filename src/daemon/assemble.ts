import { createHash } from 'node:crypto';
import type { Configuration } from '../config/configuration.ts';
import { computedTables } from '../config/plan.ts';
import { configurationInShadow, ownedColumns, sharedTables, tablesInShadow } from '../config/shadow-plan.ts';
import { tablesOfFlow } from '../config/table-policy.ts';
import type { FlowSpec } from '../config/spec.ts';
import type { Connector, ConnectorOptions } from '../connector/contract.ts';
import { makeConnector, type ConnectorKinds } from '../connector/registry.ts';
import { buildFlow } from '../flow/build.ts';
import type { FunctionDefinition } from '../flow/contract.ts';
import { Registry } from '../flow/registry.ts';
import { CodedError } from '../lib/error.ts';
import { parseStart } from '../row/position.ts';
import { isShadowDatabase } from '../row/shadow-database.ts';
import { compilePatterns, compileSchemaPatterns, reservedTables, type TablePredicate } from '../router/router.ts';
import { tablesNamedIn } from '../router/table-pattern.ts';
import type { DaemonFlow, ShadowFlow } from './daemon-flow.ts';
import { connectorsOf, flowOptionsOf } from './flow-options.ts';
import type { KnownFields } from './operators.ts';

export interface AssembleOptions {
  readonly configuration: Configuration;
  readonly functions: readonly FunctionDefinition[];
  /** Every kind of connector that there is. */
  readonly kinds: ConnectorKinds;
  /** Of each function, by name: differs when its code does. */
  readonly codeHashes: ReadonlyMap<string, string>;
  readonly storeDatabase: string;
  /** Where the computed tables are, in place of `storeDatabase`. */
  readonly shadowDatabase?: string;
  /** Sources that are the store's own server (see same-server.ts). */
  readonly storeSources: ReadonlySet<string>;
  /** Fields of real tables, for operators. */
  readonly known?: KnownFields;
  /** What runs now: flows and connectors that have not changed are taken over from it, as the very same things. */
  readonly previous?: Assembly | undefined;
}

/** A connector, and what it was made from. */
export interface MadeConnector {
  readonly connector: Connector;
  readonly options: ConnectorOptions;
}

/** What the daemon runs, made from configuration and functions; connectors are made and not yet open. */
export interface Assembly {
  readonly flows: readonly DaemonFlow[];
  /** Connectors of these flows, each once, by name. */
  readonly connectors: ReadonlyMap<string, MadeConnector>;
}

interface Parts extends AssembleOptions {
  readonly registry: Registry;
  readonly connectors: Assembly['connectors'];
}

/** Turns the configuration into flows. This is where the configuration ends: the stages get plain options. */
export function assemble(options: AssembleOptions): Assembly {
  const { configuration } = options;
  const specs = [...configuration.flows.values()].filter((flow) => flow.status === 1 && flow.source !== undefined);
  const registry = new Registry();
  for (const definition of options.functions) registry.registerFunction(definition);
  const connectors = new Map<string, MadeConnector>();
  for (const conn of connectorsOf(configuration, specs)) connectors.set(conn.name, makeOrKeep(conn, options));
  for (const { connector } of connectors.values()) registry.registerConnector(connector);
  const flows = specs.map((spec) => {
    // a flow may outlive many assemblies: it must not hold the one before
    const flow = assembleFlow(spec, { ...options, previous: undefined, registry, connectors });
    const known = options.previous?.flows.find((other) => other.flow.name === spec.flow_name);
    return known?.fingerprint === flow.fingerprint ? known : flow;
  });
  return { flows, connectors };
}

function makeOrKeep(options: ConnectorOptions, { kinds, previous }: AssembleOptions): MadeConnector {
  const known = previous?.connectors.get(options.name);
  if (known !== undefined && JSON.stringify(known.options) === JSON.stringify(options)) return known;
  return { connector: makeConnector(options, kinds), options };
}

function assembleFlow(spec: FlowSpec, parts: Parts): DaemonFlow {
  const { source } = spec;
  const start = parseStart(source?.start ?? '');
  if (source === undefined || start === undefined) {
    throw new CodedError(
      'CONFIG_INVALID',
      `Flow ${spec.flow_name}: source.start is no start; write snapshot, earliest, latest or a position.`,
    );
  }
  const { wants, tables } = wantedTables(source, parts);
  return {
    flow: buildFlow(flowOptionsOf(parts.configuration, spec, parts.known), parts.registry),
    sourceName: source.name,
    shape: source.rows,
    start,
    snapshot: { tablesMax: source.snapshot.tables, chunksMax: source.snapshot.chunks, named: tablesNamedIn(source.tables) },
    wants,
    wantsSchema: wantedSchemas(source, parts),
    columns: source.columns.length === 0 ? undefined : new Set(source.columns),
    tablesHash: hashOf(source.columns.length === 0 ? tables : { tables, columns: source.columns }),
    batch: spec.batch,
    badRows: { onBadRow: spec.on_bad_row, perMinuteMax: spec.dead_rows.per_minute, heldMax: spec.dead_rows.max },
    tablePolicies: {
      onTruncate: source.on_truncate,
      onDrop: source.on_drop,
      computed: tablesOfFlow(parts.configuration, spec.flow_name, parts.shadowDatabase ?? parts.storeDatabase),
    },
    onPurged: source.on_purged,
    keepsLineage: spec.lineage,
    inShadow: (database) => assembleShadow(spec, parts, database),
    fingerprint: fingerprintOf(spec, tables, parts),
  };
}

/** The flow as it is run in another database of the store's server: with connectors of its own, whose caches are of that one. */
function assembleShadow(spec: FlowSpec, { configuration, ...options }: AssembleOptions, shadowDatabase: string): ShadowFlow {
  const { storeDatabase } = options;
  const tables = tablesInShadow(configuration, spec, storeDatabase);
  const alone = configurationInShadow(configuration, spec, { storeDatabase, tables });
  const { flows, connectors } = assemble({ ...options, configuration: alone, previous: undefined, shadowDatabase });
  const [subject] = flows;
  if (subject === undefined) throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${spec.flow_name} cannot be rebuilt: it is not run.`);
  return {
    subject,
    connectors: [...connectors.values()].map(({ connector }) => connector),
    tables,
    owned: ownedColumns(configuration, spec, storeDatabase),
    shared: sharedTables(configuration, spec, storeDatabase),
  };
}

function fingerprintOf(spec: FlowSpec, tables: unknown, parts: Parts): string {
  const steps = spec.flows.map(({ fname }) => {
    const func = parts.configuration.funcs.get(fname);
    const code = parts.codeHashes.get(fname);
    const cname = func?.option.cname ?? '';
    const columns = parts.known?.ofConnector.get(cname)?.known ?? [];
    return { func, code, connector: parts.connectors.get(cname)?.options, columns: [...columns] };
  });
  const known = parts.known?.ofFlow.get(spec.flow_name);
  const tableFields = [...(known?.tables ?? [])].map(([name, table]) => [name, [...table.known], table.key]);
  const fields = [[...(known?.known ?? [])], tableFields];
  // what a verify may delete, and a rebuild replace, depends on who else writes there
  const shared = [...sharedTables(parts.configuration, spec, parts.storeDatabase)];
  return hashOf({ spec, tables, fields, steps, shared: shared.length === 0 ? undefined : shared });
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** On the store's own server none is wanted in which a flow is rebuilt: that it is dropped at the end concerns nobody. */
function wantedSchemas(source: { readonly name: string; readonly tables: readonly string[] }, options: AssembleOptions) {
  const matches = compileSchemaPatterns(source.tables);
  const { storeDatabase, storeSources } = options;
  if (!storeSources.has(source.name)) return matches;
  return (schema: string): boolean => !isShadowDatabase(storeDatabase, schema) && matches(schema);
}

/**
 * The tables that a flow reads, and what decides about them. On the store's own server no wildcard matches what flows write (L9):
 * what a wildcard reads there changes with what other flows write.
 */
function wantedTables(
  source: { readonly name: string; readonly tables: readonly string[] },
  options: AssembleOptions,
): { readonly wants: TablePredicate; readonly tables: unknown } {
  const { configuration, storeDatabase, storeSources } = options;
  if (!storeSources.has(source.name)) return { wants: compilePatterns(source.tables), tables: source.tables };
  const computed = computedTables(configuration, storeDatabase);
  const wants = compilePatterns(source.tables, reservedTables(computed, storeDatabase));
  const hasWildcard = source.tables.some((table) => /[*?]/.test(table));
  return { wants, tables: hasWildcard ? [source.tables, [...computed].toSorted()] : source.tables };
}
