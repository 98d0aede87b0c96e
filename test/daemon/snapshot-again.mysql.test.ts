import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { createRun, readRun, setRunWish } from '../../src/repair/run-record.ts';
import type { Run, RunState } from '../../src/repair/run.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder, startCommand } from '../support/daemon-process.ts';
import { connectTo, createDatabase, eachServer, type TestDatabase } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

/** Keys that this process cannot order, and two tables more, of which one has no rows. */
const tables = [
  'CREATE TABLE words (word VARCHAR(40) COLLATE utf8mb4_general_ci, lang CHAR(2), n BIGINT NOT NULL, PRIMARY KEY (word, lang))',
  'CREATE TABLE bins (id VARBINARY(16) PRIMARY KEY, n BIGINT NOT NULL)',
  'CREATE TABLE empty_one (id INT PRIMARY KEY, n BIGINT NOT NULL)',
];

const configuration = (source: string): string => `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
${['words', 'bins', 'empty_one']
  .map(
    (table) => `---
kistype: flow
flow_name: ${table}
source: {name: main, tables: [${source}.${table}], rows: change, snapshot: {chunks: 3}}
batch: {rows: 50}
lineage: ${table === 'bins'}
flows: [{fname: Save_${table}}]
---
kistype: func
fname: Save_${table}
fmode: Save
option: {cname: ${table}}
---
kistype: conn
cname: ${table}
type: mysql
addrs: store
key: ${table}_copy
`,
  )
  .join('')}`;

async function rowsOf({ connection, name }: TestDatabase, table: string, where = 'TRUE'): Promise<string[]> {
  const [rows] = await connection.query<RowDataPacket[]>(`SELECT * FROM \`${name}\`.${table} WHERE ${where}`);
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

eachServer((_flavour, server) => {
  it('tables with any key are read by a flow that starts, and again in part while it runs: what is wrong there is mended, and nothing else is touched', async () => {
    const source = await createDatabase(server, 'lexicon');
    const store = await createDatabase(server, 'store');
    for (const table of tables) await source.connection.query(table);
    const words = Array.from({ length: 600 }, (_, i) => [
      `w${'äÖßéÅ'[i % 5] ?? ''}${(i * 7919) % 600}`,
      ['de', 'EN', 'fr'][i % 3],
      i,
    ]);
    await source.connection.query('INSERT INTO words VALUES ?', [words]);
    await source.connection.query('INSERT INTO bins SELECT LEFT(UNHEX(SHA2(n, 256)), 16), n FROM words');
    const folder = await createFolder({
      'conf/all.yml': configuration(source.name),
      'migrations/001.sql': tables.map((sql) => `${sql.replace(/TABLE (\w+)/, 'TABLE $1_copy')};`).join('\n'),
    });
    const env = { SOURCE_URL: server.url, STORE_URL: store.url };
    const daemon = await startCommand(['run'], { cwd: folder, env });
    const equal = async (): Promise<boolean> => {
      for (const table of ['words', 'bins', 'empty_one'])
        expect(await rowsOf(store, `${table}_copy`)).toEqual(await rowsOf(source, table));
      return true;
    };
    await waitFor(equal, { deadlineMs: 30_000, what: daemon.stderr.join('\n') });

    const records = await openStore({ url: store.url, logger: silentLogger });
    onEnd(() => records.close());
    const ended = async (id: string, ...states: RunState[]): Promise<Run> => {
      const isIn = async (): Promise<boolean> => {
        const now = await readRun(records, id);
        if (!states.includes(now.state)) throw new Error(JSON.stringify(now));
        return true;
      };
      await waitFor(isIn, { deadlineMs: 20_000, what: `run ${id} ${states.join(' or ')}` });
      return readRun(records, id);
    };
    await waitFor(async () => (await rowsOf(store, 'kis_run', "state <> 'done'")).length === 0, {
      deadlineMs: 20_000,
      what: 'first runs done',
    });

    // no change stands for them
    expect(await rowsOf(store, 'kis_lineage', "row_key <> ''")).toHaveLength(600);
    expect(await rowsOf(store, 'kis_lineage', "position NOT REGEXP ' run=[0-9]+$' OR commit_time IS NULL")).toEqual([]);

    // a writer beside: what it writes stays
    const writer = await connectTo(server, source.name);
    await store.connection.query('UPDATE words_copy SET n = -1; DELETE FROM words_copy WHERE n = -1 AND lang = "de" LIMIT 50');
    const before = await rowsOf(store, 'words_copy', 'lang = "fr"');
    const part = { tables: [`${source.name}.words`], where: 'lang <> "fr"' };
    const id = await createRun(records, { flow: 'words', kind: 'snapshot', isStart: false, options: part });
    await writer.query('UPDATE words SET n = n + 1000 WHERE lang = "EN"');
    const run = await ended(id, 'done', 'failed');
    expect(run).toMatchObject({ state: 'done', errorCode: null });
    expect(run.tables.map(({ rowsDone }) => rowsDone)[0]).toBeGreaterThan(150);
    await waitFor(async () => {
      expect(await rowsOf(store, 'words_copy', 'lang <> "fr"')).toEqual(await rowsOf(source, 'words', 'lang <> "fr"'));
      return true;
    });
    expect(await rowsOf(store, 'words_copy', 'lang = "fr"')).toEqual(before);

    // a condition that is none: the run fails, the flow goes on
    const wrong = { tables: [`${source.name}.words`], where: 'no_such_column = 1' };
    const failing = await createRun(records, { flow: 'words', kind: 'snapshot', isStart: false, options: wrong });
    expect(await ended(failing, 'done', 'failed')).toMatchObject({ state: 'failed', errorCode: 'SNAPSHOT_WHERE' });

    // paused it reads nothing, then it goes on; or it is cancelled
    await store.connection.query("UPDATE words_copy SET n = -1 WHERE lang = 'fr'");
    const whole = { flow: 'words', kind: 'snapshot' as const, isStart: false, options: { tables: [`${source.name}.words`] } };
    const paused = await createRun(records, whole);
    await setRunWish(records, paused, 'pause');
    await ended(paused, 'paused');
    await writer.query("INSERT INTO words VALUES ('late', 'fr', 1)");
    await waitFor(async () => (await rowsOf(store, 'words_copy', "word = 'late'")).length === 1);
    expect(await rowsOf(store, 'words_copy', 'n = -1')).toHaveLength(200);
    await setRunWish(records, paused, 'resume');
    await ended(paused, 'done');
    await equal();
    const last = await createRun(records, whole);
    await setRunWish(records, last, 'pause');
    await ended(last, 'paused');
    await setRunWish(records, last, 'cancel');
    await ended(last, 'cancelled');
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(0);
    expect(daemon.stderr.filter((line) => /"level":(50|60)/.test(line) && !line.includes('SNAPSHOT_WHERE'))).toEqual([]);
  }, 120_000);
});
