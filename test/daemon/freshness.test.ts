import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitBatch, type Batch } from '../../src/daemon/batch.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import { addProbe, FlowFreshness, hasPassed, newestPassed, type Probe } from '../../src/daemon/freshness.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import { history, makeParts, startPosition, wantedIds, type Numbering } from './transactions.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const numberings: readonly Numbering[] = ['mysql', 'mariadb', 'none'];

const moves = [
  'commit',
  'commit',
  'probe',
  'look',
  'answer',
  'deliver',
  'deliver',
  'take',
  'settle',
  'split',
  'beat',
  'beaten',
  'refused',
  'crash',
] as const;
type Move = (typeof moves)[number];

/** Not as short as they are made by default. */
function steps(length: { readonly minLength?: number; readonly maxLength: number }): fc.Arbitrary<Move[]> {
  return fc.array(fc.constantFrom(...moves), { ...length, size: 'max' });
}

/** A source, a flow and a store that are moved one step at a time; each step is a moment. */
class World {
  readonly #transactions: TransactionPart[][] = [];
  readonly #numbering: Numbering;
  readonly #committedAt: number[] = [];
  readonly #stored = new Set<number>();
  readonly freshness = new FlowFreshness();
  #now = 0;
  #committed = 0;
  #delivered = 0;
  #feed: FlowFeed;
  #pending: Batch[] = [];
  #checkpoint: Position;
  #probes: readonly Probe[] = [];
  #asking: { readonly at: number; head?: Position } | undefined;
  #claim: number | undefined;
  lastProbeAt = 0;

  constructor(parts: readonly TransactionPart[], numbering: Numbering) {
    this.#numbering = numbering;
    for (const part of parts) {
      const last = this.#transactions.at(-1);
      if (last === undefined || last.at(-1)?.isFinal === true) this.#transactions.push([part]);
      else last.push(part);
    }
    this.#checkpoint = startPosition(numbering);
    this.#feed = this.#makeFeed();
  }

  async move(move: Move): Promise<void> {
    this.#now += 1;
    switch (move) {
      case 'commit':
        return this.#commit();
      case 'probe':
        this.#asking ??= { at: this.#now };
        return;
      case 'look':
        if (this.#asking !== undefined) this.#asking.head ??= this.#head();
        return;
      case 'answer':
        return this.#answer();
      case 'deliver':
        for (const part of this.#delivered < this.#committed ? (this.#transactions[this.#delivered] ?? []) : [])
          void this.#feed.push(part);
        this.#delivered = Math.min(this.#delivered + 1, this.#committed);
        return;
      case 'take':
        return this.#take();
      case 'settle':
        return this.#settle(this.#pending.shift());
      case 'split':
        return this.#split();
      case 'beat':
        this.#claim = this.freshness.pass(this.#probes, this.#feed.underWay.done);
        return;
      case 'beaten':
        if (this.#claim !== undefined) this.freshness.prove(this.#claim);
        this.#claim = undefined;
        return;
      case 'refused':
        this.#claim = undefined;
        return;
      case 'crash':
        this.#pending = [];
        this.#feed = this.#makeFeed();
        this.#delivered = 0;
        return;
      default:
        move satisfies never;
    }
  }

  /** Rows that the source had committed before the moment that is claimed, and that are not in the store. */
  get missing(): number[] {
    const before = this.freshness.provenAt ?? Number.NEGATIVE_INFINITY;
    return this.#transactions
      .filter((_, index) => (this.#committedAt[index] ?? Number.POSITIVE_INFINITY) < before)
      .flatMap((parts) => parts.flatMap((part) => wantedIds(part.groups)))
      .filter((id) => !this.#stored.has(id));
  }

  #commit(): void {
    if (this.#committed === this.#transactions.length) return;
    this.#committedAt[this.#committed] = this.#now;
    this.#committed += 1;
  }

  #head(): Position {
    const last = this.#transactions[this.#committed - 1]?.at(-1);
    const start = startPosition(this.#numbering);
    if (last === undefined) return start;
    const gtid = this.#numbering === 'mysql' ? last.gtid.replace(/:(\d+)$/, ':1-$1') : last.gtid;
    return { ...start, file: last.file, offset: last.offset, gtid };
  }

  #answer(): void {
    if (this.#asking?.head === undefined) return;
    const { at, head } = this.#asking;
    this.#probes = addProbe(this.#probes, { at, head });
    this.lastProbeAt = at;
    this.#asking = undefined;
  }

  async #take(): Promise<void> {
    const batch = await this.#feed.take(AbortSignal.abort());
    if (batch !== undefined && batch.size > 0) this.#pending.push(batch);
  }

  #settle(batch: Batch | undefined): void {
    if (batch === undefined) return;
    for (const part of batch.parts) for (const id of wantedIds(part.groups)) this.#stored.add(id);
    this.#checkpoint = batch.end;
    this.#feed.underWay.settle(batch.end);
  }

  /** The first half of a batch is committed; the other is still to come. */
  #split(): void {
    const [first, ...rest] = this.#pending;
    if (first === undefined || first.size < 2) return;
    const [left, right] = splitBatch(first, { hasGtid: this.#numbering !== 'none' });
    this.#settle(left);
    this.#pending = [right, ...rest];
  }

  #makeFeed(): FlowFeed {
    return new FlowFeed({
      flow: 'f',
      start: this.#checkpoint,
      hasGtid: this.#numbering !== 'none',
      wants: (_schema, table) => table === 'wanted',
      queueBytesMax: 1_000_000,
      batch: { rows: 4, bytes: 1_000_000 },
    });
  }
}

describe.each(numberings)('L12 freshness, with %s numbering', (numbering) => {
  it('never claims more than is in the store, whatever happens in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(history, steps({ minLength: 60, maxLength: 200 }), async (shapes, walk) => {
        const world = new World(makeParts(shapes, numbering), numbering);
        for (const step of walk) {
          await world.move(step);
          expect(world.missing).toEqual([]);
        }
      }),
      { seed, numRuns: 400 },
    );
  });

  it('is proven as of the last look once all has been done and written, also when nothing of it was for the flow', async () => {
    await fc.assert(
      fc.asyncProperty(history, steps({ maxLength: 60 }), async (shapes, walk) => {
        const parts = makeParts(shapes, numbering);
        const world = new World(parts, numbering);
        for (const step of walk) await world.move(step);
        for (const step of ['answer', 'probe', 'look', 'answer'] as const) await world.move(step);
        for (let i = 0; i < shapes.length; i += 1) await world.move('deliver');
        for (let i = 0; i < parts.length * 6; i += 1) for (const step of ['take', 'settle'] as const) await world.move(step);
        for (const step of ['beat', 'beaten'] as const) await world.move(step);
        expect(world.freshness.provenAt).toBe(world.lastProbeAt);
      }),
      { seed, numRuns: 100 },
    );
  });
});

