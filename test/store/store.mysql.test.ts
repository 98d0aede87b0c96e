import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { openStore, type OpenStoreOptions } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

async function open(options: OpenStoreOptions) {
  const store = await openStore(options);
  onEnd(() => store.close());
  return store;
}

async function fail(work: Promise<unknown>): Promise<CodedError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CodedError) return error;
  throw new Error(`expected a CodedError, not ${String(error)}`, { cause: error });
}

eachServer((flavour, server) => {
  const database = async () => (await createDatabase(server)).url;

  describe('opening', () => {
    it('makes the database when it is not there, in utf8mb4', async () => {
      const { connection, url, name } = await createDatabase(server);
      await connection.query(`DROP DATABASE \`${name}\``);
      const store = await open({ url });
      const { rows } = await store.query(
        'SELECT default_character_set_name AS c FROM information_schema.schemata WHERE schema_name = ?',
        [name],
      );
      expect(rows).toEqual([{ c: 'utf8mb4' }]);
      expect(store).toMatchObject({ flavour, database: name });
    });

    it('says who the server is, as a source does', async () => {
      const { serverIdentity } = await open({ url: await database() });
      expect(serverIdentity).toMatch(flavour === 'mysql' ? /^[0-9a-f-]{36}$/ : /^server_id:\d+$/);
    });

    it('a wrong password is STORE_ACCESS_DENIED, an absent server STORE_UNREACHABLE', async () => {
      const wrong = `mysql://nobody:secret@${server.host}:${server.port}/d`;
      const denied = await fail(openStore({ url: wrong }));
      expect(denied).toMatchObject({ code: 'STORE_ACCESS_DENIED', class: 'stop' });
      expect(denied.message).not.toContain('secret');
      expect(await fail(openStore({ url: 'mysql://u@127.0.0.1:1/d' }))).toMatchObject({
        code: 'STORE_UNREACHABLE',
        class: 'retry',
      });
    });
  });

  describe('values', () => {
    it('L8: numbers that JavaScript cannot hold come as text, dates as the server prints them, JSON as its text', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE v (b BIGINT, d DECIMAL(20,2), z DATE, t TIMESTAMP(3), j JSON, y VARBINARY(3))');
      await store.query(`INSERT INTO v VALUES (9007199254740993, '1.10', '0000-00-00', '2024-01-01 00:00:00.5', '[1]', x'00ff')`);
      expect((await store.query('SELECT * FROM v')).rows).toEqual([
        { b: '9007199254740993', d: '1.10', z: '0000-00-00', t: '2024-01-01 00:00:00.500', j: '[1]', y: Buffer.from([0, 255]) },
      ]);
    });

    it('a value that does not fit is refused, never cut', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE v (s VARCHAR(2)) ENGINE = InnoDB');
      expect(await fail(store.query("INSERT INTO v VALUES ('abc')"))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
    });
  });

  describe('a transaction', () => {
    it('is committed when its work resolves and rolled back when it rejects', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
      expect(await store.transaction(async (tx) => (await tx.query('INSERT INTO t VALUES (1), (2)')).affectedRows)).toBe(2);
      await expect(
        store.transaction(async (tx) => {
          await tx.query('INSERT INTO t VALUES (3)');
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      expect((await store.query('SELECT i FROM t')).rows).toEqual([{ i: 1 }, { i: 2 }]);
    });

    it('more callers than connections wait their turn', async () => {
      const store = await open({ url: await database(), connectionsMax: 2 });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
      await Promise.all(Array.from({ length: 20 }, (_, i) => store.transaction((tx) => tx.query('INSERT INTO t VALUES (?)', [i]))));
      expect((await store.query('SELECT COUNT(*) AS n FROM t')).rows).toEqual([{ n: 20 }]);
    });

    it('a deadlock is class retry, and its loser starts again on the same store', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY, n INT NOT NULL)');
      await store.query('INSERT INTO t VALUES (1, 0), (2, 0)');
      const [a, b] = [await store.openSession(), await store.openSession()];
      await a.query('UPDATE t SET n = 1 WHERE i = 1');
      await b.query('UPDATE t SET n = 1 WHERE i = 2');
      const outcomes = await Promise.allSettled([
        a.query('UPDATE t SET n = 2 WHERE i = 2'),
        b.query('UPDATE t SET n = 2 WHERE i = 1'),
      ]);
      const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(lost).toHaveLength(1);
      expect(lost[0]?.reason).toMatchObject({ class: 'retry', details: { errno: 1213 } });
      expect([a.isBroken, b.isBroken]).toEqual([false, false]);
    });
  });

  describe('a session', () => {
    it('keeps what was committed and nothing else, without a BEGIN', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
      const session = await store.openSession();
      await session.query('INSERT INTO t VALUES (1)');
      await session.commit();
      await session.query('INSERT INTO t VALUES (2)');
      await session.rollback();
      await session.query('INSERT INTO t VALUES (3)');
      await session.close();
      expect((await store.query('SELECT i FROM t')).rows).toEqual([{ i: 1 }]);
    });

    it('L1: killed in the middle of a batch, it is broken and nothing of the batch stays', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
      const session = await store.openSession();
      await session.query('INSERT INTO t VALUES (1)');
      await store.query(`KILL ${session.threadId}`);
      expect(await fail(session.query('INSERT INTO t VALUES (2)').then(() => session.commit()))).toMatchObject({
        code: 'STORE_UNREACHABLE',
        class: 'retry',
      });
      expect(session.isBroken).toBe(true);
      expect(await fail(session.commit())).toMatchObject({ class: 'retry' });
      expect((await store.query('SELECT i FROM t')).rows).toEqual([]);
      await session.close();
    });

    it('notices by itself that its server dropped it', async () => {
      const store = await open({ url: await database() });
      const session = await store.openSession();
      await store.query(`KILL ${session.threadId}`);
      await waitFor(() => session.isBroken, { what: 'the session to be broken' });
    });

    it('L12: a statement that outlives its deadline breaks the session, and frees its locks', async () => {
      const store = await open({ url: await database() });
      await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
      const session = await store.openSession({ statementTimeoutMs: 300 });
      await session.query('INSERT INTO t VALUES (1)');
      expect(await fail(session.query('SELECT SLEEP(2)'))).toMatchObject({ code: 'STORE_TIMEOUT', class: 'retry' });
      expect(session.isBroken).toBe(true);
      await store.query('INSERT INTO t VALUES (1)'); // waits until the server has noticed
      expect((await store.query('SELECT i FROM t')).rows).toEqual([{ i: 1 }]);
    });

    it('destroyed, it rejects what was in flight at once', async () => {
      const store = await open({ url: await database() });
      const session = await store.openSession();
      const sleeping = fail(session.query('SELECT SLEEP(30)'));
      session.destroy();
      expect(await sleeping).toMatchObject({ code: 'STORE_UNREACHABLE' });
    });

    it('closing the store ends its sessions and refuses further work', async () => {
      const store = await openStore({ url: await database() });
      const session = await store.openSession();
      await store.close();
      expect(session.isBroken).toBe(true);
      expect(await fail(store.query('SELECT 1'))).toMatchObject({ code: 'STORE_UNREACHABLE' });
    });
  });

  it('a store that is read-only says STORE_READ_ONLY', async () => {
    const own = await startPrivateServer(flavour);
    const root = await connectTo(own);
    await root.query('CREATE DATABASE d');
    await root.query("CREATE USER 'app'@'%' IDENTIFIED BY 'app'");
    await root.query("GRANT ALL ON d.* TO 'app'@'%'");
    const store = await open({ url: `mysql://app:app@${own.host}:${own.port}/d` });
    await store.query('CREATE TABLE t (i INT PRIMARY KEY)');
    await root.query('SET GLOBAL read_only = ON');
    expect(await fail(store.query('INSERT INTO t VALUES (1)'))).toMatchObject({ code: 'STORE_READ_ONLY', class: 'retry' });
  });

  it('L12: a server that stops answering is noticed by the deadline, and the store works again when it is back', async () => {
    const own = await startPrivateServer(flavour);
    const store = await open({ url: `${own.url}/d`, statementTimeoutMs: 500, connectTimeoutMs: 500 });
    await own.pauseProcess();
    expect(await fail(store.query('SELECT 1'))).toMatchObject({ class: 'retry' });
    await own.resumeProcess();
    await waitFor(() => store.query('SELECT 1'), { what: 'the store to answer again' });
  });
});
