import { escape } from 'mysql2';
import type { Logger } from '../lib/logger.ts';
import type { Position, StartPoint } from '../row/position.ts';
import { readHead } from './binlog-places.ts';
import { BinlogReader } from './binlog-reader.ts';
import { scanBinlog, scanStatements, type StatementVisitor } from './binlog-scan.ts';
import type { ReadOptions, ServerIdentity, Source } from './contract.ts';
import { findObstacles, obstacleError } from './obstacle.ts';
import { PreparedSearch } from './prepared-search.ts';
import { resolveStart } from './resolve-start.ts';
import { withServer, type Query } from './server-link.ts';
import { readIdentity, readServerSettings } from './server-settings.ts';
import { createSourceProbe } from './source-probe.ts';
import { TableDefinitions, type BinlogPlace } from './table-definitions.ts';
import { verifyServer } from './verify-server.ts';

export interface BinlogSourceOptions {
  readonly name: string;
  /** `mysql://user:password@host:port`. */
  readonly url: string;
  /** The first reader's server_id, the following ones count up from it; 0: chosen at random, for each reader its own. */
  readonly serverId: number;
  readonly logger: Logger;
  /** How often the server is asked to say that it is alive when it has nothing else to say. */
  readonly heartbeatMs?: number;
  /** After how long without a byte a connection counts as lost; at least three heartbeats. */
  readonly silenceMs?: number;
  /** At how many bytes of the binlog a transaction is handed on in parts. */
  readonly pieceBytes?: number;
  readonly connectTimeoutMs?: number;
}

/** Chosen ids lie above what people write by hand. */
const CHOSEN_FIRST = 2_000_000_000;
const CHOSEN_COUNT = 2_000_000_000;

/** A MySQL or MariaDB binlog as a source (see contract.ts). */
export function createBinlogSource(options: BinlogSourceOptions): Source {
  const { name, url, heartbeatMs = 1000, pieceBytes = 256 * 1024, connectTimeoutMs = 10_000 } = options;
  const silenceMs = Math.max(options.silenceMs ?? 5000, heartbeatMs * 3);
  const logger = options.logger.child({ source: name });
  const limits = { url, heartbeatMs, silenceMs, pieceBytes, connectTimeoutMs, logger };
  const ids = new ReaderIds(options.serverId);
  const closing = new AbortController();
  const running = new Set<Promise<void>>();

  const ask = <T>(signal: AbortSignal, use: (query: Query) => Promise<T>) =>
    withServer({ url, connectTimeoutMs, signal: AbortSignal.any([signal, closing.signal]) }, use);

  /** A scan runs beside the reader that it is for. */
  const scanLimits = async (signal: AbortSignal) => ({
    ...limits,
    ...(await ask(signal, readIdentity)),
    serverId: chooseId(),
    signal,
  });
  const scan = async (from: BinlogPlace, visitor: StatementVisitor, signal: AbortSignal) =>
    scanBinlog(from, visitor, await scanLimits(signal));
  const prepared = new PreparedSearch({ ask, logger, scan });

  async function read(readOptions: ReadOptions): Promise<void> {
    const reader = ids.take();
    const signal = AbortSignal.any([readOptions.signal, closing.signal]);
    const nextServerId = options.serverId === 0 ? chooseId : undefined;
    const definitions = new TableDefinitions({
      logger,
      ask: (use) => ask(signal, use),
      scan: async (from, onStatement) => scanStatements(from, onStatement, await scanLimits(signal)),
    });
    try {
      await new BinlogReader(
        { ...limits, definitions, prepared, serverId: reader.id, nextServerId },
        { ...readOptions, signal },
      ).run();
    } finally {
      ids.giveBack(reader.index);
    }
  }

  return {
    name,
    inspect: (signal) => ask(signal, inspect),
    head: (signal) => ask(signal, async (query) => readHead(query, await readIdentity(query))),
    resolve: (start: StartPoint, signal: AbortSignal): Promise<Position> =>
      ask(signal, async (query) => {
        const identity = await readIdentity(query);
        return resolveStart(start, { query, identity, scan: (file, visitor) => scan({ file, offset: 4 }, visitor, signal) });
      }),
    verify: (position, signal) => ask(signal, async (query) => verifyServer(query, await readIdentity(query), position)),
    openProbe: () => createSourceProbe({ url, deadlineMs: silenceMs, scan }),
    seesLock: (lock, signal) => ask(signal, (query) => isLocked(query, lock)),
    async read(readOptions) {
      const done = read(readOptions);
      running.add(done);
      await done.finally(() => running.delete(done));
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running);
    },
  };
}

async function isLocked(query: Query, lock: string): Promise<boolean> {
  const [row] = await query(`SELECT IS_USED_LOCK(${escape(lock)}) AS holder`);
  return row?.['holder'] !== null && row?.['holder'] !== undefined;
}

async function inspect(query: Query): Promise<ServerIdentity> {
  const settings = await readServerSettings(query);
  const [obstacle] = findObstacles(settings);
  if (obstacle !== undefined) throw obstacleError(obstacle);
  const { flavour, version, server, hasGtid } = settings;
  return { flavour, version, server, hasGtid };
}

/** Hands out a server_id for each reader that runs: given ones by the smallest free index, chosen ones at random. */
class ReaderIds {
  readonly #first: number;
  readonly #taken = new Set<number>();

  constructor(first: number) {
    this.#first = first;
  }

  take(): { readonly index: number; readonly id: number } {
    let index = 0;
    while (this.#taken.has(index)) index += 1;
    this.#taken.add(index);
    return { index, id: this.#first === 0 ? chooseId() : this.#first + index };
  }

  giveBack(index: number): void {
    this.#taken.delete(index);
  }
}

function chooseId(): number {
  return CHOSEN_FIRST + Math.floor(Math.random() * CHOSEN_COUNT);
}
