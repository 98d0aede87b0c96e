import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/lib/error-codes.ts';
import { findObstacles } from '../../src/source/obstacle.ts';
import { withServer } from '../../src/source/server-link.ts';
import { readServerSettings } from '../../src/source/server-settings.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { never, openSource, rejection } from './reading.ts';

eachServer((flavour, server) => {
  const settingsOf = (url: string) => withServer({ url, connectTimeoutMs: 2000, signal: never }, readServerSettings);

  describe('inspect', () => {
    it('tells what a good server is', async () => {
      const source = openSource(server.url);
      const identity = await source.inspect(never);
      expect(identity).toMatchObject({ flavour, hasGtid: true });
      expect((await source.head(never)).server).toBe(identity.server);
      const settings = await settingsOf(server.url);
      expect(findObstacles(settings)).toEqual([]);
      expect(settings).toMatchObject({
        hasBinlog: true,
        rowImage: 'FULL',
        rowMetadata: 'FULL',
        grants: { canDump: true, canAskStatus: true },
      });
    });

    it('refuses a server that is not there, one that never answers, and a wrong password', async () => {
      expect(await rejection(openSource('mysql://root@127.0.0.1:1').inspect(never))).toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        class: 'retry',
      });
      const proxy = await startHalfOpenProxy(server);
      proxy.setMode('half-open');
      const silent = openSource(`mysql://${server.user}:${server.password}@127.0.0.1:${proxy.port}`, { connectTimeoutMs: 300 });
      expect(await rejection(silent.inspect(never))).toMatchObject({ code: 'SOURCE_UNREACHABLE', class: 'retry' });
      const wrong = openSource(`mysql://${server.user}:wrong@${server.host}:${server.port}`);
      expect(await rejection(wrong.inspect(never))).toMatchObject({ code: 'SOURCE_ACCESS_DENIED', class: 'stop' });
    });

    it('refuses an account that lacks a grant, and names it; reading says the same', async () => {
      const own = await startPrivateServer(flavour);
      const connection = await connectTo(own);
      await connection.query("CREATE USER reader@'%' IDENTIFIED BY 'secret-1'");
      const source = openSource(`mysql://reader:secret-1@${own.host}:${own.port}`);
      expect(await rejection(source.inspect(never))).toMatchObject({
        code: 'SOURCE_GRANT_MISSING',
        message: expect.stringContaining('GRANT REPLICATION SLAVE'),
      });
      await connection.query("GRANT REPLICATION SLAVE ON *.* TO reader@'%'");
      expect(await rejection(source.inspect(never))).toMatchObject({
        code: 'SOURCE_GRANT_MISSING',
        message: expect.stringMatching(/REPLICATION CLIENT|BINLOG MONITOR/),
      });
      expect(await rejection(source.head(never))).toMatchObject({ code: 'SOURCE_GRANT_MISSING' });
      await connection.query("GRANT REPLICATION CLIENT ON *.* TO reader@'%'");
      await expect(source.inspect(never)).resolves.toMatchObject({ flavour });
    });

    it('refuses a server without a binlog', async () => {
      const own = await startPrivateServer(flavour, { log_bin: null, gtid_mode: null, enforce_gtid_consistency: null });
      const source = openSource(own.url);
      expect(await rejection(source.inspect(never))).toMatchObject({ code: 'SOURCE_BINLOG_OFF' });
      expect(await rejection(source.head(never))).toMatchObject({ code: 'SOURCE_BINLOG_OFF' });
    });

    it('refuses every setting under which the binlog cannot be read exactly, with the SQL that mends it', async () => {
      const own = await startPrivateServer(flavour);
      const connection = await connectTo(own);
      const source = openSource(own.url);
      const cases: readonly (readonly [name: string, bad: string, good: string, code: ErrorCode])[] = [
        ['binlog_format', 'MIXED', 'ROW', 'SOURCE_STATEMENT_FORMAT'],
      ];
      for (const [name, bad, good, code] of cases) {
        await connection.query(`SET GLOBAL ${name} = ${bad}`);
        expect(await rejection(source.inspect(never)), name).toMatchObject({
          code,
          message: expect.stringContaining(`SET GLOBAL ${name} = ${good}`),
        });
        await connection.query(`SET GLOBAL ${name} = ${good}`);
      }
      await expect(source.inspect(never)).resolves.toMatchObject({ flavour });
    });

    it('reads under every setting that changes only how rows are written', async () => {
      const own = await startPrivateServer(flavour);
      const connection = await connectTo(own);
      const source = openSource(own.url);
      const settings = [
        'binlog_row_image = MINIMAL',
        'binlog_row_metadata = MINIMAL',
        ...(flavour === 'mysql' ? ['binlog_transaction_compression = ON', 'binlog_row_value_options = PARTIAL_JSON'] : []),
      ];
      for (const setting of settings) await connection.query(`SET GLOBAL ${setting}`);
      await expect(source.inspect(never)).resolves.toMatchObject({ flavour });
    });
  });
});
