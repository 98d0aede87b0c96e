import type { Configuration } from '../../config/configuration.ts';
import { isOpen, type Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { readFlowStatus } from './flow-status.ts';

/** What keeps a run from going on that nobody sees otherwise, as the end of a sentence; undefined: nothing does. */
export async function whyRunStands(
  { configuration, store }: { readonly configuration: Pick<Configuration, 'flows'>; readonly store: Store },
  run: Run,
): Promise<string | undefined> {
  if (!isOpen(run.state)) return undefined;
  if (run.state === 'paused' && run.wish === null) return `\`kisflow runs resume ${run.id}\` lets it go on`;
  const flow = (await readFlowStatus(configuration, store, { deadRowsMax: 1 })).find((one) => one.flow === run.flow);
  // any daemon cancels it
  if (flow === undefined || !flow.isEnabled) return run.wish === 'cancel' ? undefined : `flow ${run.flow} is not run`;
  // a rebuild goes on beside a flow that stands
  if (run.kind !== 'rebuild' && flow.state === 'rebuilding') return `flow ${run.flow} is rebuilt first`;
  if (run.kind !== 'rebuild' && (flow.state === 'paused' || flow.state === 'failed')) {
    return `flow ${run.flow} is ${flow.state}; \`kisflow resume ${run.flow}\` lets it go on`;
  }
  if (flow.isHeld) return run.errorCode === null ? undefined : (run.errorText ?? run.errorCode);
  return `no daemon runs flow ${run.flow} now; the run goes on when one does`;
}
