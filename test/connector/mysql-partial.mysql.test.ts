import { describe, expect, test } from 'vitest';
import type { BatchScope } from '../../src/connector/contract.ts';
import { createMysqlConnector } from '../../src/connector/mysql.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { makeChange, type Absent, type Change, type Row } from '../../src/row/change.ts';
import { markPartial } from '../../src/row/partial-row.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const columns = `id BIGINT PRIMARY KEY, name VARCHAR(200) NOT NULL, amount DECIMAL(12,2) NULL, state ENUM('new','paid') NOT NULL DEFAULT 'new',
  body BLOB NULL, big BIGINT UNSIGNED NULL, d DOUBLE NULL, doubled DECIMAL(13,2) AS (amount * 2) STORED`;
const sourceColumns = ['id', 'name', 'amount', 'state', 'body', 'big', 'd', 'doubled', 'elsewhere'];
const position = 'binlog.000007:1234';
const whole: Row = { id: 1, name: 'one', amount: '1.50', state: 'new', body: null, big: null, d: null };

/** A change as a source with binlog_row_image=MINIMAL gives it. */
function partial(before: Row | null, after: Row | null, meaning: Absent['meaning'] = 'unknown'): Change {
  const images = [before, after].filter((image) => image !== null);
  const absent = sourceColumns.filter((name) => images.some((image) => !(name in image)));
  const op = before === null ? 'insert' : after === null ? 'delete' : 'update';
  return makeChange({ op, table: 's.t', before, after, key: ['id'], position, time: 0, absent: { columns: absent, meaning } });
}

const full = (before: Row | null, after: Row | null): Change => {
  const { absent: _, ...change } = partial(before, after);
  return makeChange(change);
};

interface Mirror {
  save(...rows: readonly unknown[]): Promise<void>;
  rows(): Promise<readonly Row[]>;
  readonly statements: string[];
}

eachServer((_flavour, server) => {
  async function makeMirror({ mode = 'upsert', more = '' }: { mode?: string; more?: string } = {}): Promise<Mirror> {
    const store: Store = await openStore({ url: (await createDatabase(server)).url });
    onEnd(() => store.close());
    await store.query(`CREATE TABLE mirror (${columns}${more})`);
    const connector = createMysqlConnector({ name: 'm', type: 'mysql', addrs: 'store', key: 'mirror', params: { mode } });
    const statements: string[] = [];
    return {
      statements,
      save: (...rows) =>
        store.transaction((transaction) => {
          const { flavour, database, maxPacketBytes } = transaction;
          const query: typeof transaction.query = (sql, params) => {
            if (!/information_schema|LIMIT 0$/.test(sql)) statements.push(sql);
            return transaction.query(sql, params);
          };
          const scope: BatchScope = {
            id: 'b',
            flow: 'f',
            store: { flavour, database, maxPacketBytes, query },
            signal: new AbortController().signal,
            logger: silentLogger,
          };
          return connector.session(scope).save(rows);
        }),
      rows: async () => (await store.query('SELECT id, name, amount, state, body, big, d FROM mirror ORDER BY id')).rows,
    };
  }

  test('rows of a key with texts of another character set are found, many at a time', async () => {
    const { url } = await createDatabase(server);
    const store = await openStore({ url });
    onEnd(() => store.close());
    await store.query(
      'CREATE TABLE parts (id INT, part VARCHAR(9) CHARACTER SET latin1, n INT NULL, m INT NULL, PRIMARY KEY (id, part))',
    );
    const connector = createMysqlConnector({ name: 'p', type: 'mysql', addrs: 'store', key: 'parts', params: {} });
    const within = <T>(work: (session: ReturnType<typeof connector.session>) => Promise<T>): Promise<T> =>
      store.transaction((transaction) => {
        const signal = new AbortController().signal;
        return work(connector.session({ id: 'b', flow: 'f', store: transaction, signal, logger: silentLogger }));
      });
    const keys = [1, 2, 3].map((id) => ({ id, part: 'ü' }));
    await within((session) => session.save(keys.map((key) => ({ ...key, n: 0, m: 0 }))));
    expect(await within((session) => session.load(keys))).toHaveLength(3);
    const absent = { columns: ['m'], meaning: 'unknown' } as const;
    const updates = keys.map((key) => makeChange({ ...full(key, { ...key, n: key.id }), absent }));
    await within((session) => session.save(updates));
    expect((await store.query('SELECT n FROM parts ORDER BY id')).rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await within((session) => session.save(keys.map((key) => full(key, null))));
    expect((await store.query('SELECT * FROM parts')).rows).toEqual([]);
  });

  describe('rows whose image lacks columns', () => {
    test('an update of some columns leaves the others as they are', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, { ...whole, body: Buffer.from('x') }), full(null, { ...whole, id: 2 }));
      await mirror.save(partial({ id: 1 }, { id: 1, amount: '2.25' }), partial({ id: 2 }, { id: 2, name: 'two' }));
      expect(await mirror.rows()).toEqual([
        { ...whole, amount: '2.25', body: Buffer.from('x') },
        { ...whole, id: 2, name: 'two' },
      ]);
    });

    test('null is written and absent is not', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, whole));
      await mirror.save(partial({ id: 1 }, { id: 1, amount: null }));
      expect(await mirror.rows()).toEqual([{ ...whole, amount: null }]);
    });

    test('a plain row is an update too', async () => {
      const mirror = await makeMirror();
      await mirror.save(whole);
      const absent = { columns: ['amount', 'body'], meaning: 'unknown' } as const;
      await mirror.save(
        ...markPartial([{ id: 1, name: 'other', state: 'paid' }], { op: 'update', table: 's.t', position, absent }),
      );
      expect(await mirror.rows()).toEqual([{ ...whole, name: 'other', state: 'paid' }]);
    });

    test('an update of a row that is not there is STORE_ROW_MISSING, names key and position, and makes no row', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, whole));
      const lost = mirror.save(partial({ id: 77 }, { id: 77, amount: '2.25', name: 'hole' }));
      await expect(lost).rejects.toMatchObject({ code: 'STORE_ROW_MISSING', class: 'row', details: { key: '77', position } });
      await expect(lost).rejects.toThrow(/mirror: row 77 is not there .* s\.t at binlog\.000007:1234.*new start/);
      const some = mirror.save(partial({ id: 77 }, { id: 77, name: 'hole' }), partial({ id: 1 }, { id: 1, name: 'one!' }));
      await expect(some).rejects.toThrow(/1 of 2 rows is not there/);
      expect(await mirror.rows()).toEqual([whole]);
    });

    test('an update that changes nothing finds its row all the same', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, whole));
      await mirror.save(partial({ id: 1 }, { id: 1, amount: '1.50' }));
      expect(await mirror.rows()).toEqual([whole]);
    });

    test('a key that changes takes the absent columns with it', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, whole), full(null, { ...whole, id: 2, name: 'two' }));
      await mirror.save(
        partial({ id: 2 }, { id: 3 }),
        partial({ id: 1 }, { id: 2, amount: '7.00' }),
        partial({ id: 3 }, { id: 3, name: 'three' }),
      );
      expect(await mirror.rows()).toEqual([
        { ...whole, id: 2, amount: '7.00' },
        { ...whole, id: 3, name: 'three' },
      ]);
    });

    test('within one save, insert, updates and delete of a row have their effect in order', async () => {
      const mirror = await makeMirror();
      await mirror.save(
        full(null, whole),
        partial({ id: 1 }, { id: 1, amount: '2.00' }),
        partial({ id: 1 }, { id: 1, name: 'later' }),
        full(null, { ...whole, id: 2 }),
        partial({ id: 2 }, { id: 2, name: 'gone' }),
        partial({ id: 2 }, null),
      );
      expect(await mirror.rows()).toEqual([{ ...whole, amount: '2.00', name: 'later' }]);
      await mirror.save(partial({ id: 1 }, { id: 1, amount: '3.00' }), partial({ id: 1 }, { id: 1, d: 0.5 }));
      expect(await mirror.rows()).toEqual([{ ...whole, amount: '3.00', name: 'later', d: 0.5 }]);
    });

    test('a row that was deleted in the same save is not there', async () => {
      const mirror = await makeMirror();
      await mirror.save(full(null, whole));
      const lost = mirror.save(partial({ id: 1 }, null), partial({ id: 1 }, { id: 1, name: 'hole' }));
      await expect(lost).rejects.toMatchObject({ code: 'STORE_ROW_MISSING' });
    });

    test('rows of equal columns share a statement, and each gets its own values', async () => {
      const mirror = await makeMirror();
      const ids = Array.from({ length: 250 }, (_, index) => index + 1);
      await mirror.save(...ids.map((id) => full(null, { ...whole, id })));
      mirror.statements.length = 0;
      await mirror.save(...ids.map((id) => partial({ id }, { id, name: `n'${id}`, amount: `${id}.25`, state: 'paid' })));
      expect(mirror.statements).toHaveLength(3);
      expect(await mirror.rows()).toEqual(ids.map((id) => ({ ...whole, id, name: `n'${id}`, amount: `${id}.25`, state: 'paid' })));
    });

    test('values that do not go into one expression are written one by one, exactly', async () => {
      const mirror = await makeMirror();
      const values = [
        { big: '18446744073709551615', d: 0.1 },
        { big: 7, d: 1e300 },
        { big: null, d: 1.5 },
      ];
      await mirror.save(...values.map((_, id) => full(null, { ...whole, id })));
      await mirror.save(...values.map((value, id) => partial({ id }, { id, ...value })));
      expect(await mirror.rows()).toEqual(values.map((value, id) => ({ ...whole, id, ...value })));
    });

    test('an insert without all columns is refused, and names them and what to do', async () => {
      const mirror = await makeMirror();
      const save = mirror.save(partial(null, { id: 1, name: 'x', d: null }));
      await expect(save).rejects.toMatchObject({ code: 'SOURCE_ROW_IMAGE', class: 'stop', details: { table: 's.t', position } });
      await expect(save).rejects.toThrow(/needs amount, state, body, big of s\.t.*insert at .*row_image: partial/);
      expect(await mirror.rows()).toEqual([]);
    });

    test('where absent means the default, an insert takes those of the computed table', async () => {
      const mirror = await makeMirror();
      await mirror.save(partial(null, { id: 1, name: 'x' }, 'default'));
      expect(await mirror.rows()).toMatchObject([{ id: 1, name: 'x', state: 'new', amount: null }]);
    });

    test('absent columns that the computed table does not have, or computes itself, are not missed', async () => {
      const mirror = await makeMirror();
      await mirror.save(partial(null, { ...whole }));
      await mirror.save(partial({ id: 2 }, { ...whole, id: 2 }));
      expect(await mirror.rows()).toEqual([whole, { ...whole, id: 2 }]);
    });

    test('a table whose key the image lacks refuses the change', async () => {
      const mirror = await makeMirror({ more: ', UNIQUE KEY (name)' });
      for (const change of [partial({ name: 'one' }, { amount: '1.00' }), partial({ name: 'one' }, null)]) {
        await expect(mirror.save(change)).rejects.toMatchObject({ code: 'SOURCE_ROW_IMAGE', class: 'stop' });
      }
    });

    test('with another unique key, rows are updated one after another in their order', async () => {
      const mirror = await makeMirror({ more: ', UNIQUE KEY (name)' });
      await mirror.save(full(null, { ...whole, name: 'a' }), full(null, { ...whole, id: 2, name: 'b' }));
      await mirror.save(
        partial({ id: 1 }, { id: 1, name: 'free' }),
        partial({ id: 2 }, { id: 2, name: 'a' }),
        partial({ id: 1 }, { id: 1, name: 'b' }),
      );
      expect(await mirror.rows()).toMatchObject([
        { id: 1, name: 'b' },
        { id: 2, name: 'a' },
      ]);
    });

    test('mode update leaves a row alone that is not there, and mode insert refuses', async () => {
      const updating = await makeMirror({ mode: 'update' });
      await updating.save(partial({ id: 1 }, { id: 1, name: 'x' }));
      expect(await updating.rows()).toEqual([]);
      const inserting = await makeMirror({ mode: 'insert' });
      const save = inserting.save(partial({ id: 1 }, { id: 1, name: 'x' }));
      await expect(save).rejects.toMatchObject({ code: 'SOURCE_ROW_IMAGE' });
    });
  });
});
