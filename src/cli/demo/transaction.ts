/** One transaction that the generator is going to run on the source. */
export interface PlannedTransaction {
  readonly statements: readonly Statement[];
  /** Ends with ROLLBACK: kisflow must see nothing of it. */
  readonly isRolledBack?: boolean;
}

export interface Statement {
  readonly sql: string;
  readonly params?: readonly unknown[];
}

/** Numbers from 0 to 1 (excluded), the same ones for the same seed: mulberry32, by Tommy Ettinger. */
export type Random = () => number;

export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of several ways to go on, by their weights. */
export function chooseWeighted<T>(random: Random, choices: readonly (readonly [number, T])[]): T | undefined {
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, choice] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return choices.at(-1)?.[1];
}
