import { join } from 'node:path';
import type { Command, CommandContext } from '../../src/cli/command.ts';
import { ProgressLine } from '../../src/cli/progress-line.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createFolder } from '../support/daemon-process.ts';

export interface CommandRun {
  /** Files of the project: conf/…, functions/…, connectors/…, migrations/…. */
  readonly files: Readonly<Record<string, string>>;
  readonly positionals?: readonly string[];
  readonly options?: CommandContext['options'];
  readonly json?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly stop?: AbortSignal;
  /** Told of what is written of a line of progress. */
  readonly onProgress?: (text: string) => void;
}

export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  /** What was written of a line of progress. */
  readonly progress: string;
}

/** Runs a command as the command line does, in a project of its own; rejects with what the command rejects with. */
export async function runCommand(command: Command, run: CommandRun): Promise<CommandOutcome> {
  const folder = await createFolder(run.files);
  const lines: string[] = [];
  const progress: string[] = [];
  const never = new AbortController().signal;
  const code = await command.run({
    conf: join(folder, 'conf'),
    functions: join(folder, 'functions'),
    connectors: join(folder, 'connectors'),
    migrations: join(folder, 'migrations'),
    json: run.json ?? false,
    env: run.env ?? {},
    logger: silentLogger,
    options: run.options ?? {},
    positionals: run.positionals ?? [],
    print: (text) => lines.push(text),
    progress: () => {},
    progressLine: new ProgressLine({
      isTerminal: true,
      columns: () => 200,
      write: (text) => {
        progress.push(text);
        run.onProgress?.(text);
      },
    }),
    stop: run.stop ?? never,
    abort: never,
  });
  return { code, out: lines.join('\n').replaceAll(`${folder}/`, ''), progress: progress.join('') };
}

/** The one JSON document that a command printed. */
export function documentOf(outcome: CommandOutcome): unknown {
  return JSON.parse(outcome.out);
}
