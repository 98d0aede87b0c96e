/**
 * What a Query event's SQL text does, as far as a reader of rows must know. Not a parser: it finds the words that a statement
 * begins with and every name in it, behind comments and strings, and errs on the side of naming too much.
 */
type StatementKind =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'rollback-to'
  | 'xa-start'
  | 'xa-end'
  | 'xa-commit'
  | 'xa-rollback'
  /** Changes rows: must not be there as a statement. */
  | 'change'
  /** Creates, alters, renames, empties or drops something. */
  | 'definition'
  | 'other';

export interface Statement {
  readonly kind: StatementKind;
  /** The statement's first word, in capitals. */
  readonly verb: string;
  /** The savepoint's name, or the XA transaction's id as the server prints it; '' elsewhere. */
  readonly subject: string;
}

export interface Token {
  readonly type: 'word' | 'name' | 'string' | 'symbol';
  readonly text: string;
}

interface TokenOptions {
  /** Whether a backslash in a string escapes what follows; true unless said otherwise. */
  readonly hasEscapes?: boolean;
}

// Comments; strings; quoted names; words; anything else. `/*!50100 …*/` and `/*M!…*/` hold code: only their ends are passed over.
const tokenPattern =
  /--[\s-][^\n]*|#[^\n]*|\/\*(?!M?!)[\s\S]*?\*\/|\/\*M?!\d*|\*\/|'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`|[\p{L}\p{N}_$\u0080-\uffff]+|[^\s]/gu;
// The same where a backslash is a character like others: sql_mode NO_BACKSLASH_ESCAPES, and names under ANSI_QUOTES.
const plainTokenPattern =
  /--[\s-][^\n]*|#[^\n]*|\/\*(?!M?!)[\s\S]*?\*\/|\/\*M?!\d*|\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|[\p{L}\p{N}_$\u0080-\uffff]+|[^\s]/gu;

/** The statement's tokens, without its comments. */
function* tokensOf(text: string, { hasEscapes = true }: TokenOptions = {}): Generator<Token> {
  for (const [token] of text.matchAll(hasEscapes ? tokenPattern : plainTokenPattern)) {
    const first = token[0];
    if (token === '*/' || (token.length > 1 && (first === '-' || first === '#' || first === '/'))) continue;
    if (first === "'") yield { type: 'string', text: token };
    else if (first === '`') yield { type: 'name', text: token.slice(1, -1).replaceAll('``', '`') };
    // A name under ANSI_QUOTES, a string otherwise: taken for a name, and masked like a string.
    else if (first === '"') yield { type: 'string', text: token };
    else yield { type: /^[\p{L}\p{N}_$\u0080-\uffff]/u.test(token) ? 'word' : 'symbol', text: token };
  }
}

const definitionVerbs = new Set(['CREATE', 'ALTER', 'DROP', 'RENAME', 'TRUNCATE']);
// CALL, SELECT and DO are logged as statements when what they call changes rows.
const opaqueVerbs = new Set(['CALL', 'SELECT', 'DO', 'VALUES', '(']);
const changeVerbs = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'LOAD', 'WITH', 'IMPORT', ...opaqueVerbs]);
/** What follows ANALYZE where it is no statement of MariaDB that is carried out to be looked at. */
const analyzeWords = new Set(['TABLE', 'TABLES', 'LOCAL', 'NO_WRITE_TO_BINLOG']);

/** Reads a statement's first words. */
export function readStatement(text: string): Statement {
  if (text === 'BEGIN') return { kind: 'begin', verb: 'BEGIN', subject: '' };
  if (text === 'COMMIT') return { kind: 'commit', verb: 'COMMIT', subject: '' };
  const words: string[] = [];
  let last: Token | undefined;
  for (const token of statementTokens(text)) {
    if (token.text === ';' || words.length === 6) break;
    words.push(token.text.toUpperCase());
    last = token;
  }
  const [verb = '', second = ''] = words;
  const of = (kind: StatementKind, subject = '') => ({ kind, verb, subject });
  if (verb === 'BEGIN' || (verb === 'START' && second === 'TRANSACTION')) return of('begin');
  if (verb === 'COMMIT') return of('commit');
  if (verb === 'SAVEPOINT') return of('savepoint', last?.text ?? '');
  if (verb === 'ROLLBACK') return second === 'TO' ? of('rollback-to', last?.text ?? '') : of('rollback');
  if (verb === 'XA') return readXa(text, second, verb);
  if (changeVerbs.has(verb) || (verb === 'ANALYZE' && !analyzeWords.has(second))) return of('change');
  if (definitionVerbs.has(verb)) return of(isCreateSelect(text, words) ? 'change' : 'definition');
  return of('other');
}

