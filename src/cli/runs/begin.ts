import { readCheckpoint, type Checkpoint } from '../../checkpoint/checkpoint.ts';
import { CodedError } from '../../lib/error.ts';
import { createRun, readRun } from '../../repair/run-record.ts';
import type { NewRun } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { followRun, howToEnd, printRun, whyItStands } from './follow.ts';

/** The store, and where the flow stands in it. Throws NAME_UNKNOWN for a flow that has never run. */
export async function requireBegun(
  store: Store | undefined,
  flow: string,
): Promise<{ readonly store: Store; readonly checkpoint: Checkpoint }> {
  const checkpoint = store === undefined ? undefined : await readCheckpoint(store, flow);
  if (store !== undefined && checkpoint !== undefined) return { store, checkpoint };
  throw new CodedError(
    'NAME_UNKNOWN',
    `Flow ${flow} has never run, so it has nothing to read again: it begins when a daemon starts.`,
  );
}

export interface BeginOptions {
  readonly context: CommandContext;
  readonly project: OpenProject;
  readonly store: Store;
  readonly run: Omit<NewRun, 'isStart'>;
}

/** Makes a run and shows it until it ends, or only says how it can be looked at (`--detach`); the exit code. */
export async function beginRun({ context, project, store, run }: BeginOptions): Promise<number> {
  const id = await createRun(store, { ...run, isStart: false });
  if (context.options['detach'] !== true) return followRun({ context, project, store, id });
  const made = await readRun(store, id);
  const standing = await whyItStands({ project, store }, made);
  printRun(context, made, standing === undefined ? howToEnd(made) : `${howToEnd(made)} Now it is ${standing}.`);
  return exitCode.done;
}
