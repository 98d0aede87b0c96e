import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createConnection } from 'mysql2/promise';
import type { SqlFlavour } from '../embedded/server.ts';
import { sleep } from '../lib/abort.ts';
import { exitCode, type Command, type CommandContext } from './command.ts';
import { isEqual } from './demo/compare.ts';
import type { DemoDaemon } from './demo/demo-daemon.ts';
import { play, type PlayResult } from './demo/play.ts';
import { DemoProblem, makeScreen, type Screen } from './demo/problem.ts';
import { comparisonJson, formatComparison } from './demo/report.ts';
import { demoDir, mainFile, startStage, type Stage } from './demo/stage.ts';
import { formatDuration } from './table.ts';

export const demo: Command = {
  usage: '[--keep] [--server mysql|mariadb]',
  options: { keep: { type: 'boolean', default: false }, server: { type: 'string' } },
  async run(context) {
    const flavour = readFlavour(context.options.server);
    const screen = makeScreen(context);
    if (flavour === 'unknown') {
      screen.say(`--server is mysql or mariadb, not "${String(context.options.server)}"`);
      return exitCode.usage;
    }
    const releases: (() => Promise<void>)[] = [];
    try {
      return await runDemo(context, { flavour, screen, onEnd: (release) => void releases.push(release) });
    } catch (error) {
      if (context.stop.aborted) screen.say('stopped');
      else if (error instanceof DemoProblem) screen.say(error.message);
      else throw error;
      return exitCode.failed;
    } finally {
      for (const release of releases.toReversed()) await release();
    }
  },
};

function readFlavour(asked: CommandContext['options'][string]): SqlFlavour | 'unknown' | undefined {
  return asked === undefined || asked === 'mysql' || asked === 'mariadb' ? asked : 'unknown';
}

interface DemoOptions {
  readonly flavour: SqlFlavour | undefined;
  readonly screen: Screen;
  readonly onEnd: (release: () => Promise<void>) => void;
}

async function runDemo(context: CommandContext, { flavour, screen, onEnd }: DemoOptions): Promise<number> {
  const startedAt = performance.now();
  screen.say('kisflow demo: starting a private server');
  const stage = await startStage({ flavour, signal: context.stop });
  onEnd(() => stage.server.stop());
  screen.say(`${nameOf(stage)} answers on port ${stage.server.port}; it has the schemas school and shop, and the store kisflow`);
  const folder = await mkdtemp(join(tmpdir(), 'kisflow-demo-'));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const connection = await createConnection({ uri: stage.server.url, dateStrings: true });
  onEnd(async () => connection.destroy());
  const result = await play({ stage, connection, folder, screen, onEnd, signal: context.stop });
  const isDone = showResult(context, { stage, result, screen, elapsedMs: performance.now() - startedAt });
  if (context.options.keep === true) await keepRunning(context, { stage, daemon: result.daemon, screen });
  const code = await result.daemon.stop();
  if (code !== exitCode.done) screen.say(`kisflow run ended with code ${code}, not ${exitCode.done}`);
  return isDone && code === exitCode.done ? exitCode.done : exitCode.failed;
}

function nameOf({ server: { flavour, version } }: Stage): string {
  return `${flavour === 'mysql' ? 'MySQL' : 'MariaDB'} ${version.replace(/-.*/, '')}`;
}

/** Prints both sides; gives whether they are equal. */
function showResult(
  context: CommandContext,
  {
    stage,
    result,
    screen,
    elapsedMs,
  }: { readonly stage: Stage; readonly result: PlayResult; readonly screen: Screen; readonly elapsedMs: number },
): boolean {
  const { results, counts } = result;
  const isAllEqual = results.every(isEqual);
  if (context.json) {
    const tables = results.map(comparisonJson);
    context.print(JSON.stringify({ server: nameOf(stage), ...counts, seconds: elapsedMs / 1000, isEqual: isAllEqual, tables }));
    return isAllEqual;
  }
  for (const one of results) screen.say(`\n${formatComparison(one)}`);
  screen.say(
    isAllEqual
      ? `\nEqual to the row, after a kill -9: nothing lost, nothing counted twice. ${formatDuration(elapsedMs)} in all.`
      : '\nNOT EQUAL: see the differences above.',
  );
  return isAllEqual;
}

/** Leaves server and daemon as they are until Ctrl-C; ends early when the daemon does. */
async function keepRunning(
  context: CommandContext,
  { stage, daemon, screen }: { readonly stage: Stage; readonly daemon: DemoDaemon; readonly screen: Screen },
): Promise<void> {
  screen.say(`\n${adviceFor(stage)}`);
  while (!context.stop.aborted) {
    await sleep(500, context.stop);
    const problem = await daemon.findProblem();
    if (problem !== undefined) throw problem;
  }
  screen.say('stopping');
}

function adviceFor({ server, env }: Stage): string {
  const main = relative(demoDir, mainFile);
  return [
    'Server and daemon go on until Ctrl-C. Try, in another terminal:',
    '',
    `  cd ${demoDir}`,
    ...Object.entries(env).map(([name, value]) => `  export ${name}=${value}`),
    `  node ${main} check`,
    `  node ${main} status`,
    `  curl http://${env.KISFLOW_HTTP}/readyz`,
    `  node ${main} inspect stu_avg_score --key 101`,
    `  mysql -h ${server.host} -P ${server.port} -u ${server.user} -p${server.password}`,
    '    UPDATE school.student_score SET score_3 = 95 WHERE stu_id = 101;',
    '    SELECT * FROM kisflow.stu_avg_score WHERE stu_id = 101;',
    "    UPDATE shop.orders SET status = 'refunded' WHERE status = 'paid' LIMIT 10;",
    '    SELECT * FROM kisflow.customer_value ORDER BY paid_total DESC LIMIT 5;',
  ].join('\n');
}
