import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, formatPosition, type Position } from '../row/position.ts';
import type { RunFlow } from '../flow/contract.ts';
import type { Source } from '../source/contract.ts';
import { LeaseKeeper } from '../store/lease.ts';
import type { Store } from '../store/open.ts';
import { FlowRecords } from './flow-record.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import { FlowService, type FlowReport } from './flow-service.ts';
import { ReaderPool } from './reader-pool.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

export interface DaemonOptions {
  /** Enabled flows with a source, each with the name of its source. */
  readonly flows: readonly (DaemonFlow & { readonly sourceName: string })[];
  readonly sources: ReadonlyMap<string, Source>;
  readonly store: Store;
  readonly runFlow: RunFlow;
  /** How long the main thread may not turn before the process ends itself. */
  readonly stallMs: number;
  readonly logger: Logger;
  /** End once every flow has passed its source's position at start. */
  readonly untilCurrent: boolean;
  /** How long a lease outlives its holder. */
  readonly leaseTtlMs: number;
  /** Bytes of binlog that may wait for one flow. */
  readonly queueBytesMax: number;
  /** First signal: end softly. */
  readonly stop: AbortSignal;
  /** Second signal, or the deadline: end at once. */
  readonly abort: AbortSignal;
}

interface OpenSource {
  readonly source: Source;
  readonly pool: ReaderPool;
  readonly hasGtid: boolean;
  readonly head: Position;
}

/** Runs the flows until they are told to stop, or until they are current; says how each ended. */
export async function runDaemon(options: DaemonOptions): Promise<readonly FlowReport[]> {
  const sources = await openSources(options);
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  options.stop.addEventListener('abort', onStop);
  options.abort.addEventListener('abort', onStop);
  if (options.stop.aborted || options.abort.aborted) stop.abort();
  const leases = new LeaseKeeper({ store: options.store, holder: holderName(), ttlMs: options.leaseTtlMs });
  await leases.showPresence();
  const records = new FlowRecords(options.store);
  const watchdog = startWatchdog({ stallMs: options.stallMs });
  const parts = { sources, leases, records, watchdog };
  const services = options.flows.map((subject) => makeService({ ...options, stop: stop.signal }, { ...parts, subject }));
  const watching = new AbortController();
  const watches = Promise.all([
    renewLeases(options, { leases, records, services, signal: watching.signal }),
    writeFigures(options, { records, services, signal: watching.signal }),
    options.untilCurrent ? finishWhenCurrent(services, { sources, signal: watching.signal }) : undefined,
  ]);
  try {
    await Promise.all(services.map((service) => service.run({ once: options.untilCurrent })));
  } finally {
    watching.abort();
    await watches;
    await leases.close();
    await watchdog.stop();
    await Promise.all([...sources.values()].map(({ pool }) => pool.close()));
    options.stop.removeEventListener('abort', onStop);
    options.abort.removeEventListener('abort', onStop);
  }
  return services.map((service) => service.report);
}

async function openSources(options: DaemonOptions): Promise<ReadonlyMap<string, OpenSource>> {
  const opened = new Map<string, OpenSource>();
  const used = new Set(options.flows.map((flow) => flow.sourceName));
  for (const [name, source] of options.sources) {
    if (!used.has(name)) continue;
    const identity = await source.inspect(options.abort);
    const head = await source.head(options.abort);
    options.logger.info({ source: name, ...identity, head: formatPosition(head) }, 'source is ready');
    const pool = new ReaderPool({
      source,
      hasGtid: identity.hasGtid,
      logger: options.logger,
      graceMs: 500,
      windowMs: 3000,
      nearBytes: 64 * 1024 * 1024,
      joinBytes: 1024 * 1024,
      gatherMs: 50,
    });
    opened.set(name, { source, pool, hasGtid: identity.hasGtid, head });
  }
  return opened;
}

interface ServiceParts {
  readonly subject: DaemonOptions['flows'][number];
  readonly sources: ReadonlyMap<string, OpenSource>;
  readonly leases: LeaseKeeper;
  readonly records: FlowRecords;
  readonly watchdog: Watchdog;
}

function makeService(options: DaemonOptions, parts: ServiceParts): FlowService {
  const { subject, sources, leases, records } = parts;
  const open = sources.get(subject.sourceName);
  if (open === undefined) throw new CodedError('INTERNAL', `Flow ${subject.flow.name}: source ${subject.sourceName} is not open.`);
  return new FlowService({
    subject,
    source: open.source,
    hasGtid: open.hasGtid,
    pool: open.pool,
    store: options.store,
    leases,
    records,
    runFlow: options.runFlow,
    watchdog: parts.watchdog,
    logger: options.logger,
    queueBytesMax: options.queueBytesMax,
    retryLimitMs: options.untilCurrent ? 30_000 : Number.POSITIVE_INFINITY,
    pollMs: 1000,
    stop: options.stop,
    abort: options.abort,
  });
}

interface Watch {
  readonly records: FlowRecords;
  readonly services: readonly FlowService[];
  readonly signal: AbortSignal;
}

/** Keeps the leases alive, and carries operators' wishes and lost leases to the flows. */
async function renewLeases(options: DaemonOptions, watch: Watch & { readonly leases: LeaseKeeper }): Promise<void> {
  const { records, services, leases, signal } = watch;
  let renewedAt = 0;
  while (!signal.aborted) {
    try {
      const isDue = Date.now() - renewedAt >= options.leaseTtlMs / 3;
      await leases.showPresence();
      const held = isDue ? await leases.renew() : undefined;
      if (isDue) renewedAt = Date.now();
      const askedAt = performance.now();
      const wishes = await records.wishes();
      for (const service of services) service.observe(wishes.get(service.name), held, askedAt);
    } catch (error) {
      options.logger.warn({ error: describeError(error) }, 'leases not renewed');
    }
    await sleep(Math.min(1000, options.leaseTtlMs / 3), signal);
  }
}

async function writeFigures(options: DaemonOptions, { records, services, signal }: Watch): Promise<void> {
  const written = new Map<string, string>();
  while (!signal.aborted) {
    await sleep(1000, signal);
    for (const service of services) {
      const { lagMs, rate } = service.figures;
      const figures = { lagMs, rate: Math.round(rate * 10) / 10 };
      const text = JSON.stringify(figures);
      if (written.get(service.name) === text || service.report.state !== 'running') continue;
      written.set(service.name, text);
      await records.setFigures(service.name, figures).catch((error: unknown) => {
        options.logger.debug({ error: describeError(error) }, 'figures not written');
      });
    }
  }
}

/** With --until-current: lets each flow end once it has received all that the source had at start. */
async function finishWhenCurrent(
  services: readonly FlowService[],
  watch: { readonly sources: ReadonlyMap<string, OpenSource>; readonly signal: AbortSignal },
): Promise<void> {
  while (!watch.signal.aborted) {
    for (const service of services) {
      const open = [...watch.sources.values()].find(({ source }) => source === service.source);
      const received = service.received;
      if (open !== undefined && received !== undefined && hasReached(received, open)) service.finish();
    }
    await sleep(50, watch.signal);
  }
}

function hasReached(received: Position, { head, hasGtid }: OpenSource): boolean {
  return hasGtid ? gtidContains(received.gtid, head.gtid) : comparePositions(received, head) >= 0;
}

function holderName(): string {
  return `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
}
