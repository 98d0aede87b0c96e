/**
 * SQL that reads a table along its key. The session must have `keySession` set: without it, some values (zero dates, TIMESTAMPs)
 * are not what they are compared with. A table must be read by the index of its key (FORCE INDEX): some collations sort otherwise than their
 * indexes do (cp1250_czech_cs, tis620_thai_ci, MariaDB's NO PAD ones), and ranges follow the index.
 */
import { CodedError } from '../lib/error.ts';
import type { Value } from '../row/change.ts';
import { quoteName } from '../store/name.ts';
import type { Key, KeyColumn, KeyRange } from './contract.ts';
import { writeKeyColumn, writeKeyConstant } from './key-literal.ts';
import { highestInList } from './key-number.ts';
import { orderOfColumn } from './key-order.ts';
import { kindOf } from './key-type.ts';

/** What a session sets that runs these statements: dates as they are, times in UTC, CHAR without the spaces at its end. */
export const keySession: readonly string[] = ['NAMES utf8mb4', "time_zone = '+00:00'", "sql_mode = 'ALLOW_INVALID_DATES'"];

type Comparison = '<' | '=' | '>';

/** Key order, without ORDER BY. `table`: the name or alias to which the columns belong; needed where the SELECT names other things as they are named. */
export function orderByKey(key: readonly KeyColumn[], table?: string): string {
  return orderBy(key, { isReverse: false, table });
}

function orderBy(key: readonly KeyColumn[], { isReverse, table }: { isReverse: boolean; table: string | undefined }): string {
  const owner = table === undefined ? '' : `${quoteName(table)}.`;
  return key.map(({ name, isDescending }) => `${owner}${quoteName(name)}${isDescending === isReverse ? '' : ' DESC'}`).join(', ');
}

/**
 * The condition of a range, in parentheses and without WHERE; '' for the whole table. It is spelled out column by column, because the servers
 * read a key's range from that (`(a, b) > (1, 2)` makes them read the whole table).
 */
export function whereKey(key: readonly KeyColumn[], range: KeyRange): string {
  const sides = [
    ...(range.after === undefined ? [] : [bySide(key, range.after, writeComparison, 'after')]),
    ...(range.upTo === undefined ? [] : [bySide(key, range.upTo, writeComparison, 'upTo')]),
  ];
  return sides.length === 0 ? '' : `(${sides.join(' AND ')})`;
}

export interface BoundOptions extends KeyRange {
  /** As FROM takes it, quoted. */
  readonly table: string;
  readonly key: readonly KeyColumn[];
  /** What is selected of the row: the key's columns, with the table's columns under the name `kis_t`. Default: as they are. */
  readonly columns?: string | undefined;
  /** The key's index: read by a sort instead, some collations give another order. */
  readonly index?: string | undefined;
  readonly rowsMax: number;
}

/**
 * One row, the last of the next `rowsMax` of the range in key order, or the range's last where there are fewer; none where it is empty.
 * Both ends of a statement see the same rows, so it is never a row beyond.
 */
export function boundSql(options: BoundOptions): string {
  const isMixed = options.key.some(({ isDescending }) => isDescending !== options.key[0]?.isDescending);
  return isMixed ? boundOfMixed(options) : boundOfEnds(options);
}

/** Looks from both ends: nothing is kept of the rows between. */
function boundOfEnds(options: BoundOptions): string {
  const { key, rowsMax } = options;
  const names = key.map(({ name }) => quoteName(name)).join(', ');
  const place = key.some(({ name }) => name.toLowerCase() === 'kis_place') ? 'kis_place_of_row' : 'kis_place';
  const select = (isReverse: boolean): string => {
    const order = orderBy(key, { isReverse, table: 'kis_t' });
    const limit = isReverse ? 'LIMIT 1' : `LIMIT 1 OFFSET ${rowsMax - 1}`;
    return `(SELECT ${options.columns ?? names}, ${isReverse ? 1 : 0} AS ${place} ${fromRange(options)} ORDER BY ${order} ${limit})`;
  };
  return `SELECT ${names} FROM (${select(false)} UNION ALL ${select(true)}) AS kis_ends ORDER BY ${place} LIMIT 1`;
}

