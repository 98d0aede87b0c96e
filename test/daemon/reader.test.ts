import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/lib/logger.ts';
import type { ReadOptions, Source } from '../../src/source/contract.ts';
import { FlowFeed } from '../../src/daemon/feed.ts';
import { ReaderPool } from '../../src/daemon/reader-pool.ts';
import { waitFor } from '../support/wait-for.ts';
import { makeParts, startPosition } from './transactions.ts';

/** A source that reads what the test hands it, one read at a time. */
function handSource(): { readonly source: Source; readonly reads: ReadOptions[] } {
  const reads: ReadOptions[] = [];
  const refuse = (): never => {
    throw new Error('not asked for here');
  };
  const source: Source = {
    name: 'hand',
    inspect: refuse,
    resolve: refuse,
    head: refuse,
    openProbe: refuse,
    seesLock: refuse,
    verify: refuse,
    read(options) {
      reads.push(options);
      return new Promise((resolve) => options.signal.addEventListener('abort', () => resolve()));
    },
    close: () => Promise.resolve(),
  };
  return { source, reads };
}

function makePool(source: Source): ReaderPool {
  return new ReaderPool({
    source,
    hasGtid: true,
    logger: silentLogger,
    graceMs: 50,
    windowMs: 1000,
    nearBytes: 1000,
    joinBytes: 1000,
    gatherMs: 1,
  });
}

function makeFeed(flow: string, table: string): FlowFeed {
  return new FlowFeed({
    flow,
    start: startPosition('mysql'),
    hasGtid: true,
    wants: (_schema, name) => name === table,
    queueBytesMax: 1_000_000,
    batch: { rows: 1000, bytes: 1_000_000 },
  });
}

describe('the readers of a source', () => {
  it('L2 which tables are decoded does not change within a transaction, since what was handed on of it is counted', async () => {
    const { source, reads } = handSource();
    const pool = makePool(source);
    const staying = makeFeed('staying', 'wanted');
    const leaving = makeFeed('leaving', 'other');
    pool.add(staying);
    pool.add(leaving);
    const read = await waitFor(() => reads[0]);
    const parts = makeParts(
      [
        {
          parts: [
            [1, 1],
            [1, 1],
          ],
          op: 'insert',
        },
        { parts: [[1, 1]], op: 'insert' },
      ],
      'mysql',
    );
    expect(read.wants('shop', 'other')).toBe(true);
    void read.sink.push(parts[0] ?? expect.fail());
    pool.remove(leaving);
    expect(read.wants('shop', 'other')).toBe(true);
    void read.sink.push(parts[1] ?? expect.fail());
    expect(read.wants('shop', 'other')).toBe(false);
    await pool.close();
  });

  it('L2 a feed joins no reader that has begun to decode a transaction, which may lack its tables', async () => {
    const { source, reads } = handSource();
    const pool = makePool(source);
    pool.add(makeFeed('first', 'wanted'));
    const read = await waitFor(() => reads[0]);
    read.wants('shop', 'wanted');
    pool.add(makeFeed('second', 'other'));
    await waitFor(() => reads[1]);
    expect(read.wants('shop', 'other')).toBe(false);
    expect(pool.readerCount).toBe(2);
    await pool.close();
  });

  it('readers become one again when they stand at the same place', async () => {
    const { source, reads } = handSource();
    const pool = makePool(source);
    pool.add(makeFeed('first', 'wanted'));
    const first = await waitFor(() => reads[0]);
    first.wants('shop', 'wanted');
    pool.add(makeFeed('second', 'other'));
    const second = await waitFor(() => reads[1]);
    for (const part of makeParts([{ parts: [[1, 1]], op: 'insert' }], 'mysql'))
      for (const read of [first, second]) void read.sink.push(part);
    await waitFor(() => pool.readerCount === 1);
    expect(first.wants('shop', 'other')).toBe(true);
    await pool.close();
  });
});
