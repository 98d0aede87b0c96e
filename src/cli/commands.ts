import type { Command } from './command.ts';
import { run } from './run.ts';

/** Every command, in the order `kisflow help` lists them. */
export const commands: readonly Command[] = [run];
