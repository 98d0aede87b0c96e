import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { holdRows } from '../support/fault/store-locks.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { itLong } from '../support/long.ts';

/** Told to stop, it ends with this code within the time, and says nothing that only a programmer reads. */
async function expectEnd(
  daemon: DaemonProcess,
  { code, withinMs, signal = 'SIGTERM' }: { code: number; withinMs: number; signal?: NodeJS.Signals },
): Promise<void> {
  const before = performance.now();
  daemon.kill(signal);
  const said = (): string => [...daemon.stdout, ...daemon.stderr].slice(-30).join('\n');
  expect(await daemon.waitForExit(withinMs + 20_000), said()).toEqual({ code, signal: null });
  expect(performance.now() - before, said()).toBeLessThan(withinMs);
  expect(said()).not.toMatch(/^\s+at .*:\d+:\d+/m);
}

async function start(project: ShopProject, env: Readonly<Record<string, string>> = {}): Promise<DaemonProcess> {
  return spawnDaemon(['run', '--lease-ttl', '1500'], { cwd: project.folder, env: { ...project.env, ...env } });
}

async function startRunning(project: ShopProject, env: Readonly<Record<string, string>> = {}): Promise<DaemonProcess> {
  const daemon = await start(project, env);
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 30_000 });
  return daemon;
}

