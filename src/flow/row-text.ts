import type { Row } from '../row/change.ts';

/** A row for a message: its JSON text, cut to 200 characters; values that JSON lacks are written as text. */
export function showRow(row: unknown): string {
  const text = typeof row === 'string' ? row : toJson(row);
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}

function toJson(row: unknown): string {
  try {
    return JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ?? String(row);
  } catch {
    // A row that contains itself has no JSON text; the message is about something else.
    return String(row);
  }
}

/** A key value as text, the same for 7, '7' and 7n, as a database compares them; NULL is apart from every text. */
export function keyText(value: unknown): string {
  if (value === null || value === undefined) return '\u0000';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? toJson(value) : String(value);
}

/** The values of these fields as one text, the same for rows that a database takes for equal in them. */
export function rowKeyText(row: Row, names: readonly string[]): string {
  return names.map((name) => `${name}\u0001${keyText(row[name])}`).join('\u0001');
}
