import { setTimeout as delay } from 'node:timers/promises';

/** Waits `ms` milliseconds or until the signal aborts, whichever is first; abort is not an error. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted) return;
    throw error;
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** A promise with its resolvers outside (Promise.withResolvers is not in ES2023). */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve: (value) => resolve(value), reject: (reason) => reject(reason) };
}

/** The second one aborts with the first, for as long as it has not by itself. */
export function followSignal(signal: AbortSignal, controller: AbortController): void {
  const onAbort = (): void => controller.abort();
  signal.addEventListener('abort', onAbort, { once: true, signal: controller.signal });
  if (signal.aborted) onAbort();
}

/**
 * The work's outcome, or a rejection with `reason` as soon as the signal aborts. The work itself goes on: for one that ends when what it
 * uses is closed.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, reason: () => Error): Promise<T> {
  if (signal === undefined) return work;
  const over = new AbortController();
  const given = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(reason());
    signal.addEventListener('abort', () => reject(reason()), { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([work, given]);
  } finally {
    over.abort();
    work.catch(() => {}); // of a work that is left behind
  }
}
