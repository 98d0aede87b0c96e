import type { Connector } from '../connector/contract.ts';

/** Opens each connector once, when it is first needed, however many flows and runs share it; and closes them all. */
export class OpenConnectors {
  readonly #opened = new Map<Connector, Promise<void>>();
  /** Those that did not open yet: a session of theirs may have opened something all the same. */
  readonly #failed = new Set<Connector>();

  /** Resolves when the connector is open. A failed try is not remembered: the next one tries anew. */
  async open(connector: Connector): Promise<void> {
    const opened = this.#opened.get(connector) ?? connector.open();
    this.#opened.set(connector, opened);
    try {
      await opened;
      this.#failed.delete(connector);
    } catch (error) {
      this.#opened.delete(connector);
      this.#failed.add(connector);
      throw error;
    }
  }

  /** Closes those that are not among these. What cannot be closed is forgotten all the same. */
  async closeOthers(used: ReadonlySet<Connector>): Promise<readonly { readonly connector: Connector; readonly error: unknown }[]> {
    const failures: { connector: Connector; error: unknown }[] = [];
    for (const connector of [...this.#opened.keys(), ...this.#failed]) {
      if (used.has(connector)) continue;
      try {
        await this.#close(connector);
      } catch (error) {
        failures.push({ connector, error });
      }
    }
    return failures;
  }

  async close(): Promise<void> {
    for (const connector of [...this.#opened.keys(), ...this.#failed]) await this.#close(connector);
  }

  async #close(connector: Connector): Promise<void> {
    const opened = this.#opened.get(connector);
    this.#opened.delete(connector);
    this.#failed.delete(connector);
    await opened;
    await connector.close();
  }
}
