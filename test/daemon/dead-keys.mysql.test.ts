import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { cure, deadRowsLine, keptRows, poison, poisonProject, refuseKillAndRetry, startPoisoned, stopDaemon } from './dead-keys.ts';
import { runLine, runUntilCurrent, storeRows } from './run-project.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

const waits = { deadlineMs: 30_000 };

/** The mirror of the shop, which takes no negative amounts; `line`: one more of the flow. */
async function checkedMirror(server: SqlAddress, line = '', source = ''): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server });
  const file = `${project.folder}/conf/shop.yml`;
  const conf = await readFile(file, 'utf8');
  const named = conf.replace('flow_name: mirror\n', `flow_name: mirror\n${line}\n`);
  await writeFile(file, named.replaceAll('start: latest}', `start: latest${source}}`));
  await runUntilCurrent(project);
  await project.store.connection.query('ALTER TABLE orders_copy ADD CONSTRAINT positive CHECK (cents >= 0)');
  return project;
}

async function dropConstraint({ store }: ShopProject, flavour: string): Promise<void> {
  await store.connection.query(`ALTER TABLE orders_copy DROP ${flavour === 'mysql' ? 'CHECK' : 'CONSTRAINT'} positive`);
}

async function firstDead(project: ShopProject, flow: string): Promise<string> {
  const [row] = await storeRows(project, "SELECT id FROM kis_dead_row WHERE flow = ? AND state = 'dead' ORDER BY id", [flow]);
  return String(row?.['id']);
}

const copied = (project: ShopProject) => storeRows(project, 'SELECT id, cents, note FROM orders_copy ORDER BY id');

