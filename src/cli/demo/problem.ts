import type { CommandContext } from '../command.ts';

/** Why the demo cannot go on; its message is all that people need. */
export class DemoProblem extends Error {
  override readonly name = 'DemoProblem';
}

/** Where the demo says what happens. */
export interface Screen {
  /** A line that stays. */
  say(text: string): void;
  /** A line that the next one takes the place of, on a terminal; elsewhere it stays. */
  tick(text: string): void;
}

/** With --json stdout belongs to the document: what happens goes to stderr, if that is a terminal. */
export function makeScreen(context: Pick<CommandContext, 'json' | 'print' | 'progress'>): Screen {
  if (context.json) return { say: context.progress, tick: context.progress };
  const { stdout } = process;
  if (!stdout.isTTY) return { say: context.print, tick: context.print };
  const clear = '\r\u001B[K';
  return {
    say: (text) => void stdout.write(`${clear}${text}\n`),
    // A line that wraps could not be taken back.
    tick: (text) => void stdout.write(`${clear}${text.slice(0, stdout.columns - 1)}`),
  };
}
