import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fromExactJson } from '../../src/row/exact-json.ts';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import { spawnDaemon } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { runLine, runUntilCurrent, storeRows } from './run-project.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

const columns = 'flow, fname, code, source_table, row_key, op, row_change, parts';

/** A shop whose copy of the orders takes no negative amounts, current and ready. */
async function pickyProject(server: SqlAddress, edit: (conf: string) => string = (conf) => conf): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server });
  await editConf(project, edit);
  await runUntilCurrent(project);
  await project.store.connection.query('ALTER TABLE orders_copy ADD CONSTRAINT positive CHECK (cents >= 0)');
  return project;
}

async function editConf({ folder }: ShopProject, edit: (conf: string) => string): Promise<void> {
  const file = `${folder}/conf/shop.yml`;
  const before = await readFile(file, 'utf8');
  await writeFile(file, edit(before));
}

async function dropConstraint(project: ShopProject, flavour: SqlFlavour): Promise<void> {
  const kind = flavour === 'mysql' ? 'CHECK' : 'CONSTRAINT';
  await project.store.connection.query(`ALTER TABLE orders_copy DROP ${kind} positive`);
}

function mirrorWith(line: string): (conf: string) => string {
  return (conf) => conf.replace('flow_name: mirror\n', `flow_name: mirror\n${line}\n`);
}

/** A function in place of AddTotals that takes orders with a note only, and writes a line each time that it runs. */
const noteTotals = `import { appendFileSync } from 'node:fs';
import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'AddTotals',
  input: z.object({ after: z.object({ customer: z.number(), note: z.string() }) }),
  async run(flow, rows) {
    appendFileSync('runs.txt', rows.length + '\\n');
    await flow.getConnector().query('INSERT INTO totals VALUES (1, ?, 0) ON DUPLICATE KEY UPDATE n = n + ?', [rows.length, rows.length]);
  },
});
`;