/** Without MariaDB's `SET STATEMENT variable = value FOR`, which stands before any statement. */
export function statementTokens(text: string, options?: TokenOptions): readonly Token[] {
  const tokens = [...tokensOf(text, options)];
  if (tokens[0]?.text.toUpperCase() !== 'SET' || tokens[1]?.text.toUpperCase() !== 'STATEMENT') return tokens;
  const at = tokens.findIndex((token) => token.type === 'word' && token.text.toUpperCase() === 'FOR');
  return at === -1 ? tokens : tokens.slice(at + 1);
}

const xaKinds: ReadonlyMap<string, StatementKind> = new Map([
  ['START', 'xa-start'],
  ['BEGIN', 'xa-start'],
  ['END', 'xa-end'],
  ['COMMIT', 'xa-commit'],
  ['ROLLBACK', 'xa-rollback'],
]);

function readXa(text: string, second: string, verb: string): Statement {
  const subject = text
    .trim()
    .replace(/^XA\s+\w+\s+/i, '')
    .replace(/\s+ONE\s+PHASE$/i, '');
  return { kind: xaKinds.get(second) ?? 'other', verb, subject };
}

/**
 * CREATE TABLE … SELECT in statement format fills the table, and so do MySQL's … TABLE t and … VALUES ROW(…); in row format the server
 * logs it without them.
 */
function isCreateSelect(text: string, words: readonly string[]): boolean {
  const tableAt = words.indexOf('TABLE', 1);
  if (words[0] !== 'CREATE' || tableAt === -1 || tableAt > 3 || words.includes('TEMPORARY')) return false;
  let depth = 0;
  let at = -1;
  for (const { type, text: token } of statementTokens(text)) {
    at += 1;
    if (type === 'symbol') depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    if (type !== 'word' || at <= tableAt) continue;
    const word = token.toUpperCase();
    if (word === 'SELECT' || (depth === 0 && (word === 'TABLE' || word === 'VALUES'))) return true;
  }
  return false;
}

/** Whether a statement may touch a table that `wants` takes. */
export function mayTouch(text: string, schema: string, wants: (schema: string, table: string) => boolean): boolean {
  // What CALL, DO and SELECT touch is written nowhere.
  return opaqueVerbs.has(readStatement(text).verb) || namesWanted(text, schema, wants);
}

/**
 * Whether the statement names something that `wants` takes: every name in it, alone with the default schema and as
 * `schema.name`. Column names count too: better one stop too many than a change not seen.
 */
function namesWanted(text: string, schema: string, wants: (schema: string, table: string) => boolean): boolean {
  // a server that does not tell names apart by case keeps them in lower case
  const wantsName = (db: string, name: string): boolean => wants(db, name) || wants(db.toLowerCase(), name.toLowerCase());
  let qualifier: string | undefined;
  let previous: string | undefined;
  for (const token of tokensOf(text)) {
    if (token.type === 'symbol') {
      if (token.text === '.') qualifier = previous;
      else previous = qualifier = undefined;
      continue;
    }
    const name = token.type === 'string' ? token.text.slice(1, -1) : token.text;
    if (token.type !== 'string' || token.text.startsWith('"')) {
      // Letters of another character set than the one it was read in: it may be any name.
      if (token.type !== 'string' && name.includes('\ufffd')) return true;
      if (wantsName(qualifier ?? schema, name)) return true;
    }
    previous = name;
    qualifier = undefined;
  }
  return false;
}

/** The statement without its literals, cut to 200 characters: what may be shown and logged. */
export function maskStatement(text: string): string {
  let masked = '';
  for (const token of tokensOf(text)) {
    const isLiteral = token.type === 'string' || (token.type === 'word' && /^\d/.test(token.text));
    const shown = isLiteral ? '?' : token.type === 'name' ? `\`${token.text}\`` : token.text;
    const glue = masked === '' || token.type === 'symbol' || /[.(]$/.test(masked) ? '' : ' ';
    masked += glue + shown;
    if (masked.length > 200) return `${masked.slice(0, 200)}…`;
  }
  return masked;
}
