import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMysqlConnector } from '../../src/connector/mysql.ts';
import { CodedError } from '../../src/lib/error.ts';
import { DumpConnection } from '../../src/source/dump-connection.ts';
import { withServer } from '../../src/source/server-link.ts';
import { openStore } from '../../src/store/open.ts';
import { runLine, runUntilCurrent } from '../daemon/run-project.ts';
import { never } from '../source/reading.ts';
import { createFolder } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements } from '../support/shop-project.ts';
import { startImpostor, startStrippingProxy, startTlsServer, tlsFile, type TlsServer } from '../support/tls-files.ts';

const ca = `ssl=verify&ssl_ca=${tlsFile('ca.crt')}`;
const ofClient = (name: string) => `ssl_cert=${tlsFile(`${name}.crt`)}&ssl_key=${tlsFile(`${name}.key`)}`;
const hardPassword = `p@s:s/w?ö#r%d&'"\\\``;

async function failureOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'none';
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return `${error.code} (${error.class}): ${error.message}`;
  }
}

/** Which words each part of kisflow fails with at an address (`user@host:port` and parameters); `none` where it does not. */
async function failuresAt(flavour: 'mysql' | 'mariadb', login: string, parameters: string) {
  const url = `mysql://${login}`;
  const storeUrl = `${url}/tls_store${parameters}`;
  const source = await failureOf(() =>
    withServer({ url: `${url}/${parameters}`, connectTimeoutMs: 5000, signal: never }, (query) => query('SELECT 1')),
  );
  const dump = await failureOf(async () => {
    await new Promise<void>((resolve, reject) => {
      const connection = new DumpConnection({
        url: `${url}/${parameters}`,
        flavour,
        connectTimeoutMs: 5000,
        serverId: 4711,
        from: { file: 'binlog.000001', offset: 4 },
        isBounded: true,
        heartbeatMs: 1000,
        onEvent: () => {},
        onEnd: () => (connection.close(), resolve()),
        onError: (error) => (connection.close(), reject(error)),
      });
    });
  });
  const store = await failureOf(async () => (await openStore({ url: storeUrl })).close());
  const connector = await failureOf(async () => {
    const made = createMysqlConnector({ name: 'far', type: 'mysql', addrs: storeUrl, key: 't', params: {} });
    try {
      await made.open();
    } finally {
      await made.close();
    }
  });
  return { source, dump, store, connector };
}

