import type { BenchOptions } from './options.ts';
import type { ServerPair } from './server-pair.ts';
import type { SourceData } from './source-data.ts';

/** What every measurement is given. */
export interface Bench {
  readonly options: BenchOptions;
  readonly pair: ServerPair;
  readonly data: SourceData;
  /** Says on stderr how far it is. */
  readonly log: (text: string) => void;
}
