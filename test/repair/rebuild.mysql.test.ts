import { beforeAll, expect, it } from 'vitest';
import { makeShadow } from '../../src/daemon/shadow.ts';
import { requireRebuildable, type RebuildPlace } from '../../src/repair/shadow-tables.ts';
import { closeGate, makeGate, renameTables } from '../../src/repair/swap.ts';
import { takeOverRows } from '../../src/repair/take-over.ts';
import { shadowDatabaseOf } from '../../src/row/shadow-database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createAccount } from '../cli/accounts.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const flow = 'it`s a flow';
const signal = new AbortController().signal;

eachServer((_flavour, server) => {
  let store: Store;
  let place: RebuildPlace;

  beforeAll(async () => {
    const { url } = await createDatabase(server, 'reb');
    store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    const shadow = shadowDatabaseOf(store.database, flow);
    place = { flow, main: store.database, shadow, tables: ['sums', 'more'], owned: new Map() };
    onEnd(async () => void (await store.query(`DROP DATABASE IF EXISTS ${shadow}`)));
    await store.query('CREATE TABLE sums (id INT PRIMARY KEY, n INT)');
    await store.query(
      'CREATE TABLE more (id INT AUTO_INCREMENT PRIMARY KEY, n INT, m INT AS (n * 2) STORED, KEY by_n (n), CONSTRAINT small CHECK (n < 9)) PARTITION BY HASH (id) PARTITIONS 2',
    );
    await store.query('CREATE TABLE rates (id INT PRIMARY KEY, n INT)');
    await store.query('INSERT INTO rates VALUES (1, 10), (2, 20)');
    await store.query(
      "INSERT INTO kis_checkpoint (flow, position, epoch, sequence, updated_at) VALUES (?, 'b.1:4', 7, 40, NOW())",
      [flow],
    );
    await makeShadow(store, place, signal);
  });

  it('in a shadow other tables of the store are there to be read, and cannot be written through', async () => {
    const shadow = await store.openBeside(place.shadow);
    onEnd(() => shadow.close());
    expect((await shadow.query('SELECT n FROM rates WHERE id = 2')).rows).toEqual([{ n: 20 }]);
    for (const sql of ['INSERT INTO rates VALUES (3, 30)', 'UPDATE rates SET n = 0', 'DELETE FROM rates WHERE id = 1'])
      await expect(shadow.query(sql)).rejects.toMatchObject({ code: 'STORE_STATEMENT' });
    expect((await store.query('SELECT COUNT(*) AS n FROM rates')).rows).toEqual([{ n: 2 }]);
    expect((await shadow.query('SELECT COUNT(*) AS n FROM sums')).rows).toEqual([{ n: 0 }]);
  });

  it('a swap that was given up cannot happen any more; one that has happened is known to have', async () => {
    const given = { ...place, gate: 'kis_swap_1' };
    await makeGate(store, given);
    expect(await closeGate(store, given)).toBe(true);
    await expect(renameTables(store, given)).rejects.toMatchObject({ code: 'STORE_TABLE_MISSING' });
    await store.query('INSERT INTO sums VALUES (1, 1)');
    const taken = { ...place, gate: 'kis_swap_2' };
    await makeGate(store, taken);
    await renameTables(store, taken);
    expect((await store.query('SELECT * FROM sums')).rows).toEqual([]);
    expect(await closeGate(store, taken)).toBe(false);
    expect((await store.query(`SELECT * FROM ${place.shadow}.kis_old_0`)).rows).toEqual([{ id: 1, n: 1 }]);
  });

  it('L1 L6: what the shadow has kept takes the place of what the flow has, under its epoch only, and other flows keep theirs', async () => {
    const { shadow } = place;
    const fill = async (database: string, name: string, word: string): Promise<void> => {
      const into = `INSERT INTO ${database}`;
      await store.query(`${into}.kis_state (flow, fname, state_key, value) VALUES (?, 'f', 'k', ?)`, [name, word]);
      const { insertId: aggregate } = await store.query(
        `${into}.kis_aggregate (flow, fname, definition, plan) VALUES (?, 'f', ?, 'counts')`,
        [name, word],
      );
      await store.query(`${into}.kis_aggregate_value (aggregate, slot, group_key, value, count) VALUES (?, 0, ?, '', 1)`, [
        aggregate,
        word,
      ]);
      const { insertId: dead } = await store.query(
        `${into}.kis_dead_row (flow, fname, code, message, source_table, row_key, op, position, parts, row_change, created_at, state)
         VALUES (?, 'f', 'ROW_INVALID', ?, 's.t', '{}', 'insert', 'p', 1, '', NOW(), 'dead')`,
        [name, word],
      );
      await store.query(`${into}.kis_dead_row_part VALUES (?, 0, ?)`, [dead, word]);
    };
    for (const name of [flow, 'other']) await fill(store.database, name, `old ${name}`);
    await fill(shadow, 'filler', 'x'); // so that numbers are others
    await fill(shadow, flow, 'new');
    await store.query(
      `INSERT INTO ${shadow}.kis_checkpoint (flow, position, epoch, sequence, updated_at) VALUES (?, 'b.1:99', 1, 3, NOW())`,
      [flow],
    );
    await store.query('INSERT INTO kis_lineage_flow (flow, era, since, sequence) VALUES (?, 3, NOW(), 40)', [flow]);
    const before = await store.query('SELECT id FROM kis_aggregate WHERE flow = ?', [flow]);
    const take = (epoch: number): Promise<void> =>
      store.transaction((transaction) => takeOverRows(transaction, { flow, epoch, shadow, fingerprint: 'print' }));
    await expect(take(6)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await take(7);
    const read = async (sql: string): Promise<unknown> => (await store.query(sql, [flow, 'other'])).rows;
    expect(await read('SELECT flow, value FROM kis_state WHERE flow IN (?, ?) ORDER BY flow')).toEqual([
      { flow, value: 'new' },
      { flow: 'other', value: 'old other' },
    ]);
    expect(
      await read(
        'SELECT a.flow, a.definition, CONVERT(v.group_key USING utf8mb4) AS k FROM kis_aggregate a JOIN kis_aggregate_value v ON v.aggregate = a.id WHERE flow IN (?, ?) ORDER BY flow',
      ),
    ).toEqual([
      { flow, definition: 'new', k: 'new' },
      { flow: 'other', definition: 'old other', k: 'old other' },
    ]);
    // a flow that ran a moment ago goes by it
    expect((await store.query('SELECT id FROM kis_aggregate WHERE flow = ?', [flow])).rows).toEqual(before.rows);
    expect(
      await read(
        'SELECT d.flow, d.message, p.row_change FROM kis_dead_row d JOIN kis_dead_row_part p ON p.dead_row = d.id WHERE flow IN (?, ?) ORDER BY flow',
      ),
    ).toEqual([
      { flow, message: 'new', row_change: 'new' },
      { flow: 'other', message: 'old other', row_change: 'old other' },
    ]);
    expect(await store.query('SELECT COUNT(*) AS n FROM kis_dead_row_part').then(({ rows }) => rows)).toEqual([{ n: 2 }]);
    expect((await store.query('SELECT position, epoch, sequence FROM kis_checkpoint WHERE flow = ?', [flow])).rows).toEqual([
      { position: 'b.1:99', epoch: 7, sequence: 41 },
    ]);
    // the new rows have no lineage, and what comes is of one stretch with nothing before
    expect((await store.query('SELECT era, sequence FROM kis_lineage_flow WHERE flow = ?', [flow])).rows).toEqual([
      { era: 4, sequence: 41 },
    ]);
  });

  it.each([
    [
      'a foreign key',
      'CREATE TABLE child (id INT PRIMARY KEY, s INT, CONSTRAINT fk_child FOREIGN KEY (s) REFERENCES sums (id))',
      'fk_child',
    ],
    ['a trigger', 'CREATE TRIGGER watch AFTER INSERT ON more FOR EACH ROW SET @x = 1', 'watch'],
    ['a view', 'CREATE VIEW seen AS SELECT 1 AS id', 'VIEW'],
    ['no table', 'DO 1', 'has no table'],
  ])('a flow whose table has, or is, %s is not rebuilt', async (what, sql, why) => {
    const { database } = store;
    const tables = what === 'a view' ? ['seen'] : what === 'no table' ? ['nothing'] : place.tables;
    await expect(requireRebuildable(store, { ...place, main: database, tables: ['sums', 'more'] })).resolves.toBeUndefined();
    await store.query(sql);
    await expect(requireRebuildable(store, { ...place, tables })).rejects.toMatchObject({
      code: 'REBUILD_IMPOSSIBLE',
      message: expect.stringContaining(why),
    });
    if (what === 'a foreign key') await store.query('DROP TABLE child');
    if (what === 'a trigger') await store.query('DROP TRIGGER watch');
  });

  it('a flow that owns some columns of a table is not rebuilt where it has others, which nobody could compute anew', async () => {
    await store.query(
      'CREATE TABLE noted (id INT PRIMARY KEY, n INT, twice INT AS (n * 2) STORED, at DATETIME DEFAULT CURRENT_TIMESTAMP, seen DATETIME NULL ON UPDATE CURRENT_TIMESTAMP)',
    );
    const noted = { ...place, tables: ['noted'], owned: new Map([['noted', new Set(['id', 'n'])]]) };
    await expect(requireRebuildable(store, noted)).resolves.toBeUndefined();
    await store.query('ALTER TABLE noted ADD COLUMN note VARCHAR(20)');
    await expect(requireRebuildable(store, noted)).rejects.toMatchObject({
      code: 'REBUILD_IMPOSSIBLE',
      message: expect.stringContaining('noted.note is none of the columns that it owns'),
    });
    await store.query('DROP TABLE noted');
  });

  it('an account that may not make the shadow is told what prints the rights that it lacks', async () => {
    const account = await createAccount(server, `ALL ON \`${store.database}\`.*`);
    const limited = await openStore({ url: `${account.url}/${store.database}` });
    onEnd(() => limited.close());
    const mine = { ...place, shadow: shadowDatabaseOf(store.database, 'mine') };
    const escaped = mine.shadow.replaceAll('_', String.raw`\_`);
    await expect(makeShadow(limited, mine, signal)).rejects.toMatchObject({
      code: 'REBUILD_IMPOSSIBLE',
      message: expect.stringContaining('kisflow check --grants'),
    });
    await store.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, CREATE VIEW ON \`${escaped}\`.* TO '${account.name}'@'%'`,
    );
    await expect(makeShadow(limited, mine, signal)).resolves.toBeUndefined();
    await store.query(`DROP DATABASE ${mine.shadow}`);
  });
});
