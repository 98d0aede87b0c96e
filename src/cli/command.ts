import type { ParseArgsConfig } from 'node:util';
import type { Logger } from '../lib/logger.ts';
import type { ProgressLine } from './progress-line.ts';

/** Exit codes: 0 done, 1 failed, 2 usage, 78 configuration (sysexits.h EX_CONFIG). */
export const exitCode = { done: 0, failed: 1, usage: 2, configuration: 78 } as const;

/** The command line itself is wrong: its text is printed with the command's usage, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options of a command, as node:util parseArgs takes them. */
export type CommandOptions = NonNullable<ParseArgsConfig['options']>;

/** What every command is given. */
export interface CommandContext {
  /** Directory of the configuration. */
  readonly conf: string;
  /** Directory of the functions. */
  readonly functions: string;
  /** Directory of the project's own kinds of connector. */
  readonly connectors: string;
  /** Directory of the migrations. */
  readonly migrations: string;
  /** Print one JSON document to stdout instead of tables. */
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** The command's own options, as parseArgs gives them; a list where one may come several times. */
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly positionals: readonly string[];
  /** Writes to stdout, with a line feed. */
  readonly print: (text: string) => void;
  /** Writes progress to stderr where that is a terminal; nothing elsewhere. */
  readonly progress: (text: string) => void;
  /** How far something is, on stderr: one line that is rewritten. Absent: nobody looks. */
  readonly progressLine?: ProgressLine;
  /** Aborts on the first SIGTERM or SIGINT. */
  readonly stop: AbortSignal;
  /** Aborts on the second one. */
  readonly abort: AbortSignal;
}

export interface NamedCommand {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export interface Command {
  /** What comes behind the name in the usage line. */
  readonly usage: string;
  readonly options?: CommandOptions;
  /** How many positional arguments it takes: least and most. */
  readonly positionals?: readonly [number, number];
  /** The log level when --log-level does not say. */
  readonly logLevel?: string;
  /** Resolves with the exit code. */
  run(context: CommandContext): Promise<number>;
}
