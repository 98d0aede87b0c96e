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

  it('L3: a value larger than the store takes is kept as a dead row with its code, the others go on, and a larger limit mends it', async () => {
    const large = { max_allowed_packet: '1G', [flavour === 'mysql' ? 'innodb_redo_log_capacity' : 'innodb_log_file_size']: '1G' };
    const server = await startPrivateServer(flavour, large);
    const small = await startPrivateServer(flavour, { ...large, max_allowed_packet: '16M' });
    const source = await createDatabase(server, 'origin');
    const store = await createDatabase(small, 'mirror');
    for (const { connection } of [source, store])
      await connection.query('CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT)');
    await source.connection.query(
      `INSERT INTO t VALUES (1, 'x', 'y'), (2, REPEAT(X'00ff275c0a0d3f', 8570000), 'z'), (3, 'x', 'y')`,
    );
    await source.connection.query("INSERT INTO t VALUES (4, 'x', 'y')");
    const folder = await createFolder({ 'conf/mirror.yml': configuration(source.name) });
    const env = { SOURCE_URL: server.url, STORE_URL: store.url };
    const daemon = await spawnDaemon(['run', '--until-current'], { cwd: folder, env });
    const exit = await daemon.waitForExit(300_000);
    const said = daemon.stderr.join('\n');
    expect(exit.code, said).toBe(0);
    const [ids] = await store.connection.query<RowDataPacket[]>('SELECT id FROM t ORDER BY id');
    expect(ids.map((row) => row['id'])).toEqual([1, 3, 4]);
    expect(said).toContain('max_allowed_packet');
    const [dead] = await store.connection.query<RowDataPacket[]>('SELECT code, message FROM kis_dead_row');
    expect(dead).toHaveLength(1);
    expect(String(dead[0]?.['message'])).toContain('max_allowed_packet');
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
