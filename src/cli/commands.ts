import type { NamedCommand } from './command.ts';

/** Every command, in the order `kisflow help` lists them. Only the one that is called is loaded: it is most of what a start costs. */
export const commands: readonly NamedCommand[] = [
  {
    name: 'run',
    summary: 'run the flows; with --until-current, until each has passed the position that its source has now',
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'check',
    summary: 'examine configuration, functions, sources and store; each finding with its code and what mends it',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'status',
    summary:
      'show every flow: state, freshness, lag, time until purge, rate, position, last error; exit 1 when an enabled flow has failed',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'inspect',
    summary:
      'show the computed tables; one table with its columns; or the row with this primary key (k, or k1,k2), and what it would be if computed now: exit 1 where that differs',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'pause',
    summary: 'let a flow commit what it has received and hold there, until it is resumed',
    load: async () => (await import('./pause.ts')).pause,
  },
  {
    name: 'resume',
    summary: 'let a paused flow go on, and a failed one try again, from its checkpoint',
    load: async () => (await import('./resume.ts')).resume,
  },
  {
    name: 'snapshot',
    summary: "read a flow's tables as they are now, or a part of them, while the flow goes on",
    load: async () => (await import('./snapshot.ts')).snapshot,
  },
  {
    name: 'replay',
    summary: 'run a flow again over the rows that changed since a position, or between two, while the flow goes on',
    load: async () => (await import('./replay.ts')).replay,
  },
  {
    name: 'rebuild',
    summary: 'compute a flow anew beside its live tables, and swap the new ones in when they have caught up',
    load: async () => (await import('./rebuild.ts')).rebuild,
  },
  {
    name: 'verify',
    summary: 'compute a flow anew beside its live tables and say in which rows they differ; mend exactly those',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'runs',
    summary: 'list the snapshots and other runs of repair, the latest first; show one; pause it, let it go on, or cancel it',
    load: async () => (await import('./runs.ts')).runs,
  },
  {
    name: 'dead-rows',
    summary: 'list the rows that flows could not process, the latest first; show one; try them again, or give them up',
    load: async () => (await import('./dead-rows.ts')).deadRows,
  },
  {
    name: 'flow',
    summary: "change a flow's functions or status, also while it runs; show what it is; take such changes back",
    load: async () => (await import('./flow.ts')).flow,
  },
  {
    name: 'migrate',
    summary: "make kisflow's own tables in the store and apply the SQL files of migrations/, each once, in name order",
    load: async () => (await import('./migrate.ts')).migrate,
  },
  {
    name: 'export',
    summary: "write the flow's configuration, without secrets, as flow-NAME.yaml, func-NAME.yaml, conn-NAME.yaml",
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'demo',
    summary: 'all of it on a private server: sample flows, live changes, a kill -9, and the proof that nothing was lost',
    load: async () => (await import('./demo.ts')).demo,
  },
];
