/** Joins of every shape, and the same joins as nested loops. */
import * as fc from 'fast-check';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import type { Row } from '../../../src/row/change.ts';
import type { TableRows, TestTable } from './tables.ts';

export type Join = OperatorOptions & { readonly kind: 'join' };

export const id = fc.integer({ min: 1, max: 6 });
const text = fc.constantFrom('a', 'A', '', '1:a', 'ä', 'x'.repeat(500), `${'x'.repeat(499)}y`);
const orNull = (values: fc.Arbitrary<Row[string]>): fc.Arbitrary<Row[string]> => fc.option(values, { nil: null, freq: 4 });

export const orders: TestTable = {
  name: 'shop.orders',
  key: ['id'],
  columns: { id, customer_id: orNull(id), code: orNull(text), part: orNull(fc.integer({ min: 1, max: 2 })), amount: id },
};
export const customers: TestTable = {
  name: 'shop.customers',
  key: ['id'],
  columns: { id, code: orNull(text), segment: orNull(text), note: id },
};
export const named: TestTable = { name: 'shop.names', key: ['code'], columns: { code: text, segment: orNull(text) } };
const parts: TestTable = {
  name: 'shop.parts',
  key: ['code', 'part'],
  columns: { code: text, part: fc.integer({ min: 1, max: 2 }), price: id },
};

export interface Case {
  readonly name: string;
  readonly left: TestTable;
  readonly right: TestTable;
  readonly on: Readonly<Record<string, string>>;
  readonly type?: 'left';
  readonly take: Readonly<Record<string, string>>;
  readonly key: readonly string[];
}

export const cases: readonly Case[] = [
  { name: 'N:1', left: orders, right: customers, on: { customer_id: 'id' }, take: { segment: 'segment' }, key: ['id'] },
  {
    name: 'N:1, left',
    left: orders,
    right: customers,
    on: { customer_id: 'id' },
    type: 'left',
    take: { segment: 'segment' },
    key: ['id'],
  },
  {
    name: 'N:1 by text',
    left: orders,
    right: named,
    on: { code: 'code' },
    type: 'left',
    take: { segment: 'segment' },
    key: ['id'],
  },
  {
    name: 'N:1 by two fields',
    left: orders,
    right: parts,
    on: { code: 'code', part: 'part' },
    take: { price: 'price' },
    key: ['id'],
  },
  {
    name: 'N:1 by more than the key',
    left: orders,
    right: customers,
    on: { customer_id: 'id', code: 'code' },
    type: 'left',
    take: { segment: 'segment' },
    key: ['id'],
  },
  {
    name: '1:N',
    left: customers,
    right: orders,
    on: { id: 'customer_id' },
    take: { order_id: 'id', amount: 'amount' },
    key: ['order_id'],
  },
  { name: '1:1', left: orders, right: customers, on: { id: 'id' }, take: { segment: 'segment' }, key: ['id'] },
  { name: '1:1, left', left: orders, right: customers, on: { id: 'id' }, type: 'left', take: { segment: 'segment' }, key: ['id'] },
  {
    name: 'N:M',
    left: orders,
    right: customers,
    on: { code: 'code' },
    take: { other_id: 'id', segment: 'segment' },
    key: ['id', 'other_id'],
  },
  {
    name: 'N:M by a part of the key',
    left: orders,
    right: parts,
    on: { code: 'code' },
    take: { other_part: 'part', price: 'price' },
    key: ['id', 'code', 'other_part'],
  },
  {
    name: 'a table with itself',
    left: orders,
    right: orders,
    on: { customer_id: 'id' },
    take: { other_amount: 'amount' },
    key: ['id'],
  },
  {
    name: 'a table with itself, N:M',
    left: orders,
    right: orders,
    on: { code: 'code' },
    take: { other_id: 'id' },
    key: ['id', 'other_id'],
  },
  { name: 'without fields of right', left: orders, right: customers, on: { customer_id: 'id' }, take: {}, key: ['id'] },
];

export function operatorOf({ left, right, on, type, take }: Case, as?: string): Join {
  return { kind: 'join', left: left.name, right: right.name, on, take, type: type ?? 'inner', as };
}

/** A nested loop join over the rows that there are. */
export function joinInFull({ left, right, on, type, take }: Case, rows: TableRows): Row[] {
  return [...(rows.get(left.name)?.values() ?? [])].flatMap((one) => {
    const matches = [...(rows.get(right.name)?.values() ?? [])].filter((other) =>
      Object.entries(on).every(([mine, its]) => one[mine] !== null && one[mine] === other[its]),
    );
    const joined = (other: Row | undefined): Row => ({
      ...one,
      ...Object.fromEntries(Object.entries(take).map(([name, column]) => [name, other?.[column] ?? null])),
    });
    return matches.length === 0 && type === 'left' ? [joined(undefined)] : matches.map(joined);
  });
}
