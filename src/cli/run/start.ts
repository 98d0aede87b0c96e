import { CodedError } from '../../lib/error.ts';
import type { CommandContext } from '../command.ts';

/** What a start is interrupted by, and what runs behind it. */
export interface Start {
  /** Of the second signal, or the deadline. */
  readonly abort: AbortSignal;
  /** Something does not heed it: a connector of the project's own that never opens, for one. */
  readonly overdue: AbortSignal;
  readonly isOver: boolean;
  /** The flows run from now on, and stop by themselves. */
  pass(): void;
  end(): void;
}

/** From now on the signals count. */
export function beginStart(context: CommandContext, stopDeadlineMs: number): Start {
  const deadline = armDeadline(context, stopDeadlineMs);
  const onHangUp = (): void => {}; // there is nothing to look at anew yet
  process.on('SIGHUP', onHangUp);
  let isOver = false;
  const pass = (): void => {
    isOver = true;
    process.off('SIGHUP', onHangUp);
  };
  return {
    abort: deadline.signal,
    overdue: deadline.overdue,
    get isOver() {
      return isOver;
    },
    pass,
    end() {
      pass();
      deadline.disarm();
    },
  };
}

/** How long what was told to end at once may take to. */
const overdueMs = 3000;

/** Aborts on the second signal, or when a stop takes longer than its deadline (L11); `overdue` follows, for what does not heed that. */
function armDeadline(
  context: CommandContext,
  ms: number,
): { readonly signal: AbortSignal; readonly overdue: AbortSignal; disarm(): void } {
  const late = new AbortController();
  const overdue = new AbortController();
  const signal = AbortSignal.any([late.signal, context.abort]);
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => overdue.abort(), overdueMs);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const onStop = (): void => {
    context.logger.info({ deadlineMs: ms }, 'stopping');
    timer = setTimeout(() => late.abort(), ms);
  };
  context.stop.addEventListener('abort', onStop, { once: true });
  return {
    signal,
    overdue: overdue.signal,
    disarm() {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      context.stop.removeEventListener('abort', onStop);
    },
  };
}

/** Why the process is ended all the same. */
export function overdueError(): CodedError {
  return new CodedError(
    'STOP_DEADLINE',
    `It was told to end at once, and had not ended ${overdueMs / 1000} s later: something of the project does not heed its end, such as a connector that never opens or closes. It is ended all the same`,
  );
}
