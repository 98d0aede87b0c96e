import type { Connector } from '../connector/contract.ts';
import type { OpenConnectors } from '../flow/open-connectors.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Assembly } from './assemble.ts';
import type { Supervisor } from './supervisor.ts';

export interface ConnectorTidyOptions {
  readonly connectors: OpenConnectors;
  readonly flows: Supervisor;
  readonly logger: Logger;
}

/** Opens the connectors of each assembly before any of its flows runs, and closes those that no batch can use any more. */
export class ConnectorTidy {
  readonly #options: ConnectorTidyOptions;
  #work: Promise<void> = Promise.resolve();
  /** Of the last assembly: its flows may not have them yet. */
  #wanted: readonly Connector[] = [];

  constructor(options: ConnectorTidyOptions) {
    this.#options = options;
  }

  /**
   * Rejects when one does not open; those of this assembly that had been opened are closed again then. A storage that does not
   * answer now holds up the flows that use it, and no other (L4): they try again.
   */
  async open(assembly: Assembly): Promise<void> {
    this.#wanted = [...assembly.connectors.values()].map(({ connector }) => connector);
    try {
      await Promise.all(this.#wanted.map((connector) => this.#open(connector)));
    } catch (error) {
      this.#wanted = [];
      this.run();
      throw error;
    }
  }

  /** Closes what is not in use, one look after the other. */
  run(): void {
    this.#work = this.#work.then(() => this.#close());
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#options.connectors.close();
  }

  async #open(connector: Connector): Promise<void> {
    try {
      await this.#options.connectors.open(connector);
    } catch (error) {
      if (!(error instanceof CodedError)) {
        const message = `Connector ${connector.name} cannot be opened: ${describeError(error)}`;
        throw new CodedError('CONNECTOR_FAILED', message, { cause: error, details: { connector: connector.name } });
      }
      if (error.class !== 'retry') throw error;
      const fields = { connector: connector.name, code: error.code, error: describeError(error) };
      this.#options.logger.warn(fields, 'connector does not answer');
    }
  }

  async #close(): Promise<void> {
    const { connectors, flows, logger } = this.#options;
    const subjects = flows.running.flatMap((service) => service.subjects);
    const inFlows = subjects.flatMap(({ flow }) => flow.steps.flatMap(({ connector }) => connector ?? []));
    const failures = await connectors.closeOthers(new Set([...inFlows, ...this.#wanted]));
    for (const { connector, error } of failures) {
      logger.warn({ connector: connector.name, error: describeError(error) }, 'connector did not close');
    }
  }
}
