import { CodedError } from '../../lib/error.ts';
import { visible } from '../../lib/visible.ts';
import { readDeadRow, type KeptChange, type KeptDeadRow } from '../../repair/dead-row-list.ts';
import { countBehind } from '../../repair/dead-row-wish.ts';
import { readParkedRows } from '../../repair/parked-row.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { formatCount, formatTable } from '../table.ts';

/** One dead row: where it comes from, why it is dead, and its values. Rejects with NAME_UNKNOWN when there is none of this id. */
export async function printDeadRow(options: {
  readonly context: CommandContext;
  readonly store: Store;
  readonly id: string;
}): Promise<void> {
  const { context, store, id } = options;
  const found = /^\d{1,20}$/.test(id) ? await readDeadRow(store, id) : undefined;
  if (found === undefined)
    throw new CodedError('NAME_UNKNOWN', `There is no dead row ${id}; \`kisflow dead-rows list\` names them.`);
  const { row, change } = found;
  const behind = countBehind(await readParkedRows(store, row.flow, { after: '0' })).get(row.id) ?? 0;
  // the change's text is JSON already, and exact: values that JSON lacks stand in it as $binary, $bigint…
  if (context.json)
    return context.print(`${JSON.stringify({ ...row, parkedBehind: behind }).slice(0, -1)},"change":${change.text}}`);
  context.print(describe(row, behind));
  context.print('');
  context.print(formatTable([{ title: 'field' }, { title: 'before' }, { title: 'after' }], linesOf(change)));
  context.print(`\n${row.code}: ${row.message}`);
  if (row.stack !== null) context.print(`\n${row.stack}`);
}

function describe(row: KeptDeadRow, behind: number): string {
  const facts: [string, string][] = [
    ['dead row', row.id],
    ['state', row.state],
    ['flow', row.flow],
    ['function', row.fname || '-'],
    ['change', `${row.op} of ${row.table} ${row.key}`],
    ['position', row.position],
    ['committed', row.commitTime ?? '-'],
    ['since', row.createdAt],
    ['tries', String(row.tries)],
    ['behind it', `${formatCount(behind)} parked changes of its key`],
    ...(row.wish === null ? [] : [['wish', `${row.wish}, once its daemon gets to it`] as [string, string]]),
    ...(row.endedAt === null ? [] : [['given up', `${row.endedAt} by ${row.endedBy ?? '-'}`] as [string, string]]),
  ];
  return facts.map(([name, value]) => `${name.padEnd(10)}  ${visible(value)}`).join('\n');
}

function linesOf({ before, after }: KeptChange): string[][] {
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return fields.map((field) => [field, shown(before, field), shown(after, field)]);
}

function shown(row: KeptChange['before'], field: string): string {
  const value = row?.[field];
  if (row === null || value === undefined) return '-';
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
