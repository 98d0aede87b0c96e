import type { Configuration } from '../config/configuration.ts';
import type { FlowSpec } from '../config/spec.ts';
import type { ConnectorOptions } from '../connector/contract.ts';
import { createMysqlConnector } from '../connector/mysql.ts';
import { builtInKinds, type ConnectorKinds, type MakeConnector } from '../connector/registry.ts';
import type { FlowOptions } from '../flow/build.ts';

/** Every kind of connector that there is. */
export const connectorKinds: ConnectorKinds = new Map<string, MakeConnector>([...builtInKinds, ['mysql', createMysqlConnector]]);

/** A configured flow as plain options: its functions' defaults and its own parameters in their places. */
export function flowOptionsOf(configuration: Configuration, spec: FlowSpec): FlowOptions {
  const steps: FlowOptions['steps'] = spec.flows.map(({ fname, params }) => {
    const func = configuration.funcs.get(fname);
    return {
      fname,
      params,
      mode: func?.fmode,
      must: func?.source.must,
      connector: func?.option.cname,
      defaultParams: func?.option.default_params,
      retryTimes: func?.option.retry_times,
      retryDelayMs: func?.option.return_duration,
      timeoutMs: func?.option.timeout,
      missing: func === undefined ? undefined : { kind: func.option.missing, waitMs: func.option.wait_ms },
    };
  });
  return { name: spec.flow_name, isEnabled: spec.status === 1, steps };
}

/** The connectors that these flows' functions name, each once. */
export function connectorsOf(configuration: Configuration, specs: readonly FlowSpec[]): readonly ConnectorOptions[] {
  const used = new Set(specs.flatMap((flow) => flow.flows.map(({ fname }) => configuration.funcs.get(fname)?.option.cname)));
  return [...configuration.conns.values()]
    .filter((conn) => used.has(conn.cname))
    .map(({ cname: name, type, addrs, key, params }) => ({ name, type, addrs, key, params }));
}
