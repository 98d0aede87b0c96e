import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IntendedBatch } from '../../src/checkpoint/intent.ts';
import { remainingIntents } from '../../src/checkpoint/intent.ts';
import { batchId, batchOrigin, splitBatch, type Batch } from '../../src/daemon/batch.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import { IntendedCuts } from '../../src/daemon/intended-cuts.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

const waiting = new AbortController().signal;
const never = AbortSignal.abort();

interface FeedSetting {
  readonly start: Position;
  readonly hasGtid: boolean;
  readonly rows: number;
  readonly cuts?: IntendedCuts;
}

function makeFeed(setting: FeedSetting): FlowFeed {
  return new FlowFeed({
    ...setting,
    flow: 'f',
    wants: (_schema, table) => table === 'wanted',
    // asks its reader to stop at once
    queueBytesMax: 1,
    batch: { rows: setting.rows, bytes: 1_000_000 },
  });
}

async function takeAll(feed: FlowFeed): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let batch = await feed.take(never); batch !== undefined; batch = await feed.take(never)) batches.push(batch);
  return batches;
}

/** As the store gives it back. */
function intentOf(batch: Batch): IntendedBatch {
  const end = parsePosition(formatPosition(batch.end));
  if (end === undefined) throw new Error('not a position');
  return { origin: batchOrigin('f', batch), size: batch.size, end, dead: batch.dead, deadRounds: batch.deadRounds };
}

const contentOf = (batch: Batch) => ({
  id: batchId('f', batch),
  ids: batch.parts.flatMap((part) => wantedIds(part.groups)),
});

/** The same transactions in other parts: some of one transaction are joined. */
function joinParts(parts: readonly TransactionPart[], joins: (index: number) => boolean): TransactionPart[] {
  const joined: TransactionPart[] = [];
  let open: TransactionPart | undefined;
  parts.forEach((part, index) => {
    const whole: TransactionPart =
      open === undefined ? part : { ...part, groups: [...open.groups, ...part.groups], bytes: open.bytes + part.bytes };
    open = !part.isFinal && joins(index) ? whole : undefined;
    if (open === undefined) joined.push(whole);
  });
  return joined;
}

