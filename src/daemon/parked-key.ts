import { hash } from 'node:crypto';
import type { ChangeGroup, Row, Table } from '../row/change.ts';
import { toExactJson } from '../row/exact-json.ts';
import { imagesOf } from './batch.ts';

/**
 * The keys that change `i` of a group is about: its row's primary key, both of them where the change gives it another one; none
 * where the table has none. Hashes, of the table and the values.
 */
export function keysOf(group: ChangeGroup, i: number): readonly string[] {
  const { before, after } = imagesOf(group, i);
  const keys = [before, after].flatMap((image) => (image === null ? [] : keyOf(group.table, image)));
  return keys.length === 2 && keys[0] === keys[1] ? keys.slice(1) : keys;
}

function keyOf({ id, primaryKey }: Table, image: Row): readonly string[] {
  if (primaryKey.length === 0) return [];
  const text = `${id}\0${toExactJson(
    primaryKey.map((name) => image[name]),
    { foreign: 'describe' },
  )}`;
  return [hash('sha256', text).slice(0, 32)];
}
