import { CodedError } from '../lib/error.ts';
import type { TlsWish } from '../lib/tls.ts';
import { toCodedError, unreachable } from '../source/server-error.ts';
import { quoteName } from '../store/name.ts';
import { whereError } from './where.ts';

/** What was being read, for the message. */
export interface ReadOf {
  readonly schema: string;
  readonly name: string;
  readonly where?: string | undefined;
}

/** ER_QUERY_TIMEOUT, MariaDB's ER_STATEMENT_TIMEOUT, ER_LOCK_WAIT_TIMEOUT (of the table's own lock too). */
const timeouts: ReadonlySet<number> = new Set([3024, 1969, 1205]);
/** Query interrupted, connection killed, server shutting down, deadlock. */
const passing: ReadonlySet<number> = new Set([1317, 1927, 1053, 1213, 3169, 4031]);
/** Access denied to a schema, a table, a column. */
const denied: ReadonlySet<number> = new Set([1044, 1142, 1143]);
/** No such schema, no such table. */
const missing: ReadonlySet<number> = new Set([1049, 1146]);
/** Unknown column, unknown key, another definition. */
const changed: ReadonlySet<number> = new Set([1054, 1176, 1412]);
/** The server's own trouble: memory, disk, damaged files. */
const trouble: ReadonlySet<number> = new Set([1021, 1028, 1030, 1034, 1035, 1037, 1038, 1041, 1114, 1194, 1195]);
const CONNECTION_ERRORS_END = 1000;

/** Whatever a read of a table ended in, as a coded error. */
export function readError(error: unknown, { schema, name, where }: ReadOf, wish?: TlsWish): CodedError {
  if (error instanceof CodedError) return error;
  const errno = typeof error === 'object' && error !== null ? Number(Reflect.get(error, 'errno')) : Number.NaN;
  const text = error instanceof Error ? error.message : String(error);
  const details = { table: `${schema}.${name}` };
  const coded = (code: CodedError['code'], what: string, isRetried = false) =>
    new CodedError(code, `${schema}.${name}: ${what}`, {
      cause: error,
      details,
      ...(isRetried ? { class: 'retry' as const } : {}),
    });
  if (!(errno > CONNECTION_ERRORS_END)) return toCodedError(error, wish);
  if (passing.has(errno)) return unreachable(text, error);
  if (timeouts.has(errno)) return coded('SNAPSHOT_TIMEOUT', `the read took too long: ${text}`, true);
  const isOfAnother = where !== undefined && !text.includes(`${schema}.${name}'`);
  if (where !== undefined && ((missing.has(errno) && isOfAnother) || errno === 1054))
    return whereError(where, `is refused: ${text}`, error);
  const isDeniedOther = errno !== 1044 && ![`'${name}'`, `\`${name}\``].some((quoted) => text.includes(quoted));
  if (denied.has(errno) && where !== undefined && isDeniedOther) return whereError(where, `is refused: ${text}`, error);
  if (denied.has(errno)) return coded('SNAPSHOT_GRANT_MISSING', `${text}: ${grantOf({ schema, name })}`);
  if (missing.has(errno)) return coded('SNAPSHOT_NO_TABLE', text);
  if (changed.has(errno)) return coded('SNAPSHOT_TABLE_CHANGED', text, true);
  if (where === undefined || trouble.has(errno)) return toCodedError(error, wish);
  return whereError(where, `is refused: ${text}`, error);
}

/** What lets the account read a table. */
export function grantOf({ schema, name }: ReadOf): string {
  return `GRANT SELECT ON ${quoteName(schema)}.${quoteName(name)} TO the source user`;
}
