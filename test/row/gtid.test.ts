import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gtidContains, gtidDialect, GtidProgress } from '../../src/row/gtid.ts';

const uuids = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', 'aaaaaaaa-0000-0000-0000-000000000001'] as const;

/** A transaction of MySQL, with a tag sometimes. */
const mysqlGtid = fc
  .tuple(fc.constantFrom(...uuids), fc.constantFrom('', 'tag_a'), fc.integer({ min: 1, max: 12 }))
  .map(([uuid, tag, n]) => (tag === '' ? `${uuid}:${n}` : `${uuid}:${tag}:${n}`));

describe('a GTID set of MySQL', () => {
  it('has exactly what was added to it, and says so again when it is read back', () => {
    fc.assert(
      fc.property(fc.array(mysqlGtid), fc.array(mysqlGtid), (added, others) => {
        const progress = new GtidProgress('', 'mysql');
        for (const gtid of added) progress.add(gtid);
        const again = new GtidProgress(progress.toString(), 'mysql');
        expect(again.toString()).toBe(progress.toString());
        for (const gtid of [...added, ...others]) {
          expect(progress.has(gtid)).toBe(added.includes(gtid));
          expect(again.has(gtid)).toBe(added.includes(gtid));
        }
      }),
    );
  });

  it('contains another one when it has all its transactions', () => {
    const setOf = (gtids: readonly string[]) => {
      const progress = new GtidProgress('', 'mysql');
      for (const gtid of gtids) progress.add(gtid);
      return progress.toString();
    };
    fc.assert(
      fc.property(fc.array(mysqlGtid), fc.array(mysqlGtid), (outer, inner) => {
        expect(gtidContains(setOf(outer), setOf(inner))).toBe(inner.every((gtid) => outer.includes(gtid)));
      }),
    );
  });

  it('is the same with spaces, line breaks and capitals', () => {
    const text = `${uuids[0].toUpperCase()}:1-3,\n ${uuids[1]}:5`;
    expect(gtidDialect(text)).toBe('mysql');
    expect(new GtidProgress(text, 'mysql').toString()).toBe(`${uuids[0]}:1-3,${uuids[1]}:5`);
    expect(gtidContains(text, `${uuids[0]}:2`)).toBe(true);
  });

  it('compares numbers as numbers, beyond 2^53 too', () => {
    expect(gtidContains(`${uuids[0]}:1-9007199254740993`, `${uuids[0]}:9007199254740993`)).toBe(true);
    expect(gtidContains(`${uuids[0]}:1-9007199254740992`, `${uuids[0]}:9007199254740993`)).toBe(false);
  });
});

describe('a GTID position of MariaDB', () => {
  const entry = fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 3 }), fc.nat(1000));

  it('keeps the last transaction of each domain', () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const progress = new GtidProgress('', 'mariadb');
        for (const [domain, server, sequence] of entries) progress.add(`${domain}-${server}-${sequence}`);
        const last = new Map(entries.map(([domain, server, sequence]) => [domain, `${domain}-${server}-${sequence}`]));
        expect(progress.toString()).toBe(
          [...last.entries()]
            .sort(([a], [b]) => a - b)
            .map(([, gtid]) => gtid)
            .join(','),
        );
      }),
    );
  });

  it('contains another one when no domain of it is further', () => {
    expect(gtidContains('0-1-10,1-1-5', '0-1-10')).toBe(true);
    expect(gtidContains('0-1-10,1-1-5', '0-2-9,1-1-5')).toBe(true);
    expect(gtidContains('0-1-9', '0-1-10')).toBe(false);
    expect(gtidContains('0-1-10', '1-1-1')).toBe(false);
    expect(gtidContains('', '0-1-1')).toBe(false);
    expect(gtidContains('', '')).toBe(true);
    expect(gtidContains('0-1-9007199254740992', '0-1-9007199254740993')).toBe(false);
  });
});

it.each(['', 'latest', 'binlog.000001:4', '0-1', uuids[0], '0-1-1,x'])('%j is no GTID set', (text) => {
  expect(gtidDialect(text)).toBeUndefined();
});
