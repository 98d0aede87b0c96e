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

interface Token {
  readonly type: 'word' | 'name' | 'string' | 'symbol';
  readonly text: string;
}

// Comments; strings; quoted names; words; anything else. `/*!50100 …*/` and `/*M!…*/` hold code: only their ends are passed over.
const tokenPattern =
  /--[\s-][^\n]*|#[^\n]*|\/\*(?!M?!)[\s\S]*?\*\/|\/\*M?!\d*|\*\/|'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`|[\p{L}\p{N}_$]+|[^\s]/gu;

function* tokensOf(text: string): Generator<Token> {
  for (const [token] of text.matchAll(tokenPattern)) {
    const first = token[0];
    if (token === '*/' || (token.length > 1 && (first === '-' || first === '#' || first === '/'))) continue;
    if (first === "'") yield { type: 'string', text: token };
    else if (first === '`') yield { type: 'name', text: token.slice(1, -1).replaceAll('``', '`') };
    // A name under ANSI_QUOTES, a string otherwise: taken for a name, and masked like a string.
    else if (first === '"') yield { type: 'string', text: token };
    else yield { type: /^[\p{L}\p{N}_$]/u.test(token) ? 'word' : 'symbol', text: token };
  }
}

const definitionVerbs = new Set(['CREATE', 'ALTER', 'DROP', 'RENAME', 'TRUNCATE']);
// CALL, SELECT and DO are logged as statements when what they call changes rows.
const changeVerbs = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'LOAD', 'WITH', 'CALL', 'SELECT', 'DO', 'IMPORT']);

const opaqueVerbs = new Set(['CALL', 'SELECT', 'DO']);

/** Reads a statement's first words. */
export function readStatement(text: string): Statement {
  if (text === 'BEGIN') return { kind: 'begin', verb: 'BEGIN', subject: '' };
  if (text === 'COMMIT') return { kind: 'commit', verb: 'COMMIT', subject: '' };
  const words: string[] = [];
  let last: Token | undefined;
  for (const token of tokensOf(text)) {
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
  if (changeVerbs.has(verb) || (verb === 'SET' && second === 'STATEMENT')) return of('change');
  if (definitionVerbs.has(verb)) return of(isCreateSelect(text, words) ? 'change' : 'definition');
  return of('other');
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

/** CREATE TABLE … SELECT in statement format fills the table; in row format the server logs it without its SELECT. */
function isCreateSelect(text: string, words: readonly string[]): boolean {
  if (words[0] !== 'CREATE' || !words.slice(1, 4).includes('TABLE') || words.includes('TEMPORARY')) return false;
  for (const token of tokensOf(text)) {
    if (token.type === 'word' && token.text.toUpperCase() === 'SELECT') return true;
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
      if (wants(qualifier ?? schema, name)) return true;
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
