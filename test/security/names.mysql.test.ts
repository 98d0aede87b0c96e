import { randomBytes } from 'node:crypto';
import { format } from 'mysql2';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { inspect } from '../../src/cli/inspect.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { visible } from '../../src/lib/visible.ts';
import { quoteName } from '../../src/store/name.ts';
import { runCommand } from '../cli/run-command.ts';
import { runLine } from '../daemon/run-project.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';

const escape = '\u001b[31m';
/** What each part of an SQL text could be left with. Identifiers of the servers have no sign beyond the basic plane, and no blank at their end. */
const evil = '`; DROP TABLE canary; -- \'"\\%_$é语 {{}} #';
const hostile = {
  table: `or'der"s${evil}`,
  /** Differs from the other in case only. */
  twin: `OR'DER"S${evil}`,
  id: `i d${evil}`,
  text: `se"lect${evil}`,
  keyword: 'select',
  long: `${evil}${'x'.repeat(64)}`.slice(0, 64),
  blank: ' starts with a blank',
  flow: `fl'ow${evil} 🎉${escape}`,
  conn: `conn${evil} 🎉\n---`,
  func: `func${evil} 🎉`,
};
const values = [
  "'); DROP TABLE canary; -- ",
  "\\'; DROP TABLE canary; -- ",
  '`; DROP TABLE canary; -- ',
  '%',
  '_',
  "''",
  '\\',
  '",(SELECT 1)',
  'é语🎉',
  `${escape}\r\nred`,
  ' blank ',
  'a,b',
  '["x"]',
  '',
];

const sql = (text: string, ...names: readonly string[]): string => {
  let at = 0;
  return text.replaceAll('¤', () => quoteName(names[at++] ?? ''));
};