describe.each<Numbering>(['mysql', 'mariadb', 'none'])('batches that were under way at a crash, with %s numbering', (numbering) => {
  const start = startPosition(numbering);
  const hasGtid = numbering !== 'none';

  it('have the same rows and the same id again, however the rows arrive then, and what follows lacks nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.integer({ min: 1, max: 7 }),
        fc.nat(),
        fc.func(fc.boolean()),
        fc.boolean(),
        async (shapes, rows, cut, joins, isHalved) => {
          const parts = makeParts(shapes, numbering);
          const feed = makeFeed({ start, hasGtid, rows });
          for (const part of parts) void feed.push(part);
          const batches = await takeAll(feed);
          const kept = cut % batches.length;
          const underWay = batches
            .slice(kept, kept + 3)
            .flatMap((batch) => (isHalved && batch.size > 1 ? splitBatch(batch, { hasGtid }) : [batch]))
            .filter(({ size }) => size > 0);
          const position = kept === 0 ? start : intentOf(batches[kept - 1] ?? expect.fail()).end;
          const cuts = new IntendedCuts({ batches: underWay.map(intentOf), hasGtid, onMisfit: () => expect.fail() });
          const again = makeFeed({ start: position, hasGtid, rows: 1000, cuts });
          const reread = joinParts(parts, joins);
          const seen: Batch[] = [];
          for (const part of reread) {
            // nobody waits for a reader that was asked to stop while a batch lacks changes
            if (again.push(part) !== undefined || joins(seen.length)) seen.push(...(await takeAll(again)));
          }
          seen.push(...(await takeAll(again)));
          const filled = seen.filter(({ size }) => size > 0);
          expect(filled.slice(0, underWay.length).map(contentOf)).toEqual(underWay.map(contentOf));
          const before = batches.slice(0, kept).flatMap((batch) => contentOf(batch).ids);
          expect([...before, ...seen.flatMap((batch) => contentOf(batch).ids)]).toEqual(
            wantedIds(parts.flatMap((part) => part.groups)),
          );
          expect(again.queuedBytes).toBe(0);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('a batch that was under way', () => {
  const numbering = 'mysql';
  const start = startPosition(numbering);
  const shapes = [2, 3, 1].map((size) => ({ parts: [[size, 0]] as [number, number][], op: 'insert' as const }));
  const parts = makeParts(shapes, numbering);
  const endOf = (index: number): Position => ({
    ...start,
    file: parts[index]?.file ?? '',
    offset: parts[index]?.offset ?? 0,
    gtid: `3e11fa47-71ca-11e1-9e33-c80aa9429562:1-${index + 1}`,
  });
  const mark = { kind: 'dead', waitMs: 0, index: 1, fname: 'F', code: 'ROW_INVALID', message: 'bad', stack: undefined } as const;
  const intended: IntendedBatch = { origin: 'o', size: 5, end: endOf(1), dead: [mark], deadRounds: 1 };

  function feedOf(batch: IntendedBatch): { feed: FlowFeed; cuts: IntendedCuts; misfits: IntendedBatch[] } {
    const misfits: IntendedBatch[] = [];
    const cuts = new IntendedCuts({ batches: [batch], hasGtid: true, onMisfit: (one) => misfits.push(one) });
    return { feed: makeFeed({ start, hasGtid: true, rows: 1000, cuts }), cuts, misfits };
  }

  it.each(['mysql', 'none'] as const)('is not cut again out of another transaction in its place (%s numbering)', async (kind) => {
    const shape = {
      parts: [
        [3, 0],
        [3, 0],
      ],
      op: 'insert',
    } as const;
    const whole = makeParts([shape], kind);
    const setting = { start: startPosition(kind), hasGtid: kind !== 'none', rows: 3 };
    const feed = makeFeed(setting);
    for (const part of whole) void feed.push(part);
    const [first] = await takeAll(feed);
    if (first === undefined) throw new Error('no batch');
    const originsOf = async (comes: readonly TransactionPart[]) => {
      const kept = { ...intentOf(first), origin: 'kept' };
      const again = makeFeed({ ...setting, cuts: new IntendedCuts({ batches: [kept], hasGtid: setting.hasGtid }) });
      for (const part of comes) void again.push(part);
      return (await takeAll(again)).map(({ origin }) => origin);
    };
    expect(await originsOf(whole)).toEqual(['kept', '']);
    expect(await originsOf(whole.map((part) => ({ ...part, begun: (part.begun ?? 0) + 1000 })))).toEqual(['', '']);
  });

  it('is waited for until all of it has arrived; a stop meanwhile takes nothing of it', async () => {
    const { feed } = feedOf(intended);
    void feed.push(parts[0] ?? expect.fail());
    expect(await feed.take(never)).toBeUndefined();
    const taken = feed.take(waiting);
    for (const part of parts.slice(1)) void feed.push(part);
    expect(await taken).toMatchObject({ size: 5, origin: 'o', dead: [mark], deadRounds: 1 });
    expect(await feed.take(waiting)).toMatchObject({ size: 1, origin: '', dead: [] });
  });

  it('is another batch without its dead rows, and the whole one again for another version of the flow', async () => {
    const { feed, cuts } = feedOf(intended);
    const { feed: same } = feedOf(intended);
    cuts.forgetDead();
    for (const part of parts) [feed, same].forEach((each) => void each.push(part));
    const [whole, without] = [await feed.take(waiting), await same.take(waiting)];
    expect(whole === undefined ? '' : batchId('f', whole)).toBe('o');
    expect(without === undefined ? 'o' : batchId('f', without)).not.toBe('o');
  });

  it.each([
    ['more changes up to its end than it had', { ...intended, end: endOf(2) }],
    ['fewer changes up to its end than it had', { ...intended, end: endOf(0) }],
    ['fewer changes than it had, and others behind them', { ...intended, size: 50 }],
    ['another transaction at its end', { ...intended, end: { ...endOf(1), gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:1:7' } }],
  ])('is given up where there are %s: the rows go on in batches of their own, and it is said', async (_what, batch) => {
    const { feed, misfits } = feedOf(batch);
    const taken = feed.take(waiting);
    for (const part of parts) void feed.push(part);
    const all = [await taken, ...(await takeAll(feed))].flatMap((each) => (each === undefined ? [] : [each]));
    expect(all.flatMap((each) => contentOf(each).ids)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(all.every(({ origin, dead }) => origin === '' && dead.length === 0)).toBe(true);
    expect(misfits).toHaveLength(1);
  });
});

describe('what is kept of the batches under way', () => {
  const end = startPosition('none');
  const batch = (origin: string, size = 2): IntendedBatch => ({ origin, size, end, dead: [], deadRounds: 3 });
  const kept = { sequence: 7, tablesHash: 't', fingerprint: 'v1', batches: [batch('a'), batch('b', 0), batch('c')] };
  const remaining = (sequence: number, over = {}) =>
    remainingIntents(kept, { sequence, tablesHash: 't', fingerprint: 'v1', ...over });

  it.each([
    [6, []],
    [7, ['a', 'c']],
    [8, ['c']],
    [9, ['c']],
    [10, []],
    [99, []],
  ])('at sequence number %i leaves %j', (sequence, origins) => {
    expect(remaining(sequence)).toMatchObject({ batches: origins.map((origin) => ({ origin })), isLost: false });
  });

  it('counts changes of the same tables only, and dead changes of the same version', () => {
    expect(remaining(8, { tablesHash: 'other' })).toEqual({ batches: [], isLost: true });
    expect(remaining(10, { tablesHash: 'other' })).toEqual({ batches: [], isLost: false });
    expect(remaining(9, { fingerprint: 'v2' }).batches).toEqual([{ ...batch('c'), deadRounds: 0 }]);
  });
});
