import type { TableOp, TableStatement } from '../row/change.ts';
import { maskStatement, statementTokens, type Token } from './statement.ts';

/** What a statement does to one table. */
type TableEffect = Pick<TableStatement, 'op' | 'schema' | 'table'>;

/**
 * Reads what a definition does to the rows of whole tables; nothing for one that leaves rows as they are, or that is about temporary
 * tables. `schema` is where names without one belong. Names too much rather than too little: of a statement that cannot be read,
 * every table of the schema. Grammar: the statements' pages in the MySQL 9 and MariaDB 10.11 manuals.
 */
export function readTableStatements(text: string, schema: string, position: string): readonly TableStatement[] {
  const effects = readEffects(statementTokens(text), schema);
  // Whether a backslash escapes hangs on the writer's sql_mode: both readings count.
  const more = text.includes('\\') ? readEffects(statementTokens(text, { hasEscapes: false }), schema) : [];
  const all = new Map([...effects, ...more].map((effect) => [JSON.stringify(effect), effect]));
  if (all.size === 0) return [];
  const about = { statement: maskStatement(text), position };
  const isDoubtful = hasDoubtfulCode(text);
  return [...all.values()].map((effect) => {
    // Letters of another character set than the one it was read in: it may be any table of the schema.
    if (effect.table.includes('\ufffd')) return { ...doubted(effect), table: '', ...about };
    return { ...(isDoubtful ? doubted(effect) : effect), ...about };
  });
}

/** Which servers run the code in `/*!50700 …` and in `/*M!…` differs, so what it says of a table is not certain. */
function hasDoubtfulCode(text: string): boolean {
  return [...text.matchAll(/\/\*M?!(\d{5,6})/g)].some(([, version]) => Number(version) >= 50_700);
}

function doubted(effect: TableEffect): TableEffect {
  return effect.op === 'truncate' || effect.op === 'drop' ? { ...effect, op: 'rewrite' } : effect;
}

function readEffects(tokens: readonly Token[], schema: string): readonly TableEffect[] {
  const cursor = new Cursor(tokens, schema);
  if (cursor.take('TRUNCATE')) {
    cursor.take('TABLE');
    return cursor.names().map((name) => ({ op: 'truncate', ...name }));
  }
  if (cursor.take('DROP')) return readDrop(cursor);
  if (cursor.take('CREATE', 'OR', 'REPLACE')) return readDrop(cursor);
  if (cursor.take('RENAME')) return cursor.take('TABLE') || cursor.take('TABLES') ? readRename(cursor) : [];
  return cursor.take('ALTER') ? readAlter(cursor) : [];
}

/** DROP, and MariaDB's CREATE OR REPLACE, which drops first. */
function readDrop(cursor: Cursor): readonly TableEffect[] {
  const isOfTables = cursor.take('TABLE') || cursor.take('TABLES');
  const isOfSchema = !isOfTables && (cursor.take('DATABASE') || cursor.take('SCHEMA'));
  if (!isOfTables && !isOfSchema) return [];
  cursor.take('IF', 'EXISTS');
  const names = cursor.names();
  if (isOfTables) return names.map((name) => ({ op: 'drop', ...name }));
  return names.map(({ table, schema }) => ({ op: 'drop', schema: table || schema, table: '' }));
}

/** A chain of renames counts by its outcome: a name that was free before and is free again has nothing happened to it. */
function readRename(cursor: Cursor): readonly TableEffect[] {
  cursor.take('IF', 'EXISTS');
  const first = new Map<string, TableOp>();
  const last = new Map<string, TableEffect>();
  const note = (op: TableOp, name: TableName): void => {
    const id = JSON.stringify(name);
    if (!first.has(id)) first.set(id, op);
    last.set(id, { op, ...name });
  };
  do {
    const [from] = cursor.names(1);
    cursor.skipTo('TO');
    const [to] = cursor.names(1);
    if (from !== undefined) note('rename', from);
    if (to !== undefined) note('swap', to);
  } while (cursor.takeSymbol(','));
  return [...last].filter(([id, { op }]) => op === 'swap' || first.get(id) === 'rename').map(([, effect]) => effect);
}

