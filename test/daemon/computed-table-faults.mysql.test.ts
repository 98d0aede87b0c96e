import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { tellRecovery } from '../support/fault/fault.ts';
import { eachServer } from '../support/servers.ts';
import { startLoad } from '../support/shop-load.ts';
import { createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { runLine } from './run-project.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);

interface Alteration {
  readonly sql: string;
  readonly mend: string;
  /** What the flow stops with. */
  readonly code: RegExp;
}

const alterations: Readonly<Record<string, Alteration>> = {
  'column dropped': {
    sql: 'ALTER TABLE orders_copy DROP COLUMN note',
    // what was in the column went with it: the mirror's owner brings it back
    mend: 'ALTER TABLE orders_copy ADD COLUMN note VARCHAR(200); UPDATE orders_copy c JOIN SOURCE.orders o USING (id) SET c.note = o.note',
    code: /"code":"STORE_COLUMN_UNKNOWN".*store_\w+\.orders_copy.*note/,
  },
  'column added that must be given': {
    sql: 'ALTER TABLE orders_copy ADD COLUMN shop INT NOT NULL',
    mend: 'ALTER TABLE orders_copy DROP COLUMN shop',
    code: /"code":"STORE_TABLE_ALTERED".*store_\w+\.orders_copy.*shop/,
  },
  'type narrowed': {
    sql: 'ALTER TABLE orders_copy MODIFY cents SMALLINT UNSIGNED NOT NULL',
    mend: 'ALTER TABLE orders_copy MODIFY cents INT NOT NULL',
    code: /"code":"STORE_CONSTRAINT".*store_\w+\.orders_copy.*cents/,
  },
  'primary key altered': {
    sql: 'ALTER TABLE orders_copy DROP PRIMARY KEY, ADD PRIMARY KEY (customer, id)',
    mend: 'ALTER TABLE orders_copy DROP PRIMARY KEY, ADD PRIMARY KEY (id)',
    code: /"code":"STORE_TABLE_ALTERED".*store_\w+\.orders_copy.*was id, and it is customer, id now/,
  },
  'table renamed': {
    sql: 'RENAME TABLE orders_copy TO away',
    mend: 'RENAME TABLE away TO orders_copy',
    code: /"code":"STORE_TABLE_MISSING".*orders_copy/,
  },
  'table dropped': {
    sql: 'CREATE TABLE backup LIKE orders_copy; INSERT INTO backup SELECT * FROM orders_copy; DROP TABLE orders_copy',
    mend: 'RENAME TABLE backup TO orders_copy',
    code: /"code":"STORE_TABLE_MISSING".*orders_copy/,
  },
};

/** Small figures, so that a narrower type takes those that are there; a row that it does not take stops the flow. */
async function openProject(server: SqlAddress): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server });
  const path = join(project.folder, 'conf/shop.yml');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('flow_name: mirror', 'flow_name: mirror\non_bad_row: stop'));
  return project;
}

interface Scene {
  readonly project: ShopProject;
  readonly daemon: DaemonProcess;
  readonly flavour: string;
  readonly server: SqlAddress;
}

async function suffer(scene: Scene, name: string): Promise<void> {
  const { project, daemon, flavour } = scene;
  const { source, store } = project;
  const alteration = alterations[name];
  if (alteration === undefined) throw new Error(`no alteration ${name}`);
  await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000, what: `agreement before ${name}` });
  await source.connection.query('DELETE FROM orders WHERE cents > 60000');
  await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000, what: `agreement before ${name}` });
  const from = daemon.stderr.length;
  await store.connection.query(alteration.sql);
  const load = startLoad(scene.server, source.name, { random, pauseMs: 10 });
  const stopped = await waitFor(() => daemon.stderr.slice(from).find((line) => line.includes('"flow stopped"')), {
    deadlineMs: 60_000,
    what: `${name} to stop the flow, seed ${seed}`,
  });
  expect(stopped).toMatch(alteration.code);
  expect(stopped).toMatch(/"flow":"mirror".*"error":"\w+: Flow mirror at [^ ]+:\d+/);
  await load.stop();
  await store.connection.query(alteration.mend.replace('SOURCE', `\`${source.name}\``));
  const before = performance.now();
  await runLine(project, ['resume', 'mirror']);
  await waitFor(async () => (await disagreements(project)).length === 0, {
    deadlineMs: 60_000,
    what: `agreement after ${name}, seed ${seed}`,
  });
  tellRecovery(name, flavour, (performance.now() - before) / 1000);
}

eachServer((flavour, server) => {
  it('L1 L3 a computed table that is altered, renamed or dropped in mid-stream stops its flow alone, which goes on when it is mended', async () => {
    const project = await openProject(server);
    const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 30_000 });
    const first = startLoad(server, project.source.name, { random });
    await waitFor(() => first.transactions > 20);
    await first.stop();
    for (const name of Object.keys(alterations)) await suffer({ project, daemon, flavour, server }, name);
    expect(daemon.stderr.filter((line) => line.includes('"flow stopped"') && !line.includes('"flow":"mirror"'))).toEqual([]);
    const [dead] = await project.store.connection.query<RowDataPacket[]>('SELECT id FROM kis_dead_row');
    expect(dead).toEqual([]);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 240_000);
});
