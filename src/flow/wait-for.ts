export type WaitEnd =
  | { readonly kind: 'fulfilled' }
  | { readonly kind: 'rejected'; readonly error: unknown }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'aborted' };

const longestMs = 2 ** 31 - 1;

/** Waits until the work ends, `ms` milliseconds have passed (Infinity: never), or the signal aborts. The work is not stopped. */
export function waitFor(work: Promise<void>, options: { readonly ms: number; readonly signal: AbortSignal }): Promise<WaitEnd> {
  const { ms, signal } = options;
  return new Promise((resolve) => {
    const end = (outcome: WaitEnd): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(outcome);
    };
    const onAbort = (): void => end({ kind: 'aborted' });
    const timer = ms === Infinity ? undefined : setTimeout(() => end({ kind: 'timeout' }), Math.min(ms, longestMs));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(
      () => end({ kind: 'fulfilled' }),
      (error: unknown) => end({ kind: 'rejected', error }),
    );
  });
}
