import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlServer } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { differences, recoverFrom, type FaultRun } from '../support/fault/recovery.ts';
import { accountFaults, createReader, endReaders, runAll } from '../support/fault/source-account.ts';
import { purgeSource } from '../support/fault/source-server.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { agree, createShopProject, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { computed, refused, resumeFlows, runLine, storeRows } from './run-project.ts';
import { itLong } from '../support/long.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

async function start(project: ShopProject): Promise<DaemonProcess> {
  const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length >= 1);
  return daemon;
}

async function stop(daemon: DaemonProcess, code: number): Promise<void> {
  daemon.kill('SIGTERM');
  expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code, signal: null });
}

/** Waits until the mirror has a row. */
async function mirrored(project: ShopProject, id: number): Promise<void> {
  await waitFor(async () => (await storeRows(project, 'SELECT id FROM orders_copy WHERE id = ?', [id])).length === 1, {
    deadlineMs: 30_000,
    what: `order ${id} in the store`,
  });
}

/** Cuts the end off the server's last binlog file while it is dead, as a crash does without sync_binlog = 1. */
async function loseBinlog(source: SqlServer, end: { readonly file: string; readonly offset: number }): Promise<void> {
  await source.kill();
  await truncate(join(source.dataDir ?? '', end.file), end.offset);
  await source.restart();
}

async function endOfBinlog(source: SqlServer): Promise<{ readonly file: string; readonly offset: number }> {
  const [rows] = await (await connectTo(source)).query<RowDataPacket[]>('SHOW BINARY LOGS');
  const last = rows.at(-1);
  return { file: String(last?.['Log_name']), offset: Number(last?.['File_size']) };
}

eachServer((flavour, server) => {
  itLong(
    'L3 L12 an account that is refused stops the flows with its code, and once it is mended they go on where they were',
    async () => {
      const source = await startPrivateServer(flavour);
      const context = { source };
      const sourceUrl = await createReader(context);
      const project = await createShopProject({ source, store: server, sourceUrl });
      const daemon = await start(project);
      const run: FaultRun = { project, source: () => source, random: randomFrom(seed), seed };
      let id = 0;
      await project.source.connection.query("INSERT INTO orders VALUES (0, 1, 1, 'connected')");
      await mirrored(project, 0);
      for (const [fault, { code, harm, mend }] of Object.entries(accountFaults).slice(0, 2)) {
        await runAll(context, [harm]);
        id -= 1;
        // the connection that there is goes on
        await project.source.connection.query(`INSERT INTO orders VALUES (${id}, 1, 1, 'read on')`);
        await mirrored(project, id);
        await recoverFrom(run, `source-${fault.replace(' ', '-')}`, async () => {
          await endReaders(context);
          await refused(project, code);
          await runAll(context, mend);
          await resumeFlows(project);
        });
      }
      await stop(daemon, 0);
    },
    180_000,
  );

  it('L3 L4 a flow whose binlog was purged stops and says where it stands and what is left; others go on, nothing is passed', async () => {
    const source = await startPrivateServer(flavour);
    const project = await createShopProject({ source, store: server });
    const { connection } = project.source;
    const daemon = await start(project);
    await connection.query("INSERT INTO orders VALUES (1, 1, 1, 'both')");
    await mirrored(project, 1);
    await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals'))[0]?.['n'] === 1);
    await runLine(project, ['pause', 'totals']);
    await connection.query("INSERT INTO orders VALUES (2, 1, 1, 'one')");
    await mirrored(project, 2);
    await purgeSource({ source });
    await resumeFlows(project, ['totals']);
    await refused(project, 'SOURCE_PURGED', ['totals']);
    const said = await daemon.waitForLine(/flow stopped/);
    expect(said).toMatch(/"flow":"totals".*has purged what follows \S+.*its first binlog file is \S+\.\d+/);
    expect(said).toContain(`"position":"`);
    await connection.query("INSERT INTO orders VALUES (3, 1, 1, 'on')");
    await mirrored(project, 3);
    expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 1 }]);
    await stop(daemon, 1);

    // and while the daemon is away
    await connection.query("INSERT INTO orders VALUES (4, 1, 1, 'gone')");
    await purgeSource({ source });
    const before = await computed(project);
    const next = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
    expect(await refused(project, 'SOURCE_PURGED')).toEqual(before);
    await stop(next, 1);
  }, 120_000);

  it('L3 a server that lost the end of its binlog in a crash is refused, under the daemon and at its start, whatever it has written since; a rebuild goes on with it', async () => {
    const source = await startPrivateServer(flavour);
    const project = await createShopProject({ source, store: server });
    const daemon = await start(project);
    await project.source.connection.query("INSERT INTO orders VALUES (1, 1, 1, 'kept')");
    const end = await endOfBinlog(source);
    for (const id of [2, 3, 4]) await project.source.connection.query(`INSERT INTO orders VALUES (${id}, 1, 1, 'lost')`);
    await mirrored(project, 4);
    await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals'))[0]?.['n'] === 4);
    await loseBinlog(source, end);
    const before = await refused(project, 'SOURCE_WRONG_SERVER');
    const said = await daemon.waitForLine(/flow stopped/);
    expect(said).toContain('lost the end of its binlog in a crash');
    const connection = await connectTo(source, project.source.name);
    for (let id = 10; id < 30; id += 1) await connection.query(`INSERT INTO orders VALUES (${id}, 2, 2, 'new')`);
    await resumeFlows(project);
    expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
    await stop(daemon, 1);
    const next = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
    await next.waitForLine(/flow stopped/);
    expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
    const run: FaultRun = { project, source: () => source, random: randomFrom(seed), seed };
    expect((await differences(run)).length).toBeGreaterThan(0);
    // what it has lost goes from the tables too
    const asked = await Promise.all(['mirror', 'totals'].map((flow) => runLine(project, ['rebuild', flow])));
    for (const line of asked) expect(line).toMatch(/is done/);
    await connection.query("INSERT INTO orders VALUES (100, 2, 2, 'follows')");
    await agree({ ...project, source: { ...project.source, connection } });
    await stop(next, 0);
  }, 120_000);
});
