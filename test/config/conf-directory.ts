import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadConfiguration, type LoadOptions } from '../../src/config/load.ts';
import type { Configuration } from '../../src/config/configuration.ts';
import { ConfigurationError, type Problem } from '../../src/config/problem.ts';

/** Writes files below a new directory that is removed with the test. */
export async function writeConf(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kisflow-conf-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return dir;
}

/** Loads files that must be right. */
export async function load(files: Readonly<Record<string, string>>, options: Partial<LoadOptions> = {}): Promise<Configuration> {
  return loadConfiguration({ dir: await writeConf(files), env: {}, ...options });
}

/** The problems of files that must be wrong, with file names relative to the directory. */
export async function problemsOf(
  files: Readonly<Record<string, string>>,
  options: Partial<LoadOptions> = {},
): Promise<readonly Problem[]> {
  const dir = await writeConf(files);
  const outcome = await loadConfiguration({ dir, env: {}, ...options }).catch((error: unknown) => error);
  if (!(outcome instanceof ConfigurationError)) throw new Error('the configuration was expected to be refused', { cause: outcome });
  const relative = (text: string): string => text.replaceAll(`${dir}/`, '');
  return outcome.problems.map((problem) => ({ ...problem, file: relative(problem.file), message: relative(problem.message) }));
}

/** `file:line path` of each problem. */
export function places(problems: readonly Problem[]): readonly string[] {
  return problems.map((problem) => `${problem.file}:${problem.line ?? '-'} ${problem.path}`);
}

export const globalYaml = 'kistype: global\nstore: {url: "mysql://kis:secret@db:3306/kisflow"}\n';
export const sourceYaml = 'kistype: source\nname: main\ntype: mysql-binlog\nurl: mysql://kis:secret@db:3306\n';

/** A flow that saves what it reads, with its function and connector, as one file of three documents. */
export function mirrorYaml(options: {
  readonly flow: string;
  readonly tables: string;
  readonly key: string;
  readonly params?: string;
  readonly status?: 0 | 1;
}): string {
  return `kistype: flow
flow_name: ${options.flow}
status: ${options.status ?? 1}
source: {name: main, tables: [${options.tables}], start: earliest}
flows: [{fname: save_${options.flow}}]
---
kistype: func
fname: save_${options.flow}
fmode: Save
option: {cname: conn_${options.flow}}
---
kistype: conn
cname: conn_${options.flow}
type: mysql
addrs: store
key: ${options.key}
params: {${options.params ?? ''}}
`;
}
