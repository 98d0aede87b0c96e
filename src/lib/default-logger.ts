import { pino } from 'pino';
import { stderrSink } from './log-sink.ts';
import type { Logger } from './logger.ts';

let made: Logger | undefined;

/** The logger where nobody gave one: pino, from info on, one JSON object a line to stderr, so that stdout is the program's own. */
export function defaultLogger(): Logger {
  made ??= pino({ level: 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, stderrSink());
  return made;
}
