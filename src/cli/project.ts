import { access } from 'node:fs/promises';
import type { Configuration } from '../config/configuration.ts';
import { loadConfiguration } from '../config/load.ts';
import type { ConnectorKinds } from '../connector/registry.ts';
import { loadKinds } from '../daemon/flow-options.ts';
import { examineOperators } from '../daemon/operators.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { loadFunctions, type LoadedFunction } from '../flow/loader.ts';
import type { CommandContext } from './command.ts';

/** A project as its files say it: nothing is opened yet. */
export interface ProjectFiles {
  readonly configuration: Configuration;
  readonly functions: readonly LoadedFunction[];
  /** Every kind of connector, the project's own with them. */
  readonly kinds: ConnectorKinds;
}

/** Loads functions, connectors and configuration; rejects with one CONFIG_INVALID that holds the mistakes of all. */
export async function loadProjectFiles(
  context: Pick<CommandContext, 'conf' | 'functions' | 'connectors' | 'env'>,
): Promise<ProjectFiles> {
  const problems: CodedError[] = [];
  const note = (error: unknown): undefined => {
    if (!(error instanceof CodedError) || error.code !== 'CONFIG_INVALID') throw error;
    problems.push(error);
    return undefined;
  };
  const hasFolder = await access(context.functions).then(
    () => true,
    () => false,
  );
  const functions = hasFolder ? await loadFunctions(context.functions).catch(note) : [];
  const functionNames = functions === undefined ? undefined : new Set(functions.map(({ definition }) => definition.name));
  const kinds = await loadKinds(await folderOrNone(context.connectors)).catch(note);
  const examine = (loaded: Configuration) => examineOperators(loaded, { functionNames });
  const configuration = await loadConfiguration({ dir: context.conf, env: context.env, functionNames, examine }).catch(note);
  if (configuration === undefined || functions === undefined || kinds === undefined) {
    if (problems.length === 1 && problems[0] !== undefined) throw problems[0];
    throw new CodedError('CONFIG_INVALID', problems.map((problem) => problem.message).join('\n'));
  }
  return { configuration, functions, kinds };
}

/** The store's url; a command that needs the store and has none cannot go on. */
export function requireStoreUrl(configuration: Configuration): string {
  const url = configuration.global.store?.url;
  if (url === undefined || url === '') {
    throw new CodedError(
      'CONFIG_INVALID',
      'There is no store: add a document with `kistype: global` and `store: {url: mysql://user:pass@host:3306/kisflow}`.',
    );
  }
  return url;
}

/** Resolves with undefined where the folder does not exist, so that optional folders may be absent. */
export async function folderOrNone(dir: string): Promise<string | undefined> {
  try {
    await access(dir);
    return dir;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new CodedError('CONFIG_INVALID', `${dir} cannot be read: ${describeError(error)}`, { cause: error });
  }
}
