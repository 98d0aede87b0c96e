import { CodedError } from '../lib/error.ts';

/**
 * What a user's condition must not do. The session is read-only, so the server refuses writes to tables; this refuses what it would not:
 * to leave the parentheses that the condition stands in, to write a file, to lock, to wait, and to hide any of it.
 */
export function checkWhere(where: string): void {
  const fault = faultOf(where);
  if (fault !== undefined) throw whereError(where, fault);
}

export function whereError(where: string, fault: string, cause?: unknown): CodedError {
  const text = where.length > 200 ? `${where.slice(0, 200)}…` : where;
  return new CodedError('SNAPSHOT_WHERE', `the condition ${JSON.stringify(text)} ${fault}`, { cause });
}

/** A quoted piece, as a session without ANSI_QUOTES and NO_BACKSLASH_ESCAPES reads it. */
const quoted = /'(?:[^'\\]|\\[^]|'')*'|"(?:[^"\\]|\\[^]|"")*"|`(?:[^`]|``)*`/g;

/** Functions that change something, or only wait. */
const functions =
  'sleep|benchmark|get_lock|release_lock|release_all_locks|is_free_lock|is_used_lock|load_file|nextval|setval|lastval|last_insert_id|' +
  'master_pos_wait|source_pos_wait|master_gtid_wait|wait_for_executed_gtid_set|wait_until_sql_thread_after_gtids|' +
  'service_get_read_locks|service_get_write_locks|service_release_locks|sys_exec|sys_eval';

const callsFunction = 'calls a function that changes or waits for something';

/** What must not stand outside of quotes; the end of a sentence. */
const forbidden: readonly (readonly [RegExp, string])[] = [
  [/\0/, 'has a zero byte'],
  [/['"`]/, 'has a quote that is not closed'],
  [/;/, 'has a semicolon: it is one condition, without an end'],
  [/#|\/\*|\*\/|--(?![!-~\u0080-\uffff])/, 'has a comment'],
  [/(?<![\w$\u0080-\uffff])\$/, 'has a dollar sign that begins no name'],
  [/^\s*where\b/i, 'begins with WHERE: write what stands behind it'],
  [/\binto\b/i, 'has the word INTO: a read writes nothing (a column of that name stands in backticks)'],
  [/\bfor\s+(?:update|share)\b|\block\s+in\b/i, 'locks what it reads: a snapshot takes no locks'],
  [/\bnext\s+value\s+for\b/i, 'takes a value of a sequence: a read writes nothing'],
  [/:=/, 'assigns a variable: a read writes nothing'],
  [new RegExp(`\\b(?:${functions})\\s*\\(`, 'i'), callsFunction],
];

function faultOf(where: string): string | undefined {
  if (where.trim() === '') return 'is empty: leave it out to read all rows';
  const bare = where.replace(quoted, ' ? ');
  const found = forbidden.find(([pattern]) => pattern.test(bare))?.[1];
  if (found !== undefined) return found;
  // the servers call a function by its name in backticks too
  if (new RegExp(`\`(?:${functions})\`\\s*\\(`, 'i').test(where)) return callsFunction;
  return faultOfParentheses(bare);
}

function faultOfParentheses(bare: string): string | undefined {
  let depth = 0;
  for (const character of bare) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth < 0) return 'closes a parenthesis that it did not open';
  }
  return depth === 0 ? undefined : 'has a parenthesis that is not closed';
}