describe('L12 what a flow has passed', () => {
  const at = (place: string, gtid = '', server = 's'): Position => {
    const [file = '', offset = ''] = place.split(':');
    return { server, file, offset: Number(offset), gtid, rows: 0 };
  };
  const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

  it.each([
    ['the same place', at('b.1:100'), at('b.1:100'), true],
    ['a place behind it', at('b.2:4'), at('b.1:900'), true],
    ['a file numbered higher, though its name sorts lower', at('b.1000000:4'), at('b.999999:9'), true],
    ['a place before it', at('b.1:99'), at('b.1:100'), false],
    ['rows of a transaction that goes on', { ...at('b.1:99'), rows: 1_000_000 }, at('b.1:100'), false],
    ['another server’s place', at('b.9:100'), at('b.1:100', '', 'other'), false],
    ['all GTIDs, at another server', at('b.9:100', `${uuid}:1-9`), at('b.1:100', `${uuid}:1-9`, 'other'), true],
    ['not all GTIDs', at('b.1:4', `${uuid}:1-5:7-9`), at('b.1:100', `${uuid}:1-9`), false],
    ['MariaDB’s domains', at('b.1:4', '0-1-9,1-1-5'), at('b.1:100', '0-1-9,1-1-5', 'other'), true],
    ['a domain that it does not know', at('b.1:4', '0-1-9'), at('b.1:100', '0-1-9,1-1-5', 'other'), false],
    ['a number of another server in a domain', at('b.1:4', '0-2-20'), at('b.1:100', '0-1-9', 'other'), false],
  ])('%s', (_what, done, head, expected) => {
    expect(hasPassed(done, head)).toBe(expected);
  });

  it('an end that lies before the last one, on the same server, is of a history that was reset, and proves nothing', () => {
    const before = addProbe([], { at: 1, head: at('b.5:1000') });
    expect(addProbe(before, { at: 2, head: at('b.1:150') })).toEqual(before);
    expect(addProbe(before, { at: 2, head: at('b.1:150', '', 'other') })).toHaveLength(2);
  });

  it('however many looks there are, few are kept, and what is proven is at most one of those left out older', () => {
    let probes: readonly Probe[] = [];
    for (let i = 1; i <= 10_000; i += 1) probes = addProbe(probes, { at: i, head: at(`b.1:${i * 10}`) });
    expect(probes.length).toBeLessThanOrEqual(64);
    expect(newestPassed(probes, at('b.1:100000'))?.at).toBe(10_000);
    expect(newestPassed(probes, at('b.1:99999'))?.at).toBe(9999);
    expect(newestPassed(probes, at('b.1:5'))).toBeUndefined();
  });

  it('what a write proves that began before the flow was given a new start proves nothing behind it', () => {
    const head = startPosition('mysql');
    const freshness = new FlowFreshness();
    const claim = freshness.pass([{ at: 1, head }], head);
    freshness.forget();
    freshness.prove(claim ?? 0);
    expect([claim, freshness.provenAt]).toEqual([1, undefined]);
  });
});
