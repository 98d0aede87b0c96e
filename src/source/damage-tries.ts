import { MalformedEvent, RefusedEvent } from '../binlog/malformed.ts';
import type { CodedError } from '../lib/error.ts';

const TRIES_MAX = 3;

/**
 * Decides whether what cannot be decoded is read once more: its bytes may have been damaged on their way, and then they come right from
 * the server's file the next time. An event that is wrong three times in a row is wrong in the file.
 */
export class DamageTries {
  #place = '';
  #tries = 0;

  mayReadAgain(error: CodedError): boolean {
    if (error.code !== 'SOURCE_UNDECODABLE' || !isDamage(error.cause)) return false;
    const place = String(error.details['position']);
    this.#tries = place === this.#place ? this.#tries + 1 : 1;
    this.#place = place;
    return this.#tries < TRIES_MAX;
  }
}

/** Bytes that make no sense end in a MalformedEvent, or in a buffer's own RangeError. */
function isDamage(cause: unknown): boolean {
  return cause instanceof RangeError || (cause instanceof MalformedEvent && !(cause instanceof RefusedEvent));
}
