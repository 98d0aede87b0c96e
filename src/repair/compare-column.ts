import { quoteText } from '../source/table-definition.ts';
import { textOf, type Query } from '../source/server-link.ts';
import type { Flavour } from '../store/contract.ts';
import { quoteName } from '../store/name.ts';

type ColumnClass =
  | 'number'
  | 'float'
  | 'bits'
  | 'list'
  | 'address'
  | 'text'
  | 'long text'
  | 'bytes'
  | 'long bytes'
  | 'json'
  | 'opaque';

/** A column of a computed table, as two tables of one definition are compared by it. */
export interface TableColumn {
  readonly name: string;
  /** As information_schema says it, with the collation where there is one: two tables are compared where it is the same. */
  readonly definition: string;
  readonly class: ColumnClass;
  readonly isGenerated: boolean;
  /** The server makes its value where a row does not give it, or at each update: of the moment, or of chance. */
  readonly isFilledIn: boolean;
  /** SQL, for the table itself, of the constant that a row has that does not give it; undefined: there is none, or it is no constant. */
  readonly fallback: string | undefined;
}

const classes: readonly (readonly [RegExp, ColumnClass])[] = [
  [/^(?:float|double|real)$/, 'float'],
  [/^bit$/, 'bits'],
  [/^(?:enum|set)$/, 'list'],
  [/^(?:uuid|inet4|inet6)$/, 'address'],
  [/^(?:char|varchar|tinytext)$/, 'text'],
  [/^(?:text|mediumtext|longtext)$/, 'long text'],
  [/^(?:binary|varbinary|tinyblob)$/, 'bytes'],
  [/^(?:blob|mediumblob|longblob)$/, 'long bytes'],
  [/^json$/, 'json'],
  [/^(?:(?:tiny|small|medium|big)?int|decimal|year|date|time|datetime|timestamp)$/, 'number'],
];

/** The columns of a table, in their order; none where there is no such table. */
export async function readColumns(
  query: Query,
  { schema, name }: { readonly schema: string; readonly name: string },
  flavour: Flavour,
): Promise<readonly TableColumn[]> {
  const rows = await query(
    'SELECT column_name AS name, data_type AS word, column_type AS type, collation_name AS collation, extra AS extra, column_default AS fallback, ' +
      'column_default IS NULL AS has_none, is_nullable AS nullable, generation_expression AS expression ' +
      `FROM information_schema.columns WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(name)} ORDER BY ordinal_position`,
  );
  return rows.map((row) => {
    const extra = textOf(row, 'extra');
    const isMade = /DEFAULT_GENERATED|on update/i.test(extra) || isExpression(row, flavour);
    return {
      name: textOf(row, 'name'),
      definition: `${textOf(row, 'type')} ${textOf(row, 'collation')}`.trim(),
      class: classes.find(([pattern]) => pattern.test(textOf(row, 'word').toLowerCase()))?.[1] ?? 'opaque',
      // MySQL says '' and MariaDB NULL for columns that are not generated
      isGenerated: textOf(row, 'expression') !== '' || /(?<!DEFAULT_)GENERATED|PERSISTENT/i.test(extra),
      isFilledIn: isMade,
      fallback: isMade ? undefined : fallbackOf(row),
    };
  });
}

/** MariaDB writes defaults as SQL: a text in quotes, a number, NULL, or what is computed for each row. */
function isExpression(row: Readonly<Record<string, unknown>>, flavour: Flavour): boolean {
  const text = textOf(row, 'fallback');
  if (flavour === 'mysql') return /^(?:datetime|timestamp)$/i.test(textOf(row, 'word')) && /^current_timestamp/i.test(text);
  return text !== '' && !/^(?:'|[-+]?[\d.]|null$|[bx]')/i.test(text);
}

/** The server says the value itself: as information_schema has it, it is another one for binary texts, and a rounded one for floats. */
function fallbackOf(row: Readonly<Record<string, unknown>>): string | undefined {
  if (textOf(row, 'has_none') !== '1') return `DEFAULT(${quoteName(textOf(row, 'name'))})`;
  return textOf(row, 'nullable') === 'YES' ? 'NULL' : undefined;
}

/**
 * SQL of a text that two values of the column share only where a SELECT gives the same for both: byte by byte, whatever the collation
 * holds for equal, every digit of a float, and NULL apart from everything. A comma ends it, unless it says itself how long it is.
 */
export function samenessSql({ name, class: kind }: TableColumn, owner = ''): string {
  const column = qualified(name, owner);
  switch (kind) {
    case 'number':
      return `IFNULL(${column}, '')`;
    case 'float':
      // a FLOAT by itself is printed with six digits
      return `IFNULL(CONCAT(${column} * 1e0), '')`;
    case 'bits':
    case 'list':
      return `IFNULL(CAST(${column} AS UNSIGNED), '')`;
    case 'address':
      return `IFNULL(CAST(${column} AS CHAR), '')`;
    case 'text':
    case 'bytes':
      return `IFNULL(CONCAT(LENGTH(${column}), ':', CAST(${column} AS BINARY)), '')`;
    case 'long text':
    case 'long bytes':
      return `IFNULL(SHA2(${column}, 256), '')`;
    case 'json':
      return `IFNULL(SHA2(CAST(${column} AS CHAR), 256), '')`;
    case 'opaque':
    default:
      return `IFNULL(SHA2(HEX(${column}), 256), '')`;
  }
}

const shownChars = 200;

/** SQL of a value as people read it, cut where it is long. */
export function shownSql({ name, class: kind }: TableColumn, owner: string): string {
  const column = qualified(name, owner);
  switch (kind) {
    case 'float':
      return `CONCAT(${column} * 1e0)`;
    case 'bits':
      return `CONCAT('b''', BIN(${column}), '''')`;
    case 'bytes':
    case 'long bytes':
    case 'opaque':
      return cut(`CONCAT('0x', HEX(${column}))`, `CONCAT('0x', LEFT(HEX(${column}), ${shownChars}))`, `LENGTH(${column}) * 2`);
    case 'text':
    case 'long text':
      return cut(
        `CONVERT(${column} USING utf8mb4)`,
        `LEFT(CONVERT(${column} USING utf8mb4), ${shownChars})`,
        `CHAR_LENGTH(${column})`,
      );
    case 'json':
      return cut(`CAST(${column} AS CHAR)`, `LEFT(CAST(${column} AS CHAR), ${shownChars})`, `CHAR_LENGTH(CAST(${column} AS CHAR))`);
    case 'number':
    case 'list':
    case 'address':
    default:
      return `CAST(${column} AS CHAR)`;
  }
}

function cut(whole: string, head: string, length: string): string {
  return `IF(${length} > ${shownChars}, CONCAT(${head}, '… (', ${length}, ')'), ${whole})`;
}

export function qualified(name: string, owner: string): string {
  return owner === '' ? quoteName(name) : `${owner}.${quoteName(name)}`;
}
