import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { createCheckpoint, stepCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import { createBinlogSource } from '../../src/source/binlog-source.ts';
import { onEnd } from '../support/cleanup.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { createAccount } from './accounts.ts';
import { examine, statementsOf } from './examine.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { createStoredFlows, type StoredFlows } from './stored-flows.ts';

const migration = { 'migrations/0001.sql': 'CREATE TABLE orders (id INT PRIMARY KEY, total INT);' };

/** A project whose flow copies `<database>.orders` into a table of the same columns. */
function project(options: {
  readonly source: string;
  readonly store: string;
  readonly database: string;
  readonly sourceMore?: string;
  readonly start?: string;
}): Record<string, string> {
  const tables = [`${options.database}.orders`];
  return {
    'conf/global.yml': globalYaml(options.store),
    'conf/source.yml': sourceYaml(options.source, options.sourceMore),
    'conf/flow.yml': mirrorYaml({
      flow: 'copy',
      tables,
      key: 'orders',
      ...(options.start === undefined ? {} : { start: options.start }),
    }),
    ...migration,
  };
}

async function createOrders(server: SqlAddress): Promise<string> {
  const { name, connection } = await createDatabase(server, 'shop');
  await connection.query('CREATE TABLE orders (id INT PRIMARY KEY, total INT)');
  return name;
}

/** Gives the flow `copy` a checkpoint, as a daemon would have. */
async function stand({ store }: StoredFlows, position: Position, time = 0): Promise<void> {
  await createCheckpoint(store, { flow: 'copy', position, epoch: 1 });
  await stepCheckpoint(store, { flow: 'copy', position, epoch: 1, sequence: 0, time, rows: 1 });
}

eachServer((flavour, shared) => {
  test('a sound setup that has never run gives no error and no warning; a connection with an older setting is one', async () => {
    const server = await startPrivateServer(flavour, flavour === 'mysql' ? { performance_schema: 'ON' } : {});
    const database = await createOrders(server);
    const files = project({ source: server.url, store: `${server.url}/store`, database });
    const sound = await examine({ files });
    expect(sound.of('error')).toEqual([]);
    expect(sound.of('warning')).toEqual([]);
    expect(sound.code).toBe(0);
    expect(sound.find('SOURCE_POSITION').message).toContain('begins at the end of the binlog');
    const writer = await connectTo(server);
    const [databases] = await writer.query("SHOW DATABASES LIKE 'store'");
    expect(databases).toEqual([]); // to look makes nothing
    await writer.query('SET SESSION binlog_row_image = MINIMAL');
    const old = await examine({ files });
    expect(old.of('warning')).toEqual(flavour === 'mysql' ? ['SOURCE_SESSION_SETTING source main'] : []); // MariaDB does not tell
  });

  test('a flow that begins with a snapshot is told before it starts which of its tables cannot be read, and why', async () => {
    const { name: database, connection } = await createDatabase(shared, 'shop');
    await connection.query('CREATE TABLE orders (id INT NULL, total INT, UNIQUE KEY (id))');
    const files = project({ source: shared.url, store: `${shared.url}/${database}_store`, database, start: 'snapshot' });
    const found = await examine({ files });
    expect(found.find('SNAPSHOT_NO_KEY')).toMatchObject({ severity: 'error', subject: 'flow copy' });
    expect(found.find('SOURCE_POSITION').message).toContain('begins at a snapshot of its tables');
    await connection.query('ALTER TABLE orders DROP KEY id, ADD PRIMARY KEY (id)');
    expect((await examine({ files })).findings.filter(({ code }) => code === 'SNAPSHOT_NO_KEY')).toEqual([]);
  });

  test('a server that is set wrong in every way gets every finding at once, and the remedies mend it', async () => {
    const settings = {
      binlog_format: 'STATEMENT',
      binlog_row_image: 'MINIMAL',
      binlog_row_metadata: 'MINIMAL',
      binlog_expire_logs_seconds: 3600,
      binlog_checksum: 'NONE',
    };
    const mysqlOnly = {
      binlog_transaction_compression: 'ON',
      binlog_row_value_options: 'PARTIAL_JSON',
      gtid_mode: 'OFF',
      enforce_gtid_consistency: 'OFF',
    };
    const server = await startPrivateServer(flavour, { ...settings, ...(flavour === 'mysql' ? mysqlOnly : {}) });
    const database = await createOrders(server);
    const { url } = await createDatabase(shared, 'store');
    const files = project({ source: server.url, store: url, database });
    const before = await examine({ files });
    expect(before.code).toBe(1);
    expect(before.of('error')).toEqual(['SOURCE_STATEMENT_FORMAT source main']);
    expect(before.of('warning')).toEqual([
      'SOURCE_CHECKSUM_OFF source main',
      'SOURCE_RETENTION source main',
      'SOURCE_ROW_IMAGE flow copy',
      'SOURCE_ROW_METADATA source main',
    ]);
    expect(before.of('info').includes('SOURCE_GTID_OFF source main')).toBe(flavour === 'mysql');
    const connection = await connectTo(server);
    for (const statement of statementsOf(before)) await connection.query(statement);
    const after = await examine({ files });
    expect(after.of('error')).toEqual([]);
    // this test's own connections are older than the settings
    expect(after.of('warning').filter((finding) => !finding.startsWith('SOURCE_SESSION_SETTING'))).toEqual([]);
  });

  test('a server without a binlog ends in its code, with the lines of its configuration file', async () => {
    const server = await startPrivateServer(flavour, { log_bin: null });
    const database = await createOrders(server);
    const { url } = await createDatabase(shared, 'store');
    const examination = await examine({ files: project({ source: server.url, store: url, database }) });
    expect(examination.of('error')).toContain('SOURCE_BINLOG_OFF source main');
    expect(examination.find('SOURCE_BINLOG_OFF').remedy).toContain('log_bin = binlog');
  });

  test('an account that may not read the binlog gets the GRANT that mends it', async () => {
    const database = await createOrders(shared);
    const { url } = await createDatabase(shared, 'store');
    const account = await createAccount(shared, `SELECT ON \`${database}\`.*`);
    const files = project({ source: account.url, store: url, database });
    const before = await examine({ files });
    expect(new Set(before.of('error'))).toEqual(new Set(['SOURCE_GRANT_MISSING source main']));
    const connection = await connectTo(shared);
    for (const statement of statementsOf(before)) await connection.query(statement);
    expect((await examine({ files })).of('error')).toEqual([]);
  });

  test('a table that the account may not see is told from one that does not exist', async () => {
    const database = await createOrders(shared);
    const { url } = await createDatabase(shared, 'store');
    const account = await createAccount(shared, 'REPLICATION SLAVE, REPLICATION CLIENT ON *.*');
    const hidden = await examine({ files: project({ source: account.url, store: url, database }) });
    expect(hidden.of('error')).toEqual([]);
    expect(hidden.of('warning')).toEqual(['SOURCE_TABLE_HIDDEN flow copy']);
    const connection = await connectTo(shared);
    await connection.query(`RENAME TABLE \`${database}\`.orders TO \`${database}\`.order_list`);
    const missing = await examine({ files: project({ source: shared.url, store: url, database }) });
    expect(missing.of('error')).toEqual(['SOURCE_TABLE_MISSING flow copy']);
  });

  test('patterns without a table, views, and tables without a key are named', async () => {
    const { name, connection } = await createDatabase(shared, 'shop');
    await connection.query('CREATE TABLE bare (id INT); CREATE VIEW seen AS SELECT * FROM bare');
    const { url } = await createDatabase(shared, 'store');
    const files = {
      ...project({ source: shared.url, store: url, database: name }),
      'conf/flow.yml': mirrorYaml({ flow: 'copy', tables: [`${name}.bare`, `${name}.seen`, 'nothing_of_this.*'], key: 'orders' }),
    };
    const examination = await examine({ files });
    expect(examination.of('error')).toEqual(['SOURCE_TABLE_MISSING flow copy']);
    expect(examination.find('SOURCE_TABLE_MISSING').message).toContain('seen is a view');
    expect(examination.of('warning')).toEqual(['SOURCE_PATTERN_EMPTY flow copy', 'SOURCE_TABLE_KEYLESS flow copy']);
  });

  test('a wrong password and a server that is not there end in their codes, and the store is examined all the same', async () => {
    const { url } = await createDatabase(shared, 'store');
    const wrong = `mysql://${shared.user}:wrong@${shared.host}:${shared.port}`;
    const denied = await examine({ files: project({ source: wrong, store: url, database: 'shop' }) });
    expect(denied.of('error')).toEqual(['SOURCE_ACCESS_DENIED source main']);
    const unreachable = await examine({ files: project({ source: 'mysql://a:b@127.0.0.1:1', store: url, database: 'shop' }) });
    expect(unreachable.of('error')).toEqual(['SOURCE_UNREACHABLE source main']);
    expect(unreachable.of('info')).toContain('MIGRATION_PENDING store');
    expect(unreachable.code).toBe(1);
  });

  test('a server_id that the source server or one of its replicas has is a clash', async () => {
    const source = await startPrivateServer(flavour, { server_id: 41 });
    const database = await createOrders(source);
    const { url } = await createDatabase(shared, 'store');
    const of = async (serverId: number) =>
      examine({ files: project({ source: source.url, store: url, database, sourceMore: `server_id: ${serverId}\n` }) });
    expect((await of(41)).of('error')).toEqual(['SOURCE_SERVER_ID_CLASH source main']);
    expect((await of(77)).of('error')).toEqual([]);
    const replica = await startPrivateServer(flavour, { server_id: 77 });
    const connection = await connectTo(replica);
    const { host, port, user, password } = source;
    if (flavour === 'mysql') {
      const to = `SOURCE_HOST='${host}', SOURCE_PORT=${port}, SOURCE_USER='${user}', SOURCE_PASSWORD='${password}', GET_SOURCE_PUBLIC_KEY=1`;
      await connection.query(`CHANGE REPLICATION SOURCE TO ${to}`);
      await connection.query('START REPLICA');
    } else {
      const to = `MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='${user}', MASTER_PASSWORD='${password}'`;
      await connection.query(`CHANGE MASTER TO ${to}`);
      await connection.query('START SLAVE');
    }
    const clash = await waitFor(async () => {
      const examination = await of(77);
      return examination.of('error').length > 0 && examination;
    });
    expect(clash.find('SOURCE_SERVER_ID_CLASH').message).toContain('replica');
  });

  test('a position that was purged, one of another server, and one that will soon be purged are told before the daemon starts', async () => {
    const server = await startPrivateServer(flavour, { binlog_expire_logs_seconds: 100_000 });
    const database = await createOrders(server);
    const connection = await connectTo(server);
    const reader = createBinlogSource({ name: 'main', url: server.url, serverId: 0, logger: silentLogger });
    onEnd(() => reader.close());
    const head = (): Promise<Position> => reader.head(new AbortController().signal);
    const past = await head();
    const run = async (
      position: Position,
      { time, isMended = false }: { readonly time?: number; readonly isMended?: boolean } = {},
    ) => {
      const flows = await createStoredFlows(shared);
      await stand(flows, position, time);
      const files = project({ source: server.url, store: flows.url, database });
      const flow = files['conf/flow.yml'] ?? '';
      const mended = flow.replace(/start: "?latest"?/, 'start: snapshot, on_purged: snapshot');
      return examine({ files: { ...files, 'conf/flow.yml': isMended ? mended : flow } });
    };
    const now = await run(past);
    expect(now.of('error')).toEqual([]);
    expect(now.find('SOURCE_POSITION').message).toContain('in the file that the server writes now');

    await connection.query(`INSERT INTO \`${database}\`.orders VALUES (1, 1)`);
    await connection.query('FLUSH BINARY LOGS');
    const kept = await run(past, { time: Date.now() });
    expect(kept.find('SOURCE_POSITION').message).toMatch(/which the server keeps for 27 h \d+ min more at least/);
    const soon = await run(past, { time: Date.now() - 99_000_000 });
    expect(soon.of('warning')).toEqual(['SOURCE_POSITION flow copy']);
    expect(soon.find('SOURCE_POSITION').message).toMatch(/may purge in 16 min/);

    const foreign = flavour === 'mysql' ? '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5' : '0-99-999999';
    const other = await run({ ...past, gtid: foreign });
    expect(other.of('error')).toEqual(['SOURCE_WRONG_SERVER flow copy']);

    // a connection that has just read the old file may still hold it
    await waitFor(async () => {
      await connection.query(`PURGE BINARY LOGS TO '${(await head()).file}'`);
      const [files] = await connection.query<RowDataPacket[]>('SHOW BINARY LOGS');
      return files.length === 1;
    });
    const place = `${past.file}:${past.offset}`;
    const { url } = await createDatabase(shared, 'store');
    const started = await examine({ files: project({ source: server.url, store: url, database, start: place }) });
    expect(started.of('error')).toEqual(['SOURCE_PURGED flow copy']);
    const gone = await run(past);
    expect(gone.of('error')).toEqual(['SOURCE_PURGED flow copy']);
    expect(gone.find('SOURCE_PURGED').remedy).toMatch(/^kisflow rebuild copy /);
    const mended = await run(past, { isMended: true });
    expect(mended.of('error')).toEqual([]);
    expect(mended.find('SOURCE_PURGED')).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining('is rebuilt by itself'),
      remedy: '',
    });
  });

  test('L3: a table whose rows a foreign key changes below the binlog is a warning with the key’s name, where the server does not log them', async () => {
    const { name, connection } = await createDatabase(shared, 'shop');
    await connection.query(
      `CREATE TABLE customers (id INT PRIMARY KEY);
       CREATE TABLE orders (id INT PRIMARY KEY, total INT, CONSTRAINT owner FOREIGN KEY (total) REFERENCES customers (id) ON DELETE CASCADE);
       CREATE TABLE notes (id INT PRIMARY KEY, CONSTRAINT kept FOREIGN KEY (id) REFERENCES customers (id) ON DELETE RESTRICT)`,
    );
    const { url } = await createDatabase(shared, 'store');
    const files = project({ source: shared.url, store: url, database: name });
    const { findings } = await examine({ files });
    const found = findings.filter(({ code }) => code === 'SOURCE_TABLE_CASCADE');
    const mariadb = {
      severity: 'warning',
      subject: 'flow copy',
      message: `Rows of ${name}.orders that the foreign key owner changes (ON DELETE CASCADE of ${name}.customers) are not in the binlog: the flow does not see them.`,
    };
    expect(found).toMatchObject(flavour === 'mysql' ? [] : [mariadb]);
    const source = createBinlogSource({ name: 'main', url: shared.url, serverId: 0, logger: silentLogger });
    onEnd(() => source.close());
    const signal = new AbortController();
    onEnd(async () => signal.abort());
    const from = await source.resolve({ kind: 'latest' }, signal.signal);
    await connection.query(
      'INSERT INTO customers VALUES (1); INSERT INTO orders VALUES (5, 1); DELETE FROM customers; INSERT INTO orders VALUES (6, NULL)',
    );
    const ops: string[] = [];
    const push = ({ groups }: TransactionPart) => void ops.push(...groups.map(({ op }) => op));
    void source.read({
      from,
      wants: (schema, table) => schema === name && table === 'orders',
      sink: { push },
      signal: signal.signal,
    });
    await waitFor(() => ops.filter((op) => op === 'insert').length === 2);
    expect(ops).toEqual(flavour === 'mysql' ? ['insert', 'delete', 'insert'] : ['insert', 'insert']);
  });

  if (flavour === 'mysql')
    test('L3: and of a MySQL server that leaves foreign keys to InnoDB, whose cascades are in no binlog either', async () => {
      const server = await startPrivateServer(flavour, { innodb_native_foreign_keys: 'ON' });
      const { name, connection } = await createDatabase(server, 'shop');
      await connection.query(
        `CREATE TABLE customers (id INT PRIMARY KEY);
         CREATE TABLE orders (id INT PRIMARY KEY, total INT, CONSTRAINT owner FOREIGN KEY (total) REFERENCES customers (id) ON UPDATE SET NULL)`,
      );
      const files = project({ source: server.url, store: `${server.url}/store`, database: name });
      const finding = (await examine({ files })).find('SOURCE_TABLE_CASCADE');
      expect(finding.message).toContain(`owner changes (ON UPDATE SET NULL of ${name}.customers)`);
    });
});
