import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  readonly deadlineMs?: number;
  readonly pollMs?: number;
  /** What is waited for, for the message. */
  readonly what?: string;
}

/**
 * Resolves with the condition's first value that is neither false, null nor undefined. A condition that throws has
 * not come yet; at the deadline its last error is the cause. Tests wait with this and never sleep.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { deadlineMs = 20_000, pollMs = 20, what = 'the condition' }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined | void>> {
  const deadline = Date.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (isThere(value)) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`, { cause });
    await delay(pollMs);
  }
}

function isThere<T>(value: T): value is Exclude<T, false | null | undefined | void> {
  return value !== false && value !== null && value !== undefined;
}
