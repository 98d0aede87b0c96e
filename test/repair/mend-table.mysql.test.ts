import type { RowDataPacket } from 'mysql2/promise';
import { beforeAll, expect, it } from 'vitest';
import { mendTable, type MendCounts } from '../../src/repair/mend-table.ts';
import type { ComparedWish } from '../../src/repair/compared-table.ts';
import type { CompareOptions } from '../../src/repair/compare-table.ts';
import { requireNoState } from '../../src/repair/verify-state.ts';
import type { StoreTransaction } from '../../src/store/contract.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { eachServer } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import { createPair, nothing, type Pair } from './comparing.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);
const old = '2001-01-01 00:00:00.000';

eachServer((flavour, server) => {
  let pair: Pair;
  let store: Store;

  beforeAll(async () => {
    pair = await createPair(server);
    store = await openStore({ url: pair.url });
    onEnd(() => store.close());
  });

  const mend = async (
    name: string,
    wish: Partial<ComparedWish> = {},
    isExcused: CompareOptions['isExcused'] = () => false,
  ): Promise<MendCounts> => {
    const { ranges } = await pair.compare(name, wish, { isExcused });
    const table = await pair.describe(name, wish);
    return mendTable(table, { ranges, isExcused, run: (work) => store.transaction(work) });
  };
  const rowsOf = async (sql: string): Promise<RowDataPacket[]> => (await pair.connection.query<RowDataPacket[]>(sql))[0];

  it('of a thousand random fields that were damaged, rows that went and rows that came exactly those are mended', async () => {
    const { connection, main, shadow } = pair;
    const random = randomFrom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    await pair.both(`CREATE TABLE wares (id INT, part VARCHAR(9), a INT, b VARCHAR(50), c DOUBLE, d DECIMAL(20,5), e BLOB, noted VARCHAR(20) DEFAULT 'nobody',
      at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), PRIMARY KEY (id, part)) CHARACTER SET utf8mb4`);
    const rows = Array.from({ length: 4000 }, (_, id) => [
      id,
      `p${id % 7}`,
      below(100),
      `text ${below(1e6)}`,
      random(),
      below(1e6) / 100,
      Buffer.from([below(256)]),
    ]);
    await connection.query(`INSERT INTO ${shadow}.wares (id, part, a, b, c, d, e) VALUES ?`, [rows]);
    await connection.query(
      `INSERT INTO wares SELECT * FROM ${shadow}.wares; UPDATE wares SET at = '${old}', noted = CONCAT('u', id)`,
    );
    const damage = ['a = a + 1', "b = CONCAT(b, '!')", 'c = c * 1.0000000000000002', 'd = NULL', "e = ''"];
    const damaged = new Map<number, Set<string>>();
    for (let n = 0; n < 1000; n += 1) {
      const id = below(4000);
      const [how = ''] = damage.slice(below(5));
      await connection.query(`UPDATE wares SET ${how}, at = '${old}' WHERE id = ${id}`);
      damaged.set(id, (damaged.get(id) ?? new Set()).add(how.slice(0, 1)));
    }
    const gone = new Set(Array.from({ length: 100 }, () => below(4000)));
    await connection.query('DELETE FROM wares WHERE id IN (?)', [[...gone]]);
    for (const id of gone) damaged.delete(id);
    await connection.query(
      `INSERT INTO wares (id, part, a, at) VALUES ${Array.from({ length: 50 }, (_, n) => `(${n * 77}, 'q', 0, '${old}')`).join()}`,
    );
    const wish = { columns: new Set(['a', 'b', 'c', 'd', 'e']) };
    const { counts, differences } = await pair.compare('wares', wish, { keptMax: 5000 });
    expect(counts, `seed ${seed}`).toEqual({ missing: gone.size, extra: 50, different: damaged.size, excused: 0 });
    const told = differences.filter(({ kind }) => kind === 'different');
    expect(told.map(({ key, fields }) => [key[0], fields.map(({ name }) => name)])).toEqual(
      [...damaged].toSorted(([a], [b]) => a - b).map(([id, names]) => [id, [...names].toSorted()]),
    );
    expect(await mend('wares', wish)).toEqual({ inserted: gone.size, updated: damaged.size, deleted: 50, left: 0 });
    expect((await pair.compare('wares', wish)).counts).toEqual(nothing);
    // nothing else was written
    const written = await rowsOf(`SELECT id FROM wares WHERE at <> '${old}' ORDER BY id`);
    expect(written.map(({ id }) => Number(id))).toEqual([...gone, ...damaged.keys()].toSorted((a, b) => a - b));
    const notes = await rowsOf("SELECT COUNT(*) AS n FROM wares WHERE noted = CONCAT('u', id)");
    expect(Number(notes[0]?.['n'])).toBe(4000 - gone.size);
    expect(await rowsOf(`SELECT COUNT(*) AS n FROM ${main}.wares`)).toEqual(
      await rowsOf(`SELECT COUNT(*) AS n FROM ${shadow}.wares`),
    );
  });

  it('rows that have one another’s unique values are mended, with what others own of them as it was', async () => {
    const { connection, shadow } = pair;
    await pair.both(`CREATE TABLE ring (id INT PRIMARY KEY, u VARCHAR(9) NOT NULL, w INT, noted VARCHAR(9), big BIT(40), j JSON, f FLOAT,
      UNIQUE (u), UNIQUE (w), INDEX (noted)) CHARACTER SET utf8mb4`);
    const right =
      "INSERT INTO ring (id, u, w) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4), (5, 'e', 5), (6, 'f', 6), (7, 'g', 7)";
    await pair.inShadow(right);
    // 1 → 2 → 3 → 1 is a ring, 4 → 5 a chain; 6 is missing, and its value is one that an orphan has; 7 has a value of the ring
    await connection.query(`INSERT INTO ring VALUES (1, 'b', 2, 'n1', 12345678901, '{"a": [1]}', 0.1), (2, 'c', 3, 'n2', NULL, NULL, NULL),
      (3, 'a', NULL, 'n3', NULL, NULL, NULL), (4, 'e', 1, NULL, NULL, NULL, NULL), (5, 'x', 5, NULL, NULL, NULL, NULL), (9, 'f', 6, NULL, NULL, NULL, NULL),
      (7, 'g', 7, 'n7', NULL, NULL, NULL)`);
    await connection.query(
      `CREATE TABLE children (ring INT, CONSTRAINT c_${flavour} FOREIGN KEY (ring) REFERENCES ring (id) ON DELETE CASCADE); INSERT INTO children VALUES (1), (2), (3), (7)`,
    );
    const wish = { columns: new Set(['u', 'w']) };
    const before = await rowsOf('SELECT id, noted, big + 0 AS big, j, f FROM ring WHERE id IN (1, 2, 3, 7) ORDER BY id');
    expect(await mend('ring', wish)).toEqual({ inserted: 1, updated: 5, deleted: 1, left: 0 });
    expect((await pair.compare('ring', wish)).counts).toEqual(nothing);
    expect(await rowsOf('SELECT id, noted, big + 0 AS big, j, f FROM ring WHERE id IN (1, 2, 3, 7) ORDER BY id')).toEqual(before);
    expect(await rowsOf('SELECT COUNT(*) AS n FROM children')).toMatchObject([{ n: 4 }]);
    // a row that is excused keeps its value
    await connection.query(
      `UPDATE ring SET u = 'q' WHERE id = 1; UPDATE ring SET u = 'a' WHERE id = 2; UPDATE ${shadow}.ring SET u = 'z' WHERE id = 2`,
    );
    const isExcused: CompareOptions['isExcused'] = ([id]) => id === 2;
    expect(await mend('ring', wish, isExcused)).toEqual({ inserted: 0, updated: 0, deleted: 0, left: 1 });
    expect(await rowsOf('SELECT id, u, noted FROM ring WHERE id < 3 ORDER BY id')).toMatchObject([
      { id: 1, u: 'q', noted: 'n1' },
      { id: 2, u: 'a', noted: 'n2' },
    ]);
  });

  it('in a table of several flows an orphan stays for the others, and a key is as it was computed', async () => {
    const { connection, inShadow } = pair;
    await pair.both(
      "CREATE TABLE common (k VARCHAR(20) PRIMARY KEY, mine INT, word VARCHAR(9) NOT NULL DEFAULT 'none', other INT) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    );
    await connection.query("INSERT INTO common VALUES ('a', 1, 'x', 1), ('b', 2, 'y', 2), ('c', NULL, 'none', 3)");
    await inShadow("INSERT INTO common VALUES ('A', 1, 'x', NULL), ('d', 4, 'z', NULL)");
    const wish = { columns: new Set(['mine', 'word']), isShared: true };
    expect(await mend('common', wish)).toEqual({ inserted: 1, updated: 1, deleted: 1, left: 0 });
    expect(await rowsOf('SELECT * FROM common ORDER BY k')).toMatchObject([
      { k: 'A', mine: 1, word: 'x', other: 1 },
      { k: 'b', mine: null, word: 'none', other: 2 },
      { k: 'c', mine: null, word: 'none', other: 3 },
      { k: 'd', mine: 4, word: 'z', other: null },
    ]);
  });

  it('in a table of several flows what a column has by default is nothing of this one, whatever its type and its name', async () => {
    const { connection } = pair;
    const columns = [
      ["BINARY(4) DEFAULT 'ab'", "'x'"],
      ["VARBINARY(9) DEFAULT 'a\\'b'", "'x'"],
      ["VARBINARY(9) DEFAULT x'00ff'", "'x'"],
      ["BIT(9) DEFAULT b'101'", '1'],
      ["VARCHAR(9) DEFAULT 'it''s \\\\ x'", "''"],
      ["VARCHAR(20) DEFAULT 'current_timestamp'", "''"],
      ["CHAR(9) CHARACTER SET latin1 DEFAULT 'ä'", 'NULL'],
      ["ENUM('a','b') NOT NULL DEFAULT 'b'", "'a'"],
      ["SET('a','b') NOT NULL DEFAULT 'a,b'", "'a'"],
      ['DECIMAL(9,3) DEFAULT -1.5', '-1'],
      ['FLOAT DEFAULT 0.1', '0.2'],
      ['DOUBLE DEFAULT 1e300', '1'],
      ["DATETIME(3) DEFAULT '2001-01-01 01:02:03.456'", "'2001-01-01 01:02:03'"],
      ["TIME(2) DEFAULT '-01:02:03.45'", 'NULL'],
      ["TIMESTAMP NULL DEFAULT '2001-01-01 00:00:00'", 'NULL'],
      ['BIGINT UNSIGNED DEFAULT 18446744073709551615', '18446744073709551614'],
      ['JSON', "'{}'"],
      ['BLOB', "''"],
    ] as const;
    const names = columns.map((_, n) => `It's "${n}"`);
    const quoted = names.map((name) => `\`${name}\``);
    const defined = columns.map(([type], n) => `${quoted[n]} ${type}`);
    await pair.both(`CREATE TABLE defaults (id INT PRIMARY KEY, ${defined.join(', ')}, other INT) CHARACTER SET utf8mb4`);
    await connection.query(
      `INSERT INTO defaults (id, other) VALUES (1, 1); INSERT INTO defaults VALUES (2, ${columns.map(([, value]) => value).join(', ')}, 1)`,
    );
    const wish = { columns: new Set(names.map((name) => name.toLowerCase())), isShared: true };
    expect((await pair.compare('defaults', wish)).counts).toEqual({ ...nothing, extra: 1 });
    expect(await mend('defaults', wish)).toMatchObject({ deleted: 1, left: 0 });
    expect((await pair.compare('defaults', wish)).counts).toEqual(nothing);
    const [one, two] = await rowsOf('SELECT * FROM defaults ORDER BY id');
    expect({ ...two, id: 1 }).toEqual(one);
  });

  it('in a table of several flows a row that the other one makes meanwhile is mended, and what that one writes stays', async () => {
    const { connection, inShadow } = pair;
    const wish = { columns: new Set(['mine', 'word']), isShared: true };
    /** Mends while, in front of our first statement of a kind, the other flow writes. */
    const mendBeside = async (name: string, word: string, theirs: string): Promise<unknown> => {
      const { ranges } = await pair.compare(name, wish);
      const table = await pair.describe(name, wish);
      let written: Promise<unknown> | undefined;
      const run = (work: (transaction: StoreTransaction) => Promise<void>): Promise<void> =>
        store.transaction((transaction) =>
          work({
            ...transaction,
            query: async (sql, values) => {
              if (sql.startsWith(word)) written ??= connection.query(theirs);
              // a change of a row that was taken out has to wait for the end of our transaction
              if (word === 'INSERT') await written;
              return transaction.query(sql, values);
            },
          }),
        );
      const counts = await mendTable(table, { ranges, isExcused: () => false, run });
      await written;
      return counts;
    };
    await pair.both('CREATE TABLE made (id INT PRIMARY KEY, mine INT, word VARCHAR(9), other INT)');
    await inShadow("INSERT INTO made VALUES (3, 3, 'c', NULL)");
    expect(await mendBeside('made', 'INSERT', 'INSERT INTO made (id, other) VALUES (3, 9)')).toMatchObject({
      inserted: 1,
      left: 0,
    });
    expect(await rowsOf('SELECT * FROM made')).toMatchObject([{ id: 3, mine: 3, word: 'c', other: 9 }]);

    await pair.both('CREATE TABLE turned (id INT PRIMARY KEY, mine INT, word VARCHAR(9) UNIQUE, other INT)');
    await connection.query("INSERT INTO turned VALUES (1, 1, 'b', 1), (2, 2, 'a', 2)");
    await inShadow("INSERT INTO turned VALUES (1, 1, 'a', NULL), (2, 2, 'b', NULL)");
    expect(await mendBeside('turned', 'DELETE', 'UPDATE turned SET other = 7')).toMatchObject({ updated: 2, left: 0 });
    expect(await rowsOf('SELECT * FROM turned ORDER BY id')).toMatchObject([
      { id: 1, mine: 1, word: 'a', other: 7 },
      { id: 2, mine: 2, word: 'b', other: 7 },
    ]);
  });

  it('a flow that keeps state beside its tables is not mended row by row, and the refusal names what is right for it', async () => {
    await migrate({ store });
    const refusal = (flow: string): Promise<unknown> =>
      requireNoState(store, [store.database], flow).then(
        () => undefined,
        (error: unknown) => error,
      );
    await store.query("INSERT INTO kis_state (flow, fname, state_key, value) VALUES ('joins', 'Join', 'k', '1')");
    await store.query(
      "INSERT INTO kis_aggregate (flow, fname, definition, plan) VALUES ('sums', 'Sum', '{}', 'increments'), ('medians', 'Median', '{}', 'counts')",
    );
    expect(await refusal('joins')).toMatchObject({
      code: 'VERIFY_KEEPS_STATE',
      message: expect.stringContaining('kisflow rebuild joins'),
    });
    expect(await refusal('medians')).toMatchObject({ code: 'VERIFY_KEEPS_STATE', message: expect.stringContaining('Median') });
    expect(await refusal('sums')).toBeUndefined();
    expect(await refusal('other')).toBeUndefined();
  });
});
