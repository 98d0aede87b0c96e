import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import type { SqlFlavour, SqlServer } from '../src/embedded/server.ts';
import { createFolder, startCommand } from './support/daemon-process.ts';
import { codeBlocks, filesIn, readPage, sections } from './support/documents.ts';
import { connectTo, eachServer, startPrivateServer } from './support/servers.ts';
import { waitFor } from './support/wait-for.ts';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

/** The README's settings of the primary, as a server takes them. */
function settingsFor(flavour: SqlFlavour): Readonly<Record<string, string>> {
  const blocks = codeBlocks(sections('README.md', ['## Set it beside your primary'])).filter(({ language }) => language === 'ini');
  expect(blocks).toHaveLength(2);
  const shown = (flavour === 'mysql' ? blocks : blocks.slice(0, 1)).map(({ code }) => code).join('');
  return Object.fromEntries([...shown.matchAll(/^(\w+)\s*=\s*(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]));
}

/** SQL blocks of sections, statement by statement; not those that are files. */
function statementsOf(page: string, heading: string): readonly string[] {
  return codeBlocks(sections(page, [heading]))
    .filter(({ language, code }) => language === 'sql' && !code.startsWith('-- '))
    .flatMap(({ code }) => code.split(/;\s*$/m))
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

/** The README's example: server, accounts and project as it says, with the student rows that the example is about. */
async function setUp(flavour: SqlFlavour): Promise<{ server: SqlServer; cwd: string; env: Record<string, string> }> {
  const server = await startPrivateServer(flavour, settingsFor(flavour));
  const admin = await connectTo(server);
  await admin.query('CREATE DATABASE school');
  await admin.query('CREATE TABLE school.student_score (stu_id INT PRIMARY KEY, score_1 INT, score_2 INT, score_3 INT)');
  for (const statement of statementsOf('README.md', '## Set it beside your primary')) await admin.query(statement);
  await admin.query('INSERT INTO school.student_score VALUES (101, 100, 90, 80), (102, 100, 70, 60)');
  const cwd = await createFolder(filesIn('README.md', ['## Set it beside your primary', '## Write a flow']));
  const env = Object.fromEntries(
    [...sections('README.md', ['## Set it beside your primary']).matchAll(/^export (\w+)=(.+)$/gm)].map(
      ([, name = '', url = '']) => [name, url.replace(/@\w+:3306/, `@${server.host}:${server.port}`)],
    ),
  );
  expect(Object.keys(env)).toEqual(['KISFLOW_SOURCE_URL', 'KISFLOW_STORE_URL']);
  return { server, cwd, env };
}

/** Runs `kisflow …` lines as they stand in a section; gives what each printed. */
async function runLines(lines: readonly string[], at: { cwd: string; env: Record<string, string> }): Promise<string> {
  const said: string[] = [];
  for (const line of lines) {
    const command = await startCommand(line.split(/\s+/).slice(line.startsWith('npx ') ? 2 : 1), at);
    const exit = await command.waitForExit(60_000);
    expect(exit.code, `${line}\n${command.stdout.join('\n')}\n${command.stderr.join('\n')}`).toBe(0);
    said.push(...command.stdout);
  }
  return said.join('\n');
}

function linesOf(page: string, heading: string): readonly string[] {
  return codeBlocks(sections(page, [heading]))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code }) => code.split('\n'))
    .filter((line) => /^(npx )?kisflow /.test(line));
}

