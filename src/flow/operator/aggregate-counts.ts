/**
 * Aggregates that need more than the computed table holds: the least and the greatest value, how many different ones, a sum or an
 * average without its count. What they need is in kis_aggregate_value, by group and slot, in the batch's own transaction: in a
 * slot for sums one row a group, in a slot for values one row for each value of a group with how often it is there.
 */
import { createHash } from 'node:crypto';
import { CodedError } from '../../lib/error.ts';
import type { ConnectorSession } from '../../connector/contract.ts';
import type { Row } from '../../row/change.ts';
import { quoteName } from '../../store/name.ts';
import { keyText } from '../row-text.ts';
import type { Group } from './aggregate-groups.ts';
import type { AggregateShape } from './aggregate-increments.ts';
import type { Measure } from './aggregate-measures.ts';
import { columnTuple, keyTuple, queryInParts, text, type AggregateTable } from './aggregate-table.ts';
import { Decimal } from './decimal.ts';
import { decodeSortable } from './sortable.ts';

/** The slot of a group's own count; arguments have two slots each behind it. */
const groupSlot = 0;
const tallySlot = (arg: number): number => 1 + 2 * arg;
const valueSlot = (arg: number): number => 2 + 2 * arg;

/** What the store knows of a slot of a group. */
interface SlotState {
  readonly count: number;
  readonly total: string | null;
  readonly least: Uint8Array | null;
  readonly greatest: Uint8Array | null;
  readonly different: number;
}

/** Groups by their marks, rows to add, and values that may be gone afterwards, as SQL. */
interface PreparedCounts {
  readonly marks: ReadonlyMap<string, Group>;
  readonly rows: readonly string[];
  readonly shrunk: readonly string[];
}

export class Counts {
  readonly #shape: AggregateShape;
  readonly #table: AggregateTable;
  readonly #id: number;

  /** `id`: the aggregate's number in kis_aggregate. */
  constructor(shape: AggregateShape, table: AggregateTable, id: number) {
    this.#shape = shape;
    this.#table = table;
    this.#id = id;
  }

  /** Makes all that the first statements need, and asks the store nothing: so it is done beside the commit of the batch before. */
  prepare(groups: readonly Group[]): PreparedCounts {
    const marks = new Map(groups.map((group) => [mark(group.key), group]));
    const rows: string[] = [];
    const shrunk: string[] = [];
    const push = (id: string, slot: number, value: string, count: number, total: string): void => {
      rows.push(`(${this.#id},${slot},${id},${value},${count},${total})`);
    };
    for (const [id, group] of marks) {
      push(id, groupSlot, "''", group.count, 'NULL');
      for (const [arg, tally] of group.tallies.entries()) {
        if (tally !== undefined) push(id, tallySlot(arg), "''", tally.count, tally.sum.toString());
      }
      for (const [slot, value, count] of changedValues(group)) {
        push(id, slot, value, count, 'NULL');
        if (count < 0) shrunk.push(`(${slot},${id},${value})`);
      }
    }
    return { marks, rows, shrunk };
  }

  async write(session: ConnectorSession, { marks, rows, shrunk }: PreparedCounts): Promise<void> {
    await this.#raise(session, rows, shrunk);
    const states = await this.#read(session, [...marks.keys()]);
    const written: string[] = [];
    const gone: Group[] = [];
    for (const [id, group] of marks) {
      const count = states.get(id)?.get(groupSlot)?.count ?? 0;
      if (count < 0) throw this.#negative(group);
      if (count === 0) gone.push(group);
      else written.push(this.#row(group, states.get(id) ?? new Map<number, SlotState>()));
    }
    await this.#save(session, written);
    await this.#remove(session, gone);
  }

  async #raise(session: ConnectorSession, rows: readonly string[], shrunk: readonly string[]): Promise<void> {
    const columns = '(aggregate, slot, group_key, value, count, total)';
    const updates = 'count = count + VALUES(count), total = total + VALUES(total)';
    await queryInParts(
      session,
      rows,
      (list) => `INSERT INTO kis_aggregate_value ${columns} VALUES ${list} ON DUPLICATE KEY UPDATE ${updates}`,
    );
    await queryInParts(
      session,
      shrunk,
      (list) =>
        `DELETE FROM kis_aggregate_value WHERE aggregate = ${this.#id} AND (slot, group_key, value) IN (${list}) AND count = 0`,
    );
  }

