import { describe, expect, it } from 'vitest';
import { createMysqlConnector } from '../../src/connector/mysql.ts';
import type { BatchScope, ConnectorSession } from '../../src/connector/contract.ts';
import { deferred } from '../../src/lib/abort.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { makeChange, type Row } from '../../src/row/change.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const batchOf = (store: BatchScope['store']): BatchScope => ({
  id: 'b',
  flow: 'f',
  store,
  signal: new AbortController().signal,
  logger: silentLogger,
});

const change = (before: Row | null, after: Row | null) =>
  makeChange({
    op: before === null ? 'insert' : after === null ? 'delete' : 'update',
    table: 's.x',
    before,
    after,
    key: ['id'],
    position: 'f:1',
    time: 0,
  });

const fail = async (work: Promise<unknown>): Promise<CodedError> => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CodedError) return error;
  throw new Error(`expected a CodedError, not ${String(error)}`, { cause: error });
};

eachServer((_flavour, server) => {
  async function open(ddl: string, params: Readonly<Record<string, string>> = {}) {
    const store: Store = await openStore({ url: (await createDatabase(server)).url });
    onEnd(() => store.close());
    await store.query(ddl);
    const connector = createMysqlConnector({ name: 'c', type: 'mysql', addrs: 'store', key: 't', params });
    const inBatch = <T>(work: (session: ConnectorSession) => Promise<T>): Promise<T> =>
      store.transaction((transaction) => work(connector.session(batchOf(transaction))));
    return {
      store,
      save: (...rows: readonly unknown[]) => inBatch((session) => session.save(rows)),
      load: (...keys: readonly Row[]) => inBatch((session) => session.load(keys)),
      rows: async () => (await store.query('SELECT * FROM t ORDER BY 1')).rows,
    };
  }

  describe('values', () => {
    it('L8: what load gives, save writes back unchanged, for every type', async () => {
      const { save, load, store } =
        await open(`CREATE TABLE t (id INT PRIMARY KEY, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(30,10), fl FLOAT, db DOUBLE,
        ch VARCHAR(100), bi BINARY(4), vb VARBINARY(100), bl BLOB, da DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, tm TIME(2), ye YEAR, bt BIT(12),
        en ENUM('a','b'), se SET('x','y'), js JSON)`);
      await store.query(
        `INSERT INTO t VALUES
        (1, -128, 18446744073709551615, '-12345678901234567890.0000000001', 1.5, 1.7976931348623157e308, 'a''b\\\\ 😀', x'00ff2700', x'00', x'5c27', '0000-00-00',
         '2024-02-31 23:59:59.123456', '2024-01-01 00:00:00.001', '-838:59:59.00', 1999, x'0fff', 'b', 'x,y', '{"a": [1, null, "é"]}'),
        (0, 0, 0, 0, -0.25, 5e-324, '', x'00', x'', x'', '9999-12-31', '0000-00-00 00:00:00', NULL, '00:00:00.01', 0, 0, '', '', '"text"')`.replace(
          "'', '', '\"text\"'",
          "'a', '', '\"text\"'",
        ),
      );
      await store.query('CREATE TABLE wanted AS SELECT * FROM t');
      const rows = await load({ id: 0 }, { id: 1 });
      await store.query('DELETE FROM t');
      await save(...rows);
      const names = Object.keys(rows[0] ?? {});
      const asText = async (table: string) =>
        (
          await store.query(
            `SELECT ${names.map((name) => `HEX(CAST(${name} AS CHAR)) AS ${name}`).join(', ')} FROM ${table} ORDER BY id`,
          )
        ).rows;
      expect(await asText('t')).toEqual(await asText('wanted'));
    });

    it('L8: the empty value of an ENUM is written as it is, and no other row is given it', async () => {
      const { save, store } = await open(
        "CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, e ENUM('a', 'b'), f ENUM('', 'x') NOT NULL, n INT)",
      );
      await save(
        { k: 'é', e: '', f: '', n: 1 },
        { k: 'E', e: 'b', f: 'x', n: 2 },
        { k: 'z', e: '', f: 'x', n: 3 },
        { k: 'Z', n: 4 },
      );
      const { rows } = await store.query('SELECT k, e + 0 AS e, f + 0 AS f, n FROM t ORDER BY k');
      expect(rows).toEqual([
        { k: 'é', e: 2, f: 2, n: 2 },
        { k: 'z', e: 0, f: 2, n: 4 },
      ]);
    });

    it('an object becomes JSON, a Date a UTC time, a number its digits', async () => {
      const { save, rows } = await open('CREATE TABLE t (id BIGINT PRIMARY KEY, js JSON, tx TEXT, dt DATETIME(3), am DOUBLE)');
      await save({
        id: 9007199254740993n,
        js: { a: [1] },
        tx: ['x'],
        dt: new Date(Date.UTC(2024, 0, 2, 3, 4, 5, 6)),
        am: 76.66666666666667,
      });
      const [row] = await rows();
      expect(row).toMatchObject({ id: '9007199254740993', tx: '["x"]', dt: '2024-01-02 03:04:05.006', am: 76.66666666666667 });
      expect(JSON.parse(String(row?.['js']))).toEqual({ a: [1] });
    });
  });

  describe('keys', () => {
    it('L5: operations on keys that the collation takes for one keep their order', async () => {
      const { save, rows } = await open(
        'CREATE TABLE t (code VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, a INT, b INT)',
      );
      await save({ code: 'é', a: 1 }, { code: 'E', b: 1 }, { code: 'e', a: 2 });
      expect(await rows()).toEqual([{ code: 'é', a: 2, b: 1 }]);
      await save(
        change({ code: 'E' }, null),
        change(null, { code: 'x', a: 1 }),
        change({ code: 'X' }, null),
        change(null, { code: 'X', b: 7 }),
      );
      expect(await rows()).toEqual([{ code: 'X', a: null, b: 7 }]);
      await save(change({ code: 'X', b: 7 }, { code: 'x', b: 8 }));
      expect(await rows()).toEqual([{ code: 'x', a: null, b: 8 }]);
    });

    it('an upsert never updates another row that has its value of a second unique key', async () => {
      const { save, rows } = await open('CREATE TABLE t (id BIGINT PRIMARY KEY, mail VARCHAR(50) UNIQUE, n INT)');
      await save({ id: '9007199254740993', mail: 'a', n: 1 }, { id: 2, mail: 'b', n: 1 });
      const error = await fail(save({ id: 3, mail: 'b', n: 9 }));
      expect(error).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row', details: { key: '3' } });
      expect(error.message).toContain('unique key');
      expect(await fail(save({ id: 2, mail: 'a' }))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
      await save(
        { id: '9007199254740993', mail: 'c', n: 2 },
        { id: 2, mail: 'a', n: 2 },
        { id: 4, mail: 'b', n: 2 },
        { id: 2, mail: 'd' },
      );
      expect(await rows()).toEqual([
        { id: 2, mail: 'd', n: 2 },
        { id: 4, mail: 'b', n: 2 },
        { id: '9007199254740993', mail: 'c', n: 2 },
      ]);
    });

    it('a second unique key does not hinder keys of several columns, or texts in another spelling', async () => {
      const { save, rows } = await open(
        'CREATE TABLE t (a VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, b INT, u INT UNIQUE, PRIMARY KEY (a, b))',
      );
      await save({ a: 'x', b: 1, u: 1 }, { a: 'X', b: 1, u: 2 }, { a: 'x', b: 2, u: 1 });
      await save({ a: 'X', b: 2 });
      expect(await rows()).toEqual([
        { a: 'x', b: 1, u: 2 },
        { a: 'x', b: 2, u: 1 },
      ]);
    });

    it('a big integer given as text finds its own row and no neighbour', async () => {
      const { save, load, rows } = await open('CREATE TABLE t (id BIGINT PRIMARY KEY, n INT)');
      await save({ id: '9007199254740992', n: 1 }, { id: '9007199254740993', n: 2 });
      expect(await load({ id: '9007199254740993' }, { id: '1' })).toEqual([{ id: '9007199254740993', n: 2 }]);
      await save(change({ id: '9007199254740993' }, null));
      expect(await rows()).toEqual([{ id: '9007199254740992', n: 1 }]);
    });

    it('NULL is found by load, and column names in any case are one column', async () => {
      const { save, load } = await open('CREATE TABLE t (Id INT PRIMARY KEY, a INT, b INT)');
      await save({ ID: 1, A: null, b: 1 }, { id: 2, a: 2, b: 1 });
      expect((await load({ a: null, b: 1 }, { a: 2, b: 1 })).toSorted((a, b) => Number(a['Id']) - Number(b['Id']))).toEqual([
        { Id: 1, a: null, b: 1 },
        { Id: 2, a: 2, b: 1 },
      ]);
    });
  });

  describe('refusals', () => {
    it('what the table refuses is class row and names the row; nothing of the batch stays', async () => {
      const { save, rows } = await open('CREATE TABLE t (id INT PRIMARY KEY, n TINYINT NOT NULL, CHECK (n < 100))');
      for (const n of [200, null, 'x', 101])
        expect(await fail(save({ id: 1, n: 1 }, { id: 2, n }))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
      expect(await fail(save({ id: 1, n: 1 }, { id: 2, n: 200 }))).toMatchObject({ details: { key: '2' } });
      expect(await fail(save({ id: 7, n: 101 }))).toMatchObject({ details: { key: '7' } });
      expect(await rows()).toEqual([]);
    });

    it('text that is no JSON is class row', async () => {
      const { save } = await open('CREATE TABLE t (id INT PRIMARY KEY, js JSON)');
      expect(await fail(save({ id: 1, js: '{oops' }))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
    });

    it('a table that is missing, or has no primary key, stops the flow', async () => {
      const { save, store } = await open('CREATE TABLE t (a INT)');
      expect(await fail(save({ a: 1 }))).toMatchObject({ code: 'STORE_KEY_MISSING', class: 'stop' });
      await store.query('DROP TABLE t');
      const other = createMysqlConnector({ name: 'c', type: 'mysql', addrs: 'store', key: 'nowhere', params: {} });
      expect(await fail(other.session(batchOf(store)).save([{ a: 1 }]))).toMatchObject({
        code: 'STORE_TABLE_MISSING',
        class: 'stop',
      });
    });

    it('a column that was added, and one that was dropped, are seen without a restart', async () => {
      const { save, store, rows } = await open('CREATE TABLE t (id INT PRIMARY KEY, a INT)');
      await save({ id: 1, a: 1 });
      expect(await fail(save({ id: 1, b: 2 }))).toMatchObject({ code: 'STORE_COLUMN_UNKNOWN', class: 'stop' });
      await store.query('ALTER TABLE t ADD b INT');
      await save({ id: 1, b: 2 });
      await store.query('ALTER TABLE t DROP a');
      expect(await fail(save({ id: 1, a: 2 }))).toMatchObject({ code: 'STORE_COLUMN_UNKNOWN', class: 'stop' });
      await save({ id: 1, b: 3 });
      expect(await rows()).toEqual([{ id: 1, b: 3 }]);
    });

    it('L3 an altered primary key stops every flow that writes by it, whoever learns of it first, also one whose statements are made', async () => {
      const { save, store, rows } = await open('CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT NOT NULL)');
      const connector = createMysqlConnector({ name: 'c', type: 'mysql', addrs: 'store', key: 't', params: {} });
      const saveAs = (flow: string, row: Row, gate = Promise.resolve()): Promise<void> =>
        store.transaction((transaction) => {
          const query = async (sql: string, params?: readonly unknown[]) => gate.then(() => transaction.query(sql, params));
          return connector.session({ ...batchOf({ ...transaction, query }), flow }).save([row]);
        });
      await save({ id: 1, a: 1 });
      for (const flow of ['first', 'second', 'third']) await saveAs(flow, { id: 1, a: 1 });
      await store.query('ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)');
      const gate = deferred<void>();
      const made = fail(saveAs('second', { id: 1, a: 2 }, gate.promise));
      const altered = {
        code: 'STORE_TABLE_ALTERED',
        class: 'stop',
        message: expect.stringContaining('was id, and it is id, a now'),
      };
      expect(await fail(saveAs('first', { id: 1, a: 3 }))).toMatchObject(altered);
      gate.resolve();
      expect(await made).toMatchObject(altered);
      expect(await fail(saveAs('third', { id: 1, a: 4 }))).toMatchObject(altered);
      expect(await rows()).toEqual([{ id: 1, a: 1 }]);
      for (const flow of ['first', 'second', 'third']) await saveAs(flow, { id: 1, a: 5 });
      expect(await rows()).toEqual([
        { id: 1, a: 1 },
        { id: 1, a: 5 },
      ]);
    });
  });

  it('a server of its own that does not answer is CONNECTOR_FAILED of class retry, and is found once it does', async () => {
    const { url, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY)');
    const proxy = await startHalfOpenProxy(server);
    proxy.refuse(true);
    const addrs = url.replace(`:${server.port}/`, `:${proxy.port}/`);
    const connector = createMysqlConnector({ name: 'c', type: 'mysql', addrs, key: 't', params: {} });
    onEnd(() => connector.close());
    const session = connector.session(batchOf(null));
    expect(await fail(connector.open())).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
    expect(await fail(session.save([{ id: 1 }]))).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
    proxy.refuse(false);
    await session.save([{ id: 1 }]);
    expect(await session.load([{ id: 1 }])).toEqual([{ id: 1 }]);
  });

  it('generated columns are left to the server', async () => {
    const { save, rows } = await open(
      'CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 5, v INT AS (a * 2) VIRTUAL, s INT AS (a + 1) STORED)',
    );
    await save({ id: 1, a: 2, v: 99, s: 99 }, { id: 2, v: 0 });
    expect(await rows()).toEqual([
      { id: 1, a: 2, v: 4, s: 3 },
      { id: 2, a: 5, v: 10, s: 6 },
    ]);
  });

  it('mode update changes known rows and makes none', async () => {
    const { save, store, rows } = await open('CREATE TABLE t (id INT PRIMARY KEY, must INT NOT NULL, a INT)', { mode: 'update' });
    await store.query('INSERT INTO t VALUES (1, 1, 1)');
    await save({ id: 1, a: 2 }, { id: 2, a: 2 }, { id: 1, a: 3 });
    expect(await rows()).toEqual([{ id: 1, must: 1, a: 3 }]);
  });

  it('deletes go by the key: they do not wait for rows that another transaction holds', async () => {
    const { save, store } = await open('CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))');
    const rows = Array.from({ length: 20_000 }, (_, index) => ({ a: index % 100, b: index }));
    await save(...rows);
    await store.transaction(async (holder) => {
      await holder.query('SELECT * FROM t WHERE a = 99 AND b = 19999 FOR UPDATE');
      await save(...rows.slice(0, 1000).map((row) => change(row, null)));
    });
    expect((await store.query('SELECT COUNT(*) AS n FROM t')).rows).toEqual([{ n: 19_000 }]);
  });

  it('a connector of its own server says CONNECTOR_FAILED when that is away, and keeps the class', async () => {
    const connector = createMysqlConnector({
      name: 'far',
      type: 'mysql',
      addrs: 'mysql://u:p@127.0.0.1:1/d',
      key: 't',
      params: {},
    });
    expect(connector.guarantee).toBe('at-least-once');
    expect(await fail(connector.open())).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
  });
});
