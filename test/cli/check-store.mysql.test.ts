import { expect, test } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { onEnd } from '../support/cleanup.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { createAccount } from './accounts.ts';
import { examine, statementsOf, type Examination } from './examine.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';

/** A project whose flow copies `<database>.orders` (id, total, note) into the store's `orders`. */
function project(options: { readonly source: string; readonly store: string; readonly database: string }): Record<string, string> {
  return {
    'conf/global.yml': globalYaml(options.store),
    'conf/source.yml': sourceYaml(options.source),
    'conf/flow.yml': mirrorYaml({ flow: 'copy', tables: [`${options.database}.orders`], key: 'orders' }),
  };
}

async function createOrders(server: SqlAddress): Promise<string> {
  const { name, connection } = await createDatabase(server, 'shop');
  await connection.query('CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10,2) NOT NULL, note TEXT)');
  return name;
}

/** What is wrong with the store and its tables; the shared source may have connections of other tests. */
function wrong(examination: Examination): readonly string[] {
  return [...examination.of('error'), ...examination.of('warning')].filter((finding) => !finding.startsWith('SOURCE_SESSION'));
}

eachServer((flavour, shared) => {
  test('a computed table that is missing gets the whole CREATE TABLE, and that mends it', async () => {
    const database = await createOrders(shared);
    const { url, name, connection } = await createDatabase(shared, 'store');
    const files = project({ source: shared.url, store: url, database });
    const before = await examine({ files });
    expect(wrong(before)).toEqual([`STORE_TABLE_MISSING table ${name}.orders`]);
    expect(before.code).toBe(1);
    await connection.query(before.find('STORE_TABLE_MISSING').remedy);
    expect(wrong(await examine({ files }))).toEqual([]);
  });

  test('a computed table that a pending migration makes is no error', async () => {
    const database = await createOrders(shared);
    const { url } = await createDatabase(shared, 'store');
    const files = project({ source: shared.url, store: url, database });
    const sql = '-- what people read\nCREATE TABLE IF NOT EXISTS `orders`(id INT PRIMARY KEY);';
    const examination = await examine({ files: { ...files, 'migrations/0001-orders.sql': sql } });
    expect(wrong(examination)).toEqual([]);
    expect(examination.find('STORE_TABLE_MISSING')).toMatchObject({
      severity: 'info',
      message: expect.stringContaining('0001-orders.sql'),
    });
  });

  test('a computed table without key, of another engine, without a column and with one too many: every finding at once', async () => {
    const database = await createOrders(shared);
    const { url, name, connection } = await createDatabase(shared, 'store');
    const files = project({ source: shared.url, store: url, database });
    await connection.query(
      'CREATE TABLE orders (id INT NOT NULL, total DECIMAL(10,2), must INT NOT NULL, twice INT AS (id * 2)) ENGINE = MyISAM',
    );
    const before = await examine({ files });
    expect(wrong(before)).toEqual(
      ['STORE_COLUMN_UNKNOWN', 'STORE_CONSTRAINT', 'STORE_ENGINE', 'STORE_KEY_MISSING'].map(
        (code) => `${code} table ${name}.orders`,
      ),
    );
    expect(before.find('STORE_COLUMN_UNKNOWN').message).toMatch(/has no column note\.$/);
    for (const statement of statementsOf(before)) await connection.query(statement.replace('<value>', '0'));
    expect(wrong(await examine({ files }))).toEqual([]);
  });

  test('a key that the source rows do not have, and a second unique key, are told', async () => {
    const database = await createOrders(shared);
    const { url, name, connection } = await createDatabase(shared, 'store');
    await connection.query(
      'CREATE TABLE orders (code INT PRIMARY KEY, id INT, total DECIMAL(10,2), note TEXT, UNIQUE KEY by_id (id))',
    );
    const examination = await examine({ files: project({ source: shared.url, store: url, database }) });
    expect(wrong(examination)).toEqual([`STORE_KEY_MISSING table ${name}.orders`]);
    expect(examination.find('STORE_UNIQUE_KEY')).toMatchObject({ severity: 'info', message: expect.stringContaining('by_id') });
  });

  test('a flow that is to be rebuilt by itself, and could not be: a table that cannot be swapped, rights that are missing', async () => {
    const database = await createOrders(shared);
    const { name, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10,2) NOT NULL, note TEXT)');
    await connection.query('CREATE TRIGGER spoil BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = NEW.note');
    const own = `\`${name.replaceAll('_', String.raw`\_`)}\`.*`;
    const account = await createAccount(shared, `ALL PRIVILEGES ON ${own}`);
    const plain = project({ source: shared.url, store: `${account.url}/${name}`, database });
    const flow = plain['conf/flow.yml']?.replace('start: "latest"', 'start: snapshot, on_purged: snapshot') ?? '';
    const files = { ...plain, 'conf/flow.yml': flow };
    expect(wrong(await examine({ files: plain }))).toEqual([]);
    const before = await examine({ files });
    expect(wrong(before)).toEqual(['REBUILD_IMPOSSIBLE flow copy', 'STORE_ACCESS_DENIED flow copy']);
    expect(before.find('REBUILD_IMPOSSIBLE').message).toMatch(/has the trigger spoil/);
    await connection.query('DROP TRIGGER spoil');
    for (const statement of statementsOf(before)) await connection.query(statement);
    expect(wrong(await examine({ files }))).toEqual([]);
  });

  test('columns are not compared where a function computes the rows', async () => {
    const database = await createOrders(shared);
    const { url, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE orders (other INT PRIMARY KEY)');
    const files = project({ source: shared.url, store: url, database });
    const code = "import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: 'save_copy', run() {} });\n";
    expect(wrong(await examine({ files: { ...files, 'functions/save.ts': code } }))).toEqual([]);
  });

  test('an account that may not write gets the GRANT that mends it, before and after the tables are there', async () => {
    const database = await createOrders(shared);
    const { name, connection } = await createDatabase(shared, 'store');
    const account = await createAccount(shared, `SELECT ON \`${name}\`.*`);
    const files = project({ source: shared.url, store: `${account.url}/${name}`, database });
    const sql = { 'migrations/1.sql': 'CREATE TABLE orders (id INT PRIMARY KEY, total INT, note TEXT);' };
    const before = await examine({ files: { ...files, ...sql } });
    expect(wrong(before)).toEqual(['STORE_ACCESS_DENIED store']);
    expect(before.find('STORE_ACCESS_DENIED').message).toContain('lacks INSERT, UPDATE, DELETE, CREATE, ALTER on the database');
    for (const statement of statementsOf(before)) await connection.query(statement);
    expect(wrong(await examine({ files: { ...files, ...sql } }))).toEqual([]);
  });

  test('rights on a single table are found out by trying', async () => {
    const database = await createOrders(shared);
    const { name, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10,2), note TEXT)');
    const account = await createAccount(shared, `CREATE ON \`${name}\`.*`, `SELECT, INSERT, UPDATE ON \`${name}\`.orders`);
    await connection.query(`GRANT DELETE ON \`${name}\`.nothing TO '${account.name}'@'%'`).catch(() => {}); // one table of no meaning
    const examination = await examine({ files: project({ source: shared.url, store: `${account.url}/${name}`, database }) });
    expect(wrong(examination).filter((finding) => finding.includes('STORE_ACCESS_DENIED'))).not.toEqual([]);
    expect(examination.find('STORE_ACCESS_DENIED').remedy).toContain('DELETE');
  });

  test('a store that does not answer, or refuses the password, hides nothing of the source', async () => {
    const database = await createOrders(shared);
    const gone = await examine({
      files: project({ source: shared.url, store: 'mysql://a:b@127.0.0.1:1/store', database: `${database}x` }),
    });
    expect(gone.of('error')).toEqual(['SOURCE_TABLE_MISSING flow copy', 'STORE_UNREACHABLE store']);
    const store = `mysql://${shared.user}:wrong@${shared.host}:${shared.port}/store`;
    const denied = await examine({ files: project({ source: shared.url, store, database }) });
    expect(denied.of('error')).toEqual(['STORE_ACCESS_DENIED store']);
    expect(denied.find('STORE_ACCESS_DENIED').message).not.toContain('wrong');
  });

  test('a store that is read-only, writes a binlog of statements and takes short statements only is told in one go', async () => {
    const server = await startPrivateServer(flavour, {
      binlog_format: 'STATEMENT',
      max_allowed_packet: 1_048_576,
      read_only: 'ON',
    });
    const database = await createOrders(shared);
    const account = await createAccount(server, 'ALL ON `store`.*');
    const files = project({ source: shared.url, store: `${account.url}/store`, database });
    const sql = { 'migrations/1.sql': 'CREATE TABLE orders (id INT PRIMARY KEY, total INT, note TEXT);' };
    const before = await examine({ files: { ...files, ...sql } });
    expect(wrong(before)).toEqual(['STORE_READ_ONLY store', 'STORE_STATEMENT store', 'STORE_PACKET_SMALL store']);
    const admin = await examine({ files: { ...project({ source: shared.url, store: `${server.url}/store`, database }), ...sql } });
    expect(admin.find('STORE_READ_ONLY').severity).toBe('warning'); // it may write in spite of it
    const connection = await connectTo(server);
    for (const statement of statementsOf(before)) await connection.query(statement);
    expect(wrong(await examine({ files: { ...files, ...sql } }))).toEqual([]);
  });

  test('a read-only store is found by trying once its tables are there', async () => {
    const server = await startPrivateServer(flavour);
    const database = await createOrders(shared);
    const store = `${server.url}/store`;
    const files = project({ source: shared.url, store, database });
    const connection = await connectTo(server);
    await connection.query('CREATE DATABASE store');
    await connection.query('CREATE TABLE store.kis_flow (flow INT PRIMARY KEY)');
    const account = await createAccount(server, 'ALL ON `store`.*');
    const variable = flavour === 'mysql' ? 'super_read_only' : 'read_only';
    await connection.query(`SET GLOBAL ${variable} = ON`);
    onEnd(async () => void (await connection.query(`SET GLOBAL ${variable} = OFF`))); // accounts are removed after this
    expect((await examine({ files })).find('STORE_READ_ONLY').severity).toBe(flavour === 'mysql' ? 'error' : 'warning');
    const plain = await examine({ files: project({ source: shared.url, store: `${account.url}/store`, database }) });
    expect(plain.find('STORE_READ_ONLY').severity).toBe('error');
  });

  test('an applied migration that was edited ends in its code', async () => {
    const database = await createOrders(shared);
    const { url, connection } = await createDatabase(shared, 'store');
    const files = project({ source: shared.url, store: url, database });
    await connection.query(
      `CREATE TABLE kis_migration (name VARCHAR(190) PRIMARY KEY, statements INT, checksum CHAR(64), applied_at DATETIME(3), seconds DOUBLE);
       INSERT INTO kis_migration VALUES ('1.sql', 1, 'another', '2026-01-01', 0)`,
    );
    const examination = await examine({ files: { ...files, 'migrations/1.sql': 'CREATE TABLE orders (id INT PRIMARY KEY);' } });
    expect(examination.of('error')).toContain('MIGRATION_FAILED store');
  });
});
