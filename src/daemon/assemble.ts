import { createHash } from 'node:crypto';
import type { Configuration } from '../config/configuration.ts';
import { computedTables } from '../config/plan.ts';
import type { FlowSpec } from '../config/spec.ts';
import type { Connector } from '../connector/contract.ts';
import { makeConnector, type ConnectorKinds } from '../connector/registry.ts';
import { buildFlow } from '../flow/build.ts';
import type { FunctionDefinition } from '../flow/contract.ts';
import { Registry } from '../flow/registry.ts';
import { CodedError } from '../lib/error.ts';
import { parseStart } from '../row/position.ts';
import { compilePatterns, isOwnTable, type TablePredicate } from '../router/router.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import { connectorKinds, connectorsOf, flowOptionsOf } from './flow-options.ts';
import type { KnownFields } from './operators.ts';

export interface AssembleOptions {
  readonly configuration: Configuration;
  readonly functions: readonly FunctionDefinition[];
  /** Every kind of connector that there is; the built-in ones when absent. */
  readonly kinds?: ConnectorKinds | undefined;
  readonly storeDatabase: string;
  /** Sources that are the store's own server (see same-server.ts). */
  readonly storeSources: ReadonlySet<string>;
  /** Fields of real tables, for operators. */
  readonly known?: KnownFields;
}

/** What the daemon runs, made from configuration and functions; connectors are made and not yet open. */
export interface Assembly {
  readonly flows: readonly (DaemonFlow & { readonly sourceName: string })[];
  /** Connectors of these flows, each once. */
  readonly connectors: readonly Connector[];
}

/** Turns the configuration into flows. This is where the configuration ends: the stages get plain options. */
export function assemble(options: AssembleOptions): Assembly {
  const { configuration, kinds = connectorKinds } = options;
  const specs = [...configuration.flows.values()].filter((flow) => flow.status === 1 && flow.source !== undefined);
  const registry = new Registry();
  for (const definition of options.functions) registry.registerFunction(definition);
  for (const conn of connectorsOf(configuration, specs)) registry.registerConnector(makeConnector(conn, kinds));
  return {
    flows: specs.map((spec) => assembleFlow(spec, { ...options, registry })),
    connectors: registry.connectors,
  };
}

function assembleFlow(
  spec: FlowSpec,
  options: AssembleOptions & { readonly registry: Registry },
): DaemonFlow & { readonly sourceName: string } {
  const { source } = spec;
  const start = parseStart(source?.start ?? '');
  if (source === undefined || start === undefined) {
    throw new CodedError(
      'CONFIG_INVALID',
      `Flow ${spec.flow_name}: source.start is missing; write earliest, latest or a position.`,
    );
  }
  return {
    flow: buildFlow(flowOptionsOf(options.configuration, spec, options.known), options.registry),
    sourceName: source.name,
    shape: source.rows,
    start,
    wants: wantedTables(source, options),
    tablesHash: createHash('sha256').update(JSON.stringify(source.tables)).digest('hex'),
    batch: spec.batch,
    badRows: { onBadRow: spec.on_bad_row, perMinuteMax: spec.dead_rows.per_minute },
  };
}

/** The tables that a flow reads. On the store's own server no wildcard matches what flows write (L9). */
function wantedTables(
  source: { readonly name: string; readonly tables: readonly string[] },
  options: AssembleOptions,
): TablePredicate {
  const { configuration, storeDatabase, storeSources } = options;
  if (!storeSources.has(source.name)) return compilePatterns(source.tables);
  const computed = computedTables(configuration, storeDatabase);
  return compilePatterns(
    source.tables,
    (schema, table) => isOwnTable(storeDatabase, schema, table) || computed.has(`${schema}.${table}`),
  );
}
