import fc from 'fast-check';
import type { ChangeGroup, Row, Table, TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';

/** Made-up source histories for the tests of feeds and batches. */

export function makeTable(name: string): Table {
  return { schema: 'shop', name, id: `shop.${name}`, columns: [{ name: 'id' }, { name: 'n' }], primaryKey: ['id'] };
}

const tables = { wanted: makeTable('wanted'), other: makeTable('other') };

/** How a server numbers its transactions. */
export type Numbering = 'mysql' | 'mariadb' | 'none';

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

export function startPosition(numbering: Numbering): Position {
  const server = numbering === 'mariadb' ? 'server_id:1' : uuid;
  return { server, file: 'binlog.000009', offset: 4, gtid: '', rows: 0 };
}

interface Shape {
  /** Parts of the transaction: for each, how many rows of the wanted and of the other table. */
  readonly parts: readonly (readonly [number, number])[];
  readonly op: 'insert' | 'update' | 'delete';
}

export const history = fc.array(
  fc.record({
    parts: fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 4 }),
    op: fc.constantFrom('insert' as const, 'update' as const, 'delete' as const),
  }),
  { minLength: 1, maxLength: 12 },
);

/** The parts of a history, whole transactions in order; every wanted row has a number of its own. */
export function makeParts(shapes: readonly Shape[], numbering: Numbering): TransactionPart[] {
  const parts: TransactionPart[] = [];
  let next = 0;
  let offset = 4;
  shapes.forEach((shape, i) => {
    const gtid = numbering === 'none' ? '' : numbering === 'mysql' ? `${uuid}:${i + 1}` : `0-1-${i + 1}`;
    shape.parts.forEach(([wanted, other], j) => {
      offset += 10;
      const rows = Array.from({ length: wanted }, () => ({ id: (next += 1), n: i }));
      const groups = [
        group(shape.op, tables.wanted, rows),
        group(
          'insert',
          tables.other,
          Array.from({ length: other }, () => ({ id: 0 })),
        ),
      ];
      parts.push({
        groups: groups.filter((each) => (each.op === 'delete' ? each.before : each.after).length > 0),
        server: startPosition(numbering).server,
        file: i < 6 ? 'binlog.000009' : 'binlog.000010',
        offset,
        gtid,
        time: 1_700_000_000_000 + i,
        begun: 1_600_000_000_000 + i * 1000,
        bytes: (wanted + other) * 10,
        isFinal: j === shape.parts.length - 1,
      });
    });
  });
  return parts;
}

function group(op: Shape['op'], table: Table, rows: readonly Row[]): ChangeGroup {
  if (op === 'insert') return { op, table, after: rows };
  if (op === 'delete') return { op, table, before: rows };
  return { op, table, before: rows.map((row) => ({ ...row })), after: rows };
}

/** The numbers of the wanted rows, in order. */
export function wantedIds(groups: readonly ChangeGroup[]): number[] {
  return groups
    .filter((each) => each.table.name === 'wanted')
    .flatMap((each) => (each.op === 'delete' ? each.before : each.after).map((row) => Number(row.id)));
}
