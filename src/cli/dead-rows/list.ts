import { UsageError } from '../command.ts';
import { keptStates, listDeadRows, type KeptDeadRow } from '../../repair/dead-row-list.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { formatCount, formatTable } from '../table.ts';

const shownByDefault = 50;
const messageCharsMax = 80;

/** The latest dead rows, one a line; as JSON all of each but its change. */
export async function printDeadRows(context: CommandContext, store: Store): Promise<void> {
  const { flow, code, state, limit } = context.options;
  const { rows, total } = await listDeadRows(store, {
    flow: flow === undefined ? undefined : String(flow),
    code: code === undefined ? undefined : String(code),
    state: readState(state),
    limit: readLimit(limit),
  });
  if (context.json) return context.print(JSON.stringify({ total, deadRows: rows }));
  if (total === 0) return context.print('There are no such dead rows.');
  const titles = ['id', 'state', 'flow', 'function', 'code', 'table', 'key', 'op', 'since', 'message'];
  context.print(
    formatTable(
      titles.map((title) => ({ title, isNumber: title === 'id' })),
      rows.map(lineOf),
    ),
  );
  if (rows.length < total) context.print(`\nThe latest ${formatCount(rows.length)} of ${formatCount(total)}; --limit shows more.`);
}

function lineOf(row: KeptDeadRow): string[] {
  const since = row.createdAt.replace('T', ' ').replace(/\.\d+Z$/, '');
  const state = row.wish === null ? row.state : `${row.state}, to ${row.wish}`;
  return [row.id, state, row.flow, row.fname || '-', row.code, row.table, row.key, row.op, since, shortenMessage(row.message)];
}

export function shortenMessage(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= messageCharsMax ? line : `${line.slice(0, messageCharsMax - 1)}…`;
}

function readState(text: CommandContext['options'][string]): string | undefined {
  if (text === undefined || keptStates.some((state) => state === text)) return text === undefined ? undefined : String(text);
  throw new UsageError(`--state is one of ${keptStates.join(', ')}, not "${String(text)}".`);
}

export function readLimit(text: CommandContext['options'][string]): number {
  if (text === undefined) return shownByDefault;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw new UsageError(`--limit takes a whole number above 0, not "${String(text)}".`);
}