function readAlter(cursor: Cursor): readonly TableEffect[] {
  cursor.take('ONLINE');
  const isIgnore = cursor.take('IGNORE'); // MariaDB: leaves rows out that a new unique key does not admit
  if (!cursor.take('TABLE')) return [];
  cursor.take('IF', 'EXISTS');
  const [table] = cursor.names(1);
  if (table === undefined) return [];
  const effects: TableEffect[] = isIgnore ? [{ op: 'rewrite', ...table }] : [];
  while (!cursor.isAtEnd) {
    if (takeRename(cursor)) {
      effects.push({ op: 'rename', ...table }, ...cursor.names(1).map((to): TableEffect => ({ op: 'swap', ...to })));
    } else if (takeRewrite(cursor)) {
      const other = cursor.skipTo('TABLE') ? cursor.names(1) : [];
      effects.push(...[table, ...other].map((name): TableEffect => ({ op: 'rewrite', ...name })));
    } else cursor.skip();
  }
  return effects;
}

/** Not that of a column or an index. RENAME is a reserved word, so no name is taken for it. */
function takeRename(cursor: Cursor): boolean {
  if (!cursor.take('RENAME')) return false;
  if (cursor.take('COLUMN') || cursor.take('INDEX') || cursor.take('KEY')) return false;
  if (!cursor.take('TO') && !cursor.take('AS')) cursor.takeSymbol('=');
  return true;
}

/** Each may name another table behind the word TABLE. */
const rewrites: readonly (readonly string[])[] = [
  ['DROP', 'PARTITION'],
  ['TRUNCATE', 'PARTITION'],
  ['EXCHANGE', 'PARTITION'],
  ['CONVERT', 'PARTITION'],
  ['DISCARD', 'PARTITION'],
  ['DISCARD', 'TABLESPACE'],
  ['IMPORT', 'PARTITION'],
  ['IMPORT', 'TABLESPACE'],
];

function takeRewrite(cursor: Cursor): boolean {
  if (cursor.peek('CONVERT', 'TABLE')) return cursor.take('CONVERT');
  if (cursor.take('ENGINE')) {
    cursor.takeSymbol('=');
    return cursor.take('BLACKHOLE');
  }
  return rewrites.some((words) => cursor.take(...words));
}

type TableName = Omit<TableEffect, 'op'>;

/** A place in a statement's tokens. Words are keywords only where they are not quoted. */
class Cursor {
  readonly #tokens: readonly Token[];
  readonly #schema: string;
  #at = 0;

  constructor(tokens: readonly Token[], schema: string) {
    this.#tokens = tokens;
    this.#schema = schema;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  skip(): void {
    this.#at += 1;
  }

  peek(...words: readonly string[]): boolean {
    return words.every((word, i) => {
      const token = this.#tokens[this.#at + i];
      return token?.type === 'word' && token.text.toUpperCase() === word;
    });
  }

  take(...words: readonly string[]): boolean {
    const isThere = this.peek(...words);
    if (isThere) this.#at += words.length;
    return isThere;
  }

  takeSymbol(text: string): boolean {
    const token = this.#tokens[this.#at];
    const isThere = token?.type === 'symbol' && token.text === text;
    if (isThere) this.#at += 1;
    return isThere;
  }

  /** Goes behind the next such word; to the end, and false, where there is none. */
  skipTo(word: string): boolean {
    while (!this.isAtEnd) {
      if (this.take(word)) return true;
      this.skip();
    }
    return false;
  }

  /** A list of tables; where not one can be read, all of the schema. */
  names(most = Number.POSITIVE_INFINITY): readonly TableName[] {
    const names: TableName[] = [];
    do {
      const name = this.#name();
      if (name === undefined) return [...names, { schema: this.#schema, table: '' }];
      names.push(name);
    } while (names.length < most && this.takeSymbol(','));
    return names;
  }

  /** `table`, `schema.table` or `.table`. */
  #name(): TableName | undefined {
    const first = this.takeSymbol('.') ? '' : this.#part();
    if (first === undefined) return undefined;
    if (first !== '' && !this.takeSymbol('.')) return { schema: this.#schema, table: first };
    const table = this.#part();
    return table === undefined ? undefined : { schema: first || this.#schema, table };
  }

  #part(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.type === 'symbol' || token.text.startsWith("'")) return undefined;
    this.#at += 1;
    // A string in the place of a name is a name under ANSI_QUOTES.
    return token.type === 'string' ? token.text.slice(1, -1).replaceAll('""', '"') : token.text;
  }
}
