import { z } from 'zod';
import { CodedError } from '../../lib/error.ts';
import { errorCodes, type ErrorCode } from '../../lib/error-codes.ts';
import { jsonAnswer, type HttpAnswer } from '../../lib/http-server.ts';

/** What every refusal and every failure looks like. */
export const errorSchema = z.object({
  error: z.object({
    code: z.string().describe('See docs/errors.md'),
    message: z.string().describe('What happened'),
    remedy: z.string().describe('What to do about it'),
    details: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  }),
});

/** The status that fits a code; 500 where none stands here. */
const statuses: Partial<Record<ErrorCode, number>> = {
  REQUEST_INVALID: 400,
  SNAPSHOT_WHERE: 400,
  SOURCE_POSITION_INVALID: 400,
  REPLAY_RANGE: 400,
  REQUEST_UNAUTHORIZED: 401,
  REQUEST_FORBIDDEN: 403,
  REQUEST_PATH_UNKNOWN: 404,
  NAME_UNKNOWN: 404,
  RUN_UNKNOWN: 404,
  SNAPSHOT_NO_TABLE: 404,
  REQUEST_METHOD: 405,
  ROW_NOT_DEAD: 409,
  RUN_ENDED: 409,
  RUN_IS_START: 409,
  RUN_EXISTS: 409,
  FLOW_INCREMENTS: 409,
  REBUILD_IMPOSSIBLE: 409,
  VERIFY_IMPOSSIBLE: 409,
  VERIFY_KEEPS_STATE: 409,
  SOURCE_PURGED: 409,
  SOURCE_WRONG_SERVER: 409,
  SOURCE_BINLOG_OFF: 409,
  SOURCE_ACCESS_DENIED: 409,
  SOURCE_GRANT_MISSING: 409,
  SOURCE_TLS: 409,
  SNAPSHOT_GRANT_MISSING: 409,
  STORE_TABLE_MISSING: 409,
  STORE_KEY_MISSING: 409,
  REQUEST_TOO_LARGE: 413,
  REQUEST_MEDIA_TYPE: 415,
  API_BUSY: 503,
  STORE_TIMEOUT: 503,
  STORE_UNREACHABLE: 503,
  SOURCE_UNREACHABLE: 503,
  STORE_CONFLICT: 503,
  STORE_FULL: 503,
  STORE_READ_ONLY: 503,
};

const retryAfterSeconds = '5';

export function errorAnswer(error: CodedError): HttpAnswer {
  const { code, message, details } = error;
  const status = statuses[code] ?? 500;
  const shown = { code, message, remedy: errorCodes[code].remedy, ...(Object.keys(details).length === 0 ? {} : { details }) };
  return { ...jsonAnswer(status, { error: shown }), headers: headersOf(status, details) };
}

/** What is no CodedError is a fault of kisflow's own: the log has it, and who asked learns nothing of what is inside. */
export function codedError(error: unknown): CodedError {
  if (error instanceof CodedError && error.code !== 'INTERNAL') return error;
  return new CodedError('INTERNAL', 'The request could not be answered; the log of the daemon says why.', { cause: error });
}

function headersOf(status: number, { allow }: CodedError['details']): HttpAnswer['headers'] {
  if (status === 401) return { 'www-authenticate': 'Bearer' };
  if (status === 405) return { allow: String(allow) };
  return status === 503 ? { 'retry-after': retryAfterSeconds } : undefined;
}
