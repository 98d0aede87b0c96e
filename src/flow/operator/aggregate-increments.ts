/**
 * Aggregates that the computed table itself can carry on: its counts and sums are raised and lowered by what a batch changes, all
 * groups in one statement, and nothing is read. It needs a column with count(), for each sum(x) of what may be NULL one with
 * count(x), and for each avg(x) one with sum(x).
 */
import { CodedError } from '../../lib/error.ts';
import type { ConnectorSession } from '../../connector/contract.ts';
import { quoteName } from '../../store/name.ts';
import type { Group, Tally } from './aggregate-groups.ts';
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
    const expression = args[arg ?? -1]?.expression;
    const target = table.columns.get(column.toLowerCase());
    if (expression === undefined || target === undefined || (call === 'avg' && !has('sum', arg))) return false;
    const { type, scale } = expression;
    const isExact = type === 'number' && scale !== undefined && exactTypes.has(target.type) && scale <= target.scale;
    return (call === 'avg' || isExact) && (!expression.isNullable || (has('count', arg) && target.isNullable));
  });
  return isEnough && has('count', undefined);
}

/**
 * What of a group's change a row of a statement holds. An UNSIGNED column takes no negative number, not even one that is only to be
 * added: a group with such a change is lowered by a statement of its own, and raised before where it goes both ways.
 */
type Part = 'whole' | 'raised' | 'lowered' | 'negated';

/** Rows to raise and to lower, keys that must be there, and keys whose groups may be gone afterwards, as SQL. */
interface PreparedIncrements {
  readonly raised: readonly string[];
  readonly lowered: readonly string[];
  readonly present: readonly string[];
  readonly shrunk: readonly string[];
}

interface Figure {
  readonly column: string;
  readonly call: Measure['call'];
  /** -1: count(). */
  readonly arg: number;
  readonly scale: number;
  readonly isUnsigned: boolean;
  /** Whether the argument may be NULL, and whether a column counts those that are not. */
  readonly isNullable: boolean;
  readonly isCounted: boolean;
}

export class Increments {
  readonly #shape: AggregateShape;
  readonly #table: AggregateTable;
  readonly #figures: readonly Figure[];
  readonly #hasUnsigned: boolean;
  readonly #insert: string;
  readonly #total: string;

