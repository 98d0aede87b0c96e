import { pino } from 'pino';
import { describeError } from './error.ts';
import { stderrSink } from './log-sink.ts';
import type { Logger } from './logger.ts';
import { maskPasswords } from './mask.ts';

let made: Logger | undefined;

/** The logger where nobody gave one: from info on, to stderr, so that stdout is the program's own. */
export function defaultLogger(): Logger {
  made ??= makeLogger('info');
  return made;
}

/** pino, one JSON object a line to stderr. No line holds the password of an address, and of an error no more than its words and its stack. */
export function makeLogger(level: string): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // a driver's error may hold the options that it was made with
    serializers: { err: describeFields },
    hooks: { streamWrite: maskPasswords },
  };
  return pino(options, stderrSink());
}

function describeFields(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  return { type: error.name, message: describeError(error), stack: error.stack };
}
