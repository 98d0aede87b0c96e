/**
 * Which of kisflow's codes a server's error is. Numbers are those of MySQL 8.0–9.7 and MariaDB 10.5–11.8; the two servers
 * share those below 1900 and differ above (https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html,
 * https://mariadb.com/docs/server/reference/error-codes).
 */
import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError, type ErrorClass } from '../lib/error.ts';
import { accessHint, explainTlsRefusal } from '../lib/mysql-address.ts';
import type { TlsWish } from '../lib/tls.ts';

interface Kind {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
}

const unreachable: Kind = { code: 'STORE_UNREACHABLE', class: 'retry' };
const busy: Kind = { code: 'STORE_TIMEOUT', class: 'retry' };
const conflict: Kind = { code: 'STORE_CONFLICT', class: 'retry' };
const full: Kind = { code: 'STORE_FULL', class: 'retry' };
const denied: Kind = { code: 'STORE_ACCESS_DENIED', class: 'stop' };
const tlsFailed: Kind = { code: 'STORE_TLS', class: 'stop' };
// usually in the middle of a failover: it is waited for
const readOnly: Kind = { code: 'STORE_READ_ONLY', class: 'retry' };
const tableMissing: Kind = { code: 'STORE_TABLE_MISSING', class: 'stop' };
const columnUnknown: Kind = { code: 'STORE_COLUMN_UNKNOWN', class: 'stop' };
const constraint: Kind = { code: 'STORE_CONSTRAINT', class: 'row' };
const refused: Kind = { code: 'STORE_STATEMENT', class: 'stop' };

const errnosOf: readonly (readonly [Kind, readonly number[]])[] = [
  // Too many connections, shutting down, killed, aborted, network, idle for too long, a Galera node that is not ready.
  [
    unreachable,
    [
      1040, 1042, 1043, 1047, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927, 2006, 2013, 3032, 3168,
      4031,
    ],
  ],
  // Statement interrupted or over its time, commit failed: the same statement may succeed later.
  [busy, [1180, 1317, 1969, 3024]],
  // Lock wait, deadlock, definition or row changed meanwhile, rolled back for the sake of another.
  [conflict, [1020, 1205, 1213, 1412, 1613, 1614, 1689, 3058, 3101, 3572]],
  // Disk, table, memory, lock table, transactions; the file of temporary data.
  [full, [1021, 1037, 1041, 1114, 1206, 1637, 1878]],
  [denied, [1044, 1045, 1095, 1130, 1142, 1143, 1227, 1251, 1370, 1410, 1449, 1698, 1820, 1862, 3118, 3878, 3879, 4151]],
  [readOnly, [1792, 1836]],
  [tableMissing, [1049, 1051, 1109, 1146]],
  [columnUnknown, [1054]],
  // A key that another row has; NULL, or nothing, where a value must be.
  [constraint, [1022, 1062, 1169, 1586, 1859, 1048, 1263, 1364, 1423]],
  // Out of range, cut, or of the wrong type; too large; a conversion that cannot be.
  [constraint, [1264, 1265, 1292, 1300, 1365, 1366, 1367, 1406, 1411, 1416, 1441, 1467, 1525, 1690]],
  [constraint, [1118, 1153, 1301, 1713, 3854, 3903, 3988, 4078]],
  // A foreign key; a view's or a partition's condition; CHECK of MySQL and of MariaDB; a trigger's SIGNAL.
  [constraint, [1216, 1217, 1451, 1452, 1761, 1762, 1369, 1526, 1591, 1748, 3819, 4025, 1644]],
  // JSON that is none.
  [constraint, [3140, 3141, 3143, 3144, 3146, 3147, 3156, 3157, 3158, 4037, 4038, 4042]],
];

const kindOfErrno: ReadonlyMap<number, Kind> = new Map(
  errnosOf.flatMap(([kind, errnos]) => errnos.map((errno) => [errno, kind] as const)),
);

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_UNEXPECTED_PACKET',
]);

/** A field that the driver's error object may carry. */
function fieldOf(error: object, name: 'errno' | 'code' | 'fatal'): unknown {
  return Reflect.get(error, name);
}

