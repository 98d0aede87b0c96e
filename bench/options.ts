import { parseArgs } from 'node:util';
import type { SqlFlavour } from '../src/embedded/server.ts';

export const measurementNames = [
  'flow',
  'decode',
  'source',
  'snapshot',
  'mirror',
  'aggregate',
  'lineage',
  'latency',
  'memory',
  'replay',
  'rebuild',
  'verify',
  'faults',
] as const;
export type MeasurementName = (typeof measurementNames)[number];

export interface BenchOptions {
  readonly flavour: SqlFlavour;
  /** Rows inserted at the source; a quarter as many are updated. */
  readonly rows: number;
  readonly rounds: number;
  readonly only: readonly MeasurementName[];
  /** Seconds that each latency measurement lasts, after its warm-up. */
  readonly seconds: number;
  /** Where measured processes leave their CPU profiles; undefined: none are taken. */
  readonly profileDir: string | undefined;
}

export const usage = `npm run bench -- [--server mysql|mariadb] [--rows N] [--rounds N] [--seconds N] [--only NAME,…] [--profile DIR]
names: ${measurementNames.join(', ')}`;

/** Reads the command line; throws an Error that says what is wrong with it. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      server: { type: 'string', default: 'mysql' },
      rows: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '20' },
      only: { type: 'string', default: measurementNames.join(',') },
      profile: { type: 'string' },
    },
  });
  return {
    flavour: readFlavour(values.server),
    rows: readCount('rows', values.rows, 1000),
    rounds: readCount('rounds', values.rounds, 1),
    seconds: readCount('seconds', values.seconds, 1),
    only: values.only.split(',').map(readName),
    profileDir: values.profile,
  };
}

function readFlavour(text: string): SqlFlavour {
  if (text === 'mysql' || text === 'mariadb') return text;
  throw new Error(`--server is mysql or mariadb, not ${text}`);
}

function readCount(name: string, text: string, least: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= least) return count;
  throw new Error(`--${name} is a whole number from ${least}, not ${text}`);
}

function readName(text: string): MeasurementName {
  const name = measurementNames.find((known) => known === text.trim());
  if (name === undefined) throw new Error(`--only takes ${measurementNames.join(', ')}, not ${text}`);
  return name;
}
