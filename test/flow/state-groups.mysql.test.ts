import { describe, expect, test } from 'vitest';
import { StepState } from '../../src/flow/state.ts';
import { StoredState, type OpenState } from '../../src/flow/stored-state.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import { codedErrorOf } from './scope.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

/** Characters whose bytes end where the next prefix begins, or that order otherwise as UTF-16 than as bytes. */
const letters = [
  '',
  'a',
  'b',
  '\u0000',
  '\u007f',
  '\u0080',
  'ÿ',
  '\u07ff',
  '\u0800',
  '\uffff',
  '\u{10000}',
  '\u{10ffff}',
  '%',
  '_',
  '\\',
];

/** What a plain map says is there. */
function groupsOf(values: ReadonlyMap<string, number>, prefixes: readonly string[]) {
  return new Map(prefixes.map((prefix) => [prefix, sorted([...values].filter(([key]) => key.startsWith(prefix)))]));
}

/** What lives for less than that has expired. */
function letPass(ms: number): void {
  const until = Date.now() + ms;
  while (Date.now() < until);
}

function sorted(entries: readonly (readonly [string, number])[]): (readonly [string, number])[] {
  return entries.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

eachServer((_flavour, server) => {
  async function openSession() {
    const { url } = await createDatabase(server);
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    return store.openSession();
  }

  describe('groups of a state in the store', () => {
    test(
      'are what a plain map has, over batches that commit, wait, fail and lie over one another',
      { timeout: 120_000 },
      async () => {
        const session = await openSession();
        const random = randomFrom(seed);
        const int = (below: number): number => Math.floor(random() * below);
        const text = (length: number): string => Array.from({ length }, () => letters[int(letters.length)]).join('');
        const keeper = new StoredState({ flow: 'f', cache: { entriesMax: 5, bytesMax: 1_000_000 } });
        let committed = new Map<string, number>();
        let model = new Map<string, number>();
        let waiting: OpenState | undefined;
        const commit = async (): Promise<void> => {
          if (waiting === undefined) return;
          await waiting.flush();
          await session.commit();
          waiting.settle();
          waiting = undefined;
        };
        const check = async (state: StepState): Promise<void> => {
          const prefixes = Array.from({ length: int(4) }, () => text(int(3)));
          const said = await state.getGroups(prefixes, 1000);
          expect(new Map([...said].map(([prefix, group]) => [prefix, [...group]])), `seed ${seed}`).toEqual(
            groupsOf(model, prefixes),
          );
          const [prefix, count] = [text(int(2)), int(6)];
          const first = sorted([...model].filter(([key]) => key.startsWith(prefix))).slice(0, count);
          expect([...(await state.getFirst(prefix, count))], `seed ${seed}`).toEqual(first);
        };
        const change = (state: StepState, i: number): void => {
          const key = text(1 + int(3));
          const fate = random();
          if (fate < 0.35) state.delete(key);
          else state.set(key, i, fate < 0.45 ? 0.001 : undefined);
          if (fate < 0.45) model.delete(key);
          else model.set(key, i);
          if (fate >= 0.35 && fate < 0.45) letPass(2);
        };
        /** A try of a function; one in five fails. */
        const attempt = async (open: OpenState, i: number): Promise<void> => {
          const state = new StepState(open, 'count');
          const kept = new Map(model);
          await check(state);
          for (let n = int(5); n > 0; n -= 1) change(state, i);
          await check(state);
          if (random() < 0.2) model = kept;
          else state.keep();
          state.close();
        };
        const end = async (open: OpenState, fate: number): Promise<void> => {
          if (fate < 0.4) {
            await commit();
            committed = new Map(model);
          } else if (fate < 0.6) {
            if (fate < 0.5) await open.flush();
            await session.rollback();
            keeper.clear();
            waiting = undefined;
            model = new Map(committed);
          }
        };
        for (let i = 0; i < 250; i += 1) {
          const before = new Map(model);
          const open = keeper.begin(session);
          for (let tries = int(3); tries >= 0; tries -= 1) await attempt(open, i);
          await commit();
          committed = before;
          waiting = open;
          await end(open, random());
        }
      },
    );

    test('are not given when they are more than was asked for, and hide what is deleted from the count', async () => {
      const session = await openSession();
      const keeper = new StoredState({ flow: 'f', cache: { entriesMax: 5, bytesMax: 1_000_000 } });
      const first = keeper.begin(session);
      const state = new StepState(first, 'count');
      for (let i = 0; i < 20; i += 1) state.set(`a${i}`, i);
      state.keep();
      await first.flush();
      await session.commit();
      first.settle();
      const next = new StepState(keeper.begin(session), 'count');
      const error = await codedErrorOf(next.getGroups(['a'], 19));
      expect(error).toMatchObject({ code: 'STATE_TOO_LARGE', class: 'row', details: { entriesMax: 19 } });
      for (let i = 0; i < 15; i += 1) next.delete(`a${i}`);
      expect((await next.getGroups(['a', 'b'], 5)).get('a')?.size).toBe(5);
      const other = new StepState(keeper.begin(session), 'other');
      expect((await other.getGroups([''], 5)).get('')?.size).toBe(0);
      expect(await other.getGroups([], 0)).toEqual(new Map());
    });

    test('of many prefixes are read with few statements, whichever lie within others', async () => {
      const session = await openSession();
      const keeper = new StoredState({ flow: 'f', cache: { entriesMax: 5, bytesMax: 1_000_000 } });
      const first = keeper.begin(session);
      const state = new StepState(first, 'count');
      for (let i = 0; i < 1200; i += 1) state.set(`k${i}.`, i);
      state.keep();
      await first.flush();
      let statements = 0;
      const counted = keeper.begin({
        ...session,
        query: (sql, params) => {
          statements += 1;
          return session.query(sql, params);
        },
      });
      const prefixes = Array.from({ length: 1200 }, (_, i) => `k${i}`);
      const groups = await new StepState(counted, 'count').getGroups(prefixes, 2000);
      expect([groups.get('k1')?.size, groups.get('k11')?.size, groups.get('k1199')?.size]).toEqual([311, 111, 1]);
      expect(statements).toBeLessThan(4);
    });
  });
});
