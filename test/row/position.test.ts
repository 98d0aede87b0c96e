import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binlogNumber,
  comparePositions,
  formatPosition,
  MovingPosition,
  parsePosition,
  parseStart,
  type Position,
} from '../../src/row/position.ts';

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

const file = fc
  .tuple(fc.constantFrom('binlog', 'mysql-bin', 'a.b'), fc.nat(2_000_000))
  .map(([base, n]) => `${base}.${String(n).padStart(6, '0')}`);
const gtid = fc.oneof(
  fc.constant(''),
  fc.nat(1_000_000).map((n) => `0-1-${n}`),
  fc.nat(1_000_000).map((n) => `${uuid}:1-${n + 1}`),
);
const server = fc.constantFrom('', uuid, 'server_id:7');
const mark = fc.record({ gtid, server, begun: fc.nat().map((n) => n * 1000), first: fc.constantFrom('', '0123456789abcdef') });
const place = { server, file, offset: fc.maxSafeNat(), gtid };
const position: fc.Arbitrary<Position> = fc.oneof(
  fc.record({ ...place, rows: fc.nat() }),
  fc.record({ ...place, rows: fc.integer({ min: 1 }), of: mark }),
);

describe('a position', () => {
  it('reads back from its text as it was', () => {
    fc.assert(
      fc.property(position, (value) => {
        expect(parsePosition(formatPosition(value))).toEqual(value);
      }),
    );
  });

  it('has no text that is read as another position', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        if (formatPosition(a) === formatPosition(b)) expect(a).toEqual(b);
      }),
    );
  });

  it.each([
    '',
    'binlog.000001',
    'binlog.000001:',
    'binlog 1:4',
    'binlog.000001:4 +x',
    'binlog.000001:-4',
    'binlog.000001:4 of=/0//',
    'binlog.000001:4 +1 of=x',
  ])('is not read from %j', (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });

  it('is ordered by the number of its file, then by offset, then by rows', () => {
    const at = (name: string, offset: number, rows = 0) => ({ file: name, offset, rows });
    const ordered = [
      at('b.000009', 900),
      at('b.000010', 4),
      at('b.000010', 4, 3),
      at('b.000010', 5),
      at('b.999999', 4),
      at('b.1000000', 4),
    ];
    for (const [index, earlier] of ordered.entries()) {
      for (const later of ordered.slice(index + 1)) {
        expect(comparePositions(earlier, later)).toBeLessThan(0);
        expect(comparePositions(later, earlier)).toBeGreaterThan(0);
      }
      expect(comparePositions(earlier, earlier)).toBe(0);
    }
  });

  it('compares as a total order', () => {
    fc.assert(
      fc.property(position, position, position, (a, b, c) => {
        expect(Math.sign(comparePositions(a, b))).toBe(-Math.sign(comparePositions(b, a)) + 0);
        if (comparePositions(a, b) <= 0 && comparePositions(b, c) <= 0) expect(comparePositions(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('finds the number at the end of a file name, and 0 where there is none', () => {
    expect(binlogNumber('mysql-bin.000123')).toBe(123);
    expect(binlogNumber('a.1.b.1000000')).toBe(1_000_000);
    expect(binlogNumber('nothing')).toBe(0);
  });
});

describe('a start', () => {
  it.each([
    ['snapshot', { kind: 'snapshot' }],
    [' earliest ', { kind: 'earliest' }],
    ['latest', { kind: 'latest' }],
    ['binlog.000002:157', { kind: 'file', file: 'binlog.000002', offset: 157 }],
    ['0-1-5,1-2-3', { kind: 'gtid', gtid: '0-1-5,1-2-3' }],
    [`${uuid}:1-5,\n ${uuid}:7`, { kind: 'gtid', gtid: `${uuid}:1-5,${uuid}:7` }],
    ['2026-11-22T10:00:00', { kind: 'time', time: Date.UTC(2026, 10, 22, 10) }],
    ['2026-11-22 10:00:00Z', { kind: 'time', time: Date.UTC(2026, 10, 22, 10) }],
    ['2026-11-22T10:00:00+02:00', { kind: 'time', time: Date.UTC(2026, 10, 22, 8) }],
  ])('%j is read', (text, start) => expect(parseStart(text)).toEqual(start));

  it.each(['', 'newest', 'binlog:4', '2026-99-99T00:00:00', '0-1'])('%j is refused', (text) =>
    expect(parseStart(text)).toBeUndefined(),
  );
});

describe('a moving position', () => {
  it('L2: has passed what it was advanced by, and nothing behind it', () => {
    const moving = new MovingPosition({ server: uuid, file: 'b.000001', offset: 4, gtid: '', rows: 0 }, { hasGtid: true });
    const ends = [1, 2, 3].map((n) => ({ server: uuid, file: 'b.000001', offset: n * 100, gtid: `${uuid}:${n}` }));
    for (const end of ends) {
      expect(moving.hasPassed(end)).toBe(false);
      moving.advance(end);
      expect(moving.hasPassed(end)).toBe(true);
    }
    expect(moving.toPosition(7)).toEqual({ server: uuid, file: 'b.000001', offset: 300, gtid: `${uuid}:1-3`, rows: 7 });
  });

  it('goes by file and offset where there are no GTIDs', () => {
    const moving = new MovingPosition({ server: uuid, file: 'b.999999', offset: 50, gtid: '', rows: 0 }, { hasGtid: false });
    expect(moving.hasPassed({ file: 'b.999999', offset: 50, gtid: '' })).toBe(true);
    expect(moving.hasPassed({ file: 'b.1000000', offset: 4, gtid: '' })).toBe(false);
    moving.advance({ server: uuid, file: 'b.1000000', offset: 4, gtid: '' });
    expect(moving.toPosition()).toMatchObject({ file: 'b.1000000', offset: 4, gtid: '' });
  });

  it('after a failover its file and offset are places on the new server', () => {
    const moving = new MovingPosition(
      { server: uuid, file: 'b.000009', offset: 50, gtid: `${uuid}:1`, rows: 0 },
      { hasGtid: true },
    );
    moving.advance({ server: 'other', file: 'b.000002', offset: 700, gtid: `${uuid}:2` });
    expect(moving.toPosition()).toEqual({ server: 'other', file: 'b.000002', offset: 700, gtid: `${uuid}:1-2`, rows: 0 });
  });

  it('a date is a time, though MariaDB could have such a GTID', () => {
    expect(parseStart('2026-11-22')).toEqual({ kind: 'time', time: Date.UTC(2026, 10, 22) });
  });
});