  constructor(shape: AggregateShape, table: AggregateTable) {
    this.#shape = shape;
    this.#table = table;
    const columns = [...shape.keyColumns, ...shape.measures.map(({ column }) => column)].map(quoteName).join(',');
    this.#insert = `INSERT INTO ${table.sql} (${columns}) VALUES `;
    this.#total = this.#nameOf('count', undefined) ?? '';
    this.#figures = shape.measures.map(({ column, call, arg }): Figure => {
      const target = table.columns.get(column.toLowerCase());
      return {
        column,
        call,
        arg: arg ?? -1,
        scale: target?.scale ?? 0,
        isUnsigned: call !== 'avg' && target?.isUnsigned === true,
        isNullable: shape.args[arg ?? -1]?.expression.isNullable === true,
        isCounted: this.#nameOf('count', arg) !== undefined,
      };
    });
    this.#hasUnsigned = this.#figures.some(({ isUnsigned }) => isUnsigned);
  }

  /** Makes all that `write` needs, and asks the store nothing: so it is done beside the commit of the batch before. */
  prepare(groups: readonly Group[]): PreparedIncrements {
    const raised: string[] = [];
    const lowered: string[] = [];
    const present: string[] = [];
    for (const group of groups) {
      const texts = this.#texts(group);
      const signs = this.#hasUnsigned ? this.#unsignedSigns(texts) : [];
      if (!signs.some((sign) => sign < 0)) raised.push(this.#row(group, texts, 'whole'));
      else if (signs.some((sign) => sign > 0)) {
        raised.push(this.#row(group, texts, 'raised'));
        lowered.push(this.#row(group, texts, 'lowered'));
      } else {
        present.push(keyTuple(group.key));
        lowered.push(this.#row(group, texts, 'negated'));
      }
    }
    const shrunk = groups.filter(({ count }) => count < 0).map(({ key }) => keyTuple(key));
    return { raised, lowered, present, shrunk };
  }

  async write(session: ConnectorSession, { raised, lowered, present, shrunk }: PreparedIncrements): Promise<void> {
    await this.#refuseAbsent(session, present);
    await queryInParts(session, raised, (list) => `${this.#insert}${list}${this.#updates('+')}`);
    await queryInParts(session, lowered, (list) => `${this.#insert}${list}${this.#updates('-')}`);
    await this.#removeEmpty(session, shrunk);
  }

  /** Which way the UNSIGNED columns of a group go. */
  #unsignedSigns(texts: readonly string[]): readonly number[] {
    return texts.flatMap((figure, index) => (this.#figures[index]?.isUnsigned === true ? [signOf(figure)] : []));
  }

  #row({ key }: Group, texts: readonly string[], part: Part): string {
    const figures =
      part === 'whole' ? texts : texts.map((figure, at) => partOf(figure, part, this.#figures[at]?.isUnsigned === true));
    return `(${key.length === 1 ? text(key[0]) : key.map(text).join(',')},${figures.join(',')})`;
  }

  /** By how much each column changes; for an average, what it is if the group is new. Runs once a group. */
  #texts({ count, tallies }: Group): readonly string[] {
    const texts: string[] = [];
    for (const figure of this.#figures) {
      const tally = tallies[figure.arg];
      if (tally === undefined) texts.push(String(count));
      else if (figure.call === 'count') texts.push(String(tally.count));
      else {
        this.#refuseUnfit(figure, count, tally);
        const isNone = tally.count <= 0 && (figure.call === 'avg' || tally.sum.isZero);
        if (isNone) texts.push(figure.isNullable ? 'NULL' : '0');
        else texts.push(figure.call === 'sum' ? tally.sum.toString() : average(tally));
      }
    }
    return texts;
  }

  /** What was taken for granted when the plan was made and holds no more, because the source table was altered. */
  #refuseUnfit({ column, call, scale, isCounted }: Figure, rows: number, tally: Tally): void {
    const isKnown = isCounted || tally.count === rows;
    const fits = call === 'avg' || tally.sum.scale <= scale || tally.sum.toDecimal().trimmed().scale <= scale;
    if (isKnown && fits) return;
    const why = isKnown ? `has more than the ${scale} digits after the point` : 'may be NULL now';
    const message = `${this.#table.sql}: what ${column} adds up ${why}; give the flow a new start`;
    throw new CodedError('AGGREGATE_MISMATCH', message, { details: { field: column } });
  }

  #updates(sign: '+' | '-'): string {
    // assigned from left to right: averages from the sums and counts before, sums from the counts before
    const order = ['avg', 'sum', 'count'];
    const assigned = this.#shape.measures.toSorted((a, b) => order.indexOf(a.call) - order.indexOf(b.call));
    return ` ON DUPLICATE KEY UPDATE ${assigned.map((measure) => this.#assignment(measure, sign)).join(', ')}`;
  }

  #assignment({ call, arg, column }: Measure, sign: '+' | '-'): string {
    const name = quoteName(column);
    const changed = (of: string): string => `${of} ${sign} VALUES(${of})`;
    const isNullable = this.#shape.args[arg ?? -1]?.expression.isNullable === true;
    if (call === 'count' || (call === 'sum' && !isNullable)) return `${name} = ${changed(name)}`;
    const counted = changed(this.#nameOf('count', arg) ?? this.#total);
    const sum = this.#nameOf('sum', arg) ?? '';
    const total = `COALESCE(${sum}, 0) ${sign} COALESCE(VALUES(${sum}), 0)`;
    const isNone = `${counted} = 0`;
    if (call === 'sum') return `${name} = IF(${isNone}, NULL, ${total})`;
    // Enough digits that rounding to the column's own is the only rounding. A group that is going keeps its average until it is gone.
    return `${name} = IF(${isNone}, ${isNullable ? 'NULL' : name}, CAST(${total} AS DECIMAL(65, 20)) / (${counted}))`;
  }

  /** A group that only shrinks has a row, unless its rows were never seen coming. */
  async #refuseAbsent(session: ConnectorSession, keys: readonly string[]): Promise<void> {
    const { keyColumns } = this.#shape;
    // where the server takes several texts for one key, groups cannot be counted
    if (keyColumns.some((column) => !/^$|_bin$/.test(this.#table.columns.get(column.toLowerCase())?.collation ?? ''))) return;
    const found = await queryInParts(
      session,
      keys,
      (list) => `SELECT COUNT(*) AS n FROM ${this.#table.sql} WHERE ${columnTuple(keyColumns)} IN (${list})`,
    );
    if (found.reduce((sum, row) => sum + Number(row['n']), 0) < keys.length) throw this.#unseen();
  }

  async #removeEmpty(session: ConnectorSession, keys: readonly string[]): Promise<void> {
    const where = (list: string): string => `FROM ${this.#table.sql} WHERE ${columnTuple(this.#shape.keyColumns)} IN (${list})`;
    await queryInParts(session, keys, (list) => `DELETE ${where(list)} AND ${this.#total} = 0`);
    const negative = await queryInParts(session, keys, (list) => `SELECT 1 AS found ${where(list)} AND ${this.#total} < 0 LIMIT 1`);
    if (negative.length > 0) throw this.#unseen();
  }

  #unseen(): CodedError {
    const message = `${this.#table.sql}: more rows went than ever came, so the flow began in the middle; kisflow rebuild computes it anew from a snapshot`;
    return new CodedError('AGGREGATE_MISMATCH', message);
  }

  /** The column with this call of this argument, in backticks. */
  #nameOf(call: Measure['call'], arg: number | undefined): string | undefined {
    const measure = this.#shape.measures.find((one) => one.call === call && one.arg === arg);
    return measure === undefined ? undefined : quoteName(measure.column);
  }
}

/** The average of a group that is new; of others the statement computes it. */
function average(tally: Tally): string {
  return String(tally.sum.toDecimal().dividedBy(new Decimal(BigInt(tally.count), 0)) ?? 'NULL');
}

function signOf(figure: string): number {
  if (figure.startsWith('-')) return -1;
  return figure === 'NULL' || /^[0.]*$/.test(figure) ? 0 : 1;
}

function partOf(figure: string, part: Part, isUnsigned: boolean): string {
  switch (part) {
    case 'whole':
      return figure;
    case 'raised':
      return isUnsigned && signOf(figure) < 0 ? '0' : figure;
    case 'lowered':
      return isUnsigned && signOf(figure) < 0 ? figure.slice(1) : '0';
    case 'negated':
      if (figure === 'NULL') return figure;
      return signOf(figure) < 0 ? figure.slice(1) : signOf(figure) === 0 ? '0' : `-${figure}`;
    default:
      return part satisfies never;
  }
}
