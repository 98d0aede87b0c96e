import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/daemon/batch.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

const numberings: readonly Numbering[] = ['mysql', 'mariadb', 'none'];

function makeFeed(numbering: Numbering, rows = 1000): FlowFeed {
  return new FlowFeed({
    flow: 'f',
    start: startPosition(numbering),
    hasGtid: numbering !== 'none',
    wants: (_schema, table) => table === 'wanted',
    queueBytesMax: 1_000_000,
    batch: { rows, bytes: 1_000_000 },
  });
}

/** All that may be taken, as though each batch were committed at once. */
async function takeAll(feed: FlowFeed): Promise<number[]> {
  const done = AbortSignal.abort();
  const ids: number[] = [];
  for (let batch = await feed.take(done); batch !== undefined; batch = await feed.take(done)) {
    ids.push(...idsOf(batch));
    feed.underWay.settle(batch.end);
  }
  return ids;
}

function idsOf(batch: Batch): number[] {
  return batch.parts.flatMap((part) => wantedIds(part.groups));
}

const idsOfParts = (parts: readonly TransactionPart[]): number[] => wantedIds(parts.flatMap((part) => part.groups));

describe.each(numberings)('a feed that is held, with %s numbering', (numbering) => {
  it('L2 gives all of the transaction that it is in, nothing behind it, and the rest when it is let go', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), fc.integer({ min: 1, max: 6 }), async (shapes, cut, rows) => {
        const parts = makeParts(shapes, numbering);
        const feed = makeFeed(numbering, rows);
        for (const part of parts) void feed.push(part);
        const ids: number[] = [];
        for (let n = cut % 5; n > 0; n -= 1) {
          const batch = await feed.take(AbortSignal.abort());
          if (batch === undefined) break;
          ids.push(...idsOf(batch));
          expect(feed.standing).toBeUndefined();
          feed.underWay.settle(batch.end);
        }
        feed.holdAt('here');
        const before = await takeAll(feed);
        expect(feed.standing?.rows).toBe(0);
        const wanted = idsOfParts(parts);
        const taken = [...ids, ...before];
        expect(taken).toEqual(wanted.slice(0, taken.length));
        // up to the end of a transaction, and of the one that it was in
        const ends = parts.flatMap((part, index) => (part.isFinal ? [idsOfParts(parts.slice(0, index + 1)).length] : []));
        expect(taken.length).toBe([0, ...ends].find((end) => end >= ids.length));
        feed.holdAt(undefined);
        expect([...taken, ...(await takeAll(feed))]).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });

  it('gives another feed of the flow exactly what it has had itself, whatever the one has received beyond that', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), fc.nat(), async (shapes, first, second) => {
        const parts = makeParts(shapes, numbering);
        const live = makeFeed(numbering, 4);
        for (const part of parts.slice(0, first % (parts.length + 1))) void live.push(part);
        live.holdAt('here');
        for (const part of parts.slice(first % (parts.length + 1))) void live.push(part);
        live.holdAt(undefined);
        await live.take(AbortSignal.abort()).then((batch) => batch !== undefined && live.underWay.settle(batch.end));
        live.holdAt('here');
        await takeAll(live);
        const place: Position = live.standing ?? startPosition(numbering);
        const shadow = makeFeed(numbering, 1 + (second % 9));
        shadow.holdAt('here');
        for (const part of parts) void shadow.push(part);
        expect(await takeAll(shadow)).toEqual([]);
        shadow.holdAt(place);
        const had = await takeAll(shadow);
        live.holdAt(undefined);
        const rest = await takeAll(live);
        expect([...had, ...rest]).toEqual(idsOfParts(parts));
        expect(shadow.standing?.rows).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('wakes a worker that waits, when it is let go', async () => {
    const feed = makeFeed(numbering);
    feed.holdAt('here');
    const [part] = makeParts([{ parts: [[3, 0]], op: 'insert' }], numbering);
    if (part !== undefined) void feed.push(part);
    const next = feed.take(new AbortController().signal);
    feed.holdAt(undefined);
    expect((await next)?.size).toBe(3);
  });
});
