import { CodedError } from '../lib/error.ts';
import type { Value } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { Key, KeyColumn } from '../snapshot/contract.ts';
import { kindOf } from '../snapshot/key-type.ts';
import { textOf, type Query } from '../source/server-link.ts';
import { quoteText } from '../source/table-definition.ts';
import { quoteName } from '../store/name.ts';

export interface ExcusedOptions {
  /** Of the store, in which kis_dead_row is. */
  readonly database: string;
  readonly flow: string;
  /** Of each computed table, by its id. */
  readonly keys: ReadonlyMap<string, readonly KeyColumn[]>;
}

const keysMax = 200_000;
const pageRows = 200;

/**
 * Which rows of the flow's computed tables differ lawfully: those of which a change is dead, waits behind one that is, or was given up. A
 * computed row is of such a change where the columns of its key have, by their names, the values that they have in the change. Throws
 * VERIFY_DEAD_ROWS.
 */
export async function readExcusedKeys(query: Query, options: ExcusedOptions): Promise<(table: string, key: Key) => boolean> {
  const excused = new Set<string>();
  const tables = [...options.keys];
  for await (const images of readImages(query, options)) {
    for (const identity of tables.flatMap(([table, key]) => identitiesOf(table, key, images))) excused.add(identity);
    if (excused.size > keysMax)
      throw new CodedError('VERIFY_DEAD_ROWS', `The dead rows of flow ${options.flow} are of more than ${keysMax} keys.`);
  }
  return (table, values) => {
    const key = options.keys.get(table);
    return key !== undefined && excused.size > 0 && excused.has(identityOf(table, key, values));
  };
}

function identitiesOf(table: string, key: readonly KeyColumn[], images: readonly Image[]): readonly string[] {
  return images.flatMap((image) => {
    const values = key.map(({ name }) => image[name]);
    return values.every(isValue) ? [identityOf(table, key, values)] : [];
  });
}

type Image = Readonly<Record<string, unknown>>;

/** Of each kept row the key, and the row before and after the change. */
async function* readImages(query: Query, { database, flow }: ExcusedOptions): AsyncGenerator<readonly Image[]> {
  const tables = quoteName(database);
  let after = '0';
  for (;;) {
    const rows = await query(
      `SELECT CAST(id AS CHAR) AS id, parts, row_key, row_change FROM ${tables}.kis_dead_row
       WHERE flow = ${quoteText(flow)} AND id > ${after} ORDER BY id LIMIT ${pageRows}`,
    );
    for (const row of rows) {
      after = textOf(row, 'id');
      let text = textOf(row, 'row_change');
      for (let part = 0; part < Number(textOf(row, 'parts')); part += 1) {
        const [piece] = await query(
          `SELECT row_change FROM ${tables}.kis_dead_row_part WHERE dead_row = ${after} AND part = ${part}`,
        );
        text += textOf(piece, 'row_change');
      }
      const change = fromExactJson(text);
      const { before, after: later } = isImage(change) ? change : {};
      yield [fromExactJson(textOf(row, 'row_key')), before, later].filter(isImage);
    }
    if (rows.length < pageRows) return;
  }
}

function isImage(value: unknown): value is Image {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isValue(value: unknown): value is Value {
  return ['string', 'number', 'bigint'].includes(typeof value) || value instanceof Uint8Array;
}

/** A text that two keys share where one may be the other: a text's case and the spaces at its end tell no keys apart in most collations. */
function identityOf(table: string, key: readonly KeyColumn[], values: Key): string {
  const texts = key.map((column, index) => {
    const value = values[index];
    if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
    const text = String(value);
    return kindOf(column) === 'text' ? text.normalize('NFC').toLowerCase().trimEnd() : text;
  });
  return [table, ...texts].map((text) => `${text.length}:${text}`).join('');
}
