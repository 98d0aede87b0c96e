import { CodedError } from '../../lib/error.ts';
import type { Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { followRun, howToEnd, printRun, whyItStands } from './follow.ts';

export interface ShowBegunOptions {
  readonly context: CommandContext;
  readonly project: OpenProject;
  readonly run: Run;
  /** Prints what came of it once it is done, in place of a sentence; the exit code. */
  readonly report?: (context: CommandContext, store: Store, run: Run) => Promise<number>;
}

/** Shows a run that was just made until it ends, or only says how it can be looked at (`--detach`); the exit code. */
export async function showBegun({ context, project, run, report }: ShowBegunOptions): Promise<number> {
  const { store } = project;
  if (store === undefined) throw new CodedError('INTERNAL', `Run ${run.id} was made in no store.`);
  if (context.options['detach'] !== true)
    return followRun({
      context,
      project,
      store,
      id: run.id,
      ...(report === undefined ? {} : { report: (ended) => report(context, store, ended) }),
    });
  const standing = await whyItStands({ project, store }, run);
  printRun(context, run, standing === undefined ? howToEnd(run) : `${howToEnd(run)} Now it is ${standing}.`);
  return exitCode.done;
}
