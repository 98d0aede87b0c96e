import { describe, expect, it } from 'vitest';
import { bytesBetween, headroomOf, isShort, type BinlogShelf } from '../../src/daemon/binlog-distance.ts';
import { measureDistance, placeOf, type FlowFacts } from '../../src/daemon/flow-figures.ts';
import { CodedError } from '../../src/lib/error.ts';
import type { Position } from '../../src/row/position.ts';

const hour = 3_600_000;
const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const at = (file: string, offset: number, gtid = '', server = 's'): Position => ({ server, file, offset, gtid, rows: 0 });
const files = [
  { name: 'b.000001', size: 1000 },
  { name: 'b.000002', size: 500 },
  { name: 'b.000003', size: 300 },
];
const shelf: BinlogShelf = { server: 's', files, expireMs: 24 * hour, begun: new Map([['b.000002', 10 * hour]]) };

describe('bytes between two places', () => {
  it.each([
    ['in one file', at('b.000001', 100), at('b.000001', 250), 150],
    ['over files, by their sizes', at('b.000001', 900), at('b.000003', 40), 100 + 500 + 40],
    ['none when it is ahead of a look that is a moment old', at('b.000001', 900), at('b.000001', 40), 0],
    ['not known between two servers', at('b.000001', 900), at('b.000001', 950, '', 'other'), undefined],
    ['not known when a file between them is gone', at('b.000000', 900), at('b.000003', 40), undefined],
  ])('%s', (_what, from, to, expected) => {
    expect(bytesBetween(from, to, files)).toBe(expected);
  });
});

describe('L12 the time until a purge', () => {
  const now = 12 * hour;

  it.each([
    ['counts from when the next file was begun', at('b.000001', 4), shelf, { kind: 'within', ms: 22 * hour, expireMs: 24 * hour }],
    ['is all of it in the last file', at('b.000003', 4), shelf, { kind: 'within', ms: 24 * hour, expireMs: 24 * hour }],
    ['is over when the file is gone', at('b.000000', 4), shelf, { kind: 'within', ms: 0, expireMs: 24 * hour }],
    ['is not known before the next file’s beginning is', at('b.000002', 4), shelf, undefined],
    ['is not known of another server’s place', at('b.000001', 4, '', 'other'), shelf, undefined],
    ['never comes where nothing is purged by age', at('b.000001', 4), { ...shelf, expireMs: undefined }, { kind: 'never' }],
  ])('%s', (_what, place, given, expected) => {
    expect(headroomOf(place, given, now)).toEqual(expected);
  });

  it('is short below a quarter of what is kept, and below a day', () => {
    const within = (ms: number, expireMs: number) => isShort({ kind: 'within', ms, expireMs });
    expect([within(5.9 * hour, 24 * hour), within(6.1 * hour, 24 * hour)]).toEqual([true, false]);
    expect([within(23 * hour, 720 * hour), within(25 * hour, 720 * hour)]).toEqual([true, false]);
    expect([isShort({ kind: 'never' }), isShort(undefined)]).toEqual([false, false]);
  });
});

describe('L12 lag', () => {
  const facts: FlowFacts = {
    done: at('b.000003', 100),
    oldestTime: 0,
    provenAt: 9000,
    passed: undefined,
    view: { probes: [], latest: { at: 9500, head: at('b.000003', 100), time: 1_000_000 }, failure: undefined, shelf },
  };
  const now = 10_000;

  it('is nothing when the end of the source has been passed', () => {
    expect(measureDistance(facts, now)).toMatchObject({ lagMs: 0, lagBytes: 0, freshMs: 1000 });
  });

  it('goes by the clock of the source alone', () => {
    const behind = { ...facts, done: at('b.000003', 40), provenAt: 1000, oldestTime: 1_000_000 - 3000 };
    expect(measureDistance(behind, now)).toMatchObject({ lagMs: 3500, lagBytes: 60, freshMs: 9000 });
  });

  it('is never more than what is proven, nor less than nothing, whatever the commit times say', () => {
    const behind = { ...facts, done: at('b.000003', 40) };
    expect(measureDistance({ ...behind, oldestTime: 1 }, now).lagMs).toBe(1000);
    expect(measureDistance({ ...behind, oldestTime: 9e12 }, now).lagMs).toBe(0);
  });

  it('is what is proven while the reader has not received what the source has, or the source does not answer', () => {
    expect(measureDistance({ ...facts, done: at('b.000003', 40) }, now).lagMs).toBe(1000);
    const failure = { error: new CodedError('SOURCE_UNREACHABLE', 'x'), since: 9900 };
    expect(measureDistance({ ...facts, view: { ...facts.view, failure } }, now).lagMs).toBe(1000);
  });

  it('is not known of a flow that has not run and of which nothing is proven', () => {
    expect(measureDistance({ ...facts, done: undefined, provenAt: undefined }, now)).toEqual({
      freshMs: undefined,
      lagMs: undefined,
      lagBytes: undefined,
      headroom: undefined,
    });
  });

  it('with GTIDs a flow stands at the end that it has passed, though its own place is in an older file, or of another server', () => {
    const gtid = `${uuid}:1-9`;
    const passed = { at: 1, head: at('b.000003', 50, gtid) };
    expect(placeOf(at('b.000001', 900, gtid), passed)).toEqual(passed.head);
    expect(placeOf(at('x.000007', 900, gtid, 'old'), passed)).toEqual(passed.head);
    expect(placeOf(at('b.000003', 90, gtid), passed)).toEqual(at('b.000003', 90, gtid));
  });
});
