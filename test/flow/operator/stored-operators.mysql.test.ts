import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineFunction } from '../../../src/flow/define.ts';
import { createFlow } from '../../../src/flow/driven-flow.ts';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import { isChange, type Row } from '../../../src/row/change.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { openStore, type Store } from '../../../src/store/open.ts';
import { onEnd } from '../../support/cleanup.ts';
import { createDatabase, eachServer } from '../../support/servers.ts';
import { cases, joinInFull, operatorOf } from './join-cases.ts';
import { applyChanges, emptyTables, histories, inOrder, play } from './tables.ts';
import { cut, histories as clickHistories, sessions, windowAll } from './windows.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

/** Runs an operator on the store: every run as a daemon that has just been started, which remembers nothing. */
function runOn(store: Store, operator: OperatorOptions) {
  return async (rows: readonly unknown[]): Promise<readonly unknown[]> => {
    const seen: unknown[] = [];
    const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
    const flow = createFlow({
      name: 'shop',
      steps: [{ fname: 'Operate', operator }, { fname: 'Collect' }],
      functions: [collect],
      runInTransaction: (work) => store.transaction(work),
    });
    flow.commitRowBatch(rows);
    await flow.run();
    return seen;
  };
}

eachServer((_flavour, server) => {
  async function open(): Promise<Store> {
    const store = await openStore({ url: (await createDatabase(server)).url });
    onEnd(() => store.close());
    await migrate({ store });
    return store;
  }

  describe('with its state in the store', () => {
    test.each(cases)('a join equals the same join over all rows: $name', { timeout: 120_000 }, async (one) => {
      const store = await open();
      const tables = [...new Set([one.left, one.right])];
      const property = fc.asyncProperty(histories(tables), async (batches) => {
        await store.query('DELETE FROM kis_state');
        const [run, rows, joined] = [runOn(store, operatorOf(one)), emptyTables(tables), new Map<string, Row>()];
        for (const steps of batches) {
          applyChanges(joined, (await run(play(tables, rows, steps))).filter(isChange));
          expect(inOrder(joined.values())).toEqual(inOrder(joinInFull(one, rows)));
        }
      });
      await fc.assert(property, { seed, numRuns: 8, endOnFailure: true });
    });

    test('sessions are what they are over all rows, and only open ones are kept', { timeout: 120_000 }, async () => {
      const store = await open();
      const options = { ...sessions, latenessMs: 5000, late: 'drop' } as const;
      const property = fc.asyncProperty(
        clickHistories,
        fc.array(fc.nat({ max: 60 }), { maxLength: 6 }),
        async (changes, places) => {
          await store.query('DELETE FROM kis_state');
          const [run, bag] = [runOn(store, options), new Map<string, number>()];
          const count = (row: Row | null, by: 1 | -1): void => {
            const [text] = row === null ? [] : inOrder([row]);
            if (text !== undefined) bag.set(text, (bag.get(text) ?? 0) + by);
          };
          for (const batch of cut(changes, places)) {
            for (const { before, after } of (await run(batch)).filter(isChange)) {
              count(before, -1);
              count(after, 1);
            }
          }
          const all = windowAll(options, changes);
          expect([...bag].flatMap(([text, n]) => Array.from({ length: n }, () => text)).toSorted()).toEqual(inOrder(all.rows));
          const { rows } = await store.query("SELECT COUNT(*) AS n FROM kis_state WHERE LEFT(state_key, 1) = 'S'");
          expect(Number(rows[0]?.['n'])).toBe(all.open);
        },
      );
      await fc.assert(property, { seed, numRuns: 25, endOnFailure: true });
    });

    test('a dedupe remembers from one start to the next', async () => {
      const run = runOn(await open(), { kind: 'dedupe', key: ['id'], keep: 'first', rememberMs: 60_000 });
      const [a, b] = [{ id: 1 }, { id: 'ä\u0000' }];
      expect(await run([a, b, a])).toEqual([a, b]);
      expect(await run([{ id: 2 }, b, a])).toEqual([{ id: 2 }]);
    });
  });
});
