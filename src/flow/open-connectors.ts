import type { Connector } from '../connector/contract.ts';

/** Opens each connector once, when it is first needed, however many flows and runs share it; and closes them all. */
export class OpenConnectors {
  readonly #opened = new Map<Connector, Promise<void>>();

  /** Resolves when the connector is open. A failed try is not remembered: the next one tries anew. */
  async open(connector: Connector): Promise<void> {
    const opened = this.#opened.get(connector) ?? connector.open();
    this.#opened.set(connector, opened);
    try {
      await opened;
    } catch (error) {
      this.#opened.delete(connector);
      throw error;
    }
  }

  /** Closes those that are not among these. What cannot be closed is forgotten all the same. */
  async closeOthers(used: ReadonlySet<Connector>): Promise<readonly { readonly connector: Connector; readonly error: unknown }[]> {
    const failures: { connector: Connector; error: unknown }[] = [];
    for (const [connector, opened] of this.#opened) {
      if (used.has(connector)) continue;
      this.#opened.delete(connector);
      try {
        await opened;
        await connector.close();
      } catch (error) {
        failures.push({ connector, error });
      }
    }
    return failures;
  }

  async close(): Promise<void> {
    const all = [...this.#opened];
    this.#opened.clear();
    for (const [connector, opened] of all) {
      await opened;
      await connector.close();
    }
  }
}
