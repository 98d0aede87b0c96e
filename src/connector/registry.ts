import { CodedError } from '../lib/error.ts';
import type { Connector, ConnectorOptions } from './contract.ts';
import { makeMemoryConnector } from './memory.ts';

/** Makes a connector of one kind; throws CONFIG_INVALID where its options do not fit. */
export type MakeConnector = (options: ConnectorOptions) => Connector;

/** The kinds of connector that are made, by type name. */
export type ConnectorKinds = ReadonlyMap<string, MakeConnector>;

/** Kinds that need nothing from outside; the composition root adds those that need a store or a server. */
export const builtInKinds: ConnectorKinds = new Map<string, MakeConnector>([['memory', makeMemoryConnector]]);

/** Makes a connector of the kind its type names; an unknown type is CONFIG_INVALID. */
export function makeConnector(options: ConnectorOptions, kinds: ConnectorKinds = builtInKinds): Connector {
  const make = kinds.get(options.type);
  if (make === undefined) {
    const names = [...kinds.keys()].toSorted().join(', ');
    throw new CodedError(
      'CONFIG_INVALID',
      `Connector ${options.name}: the type ${options.type} is not known; known types are ${names}.`,
      {
        details: { connector: options.name },
      },
    );
  }
  return make(options);
}
