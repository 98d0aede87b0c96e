/**
 * The laws that every connector of keyed rows passes. A kind's test file calls `connectorLaws` with a factory of tables; on a real
 * server the factory makes a fresh table with the columns below and drops it in `close`.
 *
 *   shop   varchar(20)    only in the two-column key (shop, id)
 *   id     bigint         primary key
 *   name   varchar(200)   utf8mb4, may be NULL
 *   amount bigint         may be NULL
 *   price  decimal(12,2)  may be NULL
 *   body   varbinary(200) may be NULL
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConnectorSession } from '../../src/connector/contract.ts';
import { CodedError } from '../../src/lib/error.ts';
import { makeChange, type Change, type Row } from '../../src/row/change.ts';

export type KeyColumns = readonly ['id'] | readonly ['shop', 'id'];

export interface LawTableOptions {
  readonly keyColumns: KeyColumns;
  /** upsert where absent. */
  readonly mode?: 'insert' | 'update';
}

/** An empty table with its connector. */
export interface LawTable {
  /** Runs the work in one batch and commits it; rolls back (where the storage can) and rejects when the work rejects. */
  inBatch<T>(work: (session: ConnectorSession) => Promise<T>): Promise<T>;
  /** All rows as the storage has them now, ordered by the key columns; absent fields may be absent or null. */
  rows(): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface LawOptions {
  readonly makeTable: (options: LawTableOptions) => Promise<LawTable>;
  /** Whether the storage knows its columns and their types, and so refuses others. */
  readonly hasColumns: boolean;
  /** The storage keeps texts and bytes, no types: values are compared as texts. */
  readonly isTextual?: boolean;
  /** Rows are found by their whole key only. */
  readonly isKeyed?: boolean;
}

const fields = ['name', 'amount', 'price', 'body'] as const;

/** The row as a storage without types keeps it. */
function asTexts(row: Row): Row {
  const text = (value: unknown): string | null => {
    if (value === null || value === undefined) return null;
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : Buffer.from(String(value)).toString('latin1');
  };
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, text(value)]));
}

