import type { ErrorCode } from './error-codes.ts';
import { maskPasswords } from './mask.ts';

/**
 * What the holder of an error does next.
 * - `retry`: the same thing may succeed later (connection lost, deadlock, lock wait): try again with backoff.
 * - `row`: one row of the batch cannot be processed: the batch is split to find it.
 * - `stop`: everything else: the flow (or the source, or the process) stops until somebody has mended the cause.
 */
export type ErrorClass = 'retry' | 'row' | 'stop';

export interface CodedErrorOptions {
  /** What to do next; `stop` unless said otherwise. */
  readonly class?: ErrorClass;
  readonly cause?: unknown;
  /** What was being worked on (flow, table, position, key…): logged as fields and shown in `status`. */
  readonly details?: Readonly<Record<string, string | number>>;
}

/**
 * The one error of the project: a documented code, a sentence that says what happened and what to do, and its cause. Its message never
 * holds the password of an address, whoever wrote it.
 */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(maskPasswords(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.class = options.class ?? 'stop';
    this.details = options.details ?? {};
  }
}

/** The error's text with its causes, one line, for logs and the console. */
export function describeError(error: unknown): string {
  return maskPasswords(describe(error));
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error instanceof CodedError ? `${error.code}: ${error.message}` : error.message || error.name;
  const cause = error.cause === undefined ? '' : describe(error.cause);
  return cause === '' || own.includes(cause) ? own : `${own} (${cause})`;
}