eachServer((flavour) => {
  describe('TLS', () => {
    let tls: TlsServer;
    let admin: Connection;
    let port = 0;

    beforeAll(async () => {
      tls = await startTlsServer(flavour);
      ({ port } = tls.server);
      admin = await connectTo(tls.server);
      await admin.query('CREATE DATABASE tls_store');
      const password = (text: string) => admin.escape(text);
      for (const [user, demand] of [
        ['plain', 'NONE'],
        ['ssl', 'SSL'],
        ['x509', 'X509'],
      ]) {
        await admin.query(`CREATE USER '${user}'@'%' IDENTIFIED BY ${password(hardPassword)} REQUIRE ${demand}`);
        await admin.query(`GRANT ALL ON *.* TO '${user}'@'%'`);
      }
    }, 120_000);

    const login = (user: string, host = 'localhost', at = port) => `${user}:${encodeURIComponent(hardPassword)}@${host}:${at}`;

    /** Expects all four parts to fail in the same way: with their TLS code, a class that does not retry, and these words. */
    async function expectRefused(who: string, parameters: string, words: RegExp, codes = ['SOURCE_TLS', 'STORE_TLS']) {
      const { source, dump, store, connector } = await failuresAt(flavour, who, parameters);
      const [ofSource, ofStore] = codes;
      for (const [said, code] of [
        [source, ofSource],
        [dump, ofSource],
        [store, ofStore],
        [connector, 'CONNECTOR_FAILED'],
      ] as const) {
        expect(said).toMatch(new RegExp(`^${code} \\(stop\\)`));
        expect(said).toMatch(words);
        expect(said).not.toContain(hardPassword);
        expect(said).not.toContain(encodeURIComponent(hardPassword));
      }
    }

    const works = { source: 'none', dump: 'none', store: 'none', connector: 'none' };

    it('a certificate of the CA, for the host that is asked for, is taken; any other is refused with what is wrong and what to write', async () => {
      expect(await failuresAt(flavour, login('ssl'), `?${ca}`)).toEqual(works);
      expect(await failuresAt(flavour, login('ssl'), '?ssl=encrypt')).toEqual(works);
      await expectRefused(login('ssl'), '?ssl=verify', /self-signed certificate.*ssl_ca=/);
      await expectRefused(login('ssl'), `?ssl=verify&ssl_ca=${tlsFile('other-ca.crt')}`, /certificate.*ssl_ca=/);
      await expectRefused(login('ssl', '127.0.0.1'), `?${ca}`, /127\.0\.0\.1.*write the host that the certificate names/);
      await tls.show(admin, 'by-address');
      expect(await failuresAt(flavour, login('ssl', '127.0.0.1'), `?${ca}`)).toEqual(works);
      await expectRefused(login('ssl'), `?${ca}`, /localhost.*write the host that the certificate names/);
      await tls.show(admin, 'server');
      // a MySQL server would not load it
      const impostor = await startImpostor(tls.server, 'expired');
      await expectRefused(login('ssl', 'localhost', impostor), `?${ca}`, /certificate has expired; renew/);
      expect(await failuresAt(flavour, login('ssl'), `?${ca}`)).toEqual(works);
    });

    it('a client certificate is shown where the address names one, and asked for where an account demands it', async () => {
      expect(await failuresAt(flavour, login('x509'), `?${ca}&${ofClient('client')}`)).toEqual(works);
      await expectRefused(login('x509'), `?${ca}`, /REQUIREs X509: add ssl_cert/, ['SOURCE_ACCESS_DENIED', 'STORE_ACCESS_DENIED']);
      const stranger = await failuresAt(flavour, login('x509'), `?${ca}&${ofClient('stranger')}`);
      expect(Object.values(stranger).join('\n')).not.toMatch(/^none/m);
    });

    it('without TLS an account or a server that demands it is refused, and the message says what to write', async () => {
      expect(await failuresAt(flavour, login('plain'), '')).toEqual(works);
      await expectRefused(login('ssl'), '', /takes TLS only: write \?ssl=verify/, ['SOURCE_ACCESS_DENIED', 'STORE_ACCESS_DENIED']);
      await admin.query('SET GLOBAL require_secure_transport = ON');
      try {
        // MariaDB 10.11 says no more than that the login is refused
        const codes = flavour === 'mysql' ? ['SOURCE_TLS', 'STORE_TLS'] : ['SOURCE_ACCESS_DENIED', 'STORE_ACCESS_DENIED'];
        await expectRefused(login('plain'), '', /(insecure transport|TLS only).*write \?ssl=verify/, codes);
      } finally {
        await admin.query('SET GLOBAL require_secure_transport = OFF');
      }
    });

    it('no silent downgrade: a server whose greeting offers no TLS is refused before anything is said to it', async () => {
      const proxy = await startStrippingProxy(tls.server);
      for (const parameters of [`?${ca}`, '?ssl=encrypt'])
        await expectRefused(login('plain', 'localhost', proxy.port), parameters, /does not support secure connection/);
      expect(proxy.bytesSaid()).toBe(0);
      // the same proxy lets a client pass that asks for no TLS
      expect(await failuresAt(flavour, login('plain', 'localhost', proxy.port), '')).toEqual(works);
      expect(proxy.bytesSaid()).toBeGreaterThan(100);
    });

    it('files that are missing, or no certificates, are named', async () => {
      const folder = await createFolder({ 'ca.pem': 'no certificate' });
      await expectRefused(login('ssl'), `?ssl=verify&ssl_ca=${folder}/none.pem`, /ssl_ca cannot be read: ENOENT.*none\.pem/);
      await expectRefused(login('ssl'), `?ssl=verify&ssl_ca=${folder}/ca.pem`, /ca\.pem holds no PEM block/);
      const pair = `ssl_cert=${tlsFile('client.crt')}&ssl_key=${tlsFile('stranger.key')}`;
      await expectRefused(login('ssl'), `?${ca}&${pair}`, /stranger\.key.*key values mismatch/);
    });

    it('a daemon runs over TLS with client certificates from end to end, on a server that takes nothing else', async () => {
      const parameters = `?${ca}&${ofClient('client')}`;
      const project = await createShopProject({ source: tls.server, store: tls.server, start: 'earliest' });
      const url = `mysql://${login('x509')}`;
      const env = { SOURCE_URL: `${url}/${parameters}`, STORE_URL: `${url}/${project.store.name}${parameters}` };
      await project.source.connection.query(
        "INSERT INTO orders VALUES (1, 1, 100, 'a'), (2, 1, 50, REPEAT('x', 200)); DELETE FROM orders WHERE id = 1",
      );
      await admin.query('SET GLOBAL require_secure_transport = ON');
      try {
        await runUntilCurrent({ ...project, env });
        await runLine({ ...project, env }, ['status']);
        await runLine({ ...project, env }, ['check'], 0);
      } finally {
        await admin.query('SET GLOBAL require_secure_transport = OFF');
      }
      expect(await disagreements(project)).toEqual([]);
    });

    it('a renewed CA file counts from the next connection on', async () => {
      const folder = await createFolder();
      const file = join(folder, 'ca.pem');

      await writeFile(file, await readFile(tlsFile('other-ca.crt')));
      const ask = () => failuresAt(flavour, login('ssl'), `?ssl=verify&ssl_ca=${file}`);
      expect((await ask()).store).toMatch(/^STORE_TLS/);
      await rm(file);
      await writeFile(file, await readFile(tlsFile('ca.crt')));
      expect(await ask()).toEqual(works);
    });
  });
});
