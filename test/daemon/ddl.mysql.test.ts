import { expect, it, onTestFailed } from 'vitest';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { recoverFrom, type FaultRun } from '../support/fault/recovery.ts';
import { alterOrders, swapOrders } from '../support/fault/source-tables.ts';
import { eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { refused, resumeFlows, storeRows } from './run-project.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

async function start(project: ShopProject): Promise<DaemonProcess> {
  const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
  onTestFailed(() => void process.stdout.write(`${daemon.stderr.slice(-20).join('\n')}\n`));
  return daemon;
}

/** The last line of the log that says why a flow stopped. */
function lastStop(daemon: DaemonProcess, flow: string): string {
  return daemon.stderr.filter((line) => line.includes('flow stopped') && line.includes(`"flow":"${flow}"`)).at(-1) ?? '';
}

eachServer((flavour, server) => {
  it('L3 L4 a source table is altered in mid-stream under load: what cannot be applied stops its flow, and mended it goes on', async () => {
    const project = await createShopProject({ source: server, store: server });
    const daemon = await start(project);
    const run: FaultRun = { project, source: () => server, random: randomFrom(seed), seed };
    const context = { source: server, database: project.source.name };
    const alterCopy = (specification: string) => storeRows(project, `ALTER TABLE orders_copy ${specification}`);
    const mend = async (column: string, specification: string) => {
      await refused(project, 'STORE_COLUMN_UNKNOWN', ['mirror']);
      // the store may have it before the line has come through the pipe
      const said = await waitFor(() => lastStop(daemon, 'mirror').includes(column) && lastStop(daemon, 'mirror'));
      expect(said).toMatch(/"position":"|at \w+\.\d+:/);
      await alterCopy(specification);
      await resumeFlows(project, ['mirror']);
    };

    await recoverFrom(run, 'ddl-add-column', async () => {
      await alterOrders(context, 'ADD COLUMN extra INT NOT NULL DEFAULT 7 AFTER customer');
      await mend('extra', 'ADD COLUMN extra INT NOT NULL DEFAULT 7');
    });
    await recoverFrom(run, 'ddl-rename-column', async () => {
      await alterOrders(context, 'CHANGE COLUMN extra more BIGINT NOT NULL DEFAULT 8 FIRST');
      await mend('more', 'CHANGE COLUMN extra more BIGINT NOT NULL DEFAULT 8');
    });
    await recoverFrom(run, 'ddl-reorder-modify', async () => {
      await alterOrders(context, 'MODIFY COLUMN note VARCHAR(300) FIRST', 'MODIFY COLUMN cents BIGINT NOT NULL AFTER id');
      await alterOrders(context, 'CONVERT TO CHARACTER SET latin1', 'MODIFY COLUMN note TEXT CHARACTER SET utf16');
    });
    await recoverFrom(run, 'ddl-primary-key', () => alterOrders(context, 'DROP PRIMARY KEY, ADD PRIMARY KEY (customer, id)'));
    await recoverFrom(run, 'ddl-drop-column', async () => {
      await alterOrders(context, 'DROP PRIMARY KEY, ADD PRIMARY KEY (id)', 'DROP COLUMN more');
      await alterCopy('ALTER COLUMN more SET DEFAULT 8');
      // no change that has the column is still to come
      await project.source.connection.query('INSERT INTO orders (id, customer, cents) VALUES (90000001, 1, 1)');
      const last = 'SELECT id FROM orders_copy WHERE id = 90000001';
      await waitFor(async () => (await storeRows(project, last)).length === 1, { deadlineMs: 60_000, what: 'the last change' });
      await alterCopy('DROP COLUMN more');
    });
    await recoverFrom(run, 'ddl-swap', () => swapOrders(context, 'MODIFY COLUMN customer BIGINT NOT NULL, ENGINE=InnoDB'));
    expect(lastStop(daemon, 'totals')).toBe('');
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  }, 180_000);

  it('L3 without metadata in the binlog: altered between changes that were read it goes on, before changes that were not it stops', async () => {
    const source = await startPrivateServer(flavour, { binlog_row_metadata: 'MINIMAL' });
    const project = await createShopProject({ source, store: server });
    const daemon = await start(project);
    const run: FaultRun = { project, source: () => source, random: randomFrom(seed), seed };
    const context = { source, database: project.source.name };
    await recoverFrom(run, 'ddl-minimal-none', () => Promise.resolve());
    await alterOrders(context, 'MODIFY COLUMN cents BIGINT NOT NULL FIRST', 'MODIFY COLUMN note VARCHAR(300) AFTER id');
    await recoverFrom(run, 'ddl-minimal-modify', () => Promise.resolve());
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
    // a daemon that starts knows of no table what it was
    await project.source.connection.query('INSERT INTO orders (id, customer, cents) VALUES (1, 1, 1)');
    await alterOrders(context, 'CHANGE COLUMN cents customer INT, CHANGE COLUMN customer cents INT');
    await project.source.connection.query('INSERT INTO orders (id, customer, cents) VALUES (2, 1, 1)');
    const next = await start(project);
    await refused(project, 'SOURCE_ROW_METADATA');
    await waitFor(() => lastStop(next, 'mirror') !== '');
    expect(lastStop(next, 'mirror')).toMatch(/orders does not describe.*"position"|"position".*orders does not describe/);
    expect(await storeRows(project, 'SELECT id FROM orders_copy WHERE id < 3')).toEqual([]);
    next.kill('SIGTERM');
    expect((await next.waitForExit()).code).toBe(1);
  }, 120_000);
});
