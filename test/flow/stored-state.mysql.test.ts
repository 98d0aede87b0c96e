import { describe, expect, test } from 'vitest';
import { defineFunction } from '../../src/flow/define.ts';
import { createFlow } from '../../src/flow/driven-flow.ts';
import { StepState } from '../../src/flow/state.ts';
import { StoredState, type OpenState } from '../../src/flow/stored-state.ts';
import { CodedError } from '../../src/lib/error.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import type { StoreTransaction } from '../../src/store/contract.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);
const large = { entriesMax: 1000, bytesMax: 1_000_000 };

/** Runs a function over the state, as a step that ends well. */
async function step<T>(batch: OpenState, work: (state: StepState) => T | Promise<T>, fname = 'count'): Promise<T> {
  const state = new StepState(batch, fname);
  const result = await work(state);
  state.keep();
  state.close();
  return result;
}

eachServer((_flavour, server) => {
  /** A store with a session for batches, and what counts the SELECTs that it is sent. */
  async function setUp() {
    const { url, connection } = await createDatabase(server);
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    const session = await store.openSession();
    const selects: string[] = [];
    const transaction: StoreTransaction = {
      flavour: store.flavour,
      database: store.database,
      maxPacketBytes: store.maxPacketBytes,
      query: (sql, params) => {
        if (sql.startsWith('SELECT')) selects.push(sql);
        return session.query(sql, params);
      },
    };
    return { store, session, transaction, selects, connection };
  }

  describe('state in the store', () => {
    test('is there for the next daemon, value for value and key for key', async () => {
      const { session, transaction } = await setUp();
      const values = new Map<string, unknown>([
        ['a', { n: 1, at: new Date(5), bytes: Buffer.from([0, 255]), big: 2n ** 64n }],
        ['a ', 'another key than a'],
        ['A', 'and another'],
        ['ä\0"\\\'😀', `'"\\\0😀`],
        ['', 0],
      ]);
      const first = new StoredState({ flow: 'f', cache: large }).begin(transaction);
      await step(first, (state) => {
        for (const [key, value] of values) state.set(key, value);
      });
      await step(first, (state) => state.set('a', 'of another function'), 'other');
      await first.flush();
      await session.commit();
      const next = new StoredState({ flow: 'f', cache: large }).begin(transaction);
      expect(await step(next, (state) => state.getMany([...values.keys(), 'none']))).toEqual(values);
      const otherFlow = new StoredState({ flow: 'g', cache: large }).begin(transaction);
      expect(await step(otherFlow, (state) => state.get('a'))).toBeUndefined();
    });

    test('keys that are asked for together are one question, and what is known is none', async () => {
      const { session, transaction, selects } = await setUp();
      const keeper = new StoredState({ flow: 'f', cache: large });
      const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
      const first = keeper.begin(transaction);
      await step(first, async (state) => {
        await Promise.all(keys.map(async (key) => state.set(key, Number((await state.get(key)) ?? 0) + 1)));
      });
      expect(selects).toHaveLength(1);
      await first.flush();
      await session.commit();
      first.settle();
      const second = keeper.begin(transaction);
      expect(await step(second, async (state) => [...(await state.getMany(keys)).values()])).toEqual(keys.map(() => 1));
      expect(selects).toHaveLength(1);
    });

    test('a batch sees what the batch before it changed while that is not committed, and after', async () => {
      const { session, transaction } = await setUp();
      const keeper = new StoredState({ flow: 'f', cache: { entriesMax: 0, bytesMax: 0 } });
      const first = keeper.begin(transaction);
      await step(first, (state) => state.set('k', 'new'));
      const second = keeper.begin(transaction);
      expect(await step(second, (state) => state.get('k'))).toBe('new');
      await first.flush();
      await session.commit();
      first.settle();
      expect(await step(second, (state) => state.get('k'))).toBe('new');
    });

    test('what a failed batch changed, and what was computed beside it, is forgotten', async () => {
      const { session, transaction } = await setUp();
      const keeper = new StoredState({ flow: 'f', cache: large });
      const first = keeper.begin(transaction);
      await step(first, (state) => state.set('k', 1));
      const second = keeper.begin(transaction);
      await step(second, async (state) => state.set('k', Number(await state.get('k')) + 1));
      await first.flush();
      await session.rollback();
      keeper.clear();
      second.settle(); // what a function that ran on may still do
      const again = keeper.begin(transaction);
      expect(await step(again, (state) => state.get('k'))).toBeUndefined();
    });

    test('expired entries are not returned, and are removed a portion at a time', async () => {
      const { session, transaction, connection } = await setUp();
      const count = async () => {
        const [rows] = await connection.query('SELECT COUNT(*) AS n FROM kis_state');
        return Array.isArray(rows) ? Reflect.get(rows[0] ?? {}, 'n') : undefined;
      };
      const keeper = new StoredState({ flow: 'f', cache: large });
      const batch = async (work: (state: StepState) => unknown): Promise<void> => {
        const open = keeper.begin(transaction);
        await step(open, work);
        await open.flush();
        await session.commit();
        open.settle();
      };
      await batch((state) => {
        for (let i = 0; i < 2500; i += 1) state.set(`k${i}`, i, 1);
        state.set('kept', 1, 60_000);
      });
      // the first batch of a run looks for expired entries before it writes, and not again for a while
      expect(await count()).toBe(2501);
      const next = new StoredState({ flow: 'f', cache: large });
      for (const left of [1501, 501, 1, 1]) {
        const open = next.begin(transaction);
        expect(await step(open, (state) => state.getMany(['k1', 'kept']))).toEqual(new Map([['kept', 1]]));
        await open.flush();
        await session.commit();
        open.settle();
        expect(await count()).toBe(left);
      }
    });

    test('many large values are written in statements that the server takes', async () => {
      const { session, transaction } = await setUp();
      const open = new StoredState({ flow: 'f', cache: large }).begin({ ...transaction, maxPacketBytes: 256 * 1024 });
      const values = new Map(Array.from({ length: 40 }, (_, i) => [`k${i}`, '"'.repeat(30_000 + i)]));
      await step(open, (state) => {
        for (const [key, value] of values) state.set(key, value);
        expect(() => state.set('too large', 'x'.repeat(256 * 1024))).toThrow('too large');
      });
      await open.flush();
      await session.commit();
      const next = new StoredState({ flow: 'f', cache: large }).begin(transaction);
      expect(await step(next, (state) => state.getMany([...values.keys()]))).toEqual(values);
    });

    test('a program that drives a flow on a store keeps its state there, with the run’s transaction or not at all', async () => {
      const { store, connection } = await setUp();
      const total = defineFunction<number>({
        name: 'total',
        async run({ state }, rows) {
          const sum = rows.reduce((so, n) => so + n, Number((await state.get('sum')) ?? 0));
          state.set('sum', sum);
          if (rows.includes(13)) throw new Error('thirteen');
        },
      });
      const make = () =>
        createFlow({
          name: 'f',
          steps: [{ fname: 'total' }],
          functions: [total],
          runInTransaction: (work) => store.transaction(work),
        });
      const flow = make();
      for (const rows of [[1, 2], [13], [4]]) {
        flow.commitRowBatch(rows);
        await flow.run().catch((error: unknown) => expect(error).toMatchObject({ code: 'FUNCTION_FAILED' }));
      }
      const other = make();
      other.commitRow(10);
      await other.run();
      const [rows] = await connection.query('SELECT fname, value FROM kis_state');
      expect(rows).toEqual([{ fname: 'total', value: '17' }]);
    });

    test('a table that is missing is the store’s error, for reads that nobody looks at too', async () => {
      const { connection, transaction } = await setUp();
      await connection.query('DROP TABLE kis_state');
      const open = new StoredState({ flow: 'f', cache: large }).begin(transaction);
      const error: unknown = await step(open, (state) => state.get('k')).catch((reason: unknown) => reason);
      expect(error instanceof CodedError && error.code).toBe('STORE_TABLE_MISSING');
      await step(open, (state) => void state.get('k'));
    });

    test.each([0, 3, 1000])(
      'L1: any run of batches, each beside the one before, some of which fail, leaves what was committed (cache of %i)',
      async (entriesMax) => {
        const { session, transaction, connection } = await setUp();
        const random = randomFrom(seed);
        const int = (below: number): number => Math.floor(random() * below);
        const keeper = new StoredState({ flow: 'f', cache: { entriesMax, bytesMax: 1_000_000 } });
        let committed = new Map<string, number>();
        let expected = new Map<string, number>();
        let waiting: OpenState | undefined;
        const commit = async (values: ReadonlyMap<string, number>): Promise<void> => {
          if (waiting === undefined) return;
          await waiting.flush();
          await session.commit();
          waiting.settle();
          waiting = undefined;
          committed = new Map(values);
        };
        for (let i = 0; i < 150; i += 1) {
          const open = keeper.begin(transaction);
          const before = new Map(expected);
          // beside the commit of the batch before: only what is not known waits for it
          const isBeside = random() < 0.5;
          if (!isBeside) await commit(before);
          await step(open, async (state) => {
            for (let n = int(6); n >= 0; n -= 1) {
              const key = `k${int(8)}`;
              const known = open.peek('count', key);
              if (known === undefined) await commit(before);
              expect(await state.get(key), `seed ${seed}`).toBe(expected.get(key));
              if (random() < 0.2) {
                state.delete(key);
                expected.delete(key);
              } else {
                state.set(key, i);
                expected.set(key, i);
              }
            }
          });
          await commit(before);
          waiting = open;
          if (random() < 0.25) {
            if (random() < 0.5) await open.flush();
            await session.rollback();
            keeper.clear();
            waiting = undefined;
            expected = new Map(committed);
          }
        }
        await commit(expected);
        const [rows] = await connection.query('SELECT state_key, value FROM kis_state ORDER BY state_key');
        const kept = Array.isArray(rows)
          ? rows.map((row) => [String(Reflect.get(row, 'state_key')), Number(Reflect.get(row, 'value'))])
          : [];
        expect(kept).toEqual([...committed].toSorted(([a], [b]) => (a < b ? -1 : 1)));
      },
    );
  });
});
