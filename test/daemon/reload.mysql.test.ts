import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { spawnDaemon, type DaemonProcess } from '../support/daemon-process.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { agree, createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  fightReloads,
  helperVersion,
  linesWith,
  queryStore,
  reloadAndCompare,
  reloadFiles,
  reloadsOf,
  startDaemon,
  totalsVersion,
} from './reloading.ts';
import { itLong } from '../support/long.ts';

/** Runs another command on the project, as another process would; gives all it said, and its exit code. */
async function command(project: ShopProject, line: string): Promise<string> {
  const [name, ...args] = line.split(' ');
  const known = await commands.find((one) => one.name === name)?.load();
  if (known === undefined) throw new Error(`no command ${name}`);
  const { values, positionals } = parseArgs({ args, options: known.options ?? {}, allowPositionals: true });
  const lines: string[] = [];
  const never = new AbortController().signal;
  const code = await known
    .run({
      conf: join(project.folder, 'conf'),
      functions: join(project.folder, 'functions'),
      connectors: join(project.folder, 'connectors'),
      migrations: join(project.folder, 'migrations'),
      json: false,
      env: project.env,
      logger: silentLogger,
      options: Object.fromEntries(
        Object.entries(values).map(([key, value]) => [key, Array.isArray(value) ? value.map(String) : value]),
      ),
      positionals,
      print: (text) => lines.push(text),
      progress: () => {},
      stop: never,
      abort: never,
    })
    .catch((error: unknown) => {
      if (!(error instanceof CodedError)) throw error;
      lines.push(error.message);
      return error.code === 'CONFIG_INVALID' ? 78 : 1;
    });
  return [...lines, `exit ${code}`].join('\n');
}

async function editConf(project: ShopProject, edit: (text: string) => string): Promise<void> {
  const file = join(project.folder, 'conf/shop.yml');
  const text = await readFile(file, 'utf8');
  const edited = edit(text);
  expect(edited).not.toBe(text);
  await writeFile(file, edited);
}

async function versionsOf(project: ShopProject): Promise<string[]> {
  const rows = await queryStore<{ version: number; helper: number }>(project, 'SELECT version, helper FROM versions ORDER BY 1, 2');
  return rows.map(({ version, helper }) => `${version}/${helper}`);
}

async function end(daemon: DaemonProcess): Promise<void> {
  daemon.kill();
  expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
}