/** Declares the laws as tests, once for each shape of key. */
export function connectorLaws(kind: string, options: LawOptions): void {
  describe.each<{ shape: string; keyColumns: KeyColumns }>([
    { shape: 'one key column', keyColumns: ['id'] },
    { shape: 'two key columns', keyColumns: ['shop', 'id'] },
  ])(`${kind} with $shape`, ({ keyColumns }) => {
    let table: LawTable;
    const use = async (mode?: 'insert' | 'update'): Promise<void> => {
      table = await options.makeTable(mode === undefined ? { keyColumns } : { keyColumns, mode });
    };
    beforeEach(() => use());
    afterEach(() => table.close());

    /** A row with this id, in the one shop. */
    const row = (id: number | string, rest: Row = {}): Row =>
      keyColumns.length === 1 ? { id, ...rest } : { shop: 'a', id, ...rest };
    /** The row as it is expected back: every field, NULL where it was not set. */
    const full = (id: number, rest: Row = {}): Row => ({ ...row(id), name: null, amount: null, price: null, body: null, ...rest });
    const change = (op: Change['op'], before: Row | null, after: Row | null): Change =>
      makeChange({ op, table: 's.t', before, after, key: keyColumns, position: 'binlog.000001:4', time: 0 });
    const save = (...rows: readonly unknown[]): Promise<void> => table.inBatch((session) => session.save(rows));
    const load = (...keys: readonly Row[]): Promise<Row[]> => table.inBatch((session) => session.load(keys));
    const withAllFields = (rows: readonly Row[]): readonly Row[] =>
      rows.map((one) => ({ ...Object.fromEntries(fields.map((field) => [field, null])), ...one }));
    const asKept = (rows: readonly Row[]): readonly Row[] => (options.isTextual === true ? rows.map(asTexts) : rows);
    const savedRows = async (): Promise<readonly Row[]> => asKept(withAllFields(await table.rows()));
    const expectRows = async (...expected: readonly Row[]): Promise<void> => expect(await savedRows()).toEqual(asKept(expected));
    const expectLoaded = (loaded: readonly Row[], ...expected: readonly Row[]): void => {
      const byId = (a: Row, b: Row): number => Number(a.id) - Number(b.id);
      expect(asKept([...withAllFields(loaded)].sort(byId))).toEqual(asKept(expected));
    };
    const codedError = async (work: Promise<unknown>): Promise<CodedError> => {
      const error: unknown = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof CodedError)) throw new Error(`expected a CodedError, not ${String(error)}`, { cause: error });
      return error;
    };

    describe('plain rows', () => {
      test('a row is written by its key: made when new, changed when known', async () => {
        await save(row(1, { name: 'a', amount: 1 }), row(2, { name: 'b', amount: 2 }));
        await save(row(2, { name: 'B', amount: 3 }), row(3, { name: 'c', amount: 4 }));
        await expectRows(full(1, { name: 'a', amount: 1 }), full(2, { name: 'B', amount: 3 }), full(3, { name: 'c', amount: 4 }));
      });

      test('fields that a row does not have are left alone; NULL is a value', async () => {
        await save(row(1, { name: 'a', amount: 1, price: '1.50' }));
        await save(row(1, { amount: 2, name: undefined }));
        await expectRows(full(1, { name: 'a', amount: 2, price: '1.50' }));
        await save(row(1, { name: null }));
        await expectRows(full(1, { amount: 2, price: '1.50' }));
      });

      test('a row of nothing but its key makes the row and changes nothing of a known one', async () => {
        await save(row(1), row(2, { name: 'b' }));
        await save(row(2));
        await expectRows(full(1), full(2, { name: 'b' }));
      });

      test('rows of one key take effect in the order given, each with its own fields', async () => {
        await save(
          row(1, { name: 'first', amount: 1 }),
          row(2, { name: 'x' }),
          row(1, { amount: 2 }),
          row(1, { name: 'last' }),
          row(1, { price: '3.00' }),
        );
        await expectRows(full(1, { name: 'last', amount: 2, price: '3.00' }), full(2, { name: 'x' }));
      });

      test('an empty save does nothing', async () => {
        await save();
        await expectRows();
      });

      test('saving the same rows again changes nothing', async () => {
        const rows = [row(1, { name: 'a' }), row(2, { amount: 2 }), row(1, { amount: 9 })];
        await save(...rows);
        await save(...rows);
        await expectRows(full(1, { name: 'a', amount: 9 }), full(2, { amount: 2 }));
      });

      test('a key is the same as number and as text', async () => {
        await save(row(7, { name: 'number' }));
        await save(row('7', { amount: 1 }), row(7, { amount: 2 }));
        const rows = await savedRows();
        expect(rows).toHaveLength(1);
        expect(rows[0]).toMatchObject(asKept([{ name: 'number', amount: 2 }])[0] ?? {});
      });

      test('rows passed to save are not changed by it', async () => {
        const given = Object.freeze(row(1, { name: 'a' }));
        await save(given, given);
        expect(given).toEqual(row(1, { name: 'a' }));
      });

      test('20,000 rows with repeated keys are saved in one batch', { timeout: 60_000 }, async () => {
        const rows = Array.from({ length: 20_000 }, (_, index) => row(index % 15_000, { name: `name ${index}`, amount: index }));
        await save(...rows);
        const saved = await savedRows();
        expect(saved).toHaveLength(15_000);
        const [first = {}, second = {}] = asKept([
          row(4999, { name: 'name 19999', amount: 19_999 }),
          row(5000, { name: 'name 5000', amount: 5000 }),
        ]);
        expect(saved[4999]).toMatchObject(first);
        expect(saved[5000]).toMatchObject(second);
      });
    });

    describe('changes', () => {
      test('insert and update write the row after the change, delete removes it', async () => {
        await save(change('insert', null, row(1, { name: 'a' })), change('insert', null, row(2, { name: 'b' })));
        await save(change('update', row(1, { name: 'a' }), row(1, { name: 'A' })), change('delete', row(2, { name: 'b' }), null));
        await expectRows(full(1, { name: 'A' }));
      });

      test('applied again, a change has no further effect', async () => {
        const changes = [
          change('insert', null, row(1)),
          change('update', row(1), row(1, { amount: 5 })),
          change('delete', row(2), null),
        ];
        await save(...changes);
        await save(...changes);
        await expectRows(full(1, { amount: 5 }));
      });

      test('an update of a row that is not there makes it; a delete of one is nothing', async () => {
        await save(change('update', row(1), row(1, { name: 'a' })), change('delete', row(9), null));
        await expectRows(full(1, { name: 'a' }));
      });

      test('a changed primary key removes the old row and writes the new one', async () => {
        await save(row(1, { name: 'a' }));
        await save(change('update', row(1, { name: 'a' }), row(2, { name: 'a' })));
        await expectRows(full(2, { name: 'a' }));
      });

      test('keys that move over one another end where they went', async () => {
        await save(row(1, { name: 'one' }), row(2, { name: 'two' }));
        await save(
          change('update', row(1), row(3, { name: 'one' })),
          change('update', row(2), row(1, { name: 'two' })),
          change('update', row(3), row(2, { name: 'one' })),
        );
        await expectRows(full(1, { name: 'two' }), full(2, { name: 'one' }));
      });

      test('delete then insert of one key leaves only what the insert has', async () => {
        await save(row(1, { name: 'old', amount: 1 }));
        await save(change('delete', row(1), null), change('insert', null, row(1, { name: 'new' })));
        await expectRows(full(1, { name: 'new' }));
      });

      test('insert then delete of one key leaves nothing', async () => {
        await save(change('insert', null, row(1, { name: 'a' })), change('delete', row(1, { name: 'a' }), null));
        await expectRows();
      });

      test('plain rows and changes of one key take effect in the order given', async () => {
        await save(
          row(1, { name: 'a', amount: 1 }),
          change('delete', row(1), null),
          row(1, { amount: 2 }),
          change('update', row(1), row(1, { price: '2.00' })),
        );
        await expectRows(full(1, { amount: 2, price: '2.00' }));
      });
    });

    describe('load', () => {
      test('returns what was saved, in the same batch and in a later one; keys without a row are absent', async () => {
        const inSame = await table.inBatch(async (session) => {
          await session.save([row(1, { name: 'a' }), row(2, { amount: 2 })]);
          return session.load([row(2), row(1), row(9)]);
        });
        expectLoaded(inSame, full(1, { name: 'a' }), full(2, { amount: 2 }));
        expectLoaded(await load(row(2), row(9)), full(2, { amount: 2 }));
      });

      test('a key asked for twice is loaded once, and no key loads nothing', async () => {
        await save(row(1, { name: 'a' }));
        expectLoaded(await load(row(1), row(1)), full(1, { name: 'a' }));
        expect(await load()).toEqual([]);
      });

      if (options.isKeyed !== true)
        test('rows are found by the values of any columns', async () => {
          await save(row(1, { name: 'a', amount: 1 }), row(2, { name: 'b', amount: 1 }), row(3, { name: 'a', amount: 2 }));
          expectLoaded(await load({ name: 'a' }), full(1, { name: 'a', amount: 1 }), full(3, { name: 'a', amount: 2 }));
          expectLoaded(
            await load({ name: 'a', amount: 1 }, { name: 'b', amount: 1 }),
            full(1, { name: 'a', amount: 1 }),
            full(2, { name: 'b', amount: 1 }),
          );
        });

      test('20,000 keys are loaded in one call', { timeout: 60_000 }, async () => {
        const rows = Array.from({ length: 20_000 }, (_, index) => row(index, { amount: index }));
        await save(...rows);
        expect(await load(...rows.map((_, index) => row(index)))).toHaveLength(20_000);
      });
    });

    describe('values', () => {
      test.each([
        ['text with quotes, backslashes and line ends', `'"\`\\ \r\n\t%_;--`],
        ['text beyond the basic plane', 'naïve 数据 🙂 e\u0301 \u200d'],
        ['text that looks like a number', '007.10'],
        ['a NUL character', 'a\u0000b'],
        ['the empty text', ''],
      ])('%s comes back unchanged', async (_what, name) => {
        await save(row(1, { name }));
        await expectRows(full(1, { name }));
        expectLoaded(await load(options.isKeyed === true ? row(1) : { name }), full(1, { name }));
      });

      test('bytes come back unchanged', async () => {
        const body = Buffer.from([0, 1, 39, 92, 128, 255, 10]);
        await save(row(1, { body }), row(2, { body: Buffer.alloc(0) }));
        await expectRows(full(1, { body }), full(2, { body: Buffer.alloc(0) }));
      });

      test('integers beyond 2^53 and decimals keep every digit', async () => {
        await save(row(1, { amount: '9007199254740993', price: '-1234567890.12' }));
        await expectRows(full(1, { amount: '9007199254740993', price: '-1234567890.12' }));
      });
    });

    describe('refusals', () => {
      test('a row without its key is STORE_KEY_MISSING of class row, and nothing of its batch is written', async () => {
        const error = await codedError(save(row(1, { name: 'a' }), { name: 'keyless' }));
        expect(error).toMatchObject({ code: 'STORE_KEY_MISSING', class: 'row' });
        expect(error.message).toContain('id');
        await expectRows();
      });

      test.each([['text'], [7], [null], [['a']]])('what is no row is refused, class row: %j', async (value) => {
        expect((await codedError(save(value))).class).toBe('row');
      });

      if (options.hasColumns)
        test('a field without a column is STORE_COLUMN_UNKNOWN and names it', async () => {
          const error = await codedError(save(row(1, { colour: 'red' })));
          expect(error.code).toBe('STORE_COLUMN_UNKNOWN');
          expect(error.message).toContain('colour');
          await expectRows();
        });

      if (options.hasColumns)
        test('a value that its column does not take is STORE_CONSTRAINT of class row', async () => {
          for (const fault of [{ name: 'x'.repeat(201) }, { amount: 'no number' }, { price: '12345678901.00' }]) {
            expect(await codedError(save(row(1, fault)))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
          }
          await expectRows();
        });
    });

    describe('modes', () => {
      test('in mode update a row changes a known one and never makes one', async () => {
        await table.close();
        await use('update');
        await save(row(1, { name: 'a' }));
        await expectRows();
      });

      test('in mode insert a key that is there is STORE_CONSTRAINT of class row', async () => {
        await table.close();
        await use('insert');
        await save(row(1, { name: 'a' }), row(2));
        expect(await codedError(save(row(1, { name: 'b' })))).toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
        await expectRows(full(1, { name: 'a' }), full(2));
      });
    });
  });
}
