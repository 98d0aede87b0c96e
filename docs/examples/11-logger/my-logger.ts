import type { Logger } from 'kisflow';

/** One line for each message, on the screen. */
export class MyLogger implements Logger {
  readonly #fields: Record<string, unknown>;
  readonly #isDebug: boolean;

  constructor(isDebug: boolean, fields: Record<string, unknown> = {}) {
    this.#isDebug = isDebug;
    this.#fields = fields;
  }

  trace(): void {}

  debug(fields: object, message?: string): void {
    if (this.#isDebug) this.#write('debug', fields, message);
  }

  info(fields: object, message?: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message?: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message?: string): void {
    this.#write('error', fields, message);
  }

  fatal(fields: object, message?: string): void {
    this.#write('fatal', fields, message);
  }

  /** A logger with these fields in every message: of a function, for instance. */
  child(fields: Record<string, unknown>): MyLogger {
    return new MyLogger(this.#isDebug, { ...this.#fields, ...fields });
  }

  #write(level: string, fields: object, message = ''): void {
    console.log(`[${level}] ${message} ${JSON.stringify({ ...this.#fields, ...fields })}`);
  }
}
