import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { batchRows } from '../../src/daemon/batch-rows.ts';
import { makeBatch, splitBatch, type Batch } from '../../src/daemon/batch.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

const numberings: readonly Numbering[] = ['mysql', 'mariadb', 'none'];

function makeFeed(options: { start: Position; numbering: Numbering; rows?: number; queueBytesMax?: number }): FlowFeed {
  return new FlowFeed({
    flow: 'f',
    start: options.start,
    hasGtid: options.numbering !== 'none',
    wants: (_schema, table) => table === 'wanted',
    queueBytesMax: options.queueBytesMax ?? 1_000_000,
    batch: { rows: options.rows ?? 1000, bytes: 1_000_000 },
  });
}

/** Everything that is queued, in batches. */
async function takeAll(feed: FlowFeed): Promise<Batch[]> {
  const done = AbortSignal.abort();
  const batches: Batch[] = [];
  for (let batch = await feed.take(done); batch !== undefined; batch = await feed.take(done)) batches.push(batch);
  return batches;
}

function idsOf(batches: readonly Batch[]): number[] {
  return batches.flatMap((batch) => batch.parts.flatMap((part) => wantedIds(part.groups)));
}

/** The position as the store would give it back. */
function stored(position: Position): Position {
  const read = parsePosition(formatPosition(position));
  if (read === undefined) throw new Error('not a position');
  return read;
}

describe.each(numberings)('a feed, with %s numbering', (numbering) => {
  const start = startPosition(numbering);

  it('L2 a feed that is closed takes all of the transaction that it is in and nothing behind it, so its tables may change there', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), async (shapes, when) => {
        const parts = makeParts(shapes, numbering);
        const feed = makeFeed({ start, numbering });
        const closeAt = when % (parts.length + 1);
        let closed = 0;
        parts.forEach((part, index) => {
          if (index === closeAt) feed.closeBetweenTransactions(() => (closed += 1));
          void feed.push(part);
        });
        if (closeAt === parts.length) feed.closeBetweenTransactions(() => (closed += 1));
        const end = feed.received;
        expect(end.rows).toBe(0);
        expect(closed).toBe(1);
        const batches = await takeAll(feed);
        expect(batches.at(-1)?.end ?? start).toEqual(end);
        // a feed of all tables goes on there and lacks nothing
        const next = makeFeed({ start: stored(end), numbering });
        for (const part of parts) void next.push(part);
        expect([...idsOf(batches), ...idsOf(await takeAll(next))]).toEqual(wantedIds(parts.flatMap((part) => part.groups)));
      }),
      { numRuns: 300 },
    );
  });

  it('L2 from any stored position, and any reader that begins at or before it, exactly the rest follows', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 7 }), fc.nat(), fc.nat(), async (shapes, rows, cut, back) => {
        const parts = makeParts(shapes, numbering);
        const feed = makeFeed({ start, numbering, rows });
        for (const part of parts) void feed.push(part);
        const batches = await takeAll(feed);
        const kept = cut % (batches.length + 1);
        const position = kept === 0 ? start : stored(batches[kept - 1]?.end ?? start);
        const before = idsOf(batches.slice(0, kept));
        const again = makeFeed({ start: position, numbering, rows });
        for (const part of rereadFrom(parts, position, back)) void again.push(part);
        expect([...before, ...idsOf(await takeAll(again))]).toEqual(wantedIds(parts.flatMap((part) => part.groups)));
      }),
      { numRuns: 300 },
    );
  });

  it('L2 a reader may be exchanged at any part, in the middle of a transaction too', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), fc.nat(), async (shapes, cut, back) => {
        const parts = makeParts(shapes, numbering);
        const feed = makeFeed({ start, numbering });
        for (const part of parts.slice(0, cut % (parts.length + 1))) void feed.push(part);
        const position = feed.received;
        feed.attach();
        for (const part of rereadFrom(parts, position, back)) void feed.push(part);
        expect(idsOf(await takeAll(feed))).toEqual(wantedIds(parts.flatMap((part) => part.groups)));
      }),
      { numRuns: 300 },
    );
  });

  it('L2 a batch in two halves has the same rows and ends at the same position', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (shapes) => {
        const feed = makeFeed({ start, numbering });
        for (const part of makeParts(shapes, numbering)) void feed.push(part);
        const [batch] = await takeAll(feed);
        if (batch === undefined || batch.size < 2) return;
        const hasGtid = numbering !== 'none';
        const [left, right] = splitBatch(batch, { hasGtid });
        expect(left.size).toBe(Math.floor(batch.size / 2));
        expect(idsOf([left, right])).toEqual(idsOf([batch]));
        expect(right.start).toEqual(left.end);
        expect(right.end).toEqual(batch.end);
        expect(makeBatch(right.start, right.parts, { hasGtid }).end).toEqual(batch.end);
      }),
      { numRuns: 300 },
    );
  });

  it('every change is either in the rows or counted as filtered (L3)', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (shapes) => {
        const feed = makeFeed({ start, numbering });
        for (const part of makeParts(shapes, numbering)) void feed.push(part);
        for (const batch of await takeAll(feed)) {
          const plain = batchRows(batch, 'after');
          const whole = batchRows(batch, 'change');
          expect(plain.rows.length + plain.filtered).toBe(batch.size);
          expect(whole.rows.length).toBe(batch.size);
          expect(whole.filtered).toBe(0);
        }
      }),
    );
  });
});