eachServer((_flavour, server) => {
  const create = () => createShopProject({ source: server, store: server, files: reloadFiles });

  describe('a running daemon', () => {
    it('L1 reloads under load again and again, and nothing is lost or doubled', async () => {
      await reloadAndCompare(server, { reloads: 10, seed: 5 });
    }, 120_000);

    itLong(
      'L1 is killed in the middle of reloads, and nothing is lost or doubled',
      async () => {
        await fightReloads(server, { kills: 1, seed: 6 });
      },
      120_000,
    );

    it('takes a changed function and a changed helper over, and leaves the flow that has nothing to do with it alone', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      const insert = (id: number) => project.source.connection.query('INSERT INTO orders VALUES (?, 1, 100, NULL)', [id]);
      await insert(1);
      await agree(project);
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), totalsVersion(1));
      await waitFor(() => reloadsOf(daemon) === 1);
      await insert(2);
      await agree(project);
      await writeFile(join(project.folder, 'functions/lib/images.mjs'), helperVersion(7));
      await waitFor(() => reloadsOf(daemon) === 2);
      await insert(3);
      await agree(project);
      expect(await versionsOf(project)).toEqual(['0/0', '1/0', '1/7']);
      expect(daemon.stderr.filter((line) => line.includes('runs its new version') && line.includes('"mirror"'))).toEqual([]);
      // neither was begun anew
      expect(linesWith(daemon, '"msg":"flow runs"')).toBe(2);
      const prints = await queryStore<{ fingerprint: string }>(project, 'SELECT fingerprint FROM kis_flow');
      const said = daemon.stderr.findLast((line) => line.includes('runs its new version')) ?? '{}';
      expect(prints.map(({ fingerprint }) => fingerprint)).toContain(JSON.parse(said).fingerprint);
      await end(daemon);
    });

    it('refuses a faulty change with every mistake, goes on with the old version, says so in status, and takes the mended one', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), 'export default {');
      await writeFile(join(project.folder, 'functions/New.ts'), 'throw new Error("at import");');
      await editConf(project, (text) => text.replace('flow_name: mirror', 'flow_name: mirror\nbatsh: {rows: 7}'));
      const line = await daemon.waitForLine(/change refused.*|"batsh.*change refused/);
      await waitFor(() => daemon.stderr.some((one) => /AddTotals.*New\.ts.*batsh.*change refused/.test(one)), { what: line });
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await agree(project);
      // the line comes first, then the record in the store
      await waitFor(async () => (await command(project, 'status')).includes('has refused a change'));
      const [status, check] = [await command(project, 'status'), await command(project, 'check')];
      expect(status).toMatch(/has refused a change since 20.*goes on with the version before/);
      for (const said of ['AddTotals.ts', 'at import', 'unknown key', 'did you mean "batch"']) {
        expect(status.toLowerCase()).toContain(said.toLowerCase());
        expect(check.toLowerCase()).toContain(said.toLowerCase());
      }
      expect(status).toMatch(/mirror +running/);
      expect(reloadsOf(daemon)).toBe(0);
      await rm(join(project.folder, 'functions/New.ts'));
      await editConf(project, (text) => text.replace('batsh', 'batch'));
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), totalsVersion(3));
      await waitFor(() => reloadsOf(daemon) === 1);
      await waitFor(async () => !(await command(project, 'status')).includes('refused'));
      await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 100, NULL)');
      await agree(project);
      expect(await versionsOf(project)).toEqual(['0/0', '3/0']);
      await end(daemon);
    });

    it('starts an added flow, stops a removed one and one of status 0, which gives its lease up', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      const copy = `kistype: flow
flow_name: second
source: {name: main, tables: [${project.source.name}.orders], rows: change, start: earliest}
flows: [{fname: SaveSecond}]
---
{kistype: func, fname: SaveSecond, fmode: Save, option: {cname: second_copy}}
---
{kistype: conn, cname: second_copy, type: mysql, addrs: store, key: second_copy}
`;
      await project.store.connection.query(
        `CREATE TABLE \`${project.store.name}\`.second_copy LIKE \`${project.store.name}\`.orders_copy`,
      );
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await writeFile(join(project.folder, 'conf/second.yml'), copy);
      await waitFor(async () => (await queryStore(project, 'SELECT * FROM second_copy')).length === 1);
      await writeFile(join(project.folder, 'conf/second.yml'), copy.replace('source:', 'status: 0\nsource:'));
      const lease = async () =>
        (await queryStore<{ holder: string }>(project, "SELECT holder FROM kis_lease WHERE flow = 'second'"))[0]?.holder;
      await waitFor(async () => (await lease()) === '');
      await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 100, NULL)');
      await agree(project);
      expect(await command(project, 'status')).toMatch(/second +disabled/);
      await writeFile(join(project.folder, 'conf/second.yml'), copy);
      await waitFor(async () => (await queryStore(project, 'SELECT * FROM second_copy')).length === 2);
      await rm(join(project.folder, 'conf/second.yml'));
      await waitFor(async () => (await lease()) === '');
      await agree(project);
      await end(daemon);
    });

    it('L2 in the middle of a huge transaction: functions change between its batches, tables when it has passed', async () => {
      const project = await create();
      const source = project.source.name;
      await project.source.connection.query(`CREATE TABLE late LIKE orders`);
      await editConf(project, (text) =>
        text
          .replaceAll('AddTotals}]', 'AddTotals}]\nbatch: {rows: 50}')
          .replaceAll('SaveOrders}]', 'SaveOrders}]\nbatch: {rows: 100}'),
      );
      // slow enough for the transaction to last until the second change
      const slow = (version: number): string =>
        totalsVersion(version).replace(
          'async run(flow, rows) {',
          'async run(flow, rows) {\nif (rows.length > 100) await new Promise((go) => setTimeout(go, 200));',
        );
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), slow(0));
      const daemon = await startDaemon(project);
      const { connection } = project.source;
      await connection.beginTransaction();
      for (let i = 0; i < 40; i += 1) {
        await connection.query('INSERT INTO orders VALUES ?', [
          Array.from({ length: 1000 }, (_, n) => [i * 1000 + n, n % 50, n, 'x'.repeat(100)]),
        ]);
      }
      await connection.query('INSERT INTO late SELECT id + 100000, customer, cents, note FROM orders LIMIT 500');
      await connection.commit();
      const cut = async () =>
        (await queryStore<{ position: string }>(project, "SELECT position FROM kis_checkpoint WHERE flow = 'totals'"))[0]
          ?.position ?? '';
      await waitFor(async () => / \+\d+ /.test(await cut()), { pollMs: 2, what: 'the transaction to be cut' });
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), slow(1));
      await waitFor(() => reloadsOf(daemon) === 1);
      await waitFor(async () => (await versionsOf(project)).includes('1/0'), { pollMs: 5 });
      expect(await cut(), 'the transaction was still under way').toMatch(/ \+\d+ /);
      await editConf(project, (text) =>
        text.replaceAll(`tables: [${source}.orders]`, `tables: [${source}.orders, ${source}.late]`),
      );
      await waitFor(() => reloadsOf(daemon) === 2);
      await daemon.waitForLine(/waits for the end of the transaction/);
      await waitFor(() => linesWith(daemon, '"msg":"flow runs"') === 4, { deadlineMs: 60_000, what: 'both flows to begin anew' });
      await agree(project);
      // what of the transaction was in the other table went by; from here on it is read
      await connection.query('UPDATE late SET cents = 7 WHERE id = 100001');
      await waitFor(
        async () => (await queryStore(project, 'SELECT id FROM orders_copy WHERE id = 100001 AND cents = 7')).length === 1,
      );
      expect(linesWith(daemon, 'CHECKPOINT_MISMATCH')).toBe(0);
      await end(daemon);
    }, 120_000);

    it('keeps a paused flow paused over a reload, and goes on with the new version when it is resumed', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      expect(await command(project, 'pause totals')).toContain('Flow totals is paused');
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), totalsVersion(1));
      await waitFor(() => reloadsOf(daemon) === 1);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await waitFor(async () => (await queryStore(project, 'SELECT * FROM orders_copy')).length === 1);
      expect(await versionsOf(project)).toEqual([]);
      expect(await command(project, 'status')).toMatch(/totals +paused/);
      expect(await command(project, 'resume totals')).toContain('Flow totals runs');
      await agree(project);
      expect(await versionsOf(project)).toEqual(['1/0']);
      await end(daemon);
    });

    it('tries a flow that has failed again with its mended function', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      await writeFile(
        join(project.folder, 'functions/AddTotals.ts'),
        "export default { name: 'AddTotals', run() { throw new Error('broken'); } };\n",
      );
      await waitFor(() => reloadsOf(daemon) === 1);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await waitFor(() => linesWith(daemon, '"msg":"flow stopped"') === 1);
      await writeFile(join(project.folder, 'functions/AddTotals.ts'), totalsVersion(2));
      await agree(project);
      await waitFor(async () => /totals +running/.test(await command(project, 'status')));
      await end(daemon);
    });

    it('takes a mended function over in the middle of its retries, and lets a flow go that does nothing but retry', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      const file = join(project.folder, 'functions/AddTotals.ts');
      const failing =
        "import { CodedError } from 'kisflow';\nexport default { name: 'AddTotals', run() { throw new CodedError('CONNECTOR_FAILED', 'gone', { class: 'retry' }); } };\n";
      await writeFile(file, failing);
      await waitFor(() => reloadsOf(daemon) === 1);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await waitFor(() => linesWith(daemon, 'tried again') > 2);
      await writeFile(file, totalsVersion(4));
      await agree(project);
      expect(await versionsOf(project)).toEqual(['4/0']);
      await writeFile(file, failing);
      await waitFor(() => reloadsOf(daemon) === 3);
      const tries = linesWith(daemon, 'tried again');
      await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 100, NULL)');
      await waitFor(() => linesWith(daemon, 'tried again') > tries + 2);
      expect(await command(project, 'flow set-status totals 0')).toContain('exit 0');
      await waitFor(
        async () =>
          (await queryStore<{ holder: string }>(project, "SELECT holder FROM kis_lease WHERE flow = 'totals'"))[0]?.holder === '',
      );
      await writeFile(file, totalsVersion(5));
      expect(await command(project, 'flow set-status totals 1')).toContain('exit 0');
      await agree(project);
      await end(daemon);
    });

    it('takes an operator whose types only the tables tell, from a file and by command', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      const doubled = 'kistype: func\nfname: Doubled\nfmode: Calculate\noperator: map\nwith: {set: {cents: cents + cents}}\n';
      await editConf(
        project,
        (text) => `${text.replace('[{fname: SaveOrders}]', '[{fname: Doubled}, {fname: SaveOrders}]')}---\n${doubled}`,
      );
      await waitFor(() => reloadsOf(daemon) === 1);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await waitFor(async () => (await queryStore(project, 'SELECT 1 FROM orders_copy WHERE cents = 200')).length === 1);
      expect(await command(project, 'flow set-status mirror 0')).toContain('exit 0');
      expect(await command(project, 'flow reset mirror')).toContain('exit 0');
      await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 200, NULL)');
      await waitFor(async () => (await queryStore(project, 'SELECT 1 FROM orders_copy WHERE cents = 400')).length === 1);
      await end(daemon);
    });

    it('refuses another store and another address of a source, which take a restart', async () => {
      const project = await create();
      const daemon = await startDaemon(project);
      await editConf(project, (text) => text.replace('${SOURCE_URL}', '${SOURCE_URL}/?ssl=off'));
      await daemon.waitForLine(/Source main has changed.*restart the daemon.*change refused/);
      await editConf(project, (text) => text.replace('${SOURCE_URL}/?ssl=off', '${SOURCE_URL}'));
      await daemon.waitForLine(/refused change was taken back/);
      await editConf(project, (text) => text.replace('"${STORE_URL}"', '"${STORE_URL}_other"'));
      await daemon.waitForLine(/url of the store has changed: restart the daemon.*change refused/);
      expect(reloadsOf(daemon)).toBe(0);
      await end(daemon);
    });

    it('a command from another process changes its flows, and a restart keeps the change', async () => {
      const project = await create();
      await writeFile(
        join(project.folder, 'functions/Mark.ts'),
        "export default { name: 'Mark', run(flow, rows) { for (const { after } of rows) flow.commitRow({ ...after, note: flow.param('note') }); } };\n",
      );
      await writeFile(join(project.folder, 'conf/mark.yml'), 'kistype: func\nfname: Mark\nfmode: Calculate\n');
      const daemon = await startDaemon(project);
      const notes = async () =>
        (await queryStore<{ note: string }>(project, 'SELECT note FROM orders_copy ORDER BY id')).map(({ note }) => note);
      const insert = (id: number) => project.source.connection.query('INSERT INTO orders VALUES (?, 1, 100, NULL)', [id]);
      expect(await command(project, 'flow add-function mirror Mark --before SaveOrders --param note=seen')).toMatch(
        /Mark is added to flow mirror.\nThe daemon \S+ has taken it over.\nexit 0/,
      );
      await insert(1);
      await waitFor(async () => (await notes()).join() === 'seen');
      const wrong = await command(project, 'flow add-function mirror AddTotal');
      expect(wrong).toMatch(/no function "AddTotal"; did you mean "AddTotals"\?[^]*exit 78/);
      expect(await command(project, 'flow remove-function totals AddTotals')).toMatch(/flows: missing[^]*exit 78/);
      expect(await command(project, 'flow set-status miror 0')).toMatch(/Did you mean "mirror"\?[^]*exit 1/);
      expect(await command(project, 'flow show mirror')).toMatch(
        /status 1\n[^]*Mark +Calculate +- +note=seen +store\nSaveOrders +Save +orders_copy +- +file\n[^]*kisflow flow add-function mirror Mark --before SaveOrders --param note=seen/,
      );
      await end(daemon);
      const again = await startDaemon(project);
      await insert(2);
      await waitFor(async () => (await notes()).join() === 'seen,seen');
      // the file changes so that the change by command does not fit any more
      await editConf(project, (text) => text.replaceAll('SaveOrders', 'KeepOrders'));
      await again.waitForLine(/flow add-function mirror Mark --before SaveOrders.*does not fit any more.*change refused/);
      expect(await command(project, 'check')).toMatch(/does not fit any more: the flow has no function SaveOrders[^]*exit 78/);
      expect(await command(project, 'flow show mirror')).toMatch(/does not fit the file any more[^]*exit 78/);
      await insert(3);
      await waitFor(async () => (await notes()).join() === 'seen,seen,seen');
      await end(again);
      expect(await command(project, 'run')).toMatch(
        /does not fit any more.*SaveOrders.*\n?[^]*kisflow flow reset mirror[^]*exit 78/,
      );
      expect(await command(project, 'flow reset mirror')).toMatch(/is as its file says.\nNo daemon runs now[^]*exit 0/);
      expect(await command(project, 'flow set-status totals 0')).toMatch(/exit 0/);
      const last = await spawnDaemon(['run'], { cwd: project.folder, env: project.env });
      await last.waitForLine(/"msg":"flow runs"/);
      await insert(4);
      await waitFor(async () => (await notes()).length === 4);
      expect((await notes())[3]).toBeNull();
      expect(await command(project, 'status')).toMatch(/totals +disabled/);
      expect(await command(project, 'flow set-status totals 1')).toMatch(/exit 0/);
      await waitFor(async () => (await queryStore<{ n: string }>(project, 'SELECT n FROM totals'))[0]?.n.toString() === '4');
      await end(last);
    }, 120_000);

    it('closes a connector that no batch uses any more, opens no more than it closes, and lives through SIGHUP', async () => {
      const project = await create();
      const other = await createDatabase(server, 'other');
      await other.connection.query('CREATE TABLE copy (id INT PRIMARY KEY, customer INT, cents INT, note VARCHAR(200))');
      const elsewhere = (mode: string): string =>
        `{kistype: conn, cname: elsewhere, type: mysql, addrs: "${other.url}", key: copy, params: {mode: ${mode}, columns: "a"}}\n`;
      await editConf(project, (text) => text.replace('{cname: orders_copy}', '{cname: elsewhere}'));
      await writeFile(join(project.folder, 'conf/elsewhere.yml'), elsewhere('upsert'));
      const daemon = await startDaemon(project);
      const connections = async (): Promise<number> => {
        const [rows] = await other.connection.query<RowDataPacket[]>(
          'SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()',
          [other.name],
        );
        return rows.length;
      };
      const files = async (): Promise<number> => (await readdir(`/proc/${daemon.pid}/fd`)).length;
      const copied = async (id: number): Promise<void> => {
        await project.source.connection.query('INSERT INTO orders VALUES (?, 1, 100, NULL)', [id]);
        await waitFor(
          async () => (await other.connection.query<RowDataPacket[]>('SELECT id FROM copy WHERE id = ?', [id]))[0].length === 1,
        );
      };
      await copied(1);
      await waitFor(async () => (await connections()) === 1);
      const before = await files();
      for (let turn = 1; turn <= 6; turn += 1) {
        await writeFile(join(project.folder, 'conf/elsewhere.yml'), elsewhere(turn % 2 === 0 ? 'upsert' : 'insert'));
        if (turn === 3) daemon.kill('SIGHUP');
        await waitFor(() => reloadsOf(daemon) === turn);
        await copied(turn + 1);
        await waitFor(async () => (await connections()) === 1, { what: 'the connector before to be closed' });
      }
      await waitFor(async () => (await files()) <= before + 2, { what: 'no more open files than before' });
      await end(daemon);
      await waitFor(async () => (await connections()) === 0); // the server takes a moment to see it
    });
  });
});
