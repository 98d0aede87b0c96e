import { expect, it } from 'vitest';
import type { Key } from '../../src/snapshot/contract.ts';
import { orderInMemory } from '../../src/snapshot/key-order.ts';
import { boundSql, orderByKey, readAreUpTo, selectAreUpTo, whereKey } from '../../src/snapshot/key-sql.ts';
import { identityOf, readKey, writeKey } from '../../src/snapshot/key-text.ts';
import { eachServer } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import { makeTable, openAsk, pick, randomShapes, readKeyRow, type Ask, type KeyTable, type Random } from './key-tables.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

eachServer((flavour, server) => {
  it(
    'read by chunks of any size along any key, a table gives every row once and in the order of the server',
    { timeout: 60_000 },
    async () => {
      const random = randomFrom(seed);
      const ask = await openAsk(
        server,
        pick(random, ['', 'NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', 'PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES']),
      );
      let number = 0;
      let compared = 0;
      for (const shape of randomShapes(flavour, random)) {
        number += 1;
        const table = await makeTable(ask, `t${number}`, { shape, random, rows: 30 });
        const about = `seed ${seed}, ${table.name}: ${JSON.stringify(table.key)}`;
        expect(table.ids.length, about).toBeGreaterThan(1);
        for (const rowsMax of [1 + Math.floor(random() * 6), 13])
          expect(await readByChunks(ask, table, rowsMax), about).toEqual(table.ids);
        expect(await readByBounds(ask, table, 7), about).toEqual(table.ids);
        await checkAnswers(ask, table, { random, about });
        compared += checkMemory(table, about);
        checkTexts(table, about);
      }
      expect(compared).toBeGreaterThan(20);
    },
  );
});

async function readByChunks(ask: Ask, { name, key, columns }: KeyTable, rowsMax: number): Promise<readonly number[]> {
  const ids: number[] = [];
  let after: Key | undefined;
  for (;;) {
    const where = whereKey(key, { after });
    const rows = await ask(
      `SELECT ${columns}, id FROM ${name} AS kis_t FORCE INDEX (PRIMARY) ${where === '' ? '' : `WHERE ${where}`} ORDER BY ${orderByKey(key, 'kis_t')} LIMIT ${rowsMax}`,
    );
    ids.push(...rows.map(({ id }) => Number(id)));
    const last = rows.at(-1);
    if (last === undefined || ids.length > 1000) return ids;
    after = readKeyRow(last, key);
  }
}

/** Parts between bounds, as parallel chunks are; each is read by itself. */
async function readByBounds(ask: Ask, { name, key, columns }: KeyTable, rowsMax: number): Promise<readonly number[]> {
  const ids: number[] = [];
  let after: Key | undefined;
  for (;;) {
    const [row, ...more] = await ask(boundSql({ table: name, index: 'PRIMARY', key, columns, rowsMax, after }));
    expect(more).toEqual([]);
    if (row === undefined || ids.length > 1000) return ids;
    const upTo = readKeyRow(row, key);
    const part = await ask(
      `SELECT id FROM ${name} FORCE INDEX (PRIMARY) WHERE ${whereKey(key, { after, upTo })} ORDER BY ${orderByKey(key)}`,
    );
    ids.push(...part.map(({ id }) => Number(id)));
    after = upTo;
  }
}

async function checkAnswers(
  ask: Ask,
  { key, keys }: KeyTable,
  { random, about }: { random: Random; about: string },
): Promise<void> {
  for (const place of [0, keys.length - 1, Math.floor(random() * keys.length), Math.floor(random() * keys.length)]) {
    const [row] = await ask(selectAreUpTo(key, keys, keys[place] ?? []));
    expect(readAreUpTo(row?.['answer'], keys.length), about).toEqual(keys.map((_, index) => index <= place));
  }
}

/** How many pairs were compared. */
function checkMemory({ key, keys }: KeyTable, about: string): number {
  const order = orderInMemory(key);
  if (order === undefined) return 0;
  for (const [i, a] of keys.entries()) {
    for (const [j, b] of keys.entries())
      if (Math.sign(order(a, b)) !== Math.sign(i - j)) expect([a, b, order(a, b)], about).toBe('in order');
  }
  return keys.length;
}

function checkTexts({ keys }: KeyTable, about: string): void {
  expect(new Set(keys.map(identityOf)).size, about).toBe(keys.length);
  for (const key of keys) {
    expect(readKey(writeKey(key)), about).toEqual(key);
    expect(identityOf(readKey(writeKey(key)) ?? [])).toBe(identityOf(key));
  }
}
