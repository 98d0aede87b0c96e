import type { SourceSpec } from '../config/spec.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { formatPosition, type Position } from '../row/position.ts';
import { createBinlogSource } from '../source/binlog-source.ts';
import type { TableReader } from '../snapshot/contract.ts';
import { createTableReader } from '../snapshot/table-reader.ts';
import type { Source } from '../source/contract.ts';
import type { Store } from '../store/open.ts';
import { ReaderPool } from './reader-pool.ts';
import { findStoreSources } from './same-server.ts';
import { SourceWatch } from './source-watch.ts';

/** A source that answers, with its readers. */
export interface OpenSource {
  readonly source: Source;
  /** Reads its tables; connects when it is first asked. */
  readonly tables: TableReader;
  readonly pool: ReaderPool;
  readonly watch: SourceWatch;
  readonly hasGtid: boolean;
  /** The end of its binlog when it was opened. */
  readonly head: Position;
  readonly isOnStoreServer: boolean;
}

/**
 * The sources of a daemon: each is opened when the first flow needs it, and stays open until the daemon ends. A source that
 * flows read keeps its address: their positions belong to it, and another one takes a restart.
 */
export class SourceSet {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #open = new Map<string, { readonly spec: SourceSpec; readonly open: OpenSource }>();

  constructor(options: { readonly store: Store; readonly logger: Logger }) {
    this.#store = options.store;
    this.#logger = options.logger;
  }

  get(name: string): OpenSource {
    const known = this.#open.get(name);
    if (known === undefined) throw new CodedError('INTERNAL', `The source ${name} is not open.`);
    return known.open;
  }

  get all(): readonly OpenSource[] {
    return [...this.#open.values()].map(({ open }) => open);
  }

  /** Names of those that are the store's own server. */
  get onStoreServer(): ReadonlySet<string> {
    return new Set([...this.#open].filter(([, { open }]) => open.isOnStoreServer).map(([name]) => name));
  }

  /** Opens those of these that are not open; all of them answer and can be read when it resolves. */
  async ensure(
    specs: readonly SourceSpec[],
    options: { readonly inUse: ReadonlySet<string>; readonly signal: AbortSignal },
  ): Promise<void> {
    for (const spec of specs) {
      const known = this.#open.get(spec.name);
      if (known !== undefined && JSON.stringify(known.spec) === JSON.stringify(spec)) continue;
      if (known !== undefined && options.inUse.has(spec.name)) {
        throw new CodedError(
          'CONFIG_INVALID',
          `Source ${spec.name} has changed, and flows that run now have their positions in it: restart the daemon to change a source.`,
        );
      }
      if (known !== undefined) await this.#close(known.open);
      this.#open.delete(spec.name);
      this.#open.set(spec.name, { spec, open: await this.#openOne(spec, options.signal) });
    }
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(all.map(({ open }) => this.#close(open)));
  }

  async #openOne(spec: SourceSpec, signal: AbortSignal): Promise<OpenSource> {
    const { name, url, server_id: serverId } = spec;
    const source = createBinlogSource({ name, url, serverId, logger: this.#logger });
    try {
      const onStoreServer = await findStoreSources(this.#store, new Map([[name, source]]), signal);
      const identity = await source.inspect(signal);
      const head = await source.head(signal);
      this.#logger.info({ source: name, ...identity, head: formatPosition(head) }, 'source is ready');
      const pool = new ReaderPool({
        source,
        hasGtid: identity.hasGtid,
        logger: this.#logger,
        graceMs: 500,
        windowMs: 3000,
        nearBytes: 64 * 1024 * 1024,
        joinBytes: 1024 * 1024,
        gatherMs: 50,
      });
      const watch = new SourceWatch({ source, logger: this.#logger, everyMs: 1000, shelfMs: 60_000 });
      const tables = createTableReader({ url, logger: this.#logger, connectTimeoutMs: 10_000 });
      return { source, tables, pool, watch, hasGtid: identity.hasGtid, head, isOnStoreServer: onStoreServer.has(name) };
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  async #close({ pool, source, watch, tables }: OpenSource): Promise<void> {
    await Promise.all([pool.close(), watch.close(), tables.close()]);
    await source.close();
  }
}
