import type { Configuration } from '../../config/configuration.ts';
import type { Connector } from '../../connector/contract.ts';
import { makeConnector, type ConnectorKinds } from '../../connector/registry.ts';
import { connectorsOf } from '../../daemon/flow-options.ts';
import { CodedError, describeError } from '../../lib/error.ts';
import { findingOf, sentence, type Finding } from './finding.ts';

/** Types whose options `checkConnectorTypes` has looked at, and whose server is examined as the store or not at all (opening makes a database). */
const examinedElsewhere: ReadonlySet<string> = new Set(['mysql', 'tidb']);
const openMsMax = 20_000;

export interface MadeConnectors {
  readonly connectors: readonly Connector[];
  /** Options that do not fit: mistakes of the configuration. */
  readonly findings: readonly Finding[];
}

/** Makes the connectors that enabled flows name. A type that there is not, or an address that is missing, has been reported before. */
export function makeConnectors(configuration: Configuration, kinds: ConnectorKinds): MadeConnectors {
  const enabled = [...configuration.flows.values()].filter((flow) => flow.status === 1);
  const connectors: Connector[] = [];
  const findings: Finding[] = [];
  for (const options of connectorsOf(configuration, enabled)) {
    const isReported = !kinds.has(options.type) || (options.type === 'redis' && options.addrs === '');
    if (isReported || examinedElsewhere.has(options.type)) continue;
    try {
      connectors.push(makeConnector(options, kinds));
    } catch (error) {
      const message = sentence(error instanceof Error ? error.message : String(error));
      findings.push({ code: 'CONFIG_INVALID', severity: 'error', subject: 'configuration', message, remedy: '' });
    }
  }
  return { connectors, findings };
}

/** Opens each connector and closes it again: does its storage answer, and let us in? */
export async function examineConnectors(connectors: readonly Connector[]): Promise<readonly Finding[]> {
  const findings = await Promise.all(connectors.map((connector) => examineConnector(connector)));
  return findings.flat();
}

async function examineConnector(connector: Connector): Promise<readonly Finding[]> {
  const subject = `connector ${connector.name}`;
  try {
    await withinTime(connector.open());
    return [];
  } catch (error) {
    const remedy = `-- start the server, or correct addrs of connector ${connector.name}`;
    return [findingOf(asCoded(connector, error), { subject, remedy })];
  } finally {
    await withinTime(connector.close()).catch(() => undefined);
  }
}

function asCoded(connector: Connector, error: unknown): unknown {
  if (error instanceof CodedError || (error instanceof DOMException && error.name === 'TimeoutError')) return error;
  return new CodedError('CONNECTOR_FAILED', `Connector ${connector.name} cannot be opened: ${describeError(error)}`, {
    cause: error,
  });
}

function withinTime<T>(work: Promise<T>): Promise<T> {
  const limit = AbortSignal.timeout(openMsMax);
  return Promise.race([
    work,
    new Promise<never>((_resolve, reject) => {
      limit.addEventListener('abort', () => reject(new DOMException('too late', 'TimeoutError')), { once: true });
    }),
  ]);
}
