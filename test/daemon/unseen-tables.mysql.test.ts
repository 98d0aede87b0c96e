import type { ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { spawnDaemon } from '../support/daemon-process.ts';
import { eachServer } from '../support/servers.ts';
import { agree, createShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { databasesOf, fillOrders } from './rebuilding.ts';
import { computed, storeRows } from './run-project.ts';

eachServer((flavour, server) => {
  it('L3 what is computed anew without a table that the source does not show takes the place of nothing, and deletes nothing', async () => {
    const user = `reader_${process.pid}`;
    const url = server.url.replace(/\/\/(?:[^@/]*@)?/, `//${user}:word@`);
    const project = await createShopProject({ source: server, sourceUrl: url, store: server, start: 'snapshot' });
    const { name, connection } = project.source;
    const more = flavour === 'mysql' ? '' : ', BINLOG MONITOR, REPLICATION SLAVE ADMIN';
    await connection.query(
      `DROP USER IF EXISTS ${user}; CREATE USER ${user} IDENTIFIED BY 'word'; GRANT REPLICATION SLAVE, REPLICATION CLIENT${more} ON *.* TO ${user};
       GRANT SELECT ON \`${name}\`.* TO ${user}`,
    );
    await fillOrders(project, 100);
    const daemon = await spawnDaemon(['run', '--lease-ttl', '600'], { cwd: project.folder, env: project.env });
    await agree(project);
    /** As the commands ask for them. */
    const end = async (kinds: Readonly<Record<string, string>>, options = '{}'): Promise<readonly RowDataPacket[]> => {
      const ids: number[] = [];
      for (const [flow, kind] of Object.entries(kinds)) {
        const [{ insertId }] = await project.store.connection.query<ResultSetHeader>(
          "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at) VALUES (?, ?, 'waiting', ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
          [flow, kind, options],
        );
        ids.push(insertId);
      }
      return waitFor(
        async () => {
          const rows = await storeRows(project, 'SELECT * FROM kis_run WHERE id IN (?) ORDER BY id', [ids]);
          return rows.every(({ open_kind: open }) => open === null) ? rows : undefined;
        },
        { deadlineMs: 60_000, what: 'the end of the runs' },
      );
    };
    const before = (await computed(project)).slice(0, 2);
    // the binlog is still its to read
    await connection.query(`REVOKE SELECT ON \`${name}\`.* FROM ${user}`);
    const failed = { state: 'failed', error_code: 'SNAPSHOT_GRANT_MISSING', error_text: expect.stringContaining(`${name}.orders`) };
    expect(await end({ mirror: 'verify', totals: 'rebuild' }, '{"repair":true}')).toMatchObject([failed, failed]);
    expect((await computed(project)).slice(0, 2)).toEqual(before);
    await connection.query(`GRANT SELECT ON \`${name}\`.* TO ${user}`);
    expect(await end({ mirror: 'rebuild', totals: 'verify' })).toMatchObject([{ state: 'done' }, { state: 'done' }]);
    expect((await computed(project)).slice(0, 2)).toEqual(before);
    expect(await databasesOf(project)).toEqual([project.store.name]);
    daemon.kill();
    expect((await daemon.waitForExit()).code).toBe(0);
    await connection.query(`DROP USER ${user}`);
  }, 90_000);
});