describe('a feed', () => {
  it('L7 asks its reader to stop above its bound, and lets it go on below half of it', async () => {
    const start = startPosition('mysql');
    const feed = makeFeed({ start, numbering: 'mysql', queueBytesMax: 40, rows: 1 });
    const parts = makeParts(
      [
        { parts: [[3, 0]], op: 'insert' },
        { parts: [[3, 0]], op: 'insert' },
      ],
      'mysql',
    );
    const [held1, held] = parts.map((part) => feed.push(part));
    expect(held1).toBeUndefined();
    expect(held).toBeInstanceOf(Promise);
    expect(feed.isFull).toBe(true);
    await feed.take(AbortSignal.abort());
    expect(feed.isFull).toBe(true);
    await feed.take(AbortSignal.abort());
    await held;
    expect(feed.isFull).toBe(false);
  });

  it('L7 forgets what was taken', async () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    const feed = makeFeed({ start: startPosition('mysql'), numbering: 'mysql' });
    const taken = await takeOne(feed);
    // a turn of the event loop: a WeakRef keeps what it was asked for until then
    await new Promise((resolve) => setImmediate(resolve));
    if (typeof collect === 'function') collect();
    expect(taken.deref()).toBeUndefined();
    expect(feed.queuedBytes).toBe(0);
  });

  it('gives its error only once what came before it is taken', async () => {
    const start = startPosition('mysql');
    const feed = makeFeed({ start, numbering: 'mysql' });
    for (const part of makeParts([{ parts: [[2, 0]], op: 'insert' }], 'mysql')) void feed.push(part);
    feed.fail(new Error('undecodable'));
    const signal = new AbortController().signal;
    expect((await feed.take(signal))?.size).toBe(2);
    await expect(feed.take(signal)).rejects.toThrow('undecodable');
  });
});

/** Pushes one part, takes it, and keeps nothing of it but a weak reference. */
async function takeOne(feed: FlowFeed): Promise<WeakRef<object>> {
  const [part] = makeParts([{ parts: [[3, 0]], op: 'insert' }], 'mysql');
  const [group] = part?.groups ?? [];
  if (part === undefined || group === undefined) throw new Error('no part');
  const reference = new WeakRef(group);
  void feed.push(part);
  await feed.take(AbortSignal.abort());
  return reference;
}

/** What a reader delivers that begins some transactions before the position's. */
function rereadFrom(parts: readonly TransactionPart[], position: Position, back: number): readonly TransactionPart[] {
  const ends = parts.flatMap((part, i) => (part.isFinal ? [i + 1] : []));
  const done = ends.filter((end) => {
    const last = parts[end - 1];
    return last !== undefined && (last.file < position.file || (last.file === position.file && last.offset <= position.offset));
  });
  const first = [0, ...done];
  return parts.slice(first[Math.max(0, first.length - 1 - (back % 3))]);
}