eachServer((flavour: SqlFlavour, server) => {
  describe('a row that cannot be processed', { timeout: 120_000 }, () => {
    it('L3: is kept as a dead row with its reason and its values, and the others go on', async () => {
      const project = await pickyProject(server);
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 1, 1, NULL), (2, 1, 2, NULL), (3, 1, -3, NULL), (4, 1, 4, NULL)',
      );
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT id FROM orders_copy ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 4 }]);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 4 }]);
      expect(await storeRows(project, `SELECT ${columns} FROM kis_dead_row`)).toEqual([
        {
          flow: 'mirror',
          fname: 'SaveOrders',
          code: 'STORE_CONSTRAINT',
          source_table: `${project.source.name}.orders`,
          row_key: '{"id":3}',
          op: 'insert',
          row_change: '{"before":null,"after":{"id":3,"customer":1,"cents":-3,"note":null}}',
          parts: 0,
        },
      ]);
    });

    it('is counted by status, and shown by dead-rows', async () => {
      const project = await pickyProject(server);
      await project.source.connection.query("INSERT INTO orders VALUES (7, 1, 1, 'a'), (8, 1, 1, 'b')");
      await project.source.connection.query('UPDATE orders SET cents = -cents');
      await runUntilCurrent(project);
      const [last] = await storeRows(project, 'SELECT MAX(id) AS id FROM kis_dead_row');
      expect(await runLine(project, ['status'])).toMatch(/^mirror +stopped .* 4 +2 +0 +binlog/m);
      const list = await runLine(project, ['dead-rows', 'list', '--flow', 'mirror', '--code', 'STORE_CONSTRAINT', '--limit', '1']);
      // what is wrong with the line itself is usage, not a name
      for (const line of ['list --limit x', 'list --state sick', 'retry', 'retry one', 'show', 'lst'])
        await runLine(project, ['dead-rows', ...line.split(' ')], 2);
      expect(list).toMatch(/^ *\d+ +dead +mirror +SaveOrders +STORE_CONSTRAINT +.*orders +\{"id":8\} +update +20/m);
      expect(list).toContain('The latest 1 of 2');
      expect(await runLine(project, ['dead-rows', 'list', '--flow', 'totals'])).toContain('There are no such dead rows');
      const shown = await runLine(project, ['dead-rows', 'show', String(last?.['id'])]);
      expect(shown).toMatch(/^cents +1 +-1$/m);
      expect(shown).toMatch(/^note +b +b$/m);
      const json: unknown = JSON.parse(await runLine(project, ['dead-rows', 'show', String(last?.['id']), '--json']));
      expect(json).toMatchObject({
        flow: 'mirror',
        op: 'update',
        key: '{"id":8}',
        change: { before: { cents: 1 }, after: { cents: -1 } },
      });
      await runLine(project, ['dead-rows', 'show', '999999999'], 1);
      expect(await runLine(project, ['dead-rows', 'lst'], 2)).toContain('write list');
    });

    it('keeps exact values, bytes and numbers beyond 2^53 too, and rows larger than a statement', async () => {
      const project = await pickyProject(server, (conf) => conf.replace('.orders]', '.things]'));
      await project.source.connection.query(
        'CREATE TABLE things (id BIGINT UNSIGNED PRIMARY KEY, cents INT, amount DECIMAL(40,20), bytes LONGBLOB, at DATETIME(6), text LONGTEXT)',
      );
      await project.store.connection.query(
        'ALTER TABLE orders_copy MODIFY id BIGINT UNSIGNED, MODIFY customer INT, ADD COLUMN amount DECIMAL(40,20), ADD COLUMN bytes LONGBLOB, ADD COLUMN at DATETIME(6), ADD COLUMN text LONGTEXT',
      );
      const bytes = Buffer.alloc(700_000, 'kisflow\0\u00ff', 'latin1');
      const text = `'"\\ 😀`.repeat(90_000);
      const values = [
        '18446744073709551615',
        -1,
        '12345678901234567890.12345678901234567890',
        bytes,
        '2026-01-31 12:00:00.123456',
        text,
      ];
      await project.source.connection.query('INSERT INTO things VALUES (?)', [values]);
      await runUntilCurrent(project);
      const [row] = await storeRows(project, 'SELECT id, parts FROM kis_dead_row WHERE flow = ?', ['mirror']);
      expect(Number(row?.['parts'])).toBeGreaterThan(3);
      const parts = await storeRows(project, 'SELECT row_change FROM kis_dead_row_part WHERE dead_row = ? ORDER BY part', [
        row?.['id'],
      ]);
      expect(fromExactJson(parts.map((part) => String(part['row_change'])).join(''))).toEqual({
        before: null,
        after: { id: values[0], cents: -1, amount: values[2], bytes, at: values[4], text },
      });
      const shown: unknown = JSON.parse(await runLine(project, ['dead-rows', 'show', String(row?.['id']), '--json']));
      expect(shown).toMatchObject({ change: { after: { text, bytes: { $binary: bytes.toString('base64') } } } });
    });

    it('one that does not fit a function is taken out before any function runs over it: one run for 5,000 rows', async () => {
      const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': noteTotals } });
      await runUntilCurrent(project);
      const rows = Array.from({ length: 5000 }, (_, i) => [i + 1, 1, 1, i === 3210 || i === 77 ? null : 'x']);
      await project.source.connection.query('INSERT INTO orders VALUES ?', [rows]);
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 4998 }]);
      const dead = await storeRows(project, 'SELECT code, row_key, stack FROM kis_dead_row ORDER BY id');
      expect(dead).toEqual([
        { code: 'ROW_INVALID', row_key: '{"id":78}', stack: null },
        { code: 'ROW_INVALID', row_key: '{"id":3211}', stack: null },
      ]);
      const runs = (await readFile(`${project.folder}/runs.txt`, 'utf8')).trim().split('\n');
      // the transaction may come in parts, each of which is a batch; halving would make a dozen of each
      expect(runs.map(Number).reduce((sum, n) => sum + n, 0)).toBe(4998);
      expect(runs.length, runs.join()).toBeLessThan(5);
    });

    it('one that a function refuses itself is found, and knows where in the function that was', async () => {
      const code = `import { CodedError, defineFunction } from 'kisflow';
export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    for (const { after } of rows) if (after.cents === 13) throw new CodedError('ROW_INVALID', 'unlucky', { class: 'row' });
    await flow.getConnector().query('INSERT INTO totals VALUES (1, ?, 0) ON DUPLICATE KEY UPDATE n = n + ?', [rows.length, rows.length]);
  },
});
`;
      const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': code } });
      await runUntilCurrent(project);
      const rows = Array.from({ length: 300 }, (_, i) => [i + 1, 1, i === 200 ? 13 : 1, null]);
      await project.source.connection.query('INSERT INTO orders VALUES ?', [rows]);
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 299 }]);
      expect(await storeRows(project, 'SELECT fname, code, message, row_key, stack FROM kis_dead_row')).toEqual([
        {
          fname: 'AddTotals',
          code: 'ROW_INVALID',
          message: 'unlucky',
          row_key: '{"id":201}',
          stack: expect.stringContaining('AddTotals.ts'),
        },
      ]);
    });

    it('L1: is kept with its batch, or not at all', async () => {
      const code = noteTotals.replace('appendFileSync(', "flow.state.set('rows', rows.length);\n    appendFileSync(");
      const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': code } });
      await runUntilCurrent(project);
      // the state is written behind the dead rows: there the batch fails
      await project.store.connection.query('RENAME TABLE kis_state TO hidden');
      await project.source.connection.query("INSERT INTO orders VALUES (1, 1, 1, 'a'), (2, 1, 1, NULL)");
      expect(await runUntilCurrent(project, 1)).toContain('STORE_TABLE_MISSING');
      expect(await storeRows(project, 'SELECT id FROM kis_dead_row')).toEqual([]);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([]);
      await project.store.connection.query('RENAME TABLE hidden TO kis_state');
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT row_key FROM kis_dead_row')).toEqual([{ row_key: '{"id":2}' }]);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 1 }]);
      expect(await storeRows(project, 'SELECT CONVERT(state_key USING utf8mb4) AS k, value FROM kis_state')).toEqual([
        { k: 'rows', value: '1' },
      ]);
    });

    it('by on_bad_row: stop, stops the flow: the rows before it are written, and it is named', async () => {
      const project = await pickyProject(server, mirrorWith('on_bad_row: stop'));
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 1, 1, NULL), (2, 1, 2, NULL), (3, 1, -3, NULL), (4, 1, 4, NULL)',
      );
      const said = await runUntilCurrent(project, 1);
      expect(said).toContain('STORE_CONSTRAINT');
      expect(said).toMatch(/orders.*\{\\?"id\\?":3\}/);
      expect(await storeRows(project, 'SELECT id FROM orders_copy ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 4 }]);
      expect(await storeRows(project, 'SELECT id FROM kis_dead_row')).toEqual([]);
      await dropConstraint(project, flavour);
      await runUntilCurrent(project);
      expect(await disagreements(project)).toEqual([]);
    });

    it('L3: more of them in a minute than the flow allows stop it, with nothing skipped', async () => {
      const project = await pickyProject(server, mirrorWith('dead_rows: {per_minute: 3}'));
      const rows = Array.from({ length: 20 }, (_, i) => [i + 1, 1, i % 2 === 0 ? 1 : -1, null]);
      await project.source.connection.query('INSERT INTO orders VALUES ?', [rows]);
      expect(await runUntilCurrent(project, 1)).toContain('DEAD_ROWS_LIMIT');
      expect(await storeRows(project, "SELECT error_code FROM kis_flow WHERE flow = 'mirror'")).toEqual([
        { error_code: 'DEAD_ROWS_LIMIT' },
      ]);
      expect(await storeRows(project, 'SELECT row_key FROM kis_dead_row ORDER BY id')).toEqual(
        [2, 4, 6].map((id) => ({ row_key: `{"id":${id}}` })),
      );
      expect(await storeRows(project, 'SELECT MAX(id) AS last FROM orders_copy')).toEqual([{ last: 7 }]);
      await dropConstraint(project, flavour);
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT COUNT(*) AS n FROM orders_copy')).toEqual([{ n: 17 }]);
      expect(await storeRows(project, 'SELECT COUNT(*) AS n FROM kis_dead_row')).toEqual([{ n: 3 }]);
    });

    it('a store that cannot keep dead rows is retried or stops the flow, and the row is not passed', async () => {
      const project = await pickyProject(server);
      await project.store.connection.query('ALTER TABLE kis_dead_row ADD COLUMN other INT NOT NULL');
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 1, NULL), (2, 1, -2, NULL), (3, 1, 3, NULL)');
      expect(await runUntilCurrent(project, 1)).toContain('A dead row could not be kept');
      expect(await storeRows(project, 'SELECT id FROM orders_copy')).toEqual([{ id: 1 }]);
      await project.store.connection.query('ALTER TABLE kis_dead_row DROP COLUMN other');
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT id FROM orders_copy ORDER BY id')).toEqual([{ id: 1 }, { id: 3 }]);
      expect(await storeRows(project, 'SELECT row_key FROM kis_dead_row')).toEqual([{ row_key: '{"id":2}' }]);
    });

    it('L1 L3: killed with -9 under load, every row is in the copy or dead, once', async () => {
      const random = randomFrom(seed);
      const project = await pickyProject(server, mirrorWith('dead_rows: {per_minute: 0}'));
      const writer = await connectTo(server, project.source.name);
      const stop = new AbortController();
      const writing = (async () => {
        let next = 0;
        while (!stop.signal.aborted) {
          const size = 1 + Math.floor(random() * 60);
          const rows = Array.from({ length: size }, () => [(next += 1), 1, random() < 0.02 ? -1 : 1, null]);
          await writer.query('INSERT INTO orders VALUES ?', [rows]);
          await delay(6);
        }
      })();
      for (let i = 0; i < 2; i += 1) {
        const daemon = await spawnDaemon(['run', '--log-level', 'warn', '--lease-ttl', '600'], {
          cwd: project.folder,
          env: project.env,
        });
        await delay(700 + random() * 900); // the moment of the kill is what is random here
        daemon.kill('SIGKILL');
        await daemon.waitForExit();
      }
      stop.abort();
      await writing;
      await runUntilCurrent(project);
      const bad = await storeRows(project, `SELECT id FROM \`${project.source.name}\`.orders WHERE cents < 0 ORDER BY id`);
      const dead = await storeRows(project, 'SELECT row_key FROM kis_dead_row ORDER BY id');
      expect(bad.length).toBeGreaterThan(3);
      expect(
        dead.map((row) => String(row['row_key'])),
        `seed ${seed}`,
      ).toEqual(bad.map((row) => `{"id":${String(row['id'])}}`));
      const good = await storeRows(project, `SELECT id FROM \`${project.source.name}\`.orders WHERE cents >= 0 ORDER BY id`);
      expect(await storeRows(project, 'SELECT id FROM orders_copy ORDER BY id')).toEqual(good);
    }, 120_000);
  });

  describe('a function that runs out of its time', { timeout: 120_000 }, () => {
    /** A function that takes too long as often as the file says, and a flow that gives it half a second, or more. */
    async function slowProject(body: string, option = '', timeoutMs = 500): Promise<ShopProject> {
      const code = `import { appendFileSync, readFileSync } from 'node:fs';
import { defineFunction } from 'kisflow';
const tries = () => { appendFileSync('tries.txt', 'x'); return readFileSync('tries.txt', 'utf8').length; };
export default defineFunction({ name: 'AddTotals', ${body} });
`;
      const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': code } });
      await editConf(project, (conf) =>
        conf.replace('option: {cname: totals}', `option: {cname: totals, timeout: ${timeoutMs}${option}}`),
      );
      await runUntilCurrent(project);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      return project;
    }
    const triesOf = async (project: ShopProject) => (await readFile(`${project.folder}/tries.txt`, 'utf8')).length;
    const write = "await flow.getConnector().query('INSERT INTO totals VALUES (1, 1, 1) ON DUPLICATE KEY UPDATE n = n + 1');";

    it.each([
      ['waits for ever', 'run: async () => { tries(); await new Promise(() => {}); }'],
      ['loops for ever', 'run() { tries(); for (;;); }'],
      ['waits for the store', `run: async (flow) => { tries(); ${write} await flow.getConnector().query('SELECT SLEEP(120)'); }`],
    ])('is tried once more, and then stops its flow with FUNCTION_TIMEOUT: it %s', async (_what, body) => {
      const project = await slowProject(body);
      expect(await runUntilCurrent(project, 1)).toContain('FUNCTION_TIMEOUT');
      expect(await triesOf(project)).toBe(2);
      expect(await storeRows(project, 'SELECT * FROM totals')).toEqual([]);
      expect(await storeRows(project, 'SELECT id FROM orders_copy')).toEqual([{ id: 1 }]);
    });

    it('is tried as often as retry_times say', async () => {
      const project = await slowProject('run: async () => { tries(); await new Promise(() => {}); }', ', retry_times: 3');
      expect(await runUntilCurrent(project, 1)).toContain('FUNCTION_TIMEOUT');
      expect(await triesOf(project)).toBe(4);
    });

    it('L1: goes on when the next try is in time, with nothing left of the first', async () => {
      const body = `run: async (flow) => { ${write} if (tries() === 1) await flow.getConnector().query('SELECT SLEEP(120)'); }`;
      const project = await slowProject(body, '', 3000);
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 1 }]);
      await waitFor(
        async () =>
          (await storeRows(project, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")).length === 0,
      );
    });
  });
});
