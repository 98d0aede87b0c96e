import type { BenchOptions } from './options.ts';
import type { ServerPair } from './server-pair.ts';
import type { SourceData } from './source-data.ts';

/** What a measurement without servers is given. */
export interface SmallBench {
  readonly options: BenchOptions;
  /** Says on stderr how far it is. */
  readonly log: (text: string) => void;
}

/** What every other measurement is given. */
export interface Bench extends SmallBench {
  readonly pair: ServerPair;
  readonly data: SourceData;
}
