import type { ErrorCode } from '../../lib/error-codes.ts';
import { CodedError, describeError } from '../../lib/error.ts';
import type { checkCodes } from './check-codes.ts';

export type Severity = 'error' | 'warning' | 'info';

/** One thing that `check` found. The codes are documented in lib/error-codes.ts and check-codes.ts. */
export interface Finding {
  readonly code: ErrorCode | keyof typeof checkCodes;
  readonly severity: Severity;
  /** What it is about: `configuration`, `source main`, `store`, `flow x`, `table db.t`. */
  readonly subject: string;
  /** One sentence. */
  readonly message: string;
  /** The SQL or YAML that mends it, ready to be copied; '' where there is nothing to do. */
  readonly remedy: string;
}

/** A text as a sentence: a capital at the start, a full stop at the end. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const whole = `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}`;
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** Names for a sentence: the first few, and how many more. */
export function nameList(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}

/** The finding that an examination ended in; what is no error of a server or of the user's is thrown on. */
export function findingOf(error: unknown, about: { readonly subject: string; readonly remedy: string }): Finding {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    const message = 'The examination did not end within its deadline.';
    return { code: 'NOT_EXAMINED', severity: 'warning', message, ...about };
  }
  if (!(error instanceof CodedError) || error.code === 'INTERNAL') throw error;
  return { code: error.code, severity: 'error', message: sentence(withoutCode(error)), ...about };
}

function withoutCode(error: CodedError): string {
  return describeError(error).replace(`${error.code}: `, '');
}
