import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { createFolder, spawnDaemon } from '../support/daemon-process.ts';
import { createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';

eachServer((flavour) => {
  it('L8: values of 60 MB are mirrored byte for byte', async () => {
    const server = await startPrivateServer(flavour, {
      max_allowed_packet: '1G',
      [flavour === 'mysql' ? 'innodb_redo_log_capacity' : 'innodb_log_file_size']: '1G',
    });
    const source = await createDatabase(server, 'origin');
    const store = await createDatabase(server, 'mirror');
    for (const { connection } of [source, store])
      await connection.query('CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT)');
    const bytes = "REPEAT(X'00ff275c0a0d3f', 8570000)";
    const text = "REPEAT(CONVERT(X'61C3A9F09F9880275C00' USING utf8mb4), 6000000)";
    await source.connection.query(`INSERT INTO t VALUES (1, ${bytes}, 'small'), (2, NULL, ${text}), (3, 'x', 'y')`);
    await source.connection.query('UPDATE t SET b = CONCAT(b, id) WHERE id < 2');
    await source.connection.query('UPDATE t SET c = CONCAT(id, c) WHERE id > 1');
    const folder = await createFolder({ 'conf/mirror.yml': configuration(source.name) });
    const daemon = await spawnDaemon(['run', '--until-current'], {
      cwd: folder,
      env: { SOURCE_URL: server.url, STORE_URL: store.url },
    });
    const exit = await daemon.waitForExit(300_000);
    expect(exit.code, daemon.stderr.join('\n')).toBe(0);
    const sql = 'SELECT id, LENGTH(b) AS bytes, SHA2(b, 256) AS b, LENGTH(c) AS chars, SHA2(c, 256) AS c FROM t ORDER BY id';
    const [wanted] = await source.connection.query<RowDataPacket[]>(sql);
    const [got] = await store.connection.query<RowDataPacket[]>(sql);
    expect(got).toEqual(wanted);
    expect(Number(wanted[0]?.['bytes'])).toBeGreaterThan(59_000_000);
  });
});

function configuration(source: string): string {
  return `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: mirror
source: {name: main, tables: [${source}.t], rows: change, start: earliest}
flows: [{fname: SaveT}]
---
kistype: func
fname: SaveT
fmode: Save
option: {cname: t}
---
kistype: conn
cname: t
type: mysql
addrs: store
key: t
`;
}
