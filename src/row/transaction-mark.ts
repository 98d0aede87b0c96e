import { createHash } from 'node:crypto';
import type { ChangeGroup, Row, TransactionPart, Value } from './change.ts';

/**
 * Which transaction it is whose rows a position counts. Place and GTID do not tell: a server that lost the end of its binlog in a crash goes
 * on at the same place, under the same numbers.
 *
 * Text form: `<first>/<begun>/<server>/<gtid>`.
 */
export interface TransactionMark {
  readonly gtid: string;
  /** The time of its first event, in milliseconds since 1970, as this server has it: on another one, or where it is 0, it says nothing. */
  readonly begun: number;
  readonly server: string;
  /** A hash of the first change that is counted: table, kind and key. '' where it is not known. */
  readonly first: string;
}

const markPattern = /^(?<first>[0-9a-f]*)\/(?<begun>\d+)\/(?<server>[^\s/]*)\/(?<gtid>[^\s/]*)$/;

export function formatMark({ first, begun, server, gtid }: TransactionMark): string {
  return `${first}/${begun}/${server}/${gtid}`;
}

/** Reads the text form; undefined when it is none. */
export function parseMark(text: string): TransactionMark | undefined {
  const groups = markPattern.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { first = '', begun, server = '', gtid = '' } = groups;
  return { first, begun: Number(begun), server, gtid };
}

/** The mark of a part's transaction, of which `groups` are the first changes that are counted. */
export function markOf(part: Pick<TransactionPart, 'gtid' | 'server' | 'begun'>, groups: readonly ChangeGroup[]): TransactionMark {
  const [group] = groups;
  const { gtid, server, begun = 0 } = part;
  return { gtid, server, begun, first: group === undefined ? '' : hashOfFirst(group) };
}

/** Why the transaction that comes is not the one that was marked; undefined where nothing tells the two apart. */
export function whyOther(marked: TransactionMark, comes: TransactionMark): string | undefined {
  if (marked.gtid !== comes.gtid)
    return `it was ${marked.gtid || 'one without a GTID'}, and what comes is ${comes.gtid || 'one without'}`;
  if (marked.server === comes.server && marked.begun !== 0 && comes.begun !== 0 && marked.begun !== comes.begun)
    return `it was written ${timeOf(marked.begun)}, and what comes ${timeOf(comes.begun)}`;
  if (marked.first !== '' && comes.first !== '' && marked.first !== comes.first) return 'its first change is another one';
  return undefined;
}

function timeOf(begun: number): string {
  return new Date(begun).toISOString();
}

/** By its key alone: row images of one server may be whole and those of another not. A table without a key has whole images always. */
function hashOfFirst(group: ChangeGroup): string {
  const { table, op } = group;
  const row: Row = (op === 'insert' ? group.after[0] : group.before[0]) ?? {};
  const names = table.primaryKey.length > 0 ? table.primaryKey : table.columns.map(({ name }) => name);
  const text = JSON.stringify([table.id, op, names.map((name) => [name, textOf(row[name])])]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function textOf(value: Value): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`;
  return `${typeof value} ${String(value)}`;
}