async function agree(project: ShopProject): Promise<void> {
  const last = await startCommand(['run', '--until-current', '--log-level', 'warn'], { cwd: project.folder, env: project.env });
  expect(await last.waitForExit(60_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
  expect(await disagreements(project)).toEqual([]);
}

/** A fraction of stop_deadline's default: an end that takes longer has waited for something that it need not. */
const soonMs = 8_000;

/** Two seconds to stop, and a function that takes one for each batch. */
async function makeSlow({ folder }: ShopProject): Promise<void> {
  const conf = join(folder, 'conf/shop.yml');
  await writeFile(conf, (await readFile(conf, 'utf8')).replace('kistype: global', 'kistype: global\nstop_deadline: 2'));
}

async function insert({ source }: ShopProject, first: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => [first + i, i % 50, i, null]);
  await source.connection.query('INSERT INTO orders VALUES ?', [rows]);
}

eachServer((_flavour, server) => {
  it('L11 SIGTERM while it starts ends it with 0 at once: store or source that does not answer, migrations that wait', async () => {
    const silent = await startHalfOpenProxy(server);
    silent.setMode('half-open');
    const [noStore, noSource, locked] = await Promise.all(
      [1, 2, 3].map(() => createShopProject({ source: server, store: server })),
    );
    if (noStore === undefined || noSource === undefined || locked === undefined) throw new Error('three were made');
    const url = server.url.replace(`:${server.port}`, `:${silent.port}`);
    const lock = createHash('sha256').update(locked.store.name).digest('hex').slice(0, 40);
    await locked.store.connection.query(`SELECT GET_LOCK('kisflow.migrate.${lock}', 0)`);
    const daemons = [
      await start(noStore, { STORE_URL: `${url}/${noStore.store.name}` }),
      await start(noSource, { SOURCE_URL: url }),
      await start(locked),
    ];
    await daemons[2]?.waitForLine(/waiting for another process that migrates/);
    await daemons[1]?.waitForLine(/"migration":"001-tables.sql".*migration applied/);
    await waitFor(() => silent.connectionCount >= 2, { what: 'both to connect' });
    for (const daemon of daemons) daemon.kill('SIGHUP'); // nothing runs that could be looked at anew
    await Promise.all(daemons.map((daemon) => expectEnd(daemon, { code: 0, withinMs: soonMs })));
    await locked.store.connection.query(`SELECT RELEASE_LOCK('kisflow.migrate.${lock}')`);
    await Promise.all([noStore, noSource, locked].map((project) => agree(project)));
  }, 120_000);

  itLong(
    'L11 SIGTERM in a huge transaction, with a lost source, while paused, failed, standing by and reloading',
    async () => {
      const proxy = await startHalfOpenProxy(server);
      const project = await createShopProject({ source: server, store: server, start: 'earliest' });
      await insert(project, 1, 1);
      const rows = Array.from({ length: 60_000 }, (_, i) => [10 + i, i % 50, i, 'x'.repeat(100)]);
      await project.source.connection.query('START TRANSACTION');
      for (let at = 0; at < rows.length; at += 20_000)
        await project.source.connection.query('INSERT INTO orders VALUES ?', [rows.slice(at, at + 20_000)]);
      await project.source.connection.query('COMMIT');
      const huge = await start(project);
      await waitFor(
        async () => {
          const [counts] = await project.store.connection.query<(RowDataPacket & { n: number })[]>(
            'SELECT COUNT(*) AS n FROM orders_copy',
          );
          return (counts[0]?.n ?? 0) > 1;
        },
        { deadlineMs: 30_000 },
      );
      await expectEnd(huge, { code: 0, withinMs: soonMs });
      await agree(project);

      const lost = await startRunning(project, { SOURCE_URL: server.url.replace(`:${server.port}`, `:${proxy.port}`) });
      proxy.refuse(true);
      proxy.cut();
      await lost.waitForLine(/SOURCE_UNREACHABLE/, 30_000);
      await expectEnd(lost, { code: 0, withinMs: soonMs, signal: 'SIGINT' });

      const paused = await startRunning(project);
      const standby = await start(project);
      await waitFor(() => standby.stderr.filter((line) => line.includes('standing by')).length === 2, { deadlineMs: 30_000 });
      await expectEnd(standby, { code: 0, withinMs: soonMs });
      await project.store.connection.query("UPDATE kis_flow SET wanted = 'pause'");
      await waitFor(
        async () => {
          const [states] = await project.store.connection.query<RowDataPacket[]>(
            "SELECT flow FROM kis_flow WHERE state = 'paused'",
          );
          return states.length === 2;
        },
        { deadlineMs: 30_000 },
      );
      await insert(project, 100_000, 5);
      await expectEnd(paused, { code: 0, withinMs: soonMs });
      await project.store.connection.query("UPDATE kis_flow SET wanted = 'run'");

      const reloading = await startRunning(project);
      const conf = join(project.folder, 'conf/shop.yml');
      await writeFile(conf, `${await readFile(conf, 'utf8')}\n# changed\n`);
      reloading.kill('SIGHUP');
      await expectEnd(reloading, { code: 0, withinMs: soonMs });

      const failed = await startRunning(project);
      await project.store.connection.query('RENAME TABLE orders_copy TO away');
      await insert(project, 200_000, 5);
      await failed.waitForLine(/"flow stopped"/);
      await expectEnd(failed, { code: 1, withinMs: soonMs });
      await project.store.connection.query('RENAME TABLE away TO orders_copy');
      await agree(project);
    },
    180_000,
  );

  itLong(
    'L11 SIGTERM while a batch cannot be committed ends it with 1 at stop_deadline, or with 0 when it can be in time',
    async () => {
      const make = () => createShopProject({ source: server, store: server });
      const [waits, down] = await Promise.all([make(), make()]);
      const proxy = await startHalfOpenProxy(server);
      for (const project of [waits, down]) await makeSlow(project);
      const toProxy = { STORE_URL: `${server.url.replace(`:${server.port}`, `:${proxy.port}`)}/${down.store.name}` };
      const [waiting, retrying] = [await startRunning(waits), await startRunning(down, toProxy)];
      await insert(waits, 1, 100);
      const copied = async (count: number): Promise<boolean> => (await disagreements(waits)).length === 0 && count > 0;
      await waitFor(() => copied(100), { deadlineMs: 30_000 });

      const endRows = await holdRows(await connectTo(server, waits.store.name), { table: 'totals' });
      proxy.refuse(true);
      proxy.cut();
      await insert(waits, 1000, 10);
      await insert(down, 1000, 10);
      await retrying.waitForLine(/STORE_UNREACHABLE.*batch will be tried again|flow will be started again/, 30_000);
      await waitFor(() => isWaitingForLock(waits), { deadlineMs: 30_000, what: 'the wait for the lock' });
      await Promise.all([waiting, retrying].map((daemon) => expectEnd(daemon, { code: 1, withinMs: soonMs })));
      await endRows();
      await agree(waits);
      await agree(down);

      const lucky = await startRunning(waits);
      const endAgain = await holdRows(await connectTo(server, waits.store.name), { table: 'totals' });
      await insert(waits, 2000, 10);
      await waitFor(() => isWaitingForLock(waits), { deadlineMs: 30_000, what: 'the wait for the lock' });
      const ended = expectEnd(lucky, { code: 0, withinMs: soonMs });
      await lucky.waitForLine(/stopping/);
      await endAgain();
      await ended;
      await agree(waits);
    },
    120_000,
  );

  itLong(
    'L11 a link to the store that has gone dead, a module and a connector that never finish: none of them holds the end',
    async () => {
      const make = (files: Readonly<Record<string, string>> = {}) => createShopProject({ source: server, store: server, files });
      const proxy = await startHalfOpenProxy(server);
      const [dead, twice, module, connector] = await Promise.all([make(), make(), make(hangingModule), make(hangingConnector)]);
      for (const project of [dead, connector]) await makeSlow(project);
      await useHanging(connector);
      const daemons = [];
      for (const project of [dead, twice]) {
        const url = `${server.url.replace(`:${server.port}`, `:${proxy.port}`)}/${project.store.name}`;
        daemons.push(await startRunning(project, { STORE_URL: url }));
      }
      const [late, signalled] = daemons;
      if (late === undefined || signalled === undefined) throw new Error('two were started');
      proxy.setMode('half-open');
      await Promise.all(daemons.map((daemon) => daemon.waitForLine(/store does not answer/, 30_000)));
      signalled.kill('SIGTERM');
      await signalled.waitForLine(/stopping/);
      await Promise.all(daemons.map((daemon) => expectEnd(daemon, { code: 1, withinMs: soonMs })));

      const loading = await start(module);
      await loading.waitForLine(/is being loaded/);
      await expectEnd(loading, { code: 0, withinMs: soonMs });
      const opening = await start(connector);
      await opening.waitForLine(/is being opened/);
      await expectEnd(opening, { code: 1, withinMs: soonMs });
      expect(opening.stderr.join('\n')).toContain('something of the project does not heed its end');
      proxy.setMode('forward');
      await agree(dead);
      await agree(twice);
    },
    120_000,
  );
});

/** A module that waits for ever when it is loaded. */
const hangingModule = {
  'functions/Hanging.ts': `console.error('it is being loaded');
await new Promise(() => setInterval(() => {}, 1000));
`,
};

const hangingConnector = {
  'connectors/hanging.ts': `import { defineConnector } from 'kisflow';

export default defineConnector({
  type: 'hanging',
  make: ({ name }) => ({
    name,
    type: 'hanging',
    guarantee: 'at-least-once',
    open: () => {
      console.error('it is being opened');
      return new Promise(() => setInterval(() => {}, 1000));
    },
    session: () => ({ save: async () => {}, load: async () => [], query: async () => [] }),
    close: async () => {},
  }),
});
`,
};

async function useHanging({ folder }: ShopProject): Promise<void> {
  const conf = join(folder, 'conf/shop.yml');
  await writeFile(
    conf,
    (await readFile(conf, 'utf8')).replace(/type: mysql\naddrs: store\nkey: totals/, 'type: hanging\naddrs: nowhere\nkey: totals'),
  );
}

async function isWaitingForLock({ store }: ShopProject): Promise<boolean> {
  const [rows] = await store.connection.query<RowDataPacket[]>(
    "SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO totals%'",
    [store.name],
  );
  return rows.length > 0;
}
