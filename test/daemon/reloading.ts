import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** A version of AddTotals that does what all of them do, and counts the batches that it ran in the transaction of each. */
export function totalsVersion(version: number): string {
  return `import { defineFunction } from 'kisflow';
import { images } from './lib/images.mjs';

const version = ${version};

export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    const sums = new Map();
    for (const { image, sign } of images(rows)) {
      const sum = sums.get(image.customer) ?? { n: 0, cents: 0 };
      sum.n += sign;
      sum.cents += sign * image.cents;
      sums.set(image.customer, sum);
    }
    for (const [customer, { n, cents }] of sums) {
      await flow.getConnector().query(
        'INSERT INTO totals (customer, n, cents) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE n = n + VALUES(n), cents = cents + VALUES(cents)',
        [customer, n, cents],
      );
    }
    await flow.getConnector().query('INSERT INTO versions (version, helper, batches) VALUES (?, ?, 1) ON DUPLICATE KEY UPDATE batches = batches + 1', [
      version,
      images.version,
    ]);
  },
});
`;
}

export function helperVersion(version: number): string {
  return `export function* images(rows) {
  for (const row of rows) {
    if (row.before !== null) yield { image: row.before, sign: -1 };
    if (row.after !== null) yield { image: row.after, sign: 1 };
  }
}
images.version = ${version};
`;
}

export const reloadFiles: Readonly<Record<string, string>> = {
  'functions/AddTotals.ts': totalsVersion(0),
  'functions/lib/images.mjs': helperVersion(0),
  'migrations/002-versions.sql':
    'CREATE TABLE versions (version INT NOT NULL, helper INT NOT NULL, batches INT NOT NULL, PRIMARY KEY (version, helper));\n',
};

/** Puts a file in the place of another as editors do: beside it, then renamed. */
export async function replaceFile(project: ShopProject, file: string, text: string): Promise<void> {
  await writeFile(join(project.folder, 'next.tmp'), text);
  await rename(join(project.folder, 'next.tmp'), join(project.folder, file));
}

export const linesWith = (daemon: DaemonProcess, text: string): number =>
  daemon.stderr.filter((line) => line.includes(text)).length;

export const reloadsOf = (daemon: DaemonProcess): number => linesWith(daemon, '"msg":"reloaded"');

/** A daemon whose two flows run. */
export async function startDaemon(project: ShopProject, args: readonly string[] = []): Promise<DaemonProcess> {
  const daemon = await startCommand(['run', ...args], { cwd: project.folder, env: project.env });
  await waitFor(() => linesWith(daemon, '"msg":"flow runs"') >= 2, { deadlineMs: 20_000, what: 'both flows to run' });
  return daemon;
}

export async function queryStore<T>(project: ShopProject, sql: string): Promise<(RowDataPacket & T)[]> {
  return (await project.store.connection.query<(RowDataPacket & T)[]>(sql))[0];
}

/** Several ways to change the project so that all computes the same as before. */
async function change(project: ShopProject, turn: number): Promise<void> {
  const put = (file: string, text: string): Promise<void> => writeFile(join(project.folder, file), text);
  switch (turn % 5) {
    case 0:
      return put('functions/AddTotals.ts', totalsVersion(turn));
    case 1:
      return replaceFile(project, 'functions/AddTotals.ts', totalsVersion(turn));
    case 2:
      return put('functions/lib/images.mjs', helperVersion(turn));
    case 3: {
      // in halves, as a slow editor or a copy over a network writes it
      const text = totalsVersion(turn);
      await put('functions/AddTotals.ts', text.slice(0, text.length / 2));
      await delay(150);
      return put('functions/AddTotals.ts', text);
    }
    default: {
      const text = await readFile(join(project.folder, 'conf/shop.yml'), 'utf8');
      return put(
        'conf/shop.yml',
        text.replace(/fname: AddTotals(, params: \{v: "\d+"\})?\}\]/, `fname: AddTotals, params: {v: "${turn}"}}]`),
      );
    }
  }
}

/** Reloads again and again while the source changes; at the end source and store are compared to the row. */
export async function reloadAndCompare(
  server: SqlAddress,
  options: { readonly reloads: number; readonly seed: number; readonly onReload?: (daemon: DaemonProcess, turn: number) => void },
): Promise<void> {
  const project = await createShopProject({ source: server, store: server, files: reloadFiles });
  const daemon = await startDaemon(project);
  const stop = new AbortController();
  const random = randomFrom(options.seed);
  const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random });
  for (let turn = 1; turn <= options.reloads; turn += 1) {
    const before = reloadsOf(daemon);
    await change(project, turn);
    await waitFor(() => reloadsOf(daemon) > before, {
      deadlineMs: 15_000,
      what: `reload ${turn}; ${daemon.stderr.slice(-5).join('\n')}`,
    });
    options.onReload?.(daemon, turn);
    if (turn % 5 === 0) await delay(random() * 100); // so that some reloads come upon a busy flow and some upon an idle one
  }
  stop.abort();
  await writing;
  await waitFor(async () => (await disagreements(project)).length === 0, {
    deadlineMs: 60_000,
    pollMs: 300,
    what: 'the store to agree',
  });
  daemon.kill();
  expect(await daemon.waitForExit(30_000), daemon.stderr.slice(-20).join('\n')).toEqual({ code: 0, signal: null });
  expect(await disagreements(project), `seed ${options.seed}`).toEqual([]);
  expect(linesWith(daemon, '"msg":"flow stopped"')).toBe(0);
  const versions = await queryStore<{ version: number; helper: number }>(project, 'SELECT version, helper FROM versions');
  // a version that is replaced at once may never get a batch
  expect(versions.length).toBeGreaterThan(options.reloads / 4);
}

/** As reloadAndCompare, with kill -9 at random moments. */
export async function fightReloads(server: SqlAddress, options: { readonly kills: number; readonly seed: number }): Promise<void> {
  const project = await createShopProject({ source: server, store: server, files: reloadFiles });
  const random = randomFrom(options.seed);
  let daemon = await startDaemon(project, ['--lease-ttl', '600']);
  const stop = new AbortController();
  const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random });
  let turn = 0;
  for (let kill = 0; kill < options.kills; kill += 1) {
    const before = reloadsOf(daemon);
    await change(project, (turn += 1));
    await waitFor(() => reloadsOf(daemon) > before, { deadlineMs: 15_000, what: `reload ${turn}` });
    await change(project, (turn += 1));
    await delay(random() * 250); // before, in or after the reload
    daemon.kill('SIGKILL');
    await daemon.waitForExit();
    if (turn % 5 === 3) await change(project, (turn += 1));
    daemon = await startDaemon(project, ['--lease-ttl', '600']);
  }
  stop.abort();
  await writing;
  daemon.kill();
  expect((await daemon.waitForExit(30_000)).code, daemon.stderr.slice(-20).join('\n')).toBe(0);
  const last = await startCommand(['run', '--until-current', '--log-level', 'warn'], { cwd: project.folder, env: project.env });
  expect(await last.waitForExit(60_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
  expect(await disagreements(project), `seed ${options.seed}`).toEqual([]);
}
