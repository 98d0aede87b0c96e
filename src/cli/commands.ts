import { check } from './check.ts';
import type { Command } from './command.ts';
import { deadRows } from './dead-rows.ts';
import { demo } from './demo.ts';
import { exportCommand } from './export.ts';
import { flow } from './flow.ts';
import { inspect } from './inspect.ts';
import { migrate } from './migrate.ts';
import { pause } from './pause.ts';
import { rebuild } from './rebuild.ts';
import { resume } from './resume.ts';
import { run } from './run.ts';
import { runs } from './runs.ts';
import { snapshot } from './snapshot.ts';
import { status } from './status.ts';
import { verify } from './verify.ts';

/** Every command, in the order `kisflow help` lists them. */
export const commands: readonly Command[] = [
  run,
  check,
  status,
  inspect,
  pause,
  resume,
  snapshot,
  rebuild,
  verify,
  runs,
  deadRows,
  flow,
  migrate,
  exportCommand,
  demo,
];
