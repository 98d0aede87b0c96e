import fc from 'fast-check';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { createFolder, startCommand } from '../support/daemon-process.ts';
import { createDatabase, eachServer, type TestDatabase } from '../support/servers.ts';

const columns = `id INT NOT NULL, part VARCHAR(10) CHARACTER SET latin1 NOT NULL DEFAULT 'p', cents DECIMAL(12,2) NULL, state ENUM('new','paid') NOT NULL DEFAULT 'new',
  note TEXT NULL, data BLOB NULL, doc JSON NULL, seen TIMESTAMP(3) NULL, flag BIT(9) NULL, PRIMARY KEY (id, part)`;

interface Project {
  readonly source: TestDatabase;
  readonly store: TestDatabase;
  /** Runs the daemon until it is current: its exit code, and all that it said. */
  run(): Promise<{ readonly code: number | null; readonly said: string }>;
  rowsOf(database: TestDatabase, table: string): Promise<readonly RowDataPacket[]>;
}

const saveDocuments = `---
kistype: func
fname: SaveItems
fmode: Save
option: {cname: mirror}
---
kistype: conn
cname: mirror
type: mysql
addrs: store
key: mirror
`;

eachServer((_flavour, server) => {
  /** One flow from \`items\`, which has run once and stands at the end of the binlog. */
  async function readyProject(
    options: { readonly rows?: string; readonly rowImage?: string; readonly flows?: string; readonly more?: string } = {},
    files: Readonly<Record<string, string>> = {},
  ): Promise<Project> {
    const { rows = 'change', rowImage = 'full', flows = '[{fname: SaveItems}]', more = '' } = options;
    const source = await createDatabase(server, 'items');
    const store = await createDatabase(server, 'store');
    await source.connection.query(`CREATE TABLE items (${columns})`);
    const folder = await createFolder({
      'conf/all.yml': `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: f
source: {name: main, tables: [${source.name}.items], rows: ${rows}, start: latest, row_image: ${rowImage}}
flows: ${flows}
${saveDocuments}${more}`,
      'migrations/001.sql': `CREATE TABLE mirror (${columns});\nCREATE TABLE sums (state VARCHAR(10) COLLATE utf8mb4_bin PRIMARY KEY, n BIGINT NOT NULL, cents DECIMAL(30,2));\n`,
      ...files,
    });
    const env = { SOURCE_URL: server.url, STORE_URL: `${server.url}/${store.name}` };
    const project: Project = {
      source,
      store,
      async run() {
        const daemon = await startCommand(['run', '--until-current', '--log-level', 'debug'], { cwd: folder, env });
        const { code } = await daemon.waitForExit(8_000).catch((e) => {
          console.log([...daemon.stdout, ...daemon.stderr].join('\n').slice(0, 5000));
          throw e;
        });
        return { code, said: [...daemon.stdout, ...daemon.stderr].join('\n') };
      },
      async rowsOf({ connection }, table) {
        const [found] = await connection.query<RowDataPacket[]>(
          `SELECT id, part, cents, state, note, HEX(data) AS data, CAST(doc AS CHAR) AS doc, seen, flag+0 AS flag FROM ${table} ORDER BY id, part`,
        );
        return found;
      },
    };
    const first = await project.run();
    expect(first.code, first.said).toBe(0);
    return project;
  }

  async function setImage({ source }: Project, image: string): Promise<void> {
    await source.connection.query('SET SESSION binlog_row_image = ?', [image]);
  }

  /** Every row of the mirror is the source's, value for value. */
  async function expectMirrored(project: Project, hint = ''): Promise<void> {
    const { code, said } = await project.run();
    expect(code, `${hint} ${said}`).toBe(0);
    const [source, mirror] = [await project.rowsOf(project.source, 'items'), await project.rowsOf(project.store, 'mirror')];
    const [dead] = await project.store.connection.query('SELECT code, message FROM kis_dead_row');
    expect(dead, hint).toEqual([]);
    expect(mirror, hint).toEqual(source);
  }

  describe('a source whose row images lack columns', () => {
    it(
      'an upserting mirror is equal to its source after random changes under every row image (L8)',
      { timeout: 120_000 },
      async () => {
        const project = await readyProject();
        const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
        const id = fc.integer({ min: 1, max: 12 });
        const values: Record<string, fc.Arbitrary<unknown>> = {
          cents: fc.option(fc.integer({ min: -999_999, max: 999_999 }).map((cents) => cents / 100)),
          state: fc.constantFrom('new', 'paid'),
          note: fc.option(fc.constantFrom('', 'it’s', "o'\\\\ne", 'x'.repeat(300))),
          data: fc.option(fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes))),
          doc: fc.option(fc.constantFrom('{"a": [1, null]}', '"text"', '17')),
          seen: fc.option(fc.constantFrom('2024-02-29 12:00:00.125', '2001-01-01 00:00:01.000')),
          flag: fc.option(fc.integer({ min: 0, max: 511 })),
          part: fc.constantFrom('p', 'q', 'ü'),
        };
        const some = fc.subarray(Object.keys(values), { minLength: 1 }).chain((picked) => fc.record(pick(values, picked)));
        const change = fc.oneof(
          { weight: 3, arbitrary: fc.record({ kind: fc.constant('insert' as const), id, row: fc.record(values) }) },
          { weight: 5, arbitrary: fc.record({ kind: fc.constant('update' as const), id, row: some }) },
          { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const), id, to: id, row: some }) },
          { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), id }) },
          {
            weight: 1,
            arbitrary: fc.record({ kind: fc.constant('image' as const), image: fc.constantFrom('MINIMAL', 'NOBLOB', 'FULL') }),
          },
        );
        const [changes = []] = fc.sample(fc.array(change, { minLength: 400, maxLength: 400, size: 'max' }), { seed, numRuns: 1 });
        const { connection } = project.source;
        await setImage(project, 'MINIMAL');
        for (const [at, one] of changes.entries()) {
          if (at % 7 === 0) await connection.query('COMMIT; BEGIN');
          if (one.kind === 'image') {
            await connection.query('COMMIT');
            await setImage(project, one.image);
          } else if (one.kind === 'insert') await connection.query('INSERT IGNORE INTO items SET ?', [{ id: one.id, ...one.row }]);
          else if (one.kind === 'update') await connection.query('UPDATE IGNORE items SET ? WHERE id = ?', [one.row, one.id]);
          else if (one.kind === 'move')
            await connection.query('UPDATE IGNORE items SET ? WHERE id = ?', [{ id: one.to, ...one.row }, one.id]);
          else await connection.query('DELETE FROM items WHERE id = ?', [one.id]);
          if (at === 150) {
            await connection.query('COMMIT');
            await expectMirrored(project);
          }
        }
        await connection.query('COMMIT');
        await expectMirrored(project).catch((error: unknown) => {
          throw new Error(`with SEED=${seed}`, { cause: error });
        });
      },
    );

    it('a plain-row mirror takes updates without all columns too', async () => {
      const project = await readyProject({ rows: 'after' });
      const { connection } = project.source;
      await connection.query("INSERT INTO items (id, note) VALUES (1, 'one'), (2, 'two')");
      await setImage(project, 'MINIMAL');
      await connection.query("UPDATE items SET cents = 5 WHERE id = 1; UPDATE items SET state = 'paid'");
      await setImage(project, 'NOBLOB');
      await connection.query('UPDATE items SET cents = NULL WHERE id = 1; UPDATE items SET data = NULL, cents = 7 WHERE id = 2');
      await expectMirrored(project);
    });

    it('an insert that does not give all columns stops a mirror, which takes the defaults where it says that it may', async () => {
      const strict = await readyProject();
      await setImage(strict, 'MINIMAL');
      await strict.source.connection.query("INSERT INTO items (id, part, cents) VALUES (1, 'p', 5)");
      const { code, said } = await strict.run();
      expect(code).toBe(1);
      expect(said).toMatch(/SOURCE_ROW_IMAGE.*mirror needs .*state.* the insert at .*row_image: partial/);
      expect(await strict.rowsOf(strict.store, 'mirror')).toEqual([]);
      const lenient = await readyProject({ rowImage: 'partial' });
      await setImage(lenient, 'MINIMAL');
      await lenient.source.connection.query("INSERT INTO items (id, part, cents) VALUES (1, 'p', 5)");
      await expectMirrored(lenient);
    });

    it('an update of a row that the mirror does not have is a dead row, and never a row with holes (L3)', async () => {
      const project = await readyProject();
      const { connection } = project.source;
      await connection.query('INSERT INTO items (id) VALUES (1), (2)');
      await expectMirrored(project);
      await project.store.connection.query('DELETE FROM mirror WHERE id = 1');
      await setImage(project, 'MINIMAL');
      await connection.query('UPDATE items SET cents = 3');
      expect(await project.run()).toMatchObject({ code: 0 });
      expect(await project.rowsOf(project.store, 'mirror')).toMatchObject([{ id: 2, cents: '3.00' }]);
      const [dead] = await project.store.connection.query<RowDataPacket[]>('SELECT code, message FROM kis_dead_row');
      expect(dead).toMatchObject([{ code: 'STORE_ROW_MISSING', message: expect.stringMatching(/row \(1,'p'\) is not there/) }]);
    });

    it('a function with code stops at the first change that lacks columns, and goes on where its flow copes with them', async () => {
      const file = `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'Mark',
  run(flow, rows) {
    for (const row of rows) flow.commitRow('note' in row ? { ...row, note: 'seen' } : row);
  },
});\n`;
      const flows = '[{fname: Mark}, {fname: SaveItems}]';
      const more = '---\nkistype: func\nfname: Mark\nfmode: Calculate\n';
      const whole = "INSERT INTO items (id, note) VALUES (1, 'a')";
      const files = { 'functions/Mark.ts': file };
      const strict = await readyProject({ rows: 'after', flows, more }, files);
      await strict.source.connection.query(whole);
      expect(await strict.run()).toMatchObject({ code: 0 });
      await setImage(strict, 'NOBLOB');
      await strict.source.connection.query('UPDATE items SET cents = 1');
      const { code, said } = await strict.run();
      expect(code).toBe(1);
      expect(said).toMatch(/SOURCE_ROW_IMAGE.*Flow f: function Mark needs note, data.* the update at .*row_image: partial/);
      expect(await strict.rowsOf(strict.store, 'mirror')).toMatchObject([{ note: 'seen', cents: null }]);
      const coping = await readyProject({ rows: 'after', flows, more, rowImage: 'partial' }, files);
      await coping.source.connection.query(whole);
      await setImage(coping, 'NOBLOB');
      await coping.source.connection.query('UPDATE items SET cents = 1');
      expect(await coping.run()).toMatchObject({ code: 0 });
      expect(await coping.rowsOf(coping.store, 'mirror')).toMatchObject([{ note: 'seen', cents: '1.00' }]);
    });

    it('an aggregate goes on under NOBLOB, whose images have what it reads, and stops under MINIMAL', async () => {
      const more = `---
kistype: func
fname: Sum
fmode: Save
operator: aggregate
option: {cname: sums}
with: {key: [state], fields: {n: count(), cents: sum(cents)}, types: {cents: decimal}}
---
kistype: conn
cname: sums
type: mysql
addrs: store
key: sums
`;
      const project = await readyProject({ flows: '[{fname: Sum}]', more });
      const { connection } = project.source;
      const sums = async () => (await project.store.connection.query('SELECT * FROM sums ORDER BY state'))[0];
      await setImage(project, 'NOBLOB');
      await connection.query("INSERT INTO items (id, cents) VALUES (1, 5), (2, 7); UPDATE items SET state = 'paid' WHERE id = 1");
      expect(await project.run()).toMatchObject({ code: 0 });
      const right = [
        { state: 'new', n: 1, cents: '7.00' },
        { state: 'paid', n: 1, cents: '5.00' },
      ];
      expect(await sums()).toMatchObject(right);
      await setImage(project, 'MINIMAL');
      await connection.query('UPDATE items SET cents = 9 WHERE id = 1');
      const { code, said } = await project.run();
      expect(code).toBe(1);
      expect(said).toMatch(/SOURCE_ROW_IMAGE.*function Sum needs state, cents of .*items, which the update at/);
      expect(await sums()).toMatchObject(right);
    });
  });
});

function pick<T>(from: Readonly<Record<string, T>>, picked: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => picked.includes(name)));
}
