import type { ChosenOutcome, ChosenRow } from '../../repair/dead-row-wish.ts';
import type { RowWish } from '../../repair/parked-row.ts';
import type { CommandContext } from '../command.ts';
import { shortHolder, type FlowStatus } from '../../daemon/operate/flow-status.ts';
import { formatCount, formatTable } from '../table.ts';
import { readLimit, shortenMessage } from './list.ts';

/** One chosen row at the end of the wait. `behind`: later changes of its key when the wish was written, and those of them that are still kept. */
export interface WishedRow extends ChosenRow, ChosenOutcome {
  readonly behind: { readonly before: number; readonly left: number };
}

export interface WishReport {
  readonly wish: RowWish;
  readonly rows: readonly WishedRow[];
  /** Rows that were left alone, because later changes of their keys have taken effect. */
  readonly overtaken: readonly ChosenRow[];
  readonly flows: readonly FlowStatus[];
}

/** What became of each row, one a line, and why some are still pending; or all of it as JSON. */
export function printWishes(context: CommandContext, report: WishReport): void {
  const { rows, overtaken, flows } = report;
  const limit = readLimit(context.options['limit']);
  const notes = flows.filter(({ flow }) => rows.some((row) => row.flow === flow && row.outcome === 'pending')).map(whyPending);
  if (context.json) {
    const shown = rows.map(({ id, flow, table, key, outcome, behind, tries, code, message }) => {
      return { id, flow, table, key, outcome, behind, tries, code, message };
    });
    return context.print(JSON.stringify({ wish: report.wish, rows: shown, notes, overtaken: overtaken.map(({ id }) => id) }));
  }
  if (rows.length === 0 && overtaken.length === 0) return context.print('There are no such dead rows.');
  if (rows.length > 0) {
    const titles = ['id', 'flow', 'table', 'key', 'outcome', 'behind', 'tries', 'code', 'message'];
    const isNumber = (title: string): boolean => title === 'id' || title === 'tries';
    context.print(
      formatTable(
        titles.map((title) => ({ title, isNumber: isNumber(title) })),
        rows.slice(0, limit).map(lineOf),
      ),
    );
    context.print(`\n${summaryOf(rows, limit)}`);
  }
  for (const note of notes) context.print(`\n${note}`);
  const [first] = overtaken;
  if (first !== undefined) {
    context.print(
      `\n${formatCount(overtaken.length)} rows, ${first.id} first, were left as they are: they became dead when later changes of their keys did not wait for them, and to apply them now would undo those. ` +
        'Discard them, or apply them all the same with --out-of-order where a flow only adds up.',
    );
  }
}

function lineOf(row: WishedRow): string[] {
  const { before, left } = row.behind;
  const behind = before === 0 ? '-' : left === 0 ? `${before} done` : `${before - left} done, ${left} left`;
  const isBad = row.outcome !== 'applied' && row.outcome !== 'discarded';
  const reason = isBad ? [String(row.tries), row.code, shortenMessage(row.message)] : ['-', '', ''];
  return [row.id, row.flow, row.table, row.key, row.outcome, behind, ...reason];
}

function summaryOf(rows: readonly WishedRow[], limit: number): string {
  const counts = new Map<string, number>();
  for (const { outcome } of rows) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const list = [...counts].map(([outcome, count]) => `${formatCount(count)} ${outcome}`).join(', ');
  const more = rows.length > limit ? ` The first ${formatCount(limit)} are shown; --limit shows more.` : '';
  return `${formatCount(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}: ${list}.${more}`;
}

/** Why rows of a flow are still pending, and what helps. */
function whyPending(status: FlowStatus): string {
  const { flow, state, isHeld, error } = status;
  if (state === 'failed') {
    return `Flow ${flow} has failed (${error?.code ?? 'without a code'}): it is done first of all once it is resumed. \`kisflow resume ${flow}\``;
  }
  if (!isHeld) return `No daemon runs flow ${flow} now: it is done when one starts.`;
  if (state === 'paused') return `Flow ${flow} is paused: it is done once it is resumed. \`kisflow resume ${flow}\``;
  return `Flow ${flow} is ${state}: the daemon ${shortHolder(status)} has not done it yet, and will; \`kisflow dead-rows list --flow ${flow}\` shows what is left.`;
}
