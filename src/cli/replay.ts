import { formatPosition, type Position } from '../row/position.ts';
import { UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { resolveStretch } from './replay-stretch.ts';
import { requireRereadableFlow, requireSourceFlow } from './reread-flow.ts';
import { beginRun, requireBegun } from './runs/begin.ts';

/** Has a flow run again over a stretch of the binlog. Exit 1 when that failed, was cancelled, or was left before it ended. */
export const replay: Command = {
  usage: 'FLOW --from POSITION [--to POSITION] [--detach]',
  positionals: [1, 1],
  options: { from: { type: 'string' }, to: { type: 'string' }, detach: { type: 'boolean' } },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const flow = context.positionals[0] ?? '';
      const asked = readAsked(context);
      const spec = requireSourceFlow(project.configuration, flow);
      await requireRereadableFlow(context, project.configuration, spec);
      const { store, checkpoint } = await requireBegun(project.store, flow);
      const stretch = await resolveStretch({ ...asked, context, configuration: project.configuration, spec, checkpoint });
      return beginRun({ context, project, store, run: { flow, kind: 'replay', options: textsOf(stretch) } });
    }),
};

function readAsked({ options: { from, to } }: CommandContext): { readonly from: string; readonly to: string | undefined } {
  if (from !== undefined) return { from: String(from), to: to === undefined ? undefined : String(to) };
  throw new UsageError(
    'Say from where: --from takes FILE:OFFSET, a GTID set, a time (2026-01-31T12:00:00Z), a position as status --json shows it, or earliest.',
  );
}

function textsOf({ from, to }: { readonly from: Position; readonly to: Position }): { readonly from: string; readonly to: string } {
  return { from: formatPosition(from), to: formatPosition(to) };
}
