import { expect, test } from 'vitest';
import type { Kept } from '../../src/daemon/kept-run.ts';
import { subjectOfKept } from '../../src/daemon/traced-rows.ts';

function kept(position: string, time: number): Kept {
  const row = { id: '1', state: 'dead', isWished: true, tries: 1, table: 'shop.orders', keys: [], deadline: 0 } as const;
  const images = { op: 'insert', before: null, after: { id: 1 }, absentColumns: [] } as const;
  return { row, change: { ...images, table: 'shop.orders', key: ['id'], position, time, chars: 0 } };
}

test('of kept rows that were read and of ones that were changed there is no one time: that of a reading is not taken for a commit', () => {
  const at = { sequence: 1, position: { server: 's', file: 'b.1', offset: 9, gtid: '', rows: 0 } };
  expect(subjectOfKept([kept('b.1:4', 10), kept('b.1:5', 20)], at)).toMatchObject({ from: 'b.1:4', to: 'b.1:5', time: 20 });
  expect(subjectOfKept([kept('b.1:4', 10), kept('b.1:5 run=3', 20)], at)).toMatchObject({ to: 'b.1:5 run=3', time: 0 });
});
