import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowFeed } from '../../src/daemon/feed.ts';
import type { ChangeGroup, Row, TransactionPart } from '../../src/row/change.ts';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

/** A position inside a transaction counts rows of that one, and of no other that stands in its place. */

const done = AbortSignal.abort();

function makeFeed(start: Position, numbering: Numbering): FlowFeed {
  return new FlowFeed({
    flow: 'f',
    start,
    hasGtid: numbering !== 'none',
    wants: (_schema, table) => table === 'wanted',
    queueBytesMax: 1_000_000,
    batch: { rows: 1000, bytes: 1_000_000 },
  });
}

async function idsOf(feed: FlowFeed): Promise<number[]> {
  const ids: number[] = [];
  for (let batch = await feed.take(done); batch !== undefined; batch = await feed.take(done))
    ids.push(...batch.parts.flatMap((part) => wantedIds(part.groups)));
  return ids;
}

type Cut = { readonly parts: readonly TransactionPart[]; readonly at: number; readonly position: Position };

/** Where a history may be cut: behind parts that leave rows done of a transaction that goes on. */
function cutsOf(parts: readonly TransactionPart[], numbering: Numbering): readonly Cut[] {
  const feed = makeFeed(startPosition(numbering), numbering);
  return parts.flatMap((part, at) => {
    void feed.push(part);
    const position = parsePosition(formatPosition(feed.received));
    if (position === undefined) throw new Error('not a position');
    return position.rows > 0 ? [{ parts, at, position }] : [];
  });
}

/** What the source gives from the beginning of the transaction that was cut; that one is altered. */
function readAgain({ parts, at }: Cut, alter: (part: TransactionPart, nth: number) => TransactionPart): readonly TransactionPart[] {
  const first = parts.findLastIndex(({ isFinal }, index) => isFinal && index < at) + 1;
  const last = parts.findIndex(({ isFinal }, index) => isFinal && index >= at);
  return parts.slice(first).map((part, nth) => (first + nth <= last ? alter(part, nth) : part));
}

const mapRows = (part: TransactionPart, map: (rows: readonly Row[]) => readonly Row[]): TransactionPart => ({
  ...part,
  groups: part.groups.map((group): ChangeGroup => {
    if (group.table.name !== 'wanted') return group;
    if (group.op === 'insert') return { ...group, after: map(group.after) };
    if (group.op === 'delete') return { ...group, before: map(group.before) };
    return { ...group, before: map(group.before), after: map(group.after) };
  }),
});

const fewer = (part: TransactionPart, nth: number) => (nth === 0 ? part : mapRows(part, () => []));

const others: Readonly<Record<string, (part: TransactionPart, nth: number) => TransactionPart>> = {
  'written later under the same number': (part) => ({ ...part, begun: (part.begun ?? 0) + 1000 }),
  'that begins with another row': (part) => mapRows(part, (rows) => rows.map((row) => ({ ...row, id: Number(row.id) + 1000 }))),
  'of other kinds of changes': (part) => ({
    ...part,
    groups: part.groups.map((group): ChangeGroup =>
      group.op === 'insert'
        ? { op: 'delete', table: group.table, before: group.after }
        : { op: 'insert', table: group.table, after: group.op === 'delete' ? group.before : group.after },
    ),
  }),
  'with fewer rows': fewer,
};

describe.each(['mysql', 'mariadb', 'none'] as const)('with %s numbering', (numbering) => {
  const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 1_000_000);

  async function forEachCut(check: (cut: Cut) => Promise<void>): Promise<void> {
    let count = 0;
    const property = fc.asyncProperty(history, fc.nat(), async (shapes, which) => {
      const cuts = cutsOf(makeParts(shapes, numbering), numbering);
      const cut = cuts[which % cuts.length];
      if (cut === undefined) return;
      count += 1;
      await check(cut);
    });
    await fc.assert(property, { numRuns: 100, seed });
    expect(count).toBeGreaterThan(30);
  }

  it.each(Object.entries(others))('L2 a transaction %s is not taken for the one that was cut', async (_name, alter) => {
    await forEachCut(async (cut) => {
      const comes = readAgain(cut, alter);
      const shorter = comes.slice(0, comes.findIndex(({ isFinal }) => isFinal) + 1);
      // one of as many rows or more is told by what it begins with
      if (alter === fewer && wantedIds(shorter.flatMap(({ groups }) => groups)).length >= cut.position.rows) return;
      const feed = makeFeed(cut.position, numbering);
      for (const part of comes) void feed.push(part);
      await expect(idsOf(feed)).rejects.toMatchObject({ code: 'SOURCE_WRONG_SERVER', class: 'stop' });
      expect(feed.received).toEqual(cut.position);
    });
  });

  if (numbering !== 'none') {
    it('L2 nor is one of another number, nor one of its number without a row for the flow', async () => {
      await forEachCut(async (cut) => {
        const number = numbering === 'mysql' ? '3e11fa47-71ca-11e1-9e33-c80aa9429562:99' : '0-1-99';
        const without = (part: TransactionPart) => mapRows(part, () => []);
        for (const alter of [(part: TransactionPart) => ({ ...part, gtid: number }), without]) {
          const feed = makeFeed(cut.position, numbering);
          for (const part of readAgain(cut, alter)) void feed.push(part);
          await expect(idsOf(feed)).rejects.toMatchObject({ code: 'SOURCE_WRONG_SERVER' });
        }
      });
    });

    it('L2 the same transaction on another server, where it was begun at another time, is gone on with', async () => {
      await forEachCut(async (cut) => {
        const feed = makeFeed(cut.position, numbering);
        const comes = readAgain(cut, (part) => ({ ...part, server: 'another', begun: 1 }));
        for (const part of comes) void feed.push(part);
        expect(await idsOf(feed)).toEqual(wantedIds(comes.flatMap(({ groups }) => groups)).slice(cut.position.rows));
      });
    });
  }

  it('L2 a position that an older version kept, which does not say what it counts, is gone on from', async () => {
    await forEachCut(async (cut) => {
      const { of, ...old } = cut.position;
      expect(of).toBeDefined();
      const feed = makeFeed(old, numbering);
      const comes = readAgain(cut, (part) => ({ ...part, begun: 1 }));
      for (const part of comes) void feed.push(part);
      expect(await idsOf(feed)).toEqual(wantedIds(comes.flatMap(({ groups }) => groups)).slice(cut.position.rows));
    });
  });
});
