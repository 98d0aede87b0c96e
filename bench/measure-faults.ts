import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { registerCleanups } from '../test/support/cleanup.ts';
import { startHalfOpenProxy } from '../test/support/half-open-proxy.ts';
import type { Bench } from './bench.ts';
import { steadyNow } from './child-side.ts';
import { askNumber, askRow, connectTo } from './connect.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { faults, type Fault, type FaultPlace } from './faults.ts';
import { figureOf, type Figure } from './figure.ts';
import { createOrders, insertOrders, orderRow, ordersChecksum } from './orders.ts';
import { createProject } from './project.ts';
import { resetStore } from './server-pair.ts';

const aimMb = 300;
const rowsPerCommit = 20;
const commitMs = 20;
const recoverMs = 120_000;
/** Between two faults: what was noticed of the one before is over then. */
const settleMs = 3000;

/**
 * What each fault costs, under a load of about a thousand rows a second: how long it takes from the fault's end until the row that is
 * written then is in the store, and the most memory that the daemon has held since the fault began. At the end source and store are equal.
 */
export async function measureFaults(bench: Bench): Promise<readonly Figure[]> {
  const { pair, options, log } = bench;
  const cleanups: (() => Promise<void>)[] = [];
  registerCleanups((cleanup) => cleanups.push(cleanup));
  await resetStore(pair);
  await pair.sourceLink.query(`DROP TABLE IF EXISTS bench.faulty; ${createOrders('bench.faulty')}`);
  const [sourceProxy, storeProxy] = [await startHalfOpenProxy(pair.source), await startHalfOpenProxy(pair.store)];
  const project = await createProject({
    flow: 'mirror',
    rows: 'change',
    tables: ['bench.faulty'],
    start: 'latest',
    sourceUrl: through(pair.source, sourceProxy),
    storeUrl: through(pair.store, storeProxy),
  });
  const orders = new OrderWriter(pair.source.url);
  let daemon = startDaemon({ folder: project.folder });
  const place: FaultPlace = {
    pair,
    sourceProxy,
    storeProxy,
    async restartDaemon() {
      await daemon.kill();
      daemon = startDaemon({ folder: project.folder });
    },
  };
  const results = new Map<string, Outcome[]>(faults.map(({ name }) => [name, []]));
  try {
    await waitForLine(daemon, 'flow runs');
    void orders.run();
    for (let round = 0; round < options.rounds; round += 1) {
      for (const fault of faults) {
        const outcome = await suffer(fault, { place, orders, daemonNow: () => daemon, storeUrl: pair.store.url });
        log(
          `faults: ${fault.name}: noticed after ${outcome.noticedSeconds?.toFixed(1) ?? '-'} s, recovered in ${outcome.seconds.toFixed(1)} s, ${outcome.peakMb.toFixed(0)} MB`,
        );
        results.get(fault.name)?.push(outcome);
      }
    }
    await orders.stop();
    await untilEqual(bench, daemon);
    await daemon.stop();
  } finally {
    await orders.stop();
    for (const cleanup of cleanups.toReversed()) await cleanup();
    await project.remove();
  }
  return figuresOf(results);
}

interface Outcome {
  /** From the fault's end until a row written then was in the store. */
  readonly seconds: number;
  /** From its beginning until the daemon said something of it; undefined: it did not need to. */
  readonly noticedSeconds: number | undefined;
  readonly peakMb: number;
}

interface Sufferer {
  readonly place: FaultPlace;
  readonly orders: OrderWriter;
  readonly daemonNow: () => Daemon;
  readonly storeUrl: string;
}

async function suffer(fault: Fault, { place, orders, daemonNow, storeUrl }: Sufferer): Promise<Outcome> {
  await arrived(await orders.mark(), storeUrl);
  await sleep(settleMs);
  const before = daemonNow();
  before.resetPeak();
  const beganAt = steadyNow();
  const end = await fault.begin(place);
  await sleep(fault.seconds * 1000);
  await end();
  const endedAt = steadyNow();
  await arrived(await orders.mark(), storeUrl);
  const seconds = (steadyNow() - endedAt) / 1000;
  const said = before.lines.find(({ at, text }) => at >= beganAt && isTrouble(text));
  const noticedSeconds = said === undefined ? undefined : (said.at - beganAt) / 1000;
  return { seconds, noticedSeconds, peakMb: daemonNow().peakMb };
}