async function makeSource(
  server: SqlAddress,
): Promise<{ readonly admin: Connection; readonly source: string; readonly store: string }> {
  const admin = await connectTo(server);
  const [source, store] = ['s', 't'].map((each) => `${each}${randomBytes(3).toString('hex')}${evil}`.slice(0, 60).trimEnd());
  onEnd(async () => {
    const last = await connectTo(server);
    for (const name of [source, store]) await last.query(`DROP DATABASE IF EXISTS ${quoteName(String(name))}`);
  });
  for (const name of [source, store]) {
    await admin.query(`CREATE DATABASE ${quoteName(String(name))} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
    await admin.query(sql('CREATE TABLE ¤.canary (id INT PRIMARY KEY)', String(name)));
    await admin.query(sql('INSERT INTO ¤.canary VALUES (7)', String(name)));
  }
  return { admin, source: String(source), store: String(store) };
}

const { id, text, keyword, long, blank } = hostile;

function tableSql(database: string, table: string): string {
  // the computed one takes shorter texts: a longer one is a dead row
  return sql(
    'CREATE TABLE ¤.¤ (¤ VARCHAR(100) NOT NULL PRIMARY KEY, ¤ VARCHAR(50), ¤ INT, ¤ INT, ¤ INT)',
    database,
    table,
    id,
    text,
    keyword,
    long,
    blank,
  );
}

function configuration(options: {
  readonly source: string;
  readonly url: string;
  readonly store: string;
  readonly server: SqlAddress;
}): string {
  const { source, store, server } = options;
  const q = (value: string): string => JSON.stringify(value);
  const mirror = (flow: string, table: string, at: number): string => `---
kistype: flow
flow_name: ${q(flow)}
source: {name: main, tables: [${q(`${source}.${table}`)}], rows: change, start: earliest, on_truncate: apply}
flows: [{fname: ${q(`save${at}${hostile.func}`)}}]
---
kistype: func
fname: ${q(`save${at}${hostile.func}`)}
fmode: Save
option: {cname: ${q(`save${at}${hostile.conn}`)}}
---
kistype: conn
cname: ${q(`save${at}${hostile.conn}`)}
type: mysql
addrs: store
key: ${q(table)}
`;
  return `kistype: global
store: {url: ${q(`${server.url}/${encodeURIComponent(store)}`)}}
---
kistype: source
name: main
type: mysql-binlog
url: ${q(options.url)}
${mirror(hostile.flow, hostile.table, 1)}${mirror(hostile.flow.toUpperCase(), hostile.twin, 2)}---
kistype: flow
flow_name: ${q(`sums ${hostile.flow}`)}
source: {name: main, tables: [${q(`${source}.${hostile.table}`)}], rows: change, start: earliest}
flows: [{fname: ${q(`look${hostile.func}`)}}, {fname: ${q(`sum${hostile.func}`)}}]
---
kistype: func
fname: ${q(`look${hostile.func}`)}
fmode: Load
operator: lookup
with: {match: {${q(id)}: ${q(id)}}, take: {${q(`new ${text}`)}: ${q(text)}}, missing: 'null'}
option: {cname: ${q(`look${hostile.conn}`)}}
---
kistype: conn
cname: ${q(`look${hostile.conn}`)}
type: mysql
addrs: store
key: ${q(`lookup ${hostile.table}`.slice(0, 60))}
---
kistype: func
fname: ${q(`sum${hostile.func}`)}
fmode: Save
operator: aggregate
with: {key: {${q(text)}: ${q(text)}}, fields: {${q(long)}: count()}}
option: {cname: ${q(`sum${hostile.conn}`)}}
---
kistype: conn
cname: ${q(`sum${hostile.conn}`)}
type: mysql
addrs: store
key: ${q(`sums ${hostile.table}`.slice(0, 60))}
`;
}

async function rowsOf(admin: Connection, database: string, table: string): Promise<string[]> {
  const [rows] = await admin.query<RowDataPacket[]>({
    sql: sql('SELECT * FROM ¤.¤ ORDER BY 1', database, table),
    rowsAsArray: true,
  });
  return rows.map((row) => JSON.stringify(row));
}

eachServer((_flavour, server) => {
  it('names and keys that look like SQL, and like a terminal’s commands, are names and keys everywhere', async () => {
    const { admin, source, store } = await makeSource(server);
    const migration = [
      tableSql(store, hostile.table),
      tableSql(store, hostile.twin),
      tableSql(store, `lookup ${hostile.table}`.slice(0, 60)),
      sql(
        'CREATE TABLE ¤.¤ (¤ VARCHAR(100) NOT NULL PRIMARY KEY, ¤ BIGINT)',
        store,
        `sums ${hostile.table}`.slice(0, 60),
        text,
        long,
      ),
    ].join(';\n');
    for (const table of [hostile.table, hostile.twin]) {
      await admin.query(tableSql(source, table).replace('VARCHAR(50)', 'VARCHAR(200)'));
      const into = sql('INSERT INTO ¤.¤ VALUES ', source, table);
      for (const [at, value] of values.entries())
        await admin.query(into + format('(?)', [[value, value.slice(0, 40), at, at, at]]));
      await admin.query(sql('UPDATE ¤.¤ SET ¤ = ¤ + 1', source, table, keyword, keyword));
      await admin.query(format(sql('DELETE FROM ¤.¤ WHERE ¤ = ?', source, table, id), ['']));
      await admin.query(format(sql('UPDATE ¤.¤ SET ¤ = ? WHERE ¤ = ?', source, table, id, id), ["renamed ' key", '_']));
    }
    // too long for the computed table
    await admin.query(
      sql('INSERT INTO ¤.¤ VALUES ', source, hostile.twin) +
        format('(?)', [[`dead ${evil}`, `${escape}${'y'.repeat(60)}`, 1, 1, 1]]),
    );
    const files = { 'conf/all.yml': configuration({ source, store, server, url: server.url }), 'migrations/001.sql': migration };
    const folder = await createFolder(files);
    const project = { folder, env: {} };
    const checked = await runLine(project, ['check', '--json']);
    expect(JSON.parse(checked)).toMatchObject({ errors: 0 });
    await runLine(project, ['migrate']);
    await runLine(project, ['run', '--until-current', '--log-level', 'warn']);
    expect(await rowsOf(admin, store, hostile.table)).toEqual(await rowsOf(admin, source, hostile.table));
    const isDead = (row: string): boolean => row.includes('yyyy');
    expect(await rowsOf(admin, store, hostile.twin)).toEqual(
      (await rowsOf(admin, source, hostile.twin)).filter((row) => !isDead(row)),
    );
    expect((await rowsOf(admin, store, `sums ${hostile.table}`.slice(0, 60))).length).toBe(values.length - 1);

    const said = [
      checked,
      await runLine(project, ['check']),
      await runLine(project, ['check', '--grants']),
      await runLine(project, ['status']),
      await runLine(project, ['inspect']),
      await runLine(project, ['inspect', hostile.table, `--key=${values[9]}`]),
      await runLine(project, ['dead-rows', 'list']),
      await runLine(project, ['dead-rows', 'show', '1']),
      await runLine(project, ['pause', hostile.flow]),
      await runLine(project, ['resume', hostile.flow]),
    ];
    for (const value of values.filter((each) => each !== '' && each !== '_')) {
      const key = value.startsWith('[') ? JSON.stringify([value]) : value;
      const { out } = await runCommand(inspect, { files, positionals: [hostile.table], options: { key } });
      expect(out).toContain(visible(value).trimEnd());
    }
    const other = runCommand(inspect, { files, positionals: [hostile.table], options: { key: "' OR 1=1 -- " } });
    await expect(other).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    expect(said.join('\n')).toContain(String.raw`\x1b[31m`);
    // oxlint-disable-next-line no-control-regex -- none may be left
    expect(said.join('\n')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);

    // the policy `apply` empties the computed table of this name, and of this case
    await admin.query(sql('TRUNCATE ¤.¤', source, hostile.table));
    await runLine(project, ['run', '--until-current', '--log-level', 'warn'], 1);
    expect(await rowsOf(admin, store, hostile.table)).toEqual([]);
    expect((await rowsOf(admin, store, hostile.twin)).length).toBe(values.length - 1);
    for (const database of [source, store]) expect(await rowsOf(admin, database, 'canary')).toEqual(['[7]']);
  }, 180_000);
});
