import { readFile, writeFile } from 'node:fs/promises';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { parseScrape, valueOf, type Sample } from '../support/prometheus.ts';
import { createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { storeRows } from './run-project.ts';

/** A daemon with metrics, beside the mirror and the totals with a flow of plain rows whose function fails once. */
export interface WatchedShop {
  readonly project: ShopProject;
  readonly daemon: DaemonProcess;
  readonly scrape: () => Promise<readonly Sample[]>;
  /** Waits until a scrape has this value, which may be a condition. */
  readonly until: (
    name: string,
    labels: Readonly<Record<string, string>>,
    value: number | ((value: number) => boolean),
  ) => Promise<void>;
  readonly edit: (change: (conf: string) => string) => Promise<void>;
}

const plainFlow = (source: string): string => `---
kistype: flow
flow_name: plain
source: {name: main, tables: [${source}.orders, ${source}.extra], start: latest, on_truncate: ignore}
flows: [{fname: Pass}, {fname: SavePlain}]
---
kistype: func
fname: Pass
fmode: Calculate
option: {retry_times: 2, return_duration: 1}
---
kistype: func
fname: SavePlain
fmode: Save
option: {cname: plain_copy}
---
kistype: conn
cname: plain_copy
type: mysql
addrs: store
key: plain_copy
`;

const pass = `import { defineFunction } from 'kisflow';
let tries = 0;
export default defineFunction({
  name: 'Pass',
  run(flow, rows) {
    tries += 1;
    if (tries === 1) throw new Error('not yet');
    flow.commitRowBatch(rows);
  },
});
`;

const metrics = 'prometheus_enable: true\nprometheus_listen: true\nprometheus_serve: 127.0.0.1:0\n---\nkistype: source';

export async function startWatchedShop(server: SqlAddress): Promise<WatchedShop> {
  const project = await createShopProject({
    source: server,
    store: server,
    files: {
      'functions/Pass.ts': pass,
      'migrations/002-plain.sql':
        'CREATE TABLE plain_copy (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200));\n',
    },
  });
  await project.source.connection.query('CREATE TABLE extra (id INT PRIMARY KEY)');
  const file = `${project.folder}/conf/shop.yml`;
  const edit = async (change: (conf: string) => string): Promise<void> => writeFile(file, change(await readFile(file, 'utf8')));
  await edit((conf) => conf.replace('---\nkistype: source', metrics) + plainFlow(project.source.name));
  const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
  const line = await daemon.waitForLine(/metrics are served/, 60_000);
  const url = /"url":"([^"]+)"/.exec(line)?.[1] ?? '';
  const scrape = async (): Promise<readonly Sample[]> => parseScrape(await (await fetch(url)).text());
  const until: WatchedShop['until'] = async (name, labels, value) => {
    const isRight = (now: number | undefined): boolean =>
      now !== undefined && (typeof value === 'number' ? now === value : value(now));
    await waitFor(async () => isRight(valueOf(await scrape(), name, labels)), {
      deadlineMs: 60_000,
      pollMs: 100,
      what: `${name}${JSON.stringify(labels)} to be ${String(value)}; it said:\n${daemon.stderr.slice(-20).join('\n')}`,
    });
  };
  for (const flow of ['mirror', 'totals', 'plain']) await until('kisflow_flow_state', { flow, state: 'running' }, 1);
  return { project, daemon, scrape, until, edit };
}

/** Ends the store connection of a flow under its feet: its next batch fails, and is tried again. */
export async function cutStore({ project }: WatchedShop, flow: string): Promise<void> {
  const [lease] = await storeRows(project, 'SELECT connection_id AS id FROM kis_lease WHERE flow = ?', [flow]);
  await project.store.connection.query(`KILL ${Number(lease?.['id'])}`);
}