  async #read(session: ConnectorSession, ids: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<number, SlotState>>> {
    const states = new Map<string, Map<number, SlotState>>();
    const { args } = this.#shape;
    const slots = [groupSlot, ...args.flatMap(({ hasTally }, arg) => (hasTally ? [tallySlot(arg)] : []))];
    const valueSlots = args.flatMap(({ hasValues }, arg) => (hasValues ? [valueSlot(arg)] : []));
    const from = (list: string, of: readonly number[]): string =>
      `FROM kis_aggregate_value WHERE aggregate = ${this.#id} AND slot IN (${of.join(',')}) AND group_key IN (${list})`;
    const rows = [
      ...(await queryInParts(session, ids, (list) => `SELECT slot, group_key, count, total ${from(list, slots)}`)),
      ...(valueSlots.length === 0
        ? []
        : await queryInParts(
            session,
            ids,
            (list) =>
              `SELECT slot, group_key, MIN(value) AS smallest, MAX(value) AS largest, COUNT(*) AS different ${from(list, valueSlots)} GROUP BY slot, group_key`,
          )),
    ];
    for (const row of rows) {
      const id = hex(bytesOf(row['group_key']) ?? new Uint8Array());
      const slot = Number(row['slot']);
      const known = states.get(id) ?? new Map<number, SlotState>();
      states.set(id, known.set(slot, stateOf(row)));
    }
    return states;
  }

  #row(group: Group, states: ReadonlyMap<number, SlotState>): string {
    return `(${[...group.key.map(text), ...this.#shape.measures.map((measure) => this.#figure(measure, states))].join(',')})`;
  }

  #figure({ call, arg }: Measure, states: ReadonlyMap<number, SlotState>): string {
    if (arg === undefined) return String(states.get(groupSlot)?.count ?? 0);
    const isNumber = this.#shape.args[arg]?.isNumber === true;
    const tally = states.get(tallySlot(arg));
    const values = states.get(valueSlot(arg));
    const edge = (bytes: Uint8Array | null | undefined): string => {
      if (bytes === null || bytes === undefined) return 'NULL';
      const value = decodeSortable(bytes, isNumber);
      return isNumber ? String(value) : text(value);
    };
    switch (call) {
      case 'count':
        return String(tally?.count ?? 0);
      case 'sum':
        return sumOf(tally)?.toString() ?? 'NULL';
      case 'avg':
        return String(sumOf(tally)?.dividedBy(new Decimal(BigInt(tally?.count ?? 0), 0)) ?? 'NULL');
      case 'min':
        return edge(values?.least);
      case 'max':
        return edge(values?.greatest);
      case 'distinct':
        return String(values?.different ?? 0);
      default:
        return call satisfies never;
    }
  }

  async #save(session: ConnectorSession, rows: readonly string[]): Promise<void> {
    const columns = [...this.#shape.keyColumns, ...this.#shape.measures.map(({ column }) => column)].map(quoteName);
    const updates = this.#shape.measures.map(({ column }) => `${quoteName(column)} = VALUES(${quoteName(column)})`);
    await queryInParts(
      session,
      rows,
      (list) =>
        `INSERT INTO ${this.#table.sql} (${columns.join(',')}) VALUES ${list} ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
    );
  }

  async #remove(session: ConnectorSession, gone: readonly Group[]): Promise<void> {
    const { keyColumns } = this.#shape;
    await queryInParts(
      session,
      gone.map(({ key }) => keyTuple(key)),
      (list) => `DELETE FROM ${this.#table.sql} WHERE ${columnTuple(keyColumns)} IN (${list})`,
    );
    const slots = [groupSlot, ...this.#shape.args.flatMap((_, arg) => [tallySlot(arg), valueSlot(arg)])].join(',');
    await queryInParts(
      session,
      gone.map(({ key }) => mark(key)),
      (list) => `DELETE FROM kis_aggregate_value WHERE aggregate = ${this.#id} AND slot IN (${slots}) AND group_key IN (${list})`,
    );
  }

  #negative(group: Group): CodedError {
    const key = group.key.map(String).join(', ');
    const message = `${this.#table.sql}, ${key}: more rows went than ever came, so the flow began in the middle; kisflow rebuild computes it anew from a snapshot`;
    return new CodedError('AGGREGATE_MISMATCH', message, { details: { key } });
  }
}

/** Slot, value as SQL, and by how much its count changes. */
function changedValues(group: Group): readonly (readonly [number, string, number])[] {
  return group.values.flatMap((values, arg) =>
    [...(values ?? [])].flatMap(([bytes, count]) =>
      count === 0 ? [] : [[valueSlot(arg), hex(Buffer.from(bytes, 'latin1')), count] as const],
    ),
  );
}

/** A group's key as the bytes that name it: its text, or the hash of a long one. In hexadecimal, as SQL. */
function mark(key: readonly Row[string][]): string {
  const bytes = Buffer.from(key.map((value) => `${keyText(value).length}:${keyText(value)}`).join(''), 'utf8');
  return hex(bytes.length <= 200 ? bytes : createHash('sha256').update(bytes).digest());
}

function hex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "''" : `x'${Buffer.from(bytes).toString('hex')}'`;
}

function sumOf(tally: SlotState | undefined): Decimal | undefined {
  if (tally === undefined || tally.count === 0 || tally.total === null) return undefined;
  return Decimal.parse(tally.total)?.trimmed();
}

function stateOf(row: Row): SlotState {
  const total = row['total'];
  return {
    count: Number(row['count'] ?? 0),
    total: total === null || total === undefined ? null : String(total),
    least: bytesOf(row['smallest']) ?? null,
    greatest: bytesOf(row['largest']) ?? null,
    different: Number(row['different'] ?? 0),
  };
}

function bytesOf(value: Row[string]): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}
