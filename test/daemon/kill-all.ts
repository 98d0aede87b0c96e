import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SqlFlavour, SqlServer } from '../../src/embedded/server.ts';
import { spawnDaemon, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, startPrivateServer } from '../support/servers.ts';
import { startLoad } from '../support/shop-load.ts';
import { createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

export interface KillAllOptions {
  readonly kills: number;
  readonly seed: number;
  /** Source and store are compared after so many kills; at the end in any case. */
  readonly compareEach: number;
  readonly pauseMs?: number;
  /** What operators do meanwhile; stopped before source and store are compared. */
  readonly startBeside?: (project: ShopProject, store: SqlServer) => { stop(): Promise<void> };
  readonly onProgress?: (text: string) => void;
}

/** A recovery that took longer is looked at. */
const slowSeconds = 15;

type Victim = 'daemon' | 'source' | 'store';
/** In this order they are the first three to be killed. */
const everyone: readonly Victim[] = ['source', 'store', 'daemon'];

/**
 * Kills the daemon, its source and its store with -9 at random moments while the source changes, one of them or several at once, and
 * starts them again as a supervisor of services would. Then lets the flows catch up, and compares source and store to the row.
 */
export async function killAllAndCompare(flavour: SqlFlavour, options: KillAllOptions): Promise<void> {
  const { kills, seed, compareEach, onProgress = () => {} } = options;
  const random = randomFrom(seed);
  const [source, store] = await Promise.all([startPrivateServer(flavour), startPrivateServer(flavour, { server_id: 2 })]);
  const project = await createShopProject({ source, store });
  const keeper = new Keeper(project);
  await keeper.start();
  await waitFor(() => keeper.hasRun, { deadlineMs: 60_000, what: 'the first start' });
  const counts: Record<Victim, number> = { daemon: 0, source: 0, store: 0 };
  const startedAt = performance.now();
  for (let done = 0; done < kills;) {
    const until = Math.min(kills, done + compareEach);
    const load = startLoad(source, project.source.name, { random, pauseMs: options.pauseMs ?? 10 });
    const beside = options.startBeside?.(project, store);
    for (; done < until; done += 1) {
      await delay(random() * 1500); // the moment of the kill is what is random here
      const victims = done < everyone.length ? everyone.slice(done, done + 1) : chooseVictims(random);
      for (const victim of victims) counts[victim] += 1;
      await Promise.all(victims.map((victim) => strike(victim, { keeper, source, store, random })));
    }
    await load.stop();
    await beside?.stop();
    const seconds = await recover({ project, source, store, keeper, seed });
    onProgress(
      `${flavour}: ${done} of ${kills} kills (${JSON.stringify(counts)}) in ${Math.round((performance.now() - startedAt) / 1000)} s, ` +
        `${load.transactions} transactions, agreed after ${seconds.toFixed(1)} s`,
    );
    if (seconds > slowSeconds) onProgress(`that was slow; the daemon said:\n${keeper.said.slice(-30).join('\n')}`);
  }
  await keeper.stop();
  for (const victim of everyone) expect(counts[victim], victim).toBeGreaterThan(0);
}

function chooseVictims(random: () => number): readonly Victim[] {
  const dice = random();
  if (dice < 0.1) return everyone;
  const first = everyone[Math.floor(random() * 3)] ?? 'daemon';
  const second = everyone[Math.floor(random() * 3)] ?? 'daemon';
  return dice < 0.25 && second !== first ? [first, second] : [first];
}

interface Scene {
  readonly keeper: Keeper;
  readonly source: SqlServer;
  readonly store: SqlServer;
  readonly random: () => number;
}

async function strike(victim: Victim, { keeper, source, store, random }: Scene): Promise<void> {
  const downMs = random() * 500;
  if (victim === 'daemon') return keeper.kill();
  const server = victim === 'source' ? source : store;
  await server.kill();
  await delay(downMs);
  await server.restart();
}

/** Waits until source and store agree; gives the seconds that it took. */
async function recover(scene: Omit<Scene, 'random'> & { project: ShopProject; seed: number }): Promise<number> {
  const { project, source, store, keeper, seed } = scene;
  const before = performance.now();
  const after = {
    ...project,
    source: { ...project.source, connection: await connectTo(source, project.source.name) },
    store: { ...project.store, connection: await connectTo(store, project.store.name) },
  };
  await waitFor(
    async () => {
      keeper.requireHealth();
      return (await disagreements(after)).length === 0;
    },
    { deadlineMs: 120_000, pollMs: 200, what: `agreement, seed ${seed}` },
  );
  for (const { connection } of [after.source, after.store]) connection.destroy();
  return (performance.now() - before) / 1000;
}

/** Starts the daemon again whenever it has ended, as systemd does. */
class Keeper {
  readonly #project: ShopProject;
  #daemon: DaemonProcess | undefined;
  #isOver = false;
  #looking: Promise<void> | undefined;
  #trouble: string | undefined;

  constructor(project: ShopProject) {
    this.#project = project;
  }

  get hasRun(): boolean {
    return this.#daemon?.stderr.some((line) => line.includes('flow runs')) === true;
  }

  get said(): readonly string[] {
    return this.#daemon?.stderr ?? [];
  }

  async start(): Promise<void> {
    const { folder, env } = this.#project;
    const daemon = await spawnDaemon(['run', '--lease-ttl', '600'], { cwd: folder, env });
    this.#daemon = daemon;
    this.#looking = this.#look(daemon);
  }

  async kill(): Promise<void> {
    this.#daemon?.kill('SIGKILL');
    await this.#looking?.catch(() => {});
  }

  /** Throws when a daemon has ended by itself that had run, or a flow of it has failed: no kill may bring that about. */
  requireHealth(): void {
    if (this.#trouble !== undefined) throw new Error(this.#trouble);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.requireHealth();
    this.#daemon?.kill('SIGTERM');
    expect(await this.#daemon?.waitForExit(60_000), this.#daemon?.stderr.join('\n')).toEqual({ code: 0, signal: null });
  }

  async #look(daemon: DaemonProcess): Promise<void> {
    const { code, signal } = await daemon.waitForExit(4 * 60 * 60_000);
    const said = daemon.stderr.join('\n');
    const hasRun = said.includes('flow runs');
    if (said.includes('"flow stopped"')) this.#trouble ??= `a flow failed:\n${said}`;
    // a start finds its source or its store gone, and ends: whoever started it tries again
    if (signal === null && code !== 0 && (hasRun || !/UNREACHABLE/.test(said))) this.#trouble ??= `ended with ${code}:\n${said}`;
    if (this.#isOver) return;
    if (signal === null) await delay(200);
    await this.start();
  }
}
