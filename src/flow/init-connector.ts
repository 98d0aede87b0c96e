import { CodedError, describeError } from '../lib/error.ts';
import type { Connector, ConnectorOptions, ConnectorSession } from '../connector/contract.ts';
import type { ConnectorHandle, ConnectorInit } from './contract.ts';
import { metadataOf } from './metadata.ts';

/**
 * A connector that a program opens itself. What its init keeps in the metadata (a client, a pool) is all that it is: functions
 * take it from there, or use a registered call; it saves, loads and queries nothing by itself.
 */
export class InitConnector implements Connector {
  readonly name: string;
  readonly type: string;
  readonly guarantee = 'at-least-once';
  readonly #init: ConnectorInit;
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions, init: ConnectorInit) {
    this.name = options.name;
    this.type = options.type;
    this.#options = options;
    this.#init = init;
  }

  async open(): Promise<void> {
    try {
      await this.#init.init(handleOf(this, this.#options));
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError('CONNECTOR_FAILED', `Connector ${this.name}: its init failed: ${describeError(error)}`, {
        class: 'retry',
        cause: error,
        details: { connector: this.name },
      });
    }
  }

  session(): ConnectorSession {
    return { save: () => this.#refuse('save'), load: () => this.#refuse('load'), query: () => this.#refuse('query') };
  }

  async close(): Promise<void> {
    await this.#init.close?.(handleOf(this, this.#options));
    metadataOf(this).clear();
  }

  async #refuse(what: string): Promise<never> {
    throw new CodedError(
      'CONNECTOR_FAILED',
      `Connector ${this.name}: it is opened by the program's own init and has no ${what}; register a call for the function, or take its client from getConnector().metadata.`,
      { details: { connector: this.name } },
    );
  }
}

/** What inits and calls are given of a connector. */
export function handleOf(connector: Connector, options: ConnectorOptions | undefined): ConnectorHandle {
  const { name, type } = connector;
  const { addrs = '', key = '', params = {} } = options ?? {};
  return { name, type, addrs, key, params, metadata: metadataOf(connector) };
}
