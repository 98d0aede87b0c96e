/**
 * Aggregates that the computed table itself can carry on: its counts and sums are raised and lowered by what a batch changes, all
 * groups in one statement, and nothing is read. It needs a column with count(), for each sum(x) of what may be NULL one with
 * count(x), and for each avg(x) one with sum(x).
 */
import { CodedError } from '../../lib/error.ts';
import type { ConnectorSession } from '../../connector/contract.ts';
import { quoteName } from '../../store/name.ts';
import type { Group } from './aggregate-groups.ts';
import type { Argument, Measure } from './aggregate-measures.ts';
import { columnTuple, keyTuple, queryInParts, text, type AggregateTable } from './aggregate-table.ts';
import { Decimal } from './decimal.ts';

export interface AggregateShape {
  /** Columns of the computed table that hold the key. */
  readonly keyColumns: readonly string[];
  readonly measures: readonly Measure[];
  readonly args: readonly Argument[];
}

const exactTypes = new Set(['decimal', 'int', 'bigint', 'mediumint', 'smallint', 'tinyint']);

/** Whether increments of the table's own columns are exact, and enough. */
export function canIncrement({ measures, args }: AggregateShape, table: AggregateTable): boolean {
  const has = (call: Measure['call'], arg: number | undefined): boolean =>
    measures.some((measure) => measure.call === call && measure.arg === arg);
  const isEnough = measures.every(({ call, arg, column }) => {
    if (call === 'count') return true;
    if (call !== 'sum' && call !== 'avg') return false;
    if (call === 'avg' && !has('sum', arg)) return false;
    const expression = args[arg ?? -1]?.expression;
    const target = table.columns.get(column.toLowerCase());
    if (expression === undefined || target === undefined) return false;
    const isExact =
      call === 'avg' ||
      (expression.type === 'number' &&
        expression.scale !== undefined &&
        exactTypes.has(target.type) &&
        expression.scale <= target.scale);
    return isExact && (!expression.isNullable || has('count', arg));
  });
  return isEnough && has('count', undefined);
}

/** Writes what a batch changes. */
export class Increments {
  readonly #shape: AggregateShape;
  readonly #insert: string;
  readonly #updates: string;
  readonly #delete: string;
  readonly #table: AggregateTable;

  constructor(shape: AggregateShape, table: AggregateTable) {
    this.#shape = shape;
    this.#table = table;
    const { keyColumns, measures } = shape;
    const columns = [...keyColumns, ...measures.map(({ column }) => column)].map(quoteName).join(',');
    this.#insert = `INSERT INTO ${table.sql} (${columns}) VALUES `;
    // MySQL assigns from left to right: averages from the sums and counts before, sums from the counts before
    const order = ['avg', 'sum', 'count'];
    const assigned = measures.toSorted((a, b) => order.indexOf(a.call) - order.indexOf(b.call));
    this.#updates = ` ON DUPLICATE KEY UPDATE ${assigned.map((measure) => this.#assignment(measure)).join(', ')}`;
    const total = quoteName(this.#columnOf('count', undefined) ?? '');
    this.#delete = `DELETE FROM ${table.sql} WHERE ${total} = 0 AND ${columnTuple(keyColumns)} IN `;
  }

  async write(session: ConnectorSession, groups: readonly Group[]): Promise<void> {
    const rows = groups.map((group) => this.#row(group));
    await queryInParts(session, rows, (list) => `${this.#insert}${list}${this.#updates}`);
    const shrunk = groups.filter(({ count }) => count < 0).map(({ key }) => keyTuple(key));
    await queryInParts(session, shrunk, (list) => `${this.#delete}(${list})`);
  }

  #row({ key, count, tallies }: Group): string {
    const texts = key.map(text);
    for (const measure of this.#shape.measures) {
      const tally = measure.arg === undefined ? undefined : tallies[measure.arg];
      if (tally === undefined) texts.push(String(count));
      else if (measure.call === 'count') texts.push(String(tally.count));
      else {
        this.#refuseUnfit(measure, count, tally);
        const isNone = tally.count === 0 && tally.sum.isZero;
        texts.push(isNone ? 'NULL' : measure.call === 'sum' ? tally.sum.toString() : average(tally));
      }
    }
    return `(${texts.join(',')})`;
  }

  /** What was taken for granted when the plan was made and holds no more, because the source table was altered. */
  #refuseUnfit(measure: Measure, rows: number, tally: NonNullable<Group['tallies'][number]>): void {
    const hasCount = this.#columnOf('count', measure.arg) !== undefined;
    const scale = this.#table.columns.get(measure.column.toLowerCase())?.scale ?? 0;
    const isCounted = hasCount || tally.count === rows;
    const fits = measure.call === 'avg' || tally.sum.scale <= scale || tally.sum.toDecimal().trimmed().scale <= scale;
    if (isCounted && fits) return;
    const why = isCounted ? `has more than the ${scale} digits after the point` : 'may be NULL now';
    throw new CodedError(
      'AGGREGATE_MISMATCH',
      `${this.#table.sql}: what ${measure.column} adds up ${why}; give the flow a new start`,
      { details: { field: measure.column } },
    );
  }

  #columnOf(call: Measure['call'], arg: number | undefined): string | undefined {
    return this.#shape.measures.find((measure) => measure.call === call && measure.arg === arg)?.column;
  }

  #assignment({ call, arg, column }: Measure): string {
    const name = quoteName(column);
    const raised = (of: string): string => `${of} + VALUES(${of})`;
    if (call === 'count') return `${name} = ${raised(name)}`;
    const counted = quoteName(this.#columnOf('count', arg) ?? this.#columnOf('count', undefined) ?? '');
    const sum = quoteName(this.#columnOf('sum', arg) ?? '');
    const total = `COALESCE(${sum}, 0) + COALESCE(VALUES(${sum}), 0)`;
    if (call === 'sum') return `${name} = IF(${raised(counted)} = 0, NULL, ${total})`;
    // enough digits that rounding to the column's own is the only rounding
    return `${name} = IF(${raised(counted)} = 0, NULL, CAST(${total} AS DECIMAL(65, 20)) / (${raised(counted)}))`;
  }
}

/** The average of a group that is new; of others the statement computes it. */
function average(tally: NonNullable<Group['tallies'][number]>): string {
  return tally.count <= 0 ? 'NULL' : String(tally.sum.toDecimal().dividedBy(new Decimal(BigInt(tally.count), 0)) ?? 'NULL');
}