eachServer((flavour) => {
  test("the README's settings, accounts and example flow are enough, and its commands do what it says", async () => {
    const { server, ...at } = await setUp(flavour);
    const admin = await connectTo(server);
    const running = linesOf('README.md', '## Run it');
    expect(running.at(-1)).toBe('npx kisflow run');
    await runLines(running.slice(0, -1), at);
    await runLines(['npx kisflow run --until-current'], at);
    const [rows] = await admin.query('SELECT stu_id, avg_score FROM kisflow.stu_avg_score ORDER BY stu_id');
    expect(rows).toEqual([
      { stu_id: 101, avg_score: 90 },
      { stu_id: 102, avg_score: 76.66666666666667 },
    ]);
    const daemon = await startCommand(['run'], at);
    await daemon.waitForLine(/flow runs/);
    const seen = await runLines(linesOf('README.md', '## See what it does'), at);
    expect(seen).toMatch(/CalStuAvgScore +running/);
    expect(seen).toMatch(/avg_score +90/);
    await runLines(['kisflow pause CalStuAvgScore'], at);
    await daemon.waitForLine(/flow is paused/);
    await runLines(linesOf('README.md', '## When a figure looks wrong, or a flow stops'), at);
    await pasteTheRunbooks(admin, at);
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
  }, 120_000);

  /** All that the alerts' sections say to paste, but for what is about one dead row: there is none. */
  async function pasteTheRunbooks(admin: Connection, at: { cwd: string; env: Record<string, string> }): Promise<void> {
    const heading = '## Alerts';
    const lines = linesOf('docs/operations.md', heading).filter((line) => !line.endsWith(' ID'));
    expect(lines.length).toBeGreaterThan(8);
    await runLines(
      [...new Set(lines)].map((line) => line.replace('FLOW', 'CalStuAvgScore')),
      at,
    );
    await admin.query('USE kisflow');
    const statements = statementsOf('docs/operations.md', heading);
    expect(statements.length).toBeGreaterThan(5);
    const tidying = statementsOf('docs/operations.md', '## Dead rows');
    expect(tidying).toHaveLength(2);
    for (const statement of [...statements, ...tidying]) await admin.query(statement.replace('FLOW', 'CalStuAvgScore'));
  }

  test('a flow that is given a new start as the operations page says computes its table anew', async () => {
    const { server, ...at } = await setUp(flavour);
    const admin = await connectTo(server);
    await runLines(['kisflow run --until-current'], at);
    const daemon = await startCommand(['run'], at);
    await daemon.waitForLine(/flow runs/);
    await admin.query('UPDATE kisflow.stu_avg_score SET avg_score = 1');
    const heading = '## Give a flow a new start';
    const [pause = '', resume = ''] = linesOf('docs/operations.md', heading);
    await runLines([pause], at);
    await admin.query('USE kisflow');
    for (const statement of statementsOf('docs/operations.md', heading)) await admin.query(statement);
    await runLines([resume], at);
    await waitFor(async () => {
      const [rows] = await admin.query<RowDataPacket[]>('SELECT avg_score FROM kisflow.stu_avg_score ORDER BY stu_id');
      return rows.map((row) => row['avg_score']).join() === '90,76.66666666666667';
    });
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
  }, 120_000);

  test('a flow is rebuilt as the operations page says, by an account with the rights that it names', async () => {
    const { server, ...at } = await setUp(flavour);
    const admin = await connectTo(server);
    const heading = '## A changed function';
    await runLines(['kisflow run --until-current'], at);
    const daemon = await startCommand(['run'], at);
    await daemon.waitForLine(/flow runs/);
    await admin.query('UPDATE kisflow.stu_avg_score SET avg_score = 1');
    for (const statement of statementsOf('docs/operations.md', heading)) await admin.query(statement);
    expect(await runLines(linesOf('docs/operations.md', heading), at)).toMatch(/Rebuild \d+ of flow CalStuAvgScore is done/);
    const [rows] = await admin.query<RowDataPacket[]>('SELECT avg_score FROM kisflow.stu_avg_score ORDER BY stu_id');
    expect(rows.map((row) => row['avg_score'])).toEqual([90, 76.66666666666667]);
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
  }, 120_000);

  test('a running flow is changed by the commands of the operations page, and is as its file says at the end', async () => {
    const { cwd, env } = await setUp(flavour);
    await writeFile(join(cwd, 'conf/round.yml'), 'kistype: func\nfname: RoundScore\nfmode: Calculate\n');
    await writeFile(
      join(cwd, 'functions/RoundScore.ts'),
      "export default { name: 'RoundScore', run(flow, rows) { for (const row of rows) flow.commitRow({ ...row, avg_score: Number(row.avg_score.toFixed(flow.param('digits'))) }); } };\n",
    );
    const daemon = await startCommand(['run'], { cwd, env });
    await daemon.waitForLine(/flow runs/);
    const [add = '', ...more] = linesOf('docs/operations.md', '## Changing a running daemon');
    expect(more).toHaveLength(4);
    expect(await runLines([add], { cwd, env })).toMatch(
      /RoundScore is added to flow CalStuAvgScore\.\nThe daemon .* has taken it over/,
    );
    expect(await runLines(['kisflow flow show CalStuAvgScore'], { cwd, env })).toMatch(
      /RoundScore +Calculate +- +digits=1 +store\nSaveStuAvgScore/,
    );
    const said = await runLines(more, { cwd, env });
    expect(said).toMatch(/RoundScore is removed[^]*status 0\.[^]*status 0 \(in the file: 1\)[^]*is as its file says/);
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
  }, 120_000);

  test('the SQL of the operations page is right: its settings can be set, its accounts made', async () => {
    const server = await startPrivateServer(flavour);
    const admin = await connectTo(server);
    for (const heading of ["## The source's settings", '## Accounts']) {
      const statements = statementsOf('docs/operations.md', heading);
      expect(statements.length).toBeGreaterThan(2);
      for (const statement of statements) await admin.query(statement);
    }
    const [users] = await admin.query<RowDataPacket[]>("SELECT user FROM mysql.user WHERE user LIKE 'kisflow%' ORDER BY user");
    expect(users.map((row) => Object.values(row)[0])).toEqual(['kisflow_source', 'kisflow_store']);
  });
});

