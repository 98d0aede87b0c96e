import { visible } from '../lib/visible.ts';

/** One column of a printed table: its heading, and whether its cells are numbers (set right). */
export interface TableColumn {
  readonly title: string;
  readonly isNumber?: boolean;
}

/** Aligned columns, two spaces apart, without trailing blanks; a cell is one line, whatever it holds. */
export function formatTable(columns: readonly TableColumn[], cellsOfRows: readonly (readonly string[])[]): string {
  const rows = cellsOfRows.map((cells) => cells.map(visible));
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (columns[i]?.isNumber === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...rows.map(line)].join('\n');
}

/** 1234567 → 1,234,567 */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** 512 B, 1.5 kB, 23 MB, 1.2 GB. */
export function formatBytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let amount = value;
  let at = 0;
  while (amount >= 999.5 && at < units.length - 1) {
    amount /= 1000;
    at += 1;
  }
  return `${at > 0 && amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${units[at] ?? ''}`;
}

/** Milliseconds as people say them: 4 ms, 1.5 s, 3 min 20 s, 2 h 5 min, 6 d 23 h. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago something was; `-` where that is not known. */
export function formatAge(ms: number | null): string {
  return ms === null ? '-' : `${formatDuration(ms)} ago`;
}
