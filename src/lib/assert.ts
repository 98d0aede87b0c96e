import { CodedError } from './error.ts';

/** States what must be; a false one is a fault of ours, never of the user's. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CodedError('INTERNAL', message);
}
