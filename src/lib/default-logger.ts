import { destination, pino } from 'pino';
import type { Logger } from './logger.ts';

let made: Logger | undefined;

/** The logger where nobody gave one: pino, from info on, one JSON object a line to stderr, so that stdout is the program's own. */
export function defaultLogger(): Logger {
  made ??= pino({ level: 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination({ dest: 2, sync: true }));
  return made;
}