/** MySQL does not read a range of columns in both directions backwards, but sorts all of it: the next rows' keys are kept, and sorted. */
function boundOfMixed(options: BoundOptions): string {
  const { key, rowsMax } = options;
  const names = key.map(({ name }) => quoteName(name)).join(', ');
  const orders = key.map(({ name }, index) => `kis_t.${quoteName(name)} AS kis_order_${index}`).join(', ');
  const last = key.map(({ isDescending }, index) => `kis_order_${index}${isDescending ? '' : ' DESC'}`).join(', ');
  const next = `SELECT ${options.columns ?? names}, ${orders} ${fromRange(options)} ORDER BY ${orderByKey(key, 'kis_t')} LIMIT ${rowsMax}`;
  return `SELECT ${names} FROM (${next}) AS kis_next ORDER BY ${last} LIMIT 1`;
}

function fromRange({ table, key, index, ...range }: BoundOptions): string {
  const where = whereKey(key, range);
  const force = index === undefined ? '' : ` FORCE INDEX (${quoteName(index)})`;
  return `FROM ${table} AS kis_t${force}${where === '' ? '' : ` WHERE ${where}`}`;
}

/** One row with one column, `answer`: for each key, in order, `1` where it lies at or before the bound in key order, else `0`. */
export function selectAreUpTo(key: readonly KeyColumn[], keys: readonly Key[], bound: Key): string {
  const answers = keys.map((values) => bySide(key, bound, (column, side) => compareConstants(column, side, values), 'upTo'));
  return `SELECT CONCAT('', ${answers.map((answer) => `(${answer})`).join(', ') || "''"}) AS answer`;
}

/** The answer of selectAreUpTo. Throws INTERNAL where it is not one. */
export function readAreUpTo(answer: Value, count: number): readonly boolean[] {
  if (typeof answer !== 'string' || answer.length !== count || !/^[01]*$/.test(answer)) {
    throw new CodedError('INTERNAL', `the server answered ${String(answer)} about ${count} keys`, { class: 'stop' });
  }
  return Array.from(answer, (digit) => digit === '1');
}

interface Side {
  readonly comparison: Comparison;
  readonly value: Value;
  readonly index: number;
}

type WriteComparison = (column: KeyColumn, side: Side) => string;

/** `a > x OR (a = x AND (b > y OR …))`: keys behind a key, or up to and with it. */
function bySide(key: readonly KeyColumn[], bound: Key, write: WriteComparison, side: 'after' | 'upTo'): string {
  if (key.length !== bound.length) {
    throw new CodedError('INTERNAL', `a key of ${bound.length} values for ${key.length} columns`, { class: 'stop' });
  }
  let condition = '';
  for (const [index, column] of [...key.entries()].toReversed()) {
    const value = bound[index];
    const comparison = (side === 'after') === column.isDescending ? '<' : '>';
    const beyond = write(column, { comparison, value, index });
    const equal = write(column, { comparison: '=', value, index });
    if (condition === '') condition = side === 'after' ? beyond : `${beyond} OR ${equal}`;
    else condition = `${beyond} OR (${equal} AND (${condition}))`;
  }
  return `(${condition})`;
}

/** An ENUM or SET of more values than this is read by its whole index. */
const listedMax = 500;

function writeComparison(column: KeyColumn, { comparison, value }: Side): string {
  const name = writeKeyColumn(column);
  const constant = writeKeyConstant(column, value);
  if (kindOf(column) !== 'list' || comparison === '=' || highestInList(column) > listedMax)
    return `${name} ${comparison} ${constant}`;
  // an index on an ENUM serves only for `=`
  const numbers = Array.from({ length: highestInList(column) + 1 }, (_, number) => number);
  const wanted = numbers.filter((number) => (comparison === '<' ? number < Number(constant) : number > Number(constant)));
  return wanted.length === 0 ? 'FALSE' : `${name} IN (${wanted.join(', ')})`;
}

/** Compares a value of another key with the bound's: here where their order is known, else by the server. */
function compareConstants(column: KeyColumn, { comparison, value, index }: Side, values: Key): string {
  const order = orderOfColumn(column);
  if (order === undefined) return `${writeKeyConstant(column, values[index])} ${comparison} ${writeKeyConstant(column, value)}`;
  const found = order(values[index], value);
  const isSo = comparison === '=' ? found === 0 : comparison === '<' ? found < 0 : found > 0;
  return isSo ? 'TRUE' : 'FALSE';
}
