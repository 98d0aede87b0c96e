import { describe, expect, test } from 'vitest';
import { createFlow, defineFunction } from '../../src/index.ts';

/** Two functions that count in every kind of value that a function can keep. */
function countingFlow(seen: unknown[]) {
  const count = (map: Map<string, unknown>): number => {
    const next = Number(map.get('n') ?? 0) + 1;
    map.set('n', next);
    return next;
  };
  const counting = (name: string) =>
    defineFunction({
      name,
      run(flow, rows) {
        const cached = Number(flow.cache.get('n') ?? 0) + 1;
        flow.cache.set('n', cached);
        seen.push([name, count(flow.metadata), count(flow.functionMetadata), count(flow.flowMetadata), cached]);
        flow.commitRowBatch(rows);
      },
    });
  return createFlow({ name: 'f', steps: [{ fname: 'a' }, { fname: 'b' }, { fname: 'a' }], functions: ['a', 'b'].map(counting) });
}

describe('what functions keep', () => {
  test('lives as long as the run, the function in its place, or the flow', async () => {
    const seen: unknown[] = [];
    const flow = countingFlow(seen);
    for (let run = 0; run < 2; run += 1) {
      flow.commitRow(1);
      await flow.run();
    }
    // name, run, function, flow, cache
    expect(seen).toEqual([
      ['a', 1, 1, 1, 1],
      ['b', 2, 1, 2, 2],
      ['a', 3, 1, 3, 3],
      ['a', 1, 2, 4, 4],
      ['b', 2, 2, 5, 5],
      ['a', 3, 2, 6, 6],
    ]);
    expect(flow.flowMetadata.get('n')).toBe(6);
  });

  test('a fork begins with nothing of it, and leaves the first flow alone', async () => {
    const seen: unknown[] = [];
    const flow = countingFlow(seen);
    flow.commitRow(1);
    await flow.run();
    const fork = flow.fork();
    fork.commitRow(1);
    await fork.run();
    expect(seen.slice(3)).toEqual(seen.slice(0, 3));
    expect(flow.flowMetadata.get('n')).toBe(3);
    expect(fork.flowMetadata.get('n')).toBe(3);
    expect(fork.name).toBe('f');
  });

  test('many runs at once count every run once', async () => {
    const seen: unknown[] = [];
    const flow = countingFlow(seen);
    await Promise.all(
      Array.from({ length: 50 }, () => {
        flow.commitRow(1);
        return flow.run();
      }),
    );
    expect(flow.flowMetadata.get('n')).toBe(150);
  });
});
