import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError, type ErrorClass } from '../lib/error.ts';
import { accessHint, explainTlsRefusal } from '../lib/mysql-address.ts';
import type { TlsWish } from '../lib/tls.ts';

interface Rule {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly errnos?: readonly number[];
  readonly text?: RegExp;
}

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: what the dump thread says for everything; its text tells what it is. */
const DUMP_ERROR = 1236;

/** MySQL ends the older dump with error 1236; MariaDB with ER_SLAVE_SAME_ID. */
const clash: Rule = { code: 'SOURCE_SERVER_ID_CLASH', class: 'stop', text: /same server_uuid\/server_id/i };

/**
 * Texts of MySQL 5.7–9.x (sql/rpl_binlog_sender.cc, share/messages_to_clients.txt) and of MariaDB 10.5–11.x (sql/sql_repl.cc).
 * The first rule that fits decides.
 */
const dumpRules: readonly Rule[] = [
  clash,
  { code: 'SOURCE_WRONG_SERVER', class: 'stop', text: /has more GTIDs than|not in the master's binlog|diverged|extra erroneous/i },
  // The file in hand is no longer one of the server's: RESET BINARY LOGS AND GTIDS.
  { code: 'SOURCE_WRONG_SERVER', class: 'stop', text: /position > file size|impossible position|could not find next log/i },
  {
    code: 'SOURCE_PURGED',
    class: 'stop',
    text: /purged|could not find first log|could not find GTID state|could not open log file|missing/i,
  },
  { code: 'SOURCE_BINLOG_OFF', class: 'stop', text: /binary log is not (open|enabled)/i },
  { code: 'SOURCE_GRANT_MISSING', class: 'stop', text: /access denied/i },
  { code: 'SOURCE_UNREACHABLE', class: 'retry', text: /network|timeout|shutdown|server is not ready/i },
  { code: 'SOURCE_UNDECODABLE', class: 'stop' },
];

const rules: readonly Rule[] = [
  clash,
  // Wrong password, no such account, account locked, password expired, host not allowed, plug-in not loaded.
  { code: 'SOURCE_ACCESS_DENIED', class: 'stop', errnos: [1044, 1045, 1130, 1129, 1251, 1524, 1698, 1820, 1862, 3118, 3879, 4151] },
  { code: 'SOURCE_GRANT_MISSING', class: 'stop', errnos: [1142, 1143, 1227, 1370] },
  { code: 'SOURCE_BINLOG_OFF', class: 'stop', errnos: [1381] },
];

/**
 * Whatever an attempt to talk to a source ended in, as a coded error. What may pass by itself (connection lost, server going
 * down, too many connections) is of class `retry`. `wish` is the TLS that the connection was to have.
 */
export function toCodedError(error: unknown, wish: TlsWish = { tls: 'off', tlsFiles: {} }): CodedError {
  if (error instanceof CodedError) return error;
  const refusal = explainTlsRefusal(error, wish);
  if (refusal !== undefined) return new CodedError('SOURCE_TLS', `the source server: ${refusal}`, { cause: error });
  const errno = numberOf(error, 'errno');
  const text = error instanceof Error ? error.message : String(error);
  const fits = (rule: Rule) =>
    (rule.errnos === undefined || (errno !== undefined && rule.errnos.includes(errno))) &&
    (rule.text === undefined || rule.text.test(text));
  const rule = errno === DUMP_ERROR ? dumpRules.find(fits) : rules.find(fits);
  if (rule === undefined) return unreachable(text, error);
  return new CodedError(rule.code, `the source server refuses: ${text}${accessHint(error, wish)}`, {
    class: rule.class,
    cause: error,
  });
}

/** An error of the connection: retried with backoff. */
export function unreachable(what: string, cause?: unknown): CodedError {
  return new CodedError('SOURCE_UNREACHABLE', `the source server does not answer: ${what || nameOf(cause)}`, {
    class: 'retry',
    cause,
  });
}

function nameOf(error: unknown): string {
  if (error instanceof AggregateError)
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join(', ');
  return error instanceof Error && 'code' in error ? String(error.code) : 'connection lost';
}

function numberOf(error: unknown, key: 'errno'): number | undefined {
  if (typeof error !== 'object' || error === null || !(key in error)) return undefined;
  return typeof error[key] === 'number' ? error[key] : undefined;
}
