import { sleep } from '../../lib/abort.ts';
import { readRun, setRunWish } from '../../repair/run-record.ts';
import { isOpen, type Run, type RunWish } from '../../repair/run.ts';
import { exitCode } from '../command.ts';
import { outcomeOf, printRun, titleOf, whyItStands, type FollowOptions } from './follow.ts';
import { formatFigures } from './run-figures.ts';

/** How long a command waits for the daemon to take notice: it looks about once a second. */
const noticeMs = 5000;
const pollMs = 100;

/** Writes what an operator wants of a run, and waits for the daemon that holds its flow, if one does, to act on it. */
export async function wishRun(options: FollowOptions & { readonly wish: RunWish }): Promise<number> {
  const { context, store, id, wish } = options;
  const before = await readRun(store, id);
  let run = await setRunWish(store, id, wish);
  const until = performance.now() + noticeMs;
  for (;;) {
    const standing = run.wish === null ? undefined : await whyItStands(options, run);
    if (run.wish === null || standing !== undefined || performance.now() >= until || context.stop.aborted) {
      printRun(context, run, sentenceOf({ before, run, wish, standing }));
      return exitCode.done;
    }
    context.progress(`waiting for the daemon that runs ${run.flow}`);
    await sleep(pollMs, context.stop);
    run = await readRun(store, id);
  }
}

interface Outcome {
  readonly before: Run;
  readonly run: Run;
  readonly wish: RunWish;
  readonly standing: string | undefined;
}

function sentenceOf({ before, run, wish, standing }: Outcome): string {
  const head = `${titleOf(run.kind)} ${run.id} of flow ${run.flow}`;
  if (!isOpen(run.state)) return outcomeOf(run);
  if (run.wish === null) {
    const already = before.state === run.state && before.wish === null ? ' already' : '';
    return `${head} is ${run.state}${already}: ${formatFigures(run)}.`;
  }
  const words = { pause: 'pauses', resume: 'goes on', cancel: 'ends' } as const;
  const when = standing === undefined ? 'once its daemon has taken notice' : `once the flow runs (${standing})`;
  return `${head} is ${run.state}. It ${words[wish]} ${when}.`;
}
