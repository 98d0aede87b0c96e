import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { aborted, followSignal, sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, type Position } from '../row/position.ts';
import type { RunFlow } from '../flow/contract.ts';
import { OpenConnectors } from '../flow/open-connectors.ts';
import { LeaseKeeper, type Lease } from '../store/lease.ts';
import type { Presence } from '../store/presence.ts';
import type { Store } from '../store/open.ts';
import type { Assembly } from './assemble.ts';
import type { FlowObserver } from './batch-trail.ts';
import { ConnectorTidy } from './connector-tidy.ts';
import { FlowRecords } from './flow-record.ts';
import type { FlowServiceOptions } from './daemon-flow.ts';
import { Heartbeat } from './heartbeat.ts';
import { makeDaemonView, type DaemonView } from './daemon-view.ts';
import type { FlowReport } from './flow-report.ts';
import { FlowService } from './flow-service.ts';
import { cancelLeftRuns } from './left-runs.ts';
import { PurgeMending } from './purge-mending.ts';
import { Rebuilds, type RebuildsOptions } from './rebuilds.ts';
import { Verifies } from './verifies.ts';
import type { OpenSource, SourceSet } from './source-set.ts';
import { Supervisor, type AssemblyDifference } from './supervisor.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

export interface DaemonOptions {
  /** What runs at first: enabled flows with a source, and their connectors. */
  readonly assembly: Assembly;
  readonly sources: SourceSet;
  readonly store: Store;
  readonly runFlow: RunFlow;
  /** Is told what the flows do; absent: nothing is measured. */
  readonly observer?: FlowObserver | undefined;
  /** Is given the daemon to look at, once it runs. */
  readonly onStarted?: ((daemon: DaemonView) => void) | undefined;
  /** How long the main thread may not turn before the process ends itself; absent: as long as the flows' functions may lawfully take. */
  readonly stallMs?: number | undefined;
  readonly logger: Logger;
  /** End once every flow has passed its source's position at start. */
  readonly untilCurrent: boolean;
  /** How long a lease outlives its holder. */
  readonly leaseTtlMs: number;
  /** Bytes of binlog that may wait for one flow. */
  readonly queueBytesMax: number;
  /** Follows the project and lets its changes take effect, until the signal aborts; absent: it runs as it was at start. */
  readonly follow?: ((control: DaemonControl) => Promise<void>) | undefined;
  /** First signal: end softly. */
  readonly stop: AbortSignal;
  /** Second signal, or the deadline: end at once. */
  readonly abort: AbortSignal;
}

/** What a running daemon lets be changed. */
export interface DaemonControl {
  /** The daemon's name in the store. */
  readonly holder: string;
  /** Lets another assembly take effect, each flow between two of its batches; rejects, with nothing changed, when a connector does not open. */
  readonly apply: (next: Assembly) => Promise<AssemblyDifference>;
  readonly signal: AbortSignal;
}

/** Runs the flows until they are told to stop, or until they are current; says how each ended. */
export async function runDaemon(options: DaemonOptions): Promise<readonly FlowReport[]> {
  const holder = holderName();
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  const watching = new AbortController();
  const leases = new LeaseKeeper({ store: options.store, holder, ttlMs: options.leaseTtlMs, logger: options.logger });
  for (const signal of [options.stop, options.abort]) followSignal(signal, stop);
  followSignal(options.abort, watching);
  watching.signal.addEventListener('abort', () => void leases.close(), { once: true }); // the store may not answer
  await leases.presence.show();
  const records = new FlowRecords(options.store);
  const watchdog = startWatchdog({ stallMs: options.stallMs ?? lawfulStallMs(options.assembly) });
  const connectors = new OpenConnectors();
  const parts = { leases, records, watchdog, ...mendingOf(options), settle: (lease: Lease) => rebuilds.settle(lease) };
  const shadows = shadowParts(options, { holder, watchdog, services: () => flows.running });
  const rebuilds: Rebuilds = new Rebuilds(shadows);
  const verifies = new Verifies(shadows);
  const flows: Supervisor = new Supervisor({
    makeService: (subject) => makeService({ ...options, stop: stop.signal }, { ...parts, subject, onReplaced: () => tidy.run() }),
    once: options.untilCurrent,
    retireMs: 20_000,
    onEnded: () => tidy.run(),
  });
  const tidy = new ConnectorTidy({ connectors, flows, logger: options.logger });
  const apply = async (next: Assembly): Promise<AssemblyDifference> => {
    await tidy.open(next);
    if (options.stallMs === undefined) watchdog.allow(lawfulStallMs(next));
    const difference = flows.apply(next);
    tidy.run();
    return difference;
  };
  const heartbeat = new Heartbeat({ ...options, services: () => flows.running });
  let watches: Promise<unknown> = Promise.resolve();
  try {
    await apply(options.assembly);
    const { presence } = leases;
    options.onStarted?.(
      makeDaemonView({ ...options, holder, services: () => flows.services, presence, heartbeat, verifies, stop: stop.signal }),
    );
    watches = Promise.all([
      showPresence(leases.presence, watching.signal),
      renewLeases(options, { leases, records, flows, signal: watching.signal }),
      heartbeat.run(watching.signal),
      options.untilCurrent ? undefined : repair(options, { rebuilds, verifies, leases, flows }, stop.signal),
      options.untilCurrent ? finishWhenCurrent(flows, { sources: options.sources, signal: watching.signal }) : undefined,
      options.follow?.({ holder, apply, signal: stop.signal }),
    ]);
    watches.catch(onStop); // what is broken ends the daemon, and is thrown below
    await flows.ended(options.untilCurrent ? Promise.resolve() : aborted(stop.signal));
  } finally {
    onStop();
    watching.abort(); // first
    await leases.close();
    await Promise.allSettled([watches]);
    await tidy.close();
    await watchdog.stop();
  }
  await watches;
  return flows.services.map((service) => service.report);
}