/** The server's own number of the error that a CodedError was made from; undefined where it has none. */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof CodedError) return errnoOf(error.cause);
  if (typeof error !== 'object' || error === null) return undefined;
  const errno = fieldOf(error, 'errno');
  return typeof errno === 'number' && errno > 0 ? errno : undefined;
}

function kindOf(error: Error): Kind {
  const errno = errnoOf(error);
  if (errno === 1290) {
    // "The MySQL server is running with the … option so it cannot execute this statement": not only read_only
    return /read[-_]only/i.test(error.message) ? readOnly : refused;
  }
  // one of many errors, and of the servers' own numbers below 1000, with the system's in its text
  if (errno !== undefined && noSpace.test(error.message)) return full;
  const known = errno === undefined ? undefined : kindOfErrno.get(errno);
  if (known !== undefined) return known;
  const code = fieldOf(error, 'code');
  if (typeof code === 'string' && networkCodes.has(code)) return unreachable;
  return errno === undefined && fieldOf(error, 'fatal') === true ? unreachable : refused;
}

/** ENOSPC and EDQUOT as servers write them: `(Errcode: 28 - No space left on device)`, `Got error 28 from storage engine`. */
const noSpace = /\b(?:errcode|errno|error):?\s+(?:28|122)\b|no space left on device|disk quota exceeded/i;

const excerptLength = 300;

/** The beginning of a statement, for messages: data rows may be private and are long. */
export function excerpt(sql: string): string {
  const line = sql
    .slice(0, excerptLength * 2)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= excerptLength ? line : `${line.slice(0, excerptLength)}…`;
}

/** What a statement does and to which table, with none of its values: `INSERT INTO \`store\`.\`orders\``. */
export function headOf(sql: string): string {
  const line = sql.slice(0, excerptLength).replace(/\s+/g, ' ').trim();
  return (/^.*?(?=\s*(?:\(|\b(?:VALUES|SET|WHERE)\b|$))/i.exec(line)?.[0] ?? '').slice(0, 200);
}

export interface StoreErrorContext {
  /** What was tried: `connecting to 10.0.0.5:3306`, `writing school.avg_score`. */
  readonly doing?: string;
  readonly sql?: string;
  /** The TLS that the connection was to have, where it could not be made. */
  readonly wish?: TlsWish;
  readonly details?: Readonly<Record<string, string | number>>;
}

/** Wraps an error of the driver or the server in the code and the class that it means; a CodedError stays as it is. */
export function toStoreError(error: unknown, context: StoreErrorContext = {}): CodedError {
  if (error instanceof CodedError) return error;
  const own = error instanceof Error ? error : new Error(String(error));
  Reflect.deleteProperty(own, 'sql'); // the driver hangs the whole statement on it: half a megabyte of private rows in a log
  const refusal = context.wish === undefined ? undefined : explainTlsRefusal(own, context.wish);
  const kind = refusal === undefined ? kindOf(own) : tlsFailed;
  const hint = context.wish === undefined ? '' : accessHint(own, context.wish);
  const said = own.message === '' ? String(fieldOf(own, 'code') ?? own.name) : own.message;
  const text = refusal ?? `${said}${hint}`;
  const errno = errnoOf(own);
  const parts = [context.doing, errno === undefined ? text : `${text} [${errno}]`].filter((part) => part !== undefined);
  const statement = context.sql === undefined ? '' : statementOf(kind, context.sql);
  const message = statement === '' ? parts.join(': ') : `${parts.join(': ')}; statement: ${statement}`;
  return new CodedError(kind.code, message, {
    class: kind.class,
    cause: own,
    details: { ...context.details, ...(errno === undefined ? {} : { errno }) },
  });
}

/** As much of the statement as helps: all of its beginning where it was refused, what it is about where the store could not do it. */
function statementOf(kind: Kind, sql: string): string {
  if (kind === refused) return excerpt(sql);
  return kind.class === 'retry' && kind !== unreachable ? headOf(sql) : '';
}
