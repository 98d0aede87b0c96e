import type { Configuration } from '../config/configuration.ts';
import type { FlowSpec } from '../config/spec.ts';
import type { ConnectorOptions } from '../connector/contract.ts';
import { createMysqlConnector } from '../connector/mysql.ts';
import { createRedisConnector } from '../connector/redis.ts';
import { builtInKinds, type ConnectorKinds, type MakeConnector } from '../connector/registry.ts';
import type { FlowOptions } from '../flow/build.ts';
import { loadConnectorKinds } from '../flow/connector-loader.ts';
import type { MetricsOptions } from './metrics.ts';
import { nothingKnown, operatorOptionsOf, type KnownFields } from './operators.ts';

/** Every kind of connector that there is. */
export const connectorKinds: ConnectorKinds = new Map<string, MakeConnector>([
  ...builtInKinds,
  ['mysql', createMysqlConnector],
  ['tidb', createMysqlConnector],
  ['redis', createRedisConnector],
]);

/** All kinds with those of a folder of the project's own; the built-in ones where there is no such folder. */
export async function loadKinds(folder: string | undefined): Promise<ConnectorKinds> {
  if (folder === undefined) return connectorKinds;
  const loaded = await loadConnectorKinds(folder, connectorKinds.keys());
  return new Map([
    ...connectorKinds,
    ...loaded.map(({ kind }) => [kind.type, (options: ConnectorOptions) => kind.make(options)] as const),
  ]);
}

/** What the global document says about metrics. */
export function metricsOptionsOf({ global }: Configuration): MetricsOptions {
  return { isEnabled: global.prometheus_enable, isServed: global.prometheus_listen, serve: global.prometheus_serve };
}

/** A configured flow as plain options: its functions' defaults and its own parameters in their places. `known`: of real tables. */
export function flowOptionsOf(configuration: Configuration, spec: FlowSpec, known: KnownFields = nothingKnown): FlowOptions {
  const steps: FlowOptions['steps'] = spec.flows.map(({ fname, params }) => {
    const func = configuration.funcs.get(fname);
    return {
      fname,
      params,
      mode: func?.fmode,
      must: func?.source.must,
      connector: func?.option.cname,
      operator: func === undefined ? undefined : operatorOptionsOf(configuration, func),
      columns: known.ofConnector.get(func?.option.cname ?? ''),
      defaultParams: func?.option.default_params,
      retryTimes: func?.option.retry_times,
      retryDelayMs: func?.option.return_duration,
      timeoutMs: func?.option.timeout,
      isRepeatable: func?.option.repeatable,
      missing: func === undefined ? undefined : { kind: func.option.missing, waitMs: func.option.wait_ms },
    };
  });
  return {
    name: spec.flow_name,
    id: spec.flow_id,
    isEnabled: spec.status === 1,
    ...(spec.source === undefined ? {} : { rowImage: spec.source.row_image }),
    steps,
    fields: known.ofFlow.get(spec.flow_name),
  };
}

/** The connectors that these flows' functions name, each once. */
export function connectorsOf(configuration: Configuration, specs: readonly FlowSpec[]): readonly ConnectorOptions[] {
  const used = new Set(specs.flatMap((flow) => flow.flows.map(({ fname }) => configuration.funcs.get(fname)?.option.cname)));
  return [...configuration.conns.values()]
    .filter((conn) => used.has(conn.cname))
    .map(({ cname: name, type, addrs, key, params }) => ({
      name,
      type,
      addrs: type === 'redis' && addrs === '' ? (configuration.global.redis?.url ?? '') : addrs,
      key,
      params,
    }));
}
