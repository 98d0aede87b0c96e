import { formatTable } from '../src/cli/table.ts';
import { median } from './statistics.ts';

/** Values of one side, one a round. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  readonly median: number;
}

/** One line of the result. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly median: number;
  /** What it is measured against, in the same rounds. */
  readonly against?: Series;
  /** Median of the rounds' ratios: what else runs on the machine bears on both sides of a round alike. */
  readonly ratio?: number;
  readonly aim?: { readonly text: string; readonly isMet: boolean };
  /** What else was noted, for the JSON file. */
  readonly notes?: Readonly<Record<string, unknown>>;
}

export function seriesOf(name: string, values: readonly number[]): Series {
  return { name, values, median: median(values) };
}

/** A figure beside its other side; `aim`: the least ratio. */
export function compare(options: {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly against: Series;
  readonly aim?: number;
  readonly notes?: Readonly<Record<string, unknown>>;
}): Figure {
  const { name, unit, values, against, aim, notes } = options;
  const ratio = median(values.map((value, round) => value / (against.values[round] ?? Number.NaN)));
  return {
    name,
    unit,
    values,
    median: median(values),
    against,
    ratio,
    ...(aim === undefined ? {} : { aim: { text: `>= ${aim}`, isMet: ratio >= aim } }),
    ...(notes === undefined ? {} : { notes }),
  };
}

/** A figure by itself; `aim`: the most it may be. */
export function figureOf(options: {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly against?: Series;
  readonly aim?: number;
  readonly notes?: Readonly<Record<string, unknown>>;
}): Figure {
  const { name, unit, values, against, aim, notes } = options;
  const middle = median(values);
  return {
    name,
    unit,
    values,
    median: middle,
    ...(against === undefined ? {} : { against }),
    ...(aim === undefined ? {} : { aim: { text: `<= ${aim} ${unit}`, isMet: middle <= aim } }),
    ...(notes === undefined ? {} : { notes }),
  };
}

/** All figures as a table, missed aims among them. */
export function figureTable(figures: readonly Figure[]): string {
  const columns = [
    { title: 'measurement' },
    { title: 'measured', isNumber: true },
    { title: 'against', isNumber: true },
    { title: 'ratio', isNumber: true },
    { title: 'aim' },
    { title: '' },
  ];
  return formatTable(
    columns,
    figures.map(({ name, unit, median: middle, against, ratio, aim }) => [
      name,
      `${show(middle)} ${unit}`,
      against === undefined ? '' : `${against.name} ${show(against.median)}`,
      ratio === undefined ? '' : ratio.toFixed(2),
      aim?.text ?? '',
      aim === undefined ? '' : aim.isMet ? 'met' : 'MISSED',
    ]),
  );
}

function show(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