eachServer((flavour, server) => {
  describe('the key of a dead row', { timeout: 180_000 }, () => {
    it('L5 L6: is parked over a kill and a takeover; retried in vain it stays; retried, all its changes take effect in order', async () => {
      const project = await poisonProject(server);
      const { connection } = project.source;
      await poison(project, 13);
      const first = await startPoisoned(project);
      await waitFor(() => first.stderr.filter((line) => line.includes('flow runs')).length === 3, waits);
      const second = await startPoisoned(project);
      await connection.query("INSERT INTO orders VALUES (1, 1, 13, '1'), (2, 1, 5, '2')");
      await connection.query("UPDATE orders SET cents = 20, note = '3' WHERE id = 1");
      await connection.query("UPDATE orders SET id = 7, note = '4' WHERE id = 1");
      await connection.query("INSERT INTO orders VALUES (1, 1, 6, '5')");
      await connection.query("UPDATE orders SET note = '6' WHERE id = 2");
      await waitFor(async () => (await copied(project))[0]?.['note'] === '6', waits);
      first.kill('SIGKILL');
      await first.waitForExit();
      await waitFor(() => second.stderr.filter((line) => line.includes('flow runs')).length === 3, waits);
      await connection.query("UPDATE orders SET note = '7' WHERE id = 7");
      await connection.query("INSERT INTO orders VALUES (8, 2, 8, '8')");
      await waitFor(async () => (await copied(project)).length === 2, waits);
      const kept = ['dead {"id":1}', 'parked {"id":1}', 'parked {"id":7}', 'parked {"id":1}', 'parked {"id":7}'];
      expect(await keptRows(project, 'mirror')).toEqual(kept);
      // each flow in its own time
      for (const other of ['totals', 'plain']) await waitFor(async () => (await keptRows(project, other)).length === 5, waits);
      expect((await copied(project)).map((row) => Number(row['id']))).toEqual([2, 8]);
      const id = await firstDead(project, 'mirror');
      expect(await deadRowsLine(project, ['show', id])).toMatch(/^behind it +4 parked/m);
      expect(await deadRowsLine(project, ['list', '--state', 'parked', '--flow', 'totals'])).toMatch(/parked +totals/);
      const status = await runLine(project, ['status']);
      expect(status).toMatch(/^mirror +running .* 1 +4 +/m);
      expect(status).toContain('4 later changes of their keys wait');

      // it fails again
      const again = await runLine(project, ['dead-rows', 'retry', id], 1);
      expect(again).toMatch(new RegExp(`^ *${id} +mirror .* dead again +0 done, 4 left +2 +ROW_INVALID +poisoned: 13`, 'm'));
      expect(await keptRows(project, 'mirror')).toEqual(kept);
      // a function that refuses it no more does not retry by itself
      await cure(project);
      expect(await deadRowsLine(project, ['retry', id, '--wait', '30'])).toMatch(/ applied +4 done/);
      const json: unknown = JSON.parse(
        await deadRowsLine(project, ['retry', '--flow', 'totals', '--code', 'ROW_INVALID', '--json']),
      );
      expect(json).toMatchObject({ wish: 'retry', rows: [{ flow: 'totals', outcome: 'applied', behind: { before: 4, left: 0 } }] });
      await deadRowsLine(project, ['retry', '--all', '--wait', '30']);
      await waitFor(async () => (await storeRows(project, 'SELECT id FROM kis_dead_row')).length === 0, waits);
      await waitFor(async () => (await disagreements(project)).length === 0, waits);
      const versions = await storeRows(project, "SELECT version FROM applied WHERE flow = 'mirror' AND id IN (1, 7) ORDER BY seq");
      expect(versions.map((row) => Number(row['version']))).toEqual([1, 3, 4, 5, 7]);
      await stopDaemon(second);
    });

    it('L3: dead-rows refuses what it cannot do, and says why; without a daemon a wish waits for one', async () => {
      const project = await checkedMirror(server);
      await project.source.connection.query("INSERT INTO orders VALUES (1, 1, -1, 'a'), (2, 1, -2, 'b')");
      await project.source.connection.query("UPDATE orders SET cents = 1, note = 'c' WHERE id = 1");
      await project.source.connection.query("UPDATE orders SET note = 'd' WHERE id = 2");
      await runUntilCurrent(project);
      expect(await keptRows(project, 'mirror')).toEqual(['dead {"id":1}', 'dead {"id":2}', 'parked {"id":1}', 'parked {"id":2}']);
      await expect(deadRowsLine(project, ['retry'])).rejects.toThrow('--all for every dead row');
      expect(await deadRowsLine(project, ['discard', '--flow', 'miror'], 1)).toContain('Did you mean "mirror"');
      expect(await deadRowsLine(project, ['retry', '999999999'], 1)).toContain('no such dead row 999999999');
      const [parked] = await storeRows(project, "SELECT id FROM kis_dead_row WHERE state = 'parked'");
      expect(await deadRowsLine(project, ['discard', String(parked?.['id'])], 1)).toContain('is parked behind an earlier change');
      expect(await deadRowsLine(project, ['retry', '--flow', 'totals'])).toContain('There are no such dead rows');
      const id = await firstDead(project, 'mirror');
      expect(await deadRowsLine(project, ['discard', id])).toMatch(/ pending [^]*No daemon runs flow mirror now/);
      expect(await deadRowsLine(project, ['list'])).toMatch(/dead, to discard +mirror/);
      await runUntilCurrent(project);
      // given up: it stays as a record, what was behind it has gone on, and the other key is as it was
      expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}', 'dead {"id":2}', 'parked {"id":2}']);
      expect(await copied(project)).toEqual([{ id: 1, cents: 1, note: 'c' }]);
      expect(await deadRowsLine(project, ['show', id])).toMatch(/^given up +20.* by kisflow dead-rows discard$/m);
      expect(await deadRowsLine(project, ['retry', id], 1)).toContain('was given up (discarded)');

      // a dead row of an older version has held nothing up
      await project.store.connection.query("UPDATE kis_dead_row SET park_keys = NULL WHERE state = 'dead'");
      await project.source.connection.query("UPDATE orders SET cents = 4, note = 'e' WHERE id = 2");
      await runUntilCurrent(project);
      await dropConstraint(project, flavour);
      expect(await deadRowsLine(project, ['retry', '--all'])).toContain('--out-of-order');
      await runUntilCurrent(project);
      expect(await disagreements(project)).toEqual([]);
      expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}', 'dead {"id":2}']);
      await deadRowsLine(project, ['retry', '--all', '--out-of-order', '--wait', '0']);
      await runUntilCurrent(project);
      expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}']);
      expect((await copied(project))[1]).toEqual({ id: 2, cents: -2, note: 'b' });
    });

    it('L5: is parked in the batch after the one in which its row is found dead, when both are under way', async () => {
      const project = await checkedMirror(server);
      const { connection } = project.source;
      const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, waits);
      const holder = await connectTo(server, project.store.name);
      await holder.beginTransaction();
      await holder.query("INSERT INTO orders_copy VALUES (1, 0, 0, 'held')");
      await connection.query("INSERT INTO orders VALUES (1, 1, 5, 'a'), (5, 1, -1, 'b')");
      await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals'))[0]?.['n'] === 2, waits);
      await connection.query("UPDATE orders SET cents = 1, note = 'c' WHERE id = 5");
      await connection.query("UPDATE orders SET note = 'd' WHERE id = 1");
      await waitFor(async () => Number((await storeRows(project, 'SELECT cents FROM totals'))[0]?.['cents']) === 6, waits);
      await holder.rollback();
      await waitFor(async () => (await copied(project))[0]?.['note'] === 'd', waits);
      expect(await keptRows(project, 'mirror')).toEqual(['dead {"id":5}', 'parked {"id":5}']);
      expect(await copied(project)).toEqual([{ id: 1, cents: 5, note: 'd' }]);

      // changes that lack columns are kept as such (binlog_row_image)
      const minimal = await connectTo(server, project.source.name);
      await minimal.query("SET SESSION binlog_row_image = 'MINIMAL'");
      await minimal.query('UPDATE orders SET cents = -5 WHERE id = 1');
      await minimal.query("UPDATE orders SET note = 'e' WHERE id = 1");
      await waitFor(async () => (await keptRows(project, 'mirror')).length === 4, waits);
      expect((await keptRows(project, 'mirror')).slice(2)).toEqual(['dead {"id":1}', 'parked {"id":1}']);
      await dropConstraint(project, flavour);
      await deadRowsLine(project, ['retry', '--flow', 'mirror', '--wait', '30']);
      expect(await keptRows(project, 'mirror')).toEqual([]);
      expect(await copied(project)).toEqual([
        { id: 1, cents: -5, note: 'e' },
        { id: 5, cents: 1, note: 'c' },
      ]);
      await stopDaemon(daemon, 1); // the sums cannot be made of changes that lack columns
    });

    it('L3: by on_bad_row: skip, is not parked: the row stays as a record, and later changes take effect', async () => {
      const project = await checkedMirror(server, 'on_bad_row: skip');
      await project.source.connection.query("INSERT INTO orders VALUES (1, 1, -1, 'a'), (2, 1, 2, 'b')");
      await runUntilCurrent(project);
      await project.source.connection.query("UPDATE orders SET cents = 1, note = 'c' WHERE id = 1");
      await runUntilCurrent(project);
      expect(await keptRows(project, 'mirror')).toEqual(['skipped {"id":1}']);
      expect(await disagreements(project)).toEqual([]);
      expect(await storeRows(project, 'SELECT code, tries, park_keys, ended_by FROM kis_dead_row')).toEqual([
        { code: 'STORE_CONSTRAINT', tries: 1, park_keys: null, ended_by: 'on_bad_row: skip' },
      ]);
      expect(await runLine(project, ['status'])).toMatch(/^mirror .* 0 +0 +[^]*it has skipped 1 row /m);
    });

    it.each([['in the store only'], ['outside the store too']])(
      'L7: more dead and parked rows than dead_rows.max stop the flow, which takes wishes first when it is resumed: it writes %s',
      async (where) => {
        const project = await checkedMirror(server, 'dead_rows: {max: 3}');
        if (where === 'outside the store too') {
          const file = `${project.folder}/conf/shop.yml`;
          const conf = await readFile(file, 'utf8');
          const more =
            '---\nkistype: func\nfname: Note\nfmode: Save\noption: {cname: noted}\n---\nkistype: conn\ncname: noted\ntype: memory\nkey: noted\n';
          await writeFile(file, conf.replace('flows: [{fname: SaveOrders}]', 'flows: [{fname: Note}, {fname: SaveOrders}]') + more);
        }
        const { connection } = project.source;
        await connection.query("INSERT INTO orders VALUES (1, 1, -1, 'a'), (2, 1, 2, 'b')");
        await runUntilCurrent(project);
        await connection.query("UPDATE orders SET cents = 1, note = 'c' WHERE id = 1");
        await runUntilCurrent(project);
        await connection.query(
          "BEGIN; INSERT INTO orders VALUES (3, 1, -3, 'd'), (4, 1, -4, 'e'); UPDATE orders SET note = 'f' WHERE id = 2; COMMIT",
        );
        const said = await runUntilCurrent(project, 1);
        expect(said).toMatch(/DEAD_ROWS_FULL[^]*4 rows would be dead[^]*dead_rows.max is 3[^]*kisflow resume mirror/);
        expect((await keptRows(project, 'mirror')).length).toBeLessThan(4);
        expect(await copied(project)).toEqual([{ id: 2, cents: 2, note: 'b' }]);
        // room is made before the batch is done again that there was no room for
        const id = await firstDead(project, 'mirror');
        expect(await deadRowsLine(project, ['discard', id, '--wait', '0'])).toContain('has failed (DEAD_ROWS_FULL)');
        await runUntilCurrent(project);
        expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}', 'dead {"id":3}', 'dead {"id":4}']);
        await dropConstraint(project, flavour);
        await deadRowsLine(project, ['retry', '--all', '--wait', '0']);
        await runUntilCurrent(project);
        expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}']);
        expect(await disagreements(project)).toEqual([]);
      },
    );

    it('L3: a TRUNCATE with on_truncate: apply gives up the rows that were kept of the table, with a record', async () => {
      const project = await checkedMirror(server, '', ', on_truncate: ignore');
      const file = `${project.folder}/conf/shop.yml`;
      await writeFile(file, (await readFile(file, 'utf8')).replace('on_truncate: ignore', 'on_truncate: apply'));
      const { connection } = project.source;
      await connection.query("INSERT INTO orders VALUES (1, 1, -1, 'a'), (2, 1, 2, 'b')");
      await runUntilCurrent(project);
      await connection.query("UPDATE orders SET cents = 7, note = 'c' WHERE id = 1");
      await connection.query('TRUNCATE TABLE orders');
      await connection.query("INSERT INTO orders VALUES (1, 1, 1, 'd')");
      await connection.query("UPDATE orders SET note = 'e' WHERE id = 1");
      await runUntilCurrent(project);
      expect(await keptRows(project, 'mirror')).toEqual(['discarded {"id":1}', 'discarded {"id":1}']);
      expect(await copied(project)).toEqual([{ id: 1, cents: 1, note: 'e' }]);
      const [row] = await storeRows(project, 'SELECT ended_by FROM kis_dead_row LIMIT 1');
      expect(row?.['ended_by']).toMatch(/^truncate of .*orders at /);
    });

    it('L1 L5: whatever is refused, and whenever the daemon is killed, retried rows leave source and store equal', async () => {
      await refuseKillAndRetry(server, { kills: 2, seed });
    });
  });
});