/** The folder that the README's first step makes; what the package needs is this repository's, so nothing is fetched. */
async function installPacked(): Promise<string> {
  const at = await createFolder({ 'package.json': '{"name": "my-flows", "private": true}' });
  const [line = ''] =
    codeBlocks(sections('README.md', ['## Set it beside your primary']))
      .find(({ language }) => language === 'sh')
      ?.code.split('\n') ?? [];
  expect(line).toMatch(/^npm pack --pack-destination \S+$/);
  // what is packed was built before the tests began
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', at], { cwd: root });
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(readPage('README.md')).toContain(`kisflow-${version}.tgz`);
  await mkdir(join(at, 'node_modules/kisflow'), { recursive: true });
  await run('tar', ['-xzf', `kisflow-${version}.tgz`, '--strip-components=1', '-C', 'node_modules/kisflow'], { cwd: at });
  await symlink(join(root, 'node_modules'), join(at, 'node_modules/kisflow/node_modules'));
  await symlink(join(root, 'node_modules/zod'), join(at, 'node_modules/zod'));
  return at;
}

describe('the package as it is packed', () => {
  test("runs the README's program, which prints what it says that it prints", async () => {
    const at = await installPacked();
    const heading = '## Without a daemon';
    const example = /\(docs\/examples\/([\w-]+)\/README\.md\)/.exec(sections('README.md', [heading]))?.[1] ?? 'none';
    for (const folder of ['conf', 'functions'])
      await cp(join(at, 'node_modules/kisflow/docs/examples', example, folder), join(at, folder), { recursive: true });
    await writeFile(join(at, 'main.mjs'), filesIn('README.md', [heading])['main.mjs'] ?? '');
    const { stdout } = await run(process.execPath, ['main.mjs'], { cwd: at });
    expect(stdout).toBe(codeBlocks(sections('README.md', [heading])).find(({ language }) => language === '')?.code);
    expect(stdout).toContain('76.66666666666667');
    const help = await run(process.execPath, ['node_modules/kisflow/dist/main.js', '--help'], { cwd: at });
    expect(help.stdout).toMatch(/^ *kisflow dead-rows /m);
  }, 60_000);
});

test("the demo's own average function is the README's", async () => {
  const shown = filesIn('README.md', ['## Write a flow'])['functions/AvgStuScore.ts'] ?? 'none';
  const code = (text: string): string => text.replaceAll(/^(\/\/|\/\*\*).*\n/gm, '').trim();
  expect(code(await readFile(join(root, 'demo/functions/AvgStuScore.ts'), 'utf8'))).toBe(code(shown));
  expect(readPage('README.md')).toContain('AddCustomerValue');
});
