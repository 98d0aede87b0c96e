import { expect, it } from 'vitest';
import { fuzz, seed } from '../binlog/fuzz.ts';

/** FUZZ_MINUTES makes it longer. */
const minutes = Number(process.env['FUZZ_MINUTES'] ?? 5);

it(`L3: minutes of broken events: each refused or read, in bounded time and memory (seed ${seed})`, async () => {
  const { rounds, refused, read } = await fuzz({ ms: minutes * 60_000, rounds: Number.POSITIVE_INFINITY });
  console.log(`${rounds} rounds: ${refused} refused, ${read} read`);
  expect(refused).toBeGreaterThan(1000);
});