/** A line of the daemon's log that is about a fault. */
function isTrouble(text: string): boolean {
  return /"level":[345]0/.test(text) && /SOURCE_|STORE_|lost|dead/.test(text);
}

/** Waits until this order is in the store. */
async function arrived(id: number, storeUrl: string): Promise<void> {
  const deadline = steadyNow() + recoverMs;
  let link: Connection | undefined;
  for (;;) {
    try {
      link ??= await connectTo(storeUrl);
      if ((await askNumber(link, `SELECT COUNT(*) FROM bench.orders WHERE id = ${id}`)) > 0) break;
    } catch {
      link?.destroy(); // the store is what may be away
      link = undefined;
    }
    if (steadyNow() > deadline) throw new Error(`order ${id} is not in the store after ${recoverMs} ms`);
    await sleep(20);
  }
  link.destroy();
}

/** Inserts orders all the time, on another connection when one is lost. */
class OrderWriter {
  readonly #url: string;
  #next = 1;
  #isStopping = false;
  #running: Promise<void> | undefined;
  #written: (() => void)[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  run(): Promise<void> {
    this.#running ??= this.#write();
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** The id of an order that is committed after this was called. */
  async mark(): Promise<number> {
    await new Promise<void>((resolve) => this.#written.push(resolve)); // one may be on its way
    await new Promise<void>((resolve) => this.#written.push(resolve));
    return this.#next - 1;
  }

  async #write(): Promise<void> {
    let link: Connection | undefined;
    while (!this.#isStopping) {
      try {
        link ??= await connectTo(this.#url);
        const rows = Array.from({ length: rowsPerCommit }, (_, n) => orderRow(this.#next + n, 0));
        this.#next += rowsPerCommit; // never again, whether it is committed or not
        await link.query(insertOrders('bench.faulty'), [rows]);
        for (const tell of this.#written.splice(0)) tell();
      } catch {
        link?.destroy(); // the source is what may be away
        link = undefined;
      }
      await sleep(commitMs);
    }
    link?.destroy();
  }
}

async function untilEqual({ pair }: Bench, daemon: Daemon): Promise<void> {
  const [source, store] = [await connectTo(pair.source.url), await connectTo(pair.store.url)];
  const want = await askRow(source, ordersChecksum('bench.faulty'));
  const deadline = steadyNow() + recoverMs;
  while ((await askRow(store, ordersChecksum('bench.orders'))) !== want) {
    if (steadyNow() > deadline) throw new Error(`source and store differ; ${daemon.lines.at(-1)?.text ?? ''}`);
    await sleep(200);
  }
  source.destroy();
  store.destroy();
}

async function waitForLine(daemon: Daemon, text: string): Promise<void> {
  const deadline = steadyNow() + 20_000;
  while (!daemon.lines.some((line) => line.text.includes(text))) {
    if (steadyNow() > deadline) throw new Error(`the daemon did not say "${text}"`);
    await Promise.race([sleep(20), daemon.ended]);
  }
}

function through(server: { readonly url: string; readonly port: number }, proxy: { readonly port: number }): string {
  return server.url.replace(`:${server.port}`, `:${proxy.port}`);
}

function figuresOf(results: ReadonlyMap<string, readonly Outcome[]>): readonly Figure[] {
  return [...results].flatMap(([name, outcomes]) => [
    figureOf({
      name: `recovery, ${name}`,
      unit: 's',
      values: outcomes.map(({ seconds }) => seconds),
      notes: { noticedSeconds: outcomes.map(({ noticedSeconds }) => noticedSeconds) },
    }),
    figureOf({ name: `memory, ${name}`, unit: 'MB', values: outcomes.map(({ peakMb }) => peakMb), aim: aimMb }),
  ]);
}
