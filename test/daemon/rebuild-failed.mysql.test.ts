import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { startCommand } from '../support/daemon-process.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, insertOrder, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { askRebuild, databasesOf, endOfRuns, fillOrders } from './rebuilding.ts';
import { refused, storeRows } from './run-project.ts';

/** A flow whose figures need counts beside their table. */
const figures = `kistype: flow
flow_name: figures
source: {name: main, tables: ['*.orders'], rows: change, start: snapshot}
flows: [{fname: Figures}]
---
kistype: func
fname: Figures
fmode: Save
operator: aggregate
with: {key: [customer], fields: {n: count(), greatest: max(cents)}}
option: {cname: figures}
---
kistype: conn
cname: figures
type: mysql
addrs: store
key: figures
`;

const expected = (column: string): string =>
  `SELECT customer, COUNT(*) AS n, MAX(${column}) AS greatest FROM orders GROUP BY customer`;

async function isRight(project: ShopProject, column: string): Promise<boolean> {
  const have = await storeRows(project, 'SELECT customer, n, greatest FROM figures ORDER BY customer');
  const [want] = await project.source.connection.query<RowDataPacket[]>(`${expected(column)} ORDER BY customer`);
  return JSON.stringify(have) === JSON.stringify(want);
}

eachServer((_flavour, server) => {
  it('L9: a flow that has failed because its aggregate is another one goes on with its rebuilt tables', async () => {
    const project = await createShopProject({
      source: server,
      store: server,
      start: 'snapshot',
      files: {
        'migrations/002-figures.sql': 'CREATE TABLE figures (customer INT PRIMARY KEY, n BIGINT NOT NULL, greatest INT NOT NULL)',
      },
    });
    const file = join(project.folder, 'conf/figures.yml');
    // the second matches the database of the rebuild, whose tables and end are no concern of the flow (L9)
    const text = figures.replace("'*.orders'", `'${project.source.name}.orders', '${project.store.name}*.orders'`);
    await writeFile(file, text);
    await fillOrders(project, 1000);
    const daemon = await startCommand(['run', '--lease-ttl', '600'], { cwd: project.folder, env: project.env });
    await waitFor(() => isRight(project, 'cents'), { deadlineMs: 60_000, what: 'the figures' });
    await writeFile(file, (await readFile(file, 'utf8')).replace('max(cents)', 'max(id)'));
    await daemon.waitForLine(/"reloaded"/);
    await insertOrder(project, 2000);
    await refused(project, 'AGGREGATE_MISMATCH', ['figures']);
    await askRebuild(project, ['figures']);
    expect(await endOfRuns(project), daemon.stderr.join('\n')).toEqual([{ flow: 'figures', state: 'done', error_code: null }]);
    // what it counts beside its table was swapped in too: the greatest of what is left is known
    await project.source.connection.query('DELETE FROM orders WHERE id > 900; UPDATE orders SET id = id + 5000 WHERE id = 10');
    await waitFor(() => isRight(project, 'id'), { deadlineMs: 60_000, what: 'figures of the new definition' });
    expect(await databasesOf(project)).toEqual([project.store.name]);
    expect(await storeRows(project, "SELECT state, error_code FROM kis_flow WHERE flow = 'figures'")).toEqual([
      { state: 'running', error_code: null },
    ]);
    daemon.kill();
    await daemon.waitForExit();
  }, 120_000);
});
