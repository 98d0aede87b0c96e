import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeBatch, splitBatch, type Batch } from '../../src/daemon/batch.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import { routeStatement } from '../../src/daemon/route-statement.ts';
import type { TableStatement, TransactionPart } from '../../src/row/change.ts';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

const numberings: readonly Numbering[] = ['mysql', 'mariadb', 'none'];

function statement(table: string, position = 'b.1:4'): TableStatement {
  return { op: 'truncate', schema: 'shop', table, statement: `TRUNCATE ${table}`, position };
}

/** A history in which some transactions begin with a statement, by the bits of `where`. */
function withStatements(parts: readonly TransactionPart[], where: number): TransactionPart[] {
  return parts.map((part, i) => {
    const isFirst = i === 0 || parts[i - 1]?.isFinal === true;
    const hasFront = part.isFinal || wantedIds(part.groups).length > 0; // else it may be read twice, which changes nothing
    if (!isFirst || !hasFront || ((where >> (i % 16)) & 1) === 0) return part;
    return { ...part, statements: [statement('other'), statement('wanted', `b.1:${i}`)] };
  });
}

function makeFeed(start: Position, numbering: Numbering, rows: number): FlowFeed {
  return new FlowFeed({
    flow: 'f',
    start,
    hasGtid: numbering !== 'none',
    wants: (schema, table) => schema === 'shop' && table === 'wanted',
    wantsSchema: (schema) => schema === 'shop',
    queueBytesMax: 1_000_000,
    batch: { rows, bytes: 1_000_000 },
  });
}

async function takeAll(feed: FlowFeed): Promise<Batch[]> {
  const done = AbortSignal.abort();
  const batches: Batch[] = [];
  for (let batch = await feed.take(done); batch !== undefined; batch = await feed.take(done)) batches.push(batch);
  return batches;
}

/** Statements and rows in the order in which a flow meets them. */
function eventsOf(parts: readonly Pick<TransactionPart, 'statements' | 'groups'>[]): unknown[] {
  return parts.flatMap(({ statements = [], groups }) => [
    ...statements.filter(({ table }) => table === 'wanted').map(({ position }) => position),
    ...wantedIds(groups),
  ]);
}

describe.each(numberings)('with %s numbering, a statement about a whole table', (numbering) => {
  const start = startPosition(numbering);

  it('L1, L2: is met once and in its place, from any stored position, in front of the changes of its batch', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(2 ** 16), fc.integer({ min: 1, max: 7 }), fc.nat(), async (shapes, where, rows, cut) => {
        const parts = withStatements(makeParts(shapes, numbering), where);
        const feed = makeFeed(start, numbering, rows);
        for (const part of parts) void feed.push(part);
        const batches = await takeAll(feed);
        for (const batch of batches) {
          const events = eventsOf(batch.parts);
          expect(events.toSorted((a, b) => (typeof a === typeof b ? 0 : typeof a === 'string' ? -1 : 1))).toEqual(events);
        }
        const kept = cut % (batches.length + 1);
        const position = kept === 0 ? start : parsePosition(formatPosition(batches[kept - 1]?.end ?? start));
        const again = makeFeed(position ?? start, numbering, rows);
        for (const part of parts) void again.push(part);
        const before = batches.slice(0, kept).flatMap((batch) => eventsOf(batch.parts));
        const after = (await takeAll(again)).flatMap((batch) => eventsOf(batch.parts));
        expect([...before, ...after]).toEqual(eventsOf(parts));
      }),
      { numRuns: 500 },
    );
  });

  it('stays in front when its batch is halved', () => {
    fc.assert(
      fc.property(history, (shapes) => {
        const [first, ...rest] = makeParts(shapes, numbering);
        if (first === undefined) return;
        const parts = [{ ...first, statements: [statement('wanted')] }, ...rest].map((part) => ({
          ...part,
          size: wantedIds(part.groups).length,
        }));
        const wanted = parts.map((part) => ({ ...part, groups: part.groups.filter(({ table }) => table.name === 'wanted') }));
        const batch = makeBatch(start, wanted, { hasGtid: numbering !== 'none' });
        fc.pre(batch.size >= 2);
        const halves = splitBatch(batch, { hasGtid: numbering !== 'none' });
        expect(halves.flatMap((half) => eventsOf(half.parts))).toEqual(eventsOf(wanted));
        expect(eventsOf(halves[0].parts)[0]).toBe('b.1:4');
      }),
    );
  });
});

describe('which flow a statement concerns', () => {
  const route = {
    wants: (schema: string, table: string) => `${schema}.${table}` === 'shop.orders',
    wantsSchema: (schema: string) => schema === 'shop',
  };
  const drop = (schema: string, table: string): TableStatement => ({ ...statement(table), schema, op: 'drop' });

  it('is asked by the table’s name, and by the schema’s where all of it goes', () => {
    expect(routeStatement(drop('shop', 'orders'), route)).toEqual(drop('shop', 'orders'));
    expect(routeStatement(drop('shop', ''), route)).toEqual(drop('shop', ''));
    expect(routeStatement(drop('shop', 'items'), route)).toBeUndefined();
    expect(routeStatement(drop('other', ''), route)).toBeUndefined();
  });

  it('L3: and by names in lower case, in which a server may keep them; but nothing is deleted for that', () => {
    expect(routeStatement(drop('Shop', 'ORDERS'), route)).toMatchObject({ op: 'rewrite', schema: 'Shop', table: 'ORDERS' });
    expect(routeStatement(drop('SHOP', ''), route)).toMatchObject({ op: 'rewrite' });
  });
});
