import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';

const pollMs = 1000;

/** Looks at the store again and again until the signal aborts. A look that fails is told once for each cause, and the next one is taken. */
export async function lookEachSecond(
  look: () => Promise<void>,
  { signal, logger, failure }: { readonly signal: AbortSignal; readonly logger: Logger; readonly failure: string },
): Promise<void> {
  let failedWith: string | undefined;
  while (!signal.aborted) {
    try {
      await look();
      failedWith = undefined;
    } catch (error) {
      const code = error instanceof CodedError ? error.code : 'INTERNAL';
      if (code !== failedWith && !signal.aborted) logger.warn({ code, error: describeError(error) }, failure);
      failedWith = code;
    }
    await sleep(pollMs, signal);
  }
}