interface Repair {
  readonly rebuilds: Rebuilds;
  readonly verifies: Verifies;
  readonly leases: LeaseKeeper;
  readonly flows: Supervisor;
}

/** What is done of runs beside the flows. */
function repair(options: DaemonOptions, { rebuilds, verifies, leases, flows }: Repair, signal: AbortSignal): Promise<unknown> {
  const left = { ...options, leases, services: () => flows.running };
  return Promise.all([rebuilds.run(signal), verifies.run(signal), cancelLeftRuns(left, signal)]);
}

/** Where every flow is to end, nobody computes tables anew. */
function mendingOf(options: DaemonOptions): Pick<FlowServiceOptions, 'mending'> {
  return options.untilCurrent ? {} : { mending: new PurgeMending(options) };
}

/** A flow in its shadow is a flow like others, that nobody measures. */
function shadowParts(
  options: DaemonOptions,
  { watchdog, ...parts }: Pick<RebuildsOptions, 'holder' | 'services'> & { readonly watchdog: Watchdog },
): RebuildsOptions {
  return {
    ...options,
    ...parts,
    makeService: ({ store, logger, stop, abort, ...shadow }) =>
      makeService({ ...options, store, logger, stop, abort, observer: undefined }, { watchdog, onReplaced: () => {}, ...shadow }),
  };
}

type ServiceParts = Pick<FlowServiceOptions, 'subject' | 'leases' | 'records' | 'watchdog' | 'onReplaced' | 'settle' | 'mending'>;

function makeService(options: DaemonOptions, parts: ServiceParts): FlowService {
  const { source, tables, hasGtid, pool, watch } = options.sources.get(parts.subject.sourceName);
  return new FlowService({
    ...parts,
    source,
    tables,
    hasGtid,
    pool,
    watch,
    store: options.store,
    runFlow: options.runFlow,
    observer: options.observer,
    logger: options.logger,
    queueBytesMax: options.queueBytesMax,
    retryLimitMs: options.untilCurrent ? 30_000 : Number.POSITIVE_INFINITY,
    leave: options.untilCurrent ? options.stop : undefined,
    pollMs: 1000,
    stop: options.stop,
    abort: options.abort,
  });
}

interface Watch {
  readonly records: FlowRecords;
  readonly flows: Supervisor;
  readonly signal: AbortSignal;
}

interface LeaseWatch extends Watch {
  readonly leases: LeaseKeeper;
}

/** Once a second; a beat that fails is told by the presence itself. */
async function showPresence(presence: Presence, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await presence.show().catch(() => {});
    await sleep(1000, signal);
  }
}

/** Keeps the leases alive, and carries operators' wishes and lost leases to the flows. */
async function renewLeases(options: DaemonOptions, watch: LeaseWatch): Promise<void> {
  const { records, flows, signal } = watch;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let failedWith: string | undefined;
  while (!signal.aborted) {
    try {
      const isDue = performance.now() - renewedAt >= options.leaseTtlMs / 3;
      if (isDue) await renewOnce(watch);
      if (isDue) renewedAt = performance.now();
      const askedAt = performance.now();
      const wishes = await records.wishes();
      for (const service of flows.running) service.observe(wishes.get(service.name), askedAt);
      if (failedWith !== undefined) options.logger.info({}, 'leases renewed again');
      failedWith = undefined;
    } catch (error) {
      if (signal.aborted) return;
      // once for each cause, not every second
      const code = error instanceof CodedError ? error.code : 'INTERNAL';
      if (code !== failedWith) options.logger.warn({ code, error: describeError(error) }, 'leases not renewed');
      failedWith = code;
    }
    await sleep(Math.min(1000, options.leaseTtlMs / 3), signal);
  }
}

async function renewOnce({ leases, flows }: LeaseWatch): Promise<void> {
  const askedAt = performance.now();
  const held = await leases.renew();
  for (const service of flows.running) service.observeLeases(held, askedAt);
}

/** With --until-current: lets each flow end once it has received all that the source had at start. */
async function finishWhenCurrent(
  flows: Supervisor,
  watch: { readonly sources: SourceSet; readonly signal: AbortSignal },
): Promise<void> {
  while (!watch.signal.aborted) {
    for (const service of flows.running) {
      const received = service.received;
      const name = service.subjects[0]?.sourceName;
      if (service.isLoading) continue;
      if (name !== undefined && received !== undefined && hasReached(received, watch.sources.get(name))) service.finish();
    }
    await sleep(50, watch.signal);
  }
}

/** No function may lawfully hold the main thread for longer than this. */
function lawfulStallMs({ flows }: Assembly): number {
  return Math.max(30_000, ...flows.flatMap(({ flow }) => flow.steps.map((step) => 2 * step.timeoutMs)));
}

function hasReached(received: Position, { head, hasGtid }: OpenSource): boolean {
  return hasGtid ? gtidContains(received.gtid, head.gtid) : comparePositions(received, head) >= 0;
}

function holderName(): string {
  return `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
}
