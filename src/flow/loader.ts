import { readdir, realpath } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Jiti } from 'jiti';
import * as zod from 'zod';
import { CodedError, describeError } from '../lib/error.ts';
import { packageFile } from '../lib/package-file.ts';
import type { FunctionDefinition } from './contract.ts';
import { createFreshJiti } from './fresh-import.ts';

const functionFile = /(?<!\.d)\.(ts|mts|js|mjs)$/;

const loadMsMax = 30_000;

/** A function and the file it comes from. */
export interface LoadedFunction {
  readonly definition: FunctionDefinition;
  readonly file: string;
}

export interface LoadFunctionsOptions {
  /** The function that is known of this file, where its code has not changed since: then the file is not evaluated again. */
  readonly known?: (file: string) => FunctionDefinition | undefined;
}

/**
 * Loads every function file of a folder (`*.ts`, `*.mts`, `*.js`, `*.mjs`; not its subfolders, not `*.test.*`), without a build
 * step. `import … from 'kisflow'` and `'zod'` mean this very package and its zod, wherever the folder is. A file's default export is
 * its function. All mistakes of all files are reported at once, as one CONFIG_INVALID.
 */
export async function loadFunctions(
  dir: string,
  { known = () => undefined }: LoadFunctionsOptions = {},
): Promise<readonly LoadedFunction[]> {
  const folder = resolve(dir);
  const files = await listFiles(folder);
  if (files.length === 0) return [];
  const jiti = await createLoader(folder);
  const loaded: LoadedFunction[] = [];
  const problems: string[] = [];
  for (const file of files) {
    const path = join(folder, file);
    try {
      await requireInside(folder, path);
      loaded.push({ definition: known(path) ?? readDefinition(await inTime(jiti.import(path))), file: path });
    } catch (error) {
      problems.push(`${path}: ${describeError(error)}`);
    }
  }
  problems.push(...findDuplicates(loaded));
  if (problems.length > 0) {
    throw new CodedError('CONFIG_INVALID', `Functions cannot be loaded:\n${problems.map((problem) => `  ${problem}`).join('\n')}`, {
      details: { problems: problems.length },
    });
  }
  return loaded;
}

/** What loads files of a folder of the user's, written in TypeScript or not, with this very package as `kisflow`. */
export async function createLoader(folder: string): Promise<Jiti> {
  // Read anew each time, so that an edited file is loaded as it is now; and nothing is written beside the user's files.
  return createFreshJiti(join(folder, 'kisflow.js'), {
    virtualModules: { kisflow: await importOwnIndex(), zod, 'zod/v4': zod },
  });
}

/** A file may wait for something when it is loaded, but not for ever: others wait for it. */
export async function inTime(loading: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`did not load within ${loadMsMax / 1000} s`)), loadMsMax);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The names of a folder's code files, sorted; not of its subfolders, not its tests. `what` is for the error. */
export async function listFiles(folder: string, what = 'functions'): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
    return names.filter((name) => functionFile.test(name) && !/\.test\.\w+$/.test(name)).toSorted();
  } catch (error) {
    throw new CodedError('CONFIG_INVALID', `The ${what} folder ${folder} cannot be read: ${describeError(error)}`, {
      cause: error,
    });
  }
}

/** Code is loaded from its folder only: throws for a link that leads out of it. The folder itself may be a link. */
export async function requireInside(folder: string, file: string): Promise<void> {
  const target = await realpath(file);
  const way = relative(await realpath(folder), target);
  if (way === '..' || way.startsWith('../') || resolve(way) === way)
    throw new Error(`is a link that leads out of its folder, to ${target}; put the file there`);
}

/** The package's index as this process has it, sources or build: a function's CodedError and isChange are then our own. */
async function importOwnIndex(): Promise<unknown> {
  const file = packageFile(import.meta.url.endsWith('.ts') ? 'src/index.ts' : 'dist/index.js');
  return import(pathToFileURL(file).href);
}

function readDefinition(module: unknown): FunctionDefinition {
  const definition = field(module, 'default');
  if (!isDefinition(definition)) {
    throw new Error(
      'has no function as its default export; write `export default defineFunction({ name, run(flow, rows) { … } })`',
    );
  }
  return definition;
}

function isDefinition(value: unknown): value is FunctionDefinition {
  const name = field(value, 'name');
  const input = field(value, 'input');
  const hasSchema = input === undefined || typeof field(input, 'safeParse') === 'function';
  return typeof name === 'string' && name !== '' && typeof field(value, 'run') === 'function' && hasSchema;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function findDuplicates(loaded: readonly LoadedFunction[]): readonly string[] {
  const first = new Map<string, string>();
  const problems: string[] = [];
  for (const { definition, file } of loaded) {
    const other = first.get(definition.name);
    if (other === undefined) first.set(definition.name, file);
    else problems.push(`${file}: the function ${definition.name} is already defined in ${other}; give one of them another name`);
  }
  return problems;
}
