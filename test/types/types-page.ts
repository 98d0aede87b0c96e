import type { Value } from '../../src/row/change.ts';
import type { Received } from './value-laws.ts';

/** docs/mysql-types.md, of what functions received. */
export function typesPage(families: ReadonlyMap<string, readonly Received[]>): string {
  const sections = [...families].map(([family, received]) => `## ${family}\n\n${head}\n${typeRows(received).join('\n')}\n`);
  return `${introduction}\n${sections.join('\n')}\n${ending}`;
}

const head = '| type | a function receives | for example | remarks |\n|---|---|---|---|';

function typeRows(received: readonly Received[]): string[] {
  const types = new Map<string, Received[]>();
  for (const one of received) types.set(one.column.type, [...(types.get(one.column.type) ?? []), one]);
  return [...types].map(([type, all]) => {
    const [first] = all;
    const value = first?.values[first.column.example ?? 0];
    const servers = only(all);
    const remarks = new Set(all.flatMap(({ column }) => (column.remark === undefined ? [] : [column.remark])));
    const example = `\`${show(value)}\` from ${first?.column.sql ?? ''}`;
    return `| ${[type, first?.column.receives ?? '', example, [...servers, ...remarks].join(' ')].map(inCell).join(' | ')} |`;
  });
}

function only(all: readonly Received[]): readonly string[] {
  const names = new Set(all.map(({ column }) => column.servers?.join() ?? 'both'));
  if (names.size > 1 || names.has('both')) return [];
  return [names.has('mysql') ? 'Only MySQL.' : 'Only MariaDB.'];
}

function show(value: Value): string {
  if (value instanceof Uint8Array) {
    const bytes = [...value.subarray(0, 12)].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);
    return `Uint8Array.of(${bytes.join(', ')}${value.length > 12 ? `, … (${value.length} bytes)` : ''})`;
  }
  const text = Object.is(value, -0) ? '-0' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function inCell(text: string): string {
  const flat = text.replaceAll('\n', '\\n').replaceAll('|', '\\|');
  return flat.length > 500 ? `${flat.slice(0, 500)}…` : flat;
}

const introduction = `# MySQL types

<!-- Made from what test/types saw on both servers: UPDATE_DOCS=1 npx vitest run test/types/values.mysql.test.ts -->

What a function receives for each type of a source's column, from the binlog of MySQL and MariaDB. It depends on the column's type alone, never on the
value, with two exceptions: a BIGINT beyond 2^53, and a text that is none. What a Save writes of it is, in a column of the same type, the same value
byte for byte, and a Load gives it again. NULL is \`null\` for every type; a column that the event does not hold (\`binlog_row_image\` is not FULL) is not in
the row at all.

Sessions of the writers make no difference: neither their \`time_zone\`, nor their \`sql_mode\`, nor their character sets.
`;

const ending = `## Texts that are none

A text is what the server would give a client of utf8mb4. Many columns can hold bytes that are no character of their set: a code that the set does not
use, half a surrogate pair in ucs2, or in MariaDB's utf8mb3, utf8mb4 and utf32. A SELECT shows \`?\` for them. Such a value comes as its bytes, a
\`Uint8Array\`, in the column's character set, and a Save writes these into a text column as they are. A Load gives \`?\`, as a SELECT does.

Some sets have a character twice: 6 in armscii8, 396 in cp932, 23 in eucjpms, the backslash in sjis, 2 in ujis. Both codes are the same text, and a server
that is given the text writes the code that it prefers: the value is the same for every client, its bytes need not be.

## Columns and tables of a special kind

| kind | what a function receives |
|---|---|
| generated columns | their values, virtual ones too; a Save leaves them to the server |
| INVISIBLE columns, and MySQL's generated invisible primary key | columns like others |
| columns that MySQL hides for functional and multi-valued indexes | nothing |
| columns added instantly | the value that a SELECT shows, from the change on |
| ZEROFILL, YEAR(2), FLOAT(M,D), DOUBLE(M,D) | the value itself, not the form in which a SELECT prints it: 5 for 00005, 2024 for 24, all digits of a DOUBLE |
| MariaDB, WITH SYSTEM VERSIONING | changes of the rows that hold, which are what a SELECT gives; rows of the history never. Columns ROW START and ROW END come if the definition names them. With BIGINT transaction numbers the server writes statements to its log: SOURCE_STATEMENT_FORMAT |
| MariaDB, UPDATE and DELETE FOR PORTION OF | the inserts, updates and deletes that the server makes of it |
| a table without a primary key | its changes, with an empty \`key\`; a Save into such a table is refused (STORE_KEY_MISSING) |
| a snapshot | rows with the same values as from the binlog. A table is read along its primary key, or else a unique key of whole columns that are NOT NULL; a key with an ENUM, SET, FLOAT, DOUBLE or BIT, or with a prefix, does not serve, and a table without another is refused (SNAPSHOT_NO_KEY) |
| an ENUM's empty value in a primary key | a Save refuses the row (STORE_CONSTRAINT): a key cannot be written in two steps |
| JSON in MySQL that holds a DECIMAL, a date, a time or bytes | its text; written back it is equal as text, but for digits behind the point that a DOUBLE has not |
`;
