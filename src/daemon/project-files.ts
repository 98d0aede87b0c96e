import { access } from 'node:fs/promises';
import type { Configuration } from '../config/configuration.ts';
import type { FlowChange } from '../config/flow-change.ts';
import { loadConfiguration } from '../config/load.ts';
import type { ConnectorKinds } from '../connector/registry.ts';
import type { FunctionDefinition } from '../flow/contract.ts';
import { loadFunctions, type LoadedFunction } from '../flow/loader.ts';
import { CodedError } from '../lib/error.ts';
import { loadKinds } from './flow-options.ts';
import { examineOperators } from './operators.ts';
import { ProjectScanner, type ProjectScan } from './project-scan.ts';

/** A project as its files say it, at one moment: nothing is opened yet. */
export interface LoadedProject {
  readonly configuration: Configuration;
  readonly functions: readonly LoadedFunction[];
  /** Of each function, by name: differs when its code does, files that it imports included. */
  readonly codeHashes: ReadonlyMap<string, string>;
  /** Every kind of connector, the project's own with them. */
  readonly kinds: ConnectorKinds;
  readonly scan: ProjectScan;
}

export interface ProjectPlace {
  /** Directory of the configuration, or one file. */
  readonly conf: string;
  /** Directory of the functions; may be missing. */
  readonly functions: string;
  /** Directory of the project's own kinds of connector; may be missing. */
  readonly connectors: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How often files that change while they are read are read again. */
const triesMax = 20;

/**
 * The files of a project, loaded as often as they change. A function whose code has not changed is not evaluated again. Kinds of
 * connector are loaded once: open connectors are made of their code.
 */
export class ProjectFiles {
  readonly #place: ProjectPlace;
  readonly #scanner: ProjectScanner;
  #functions = new Map<string, { readonly hash: string; readonly definition: FunctionDefinition }>();
  #kinds: ConnectorKinds | undefined;

  constructor(place: ProjectPlace) {
    this.#place = place;
    this.#scanner = new ProjectScanner(place);
  }

  async scan(): Promise<ProjectScan> {
    return this.#scanner.scan();
  }

  /**
   * Loads all of it, with operators' changes of the flows over the configuration. What is loaded is what stood in the files at
   * one moment: files that change meanwhile are loaded again. Rejects with one CONFIG_INVALID that holds every mistake.
   */
  async load(changes: readonly FlowChange[] = []): Promise<LoadedProject> {
    for (let tries = 1; ; tries += 1) {
      const scan = await this.#scanner.scan();
      const outcome = await this.#loadOnce(scan, changes).catch((error: unknown) => ({ error }));
      const isSame = (await this.#scanner.scan()).hash === scan.hash;
      if (!isSame && tries < triesMax) continue;
      if ('error' in outcome) throw outcome.error;
      if (!isSame)
        throw new CodedError('CONFIG_INVALID', 'The files of the project change faster than they can be read.', { class: 'retry' });
      return outcome;
    }
  }

  async #loadOnce(scan: ProjectScan, changes: readonly FlowChange[]): Promise<LoadedProject> {
    const problems: CodedError[] = [];
    const note = (error: unknown): undefined => {
      if (!(error instanceof CodedError) || error.code !== 'CONFIG_INVALID') throw error;
      problems.push(error);
      return undefined;
    };
    const functions = await this.#loadFunctions(scan).catch(note);
    const functionNames = functions === undefined ? undefined : new Set(functions.map(({ definition }) => definition.name));
    const kinds = await this.#loadKinds().catch(note);
    const { conf: dir, env } = this.#place;
    const examine = (written: Configuration) => examineOperators(written, { functionNames });
    const configuration = await loadConfiguration({ dir, env, functionNames, changes, examine }).catch(note);
    if (configuration === undefined || functions === undefined || kinds === undefined) {
      if (problems.length === 1 && problems[0] !== undefined) throw problems[0];
      throw new CodedError('CONFIG_INVALID', problems.map((problem) => problem.message).join('\n'));
    }
    const codeHashes = new Map(functions.map(({ definition, file }) => [definition.name, this.#scanner.codeHash(scan, file)]));
    return { configuration, functions, codeHashes, kinds, scan };
  }

  async #loadFunctions(scan: ProjectScan): Promise<readonly LoadedFunction[]> {
    const dir = this.#place.functions;
    if (!(await hasFolder(dir))) return [];
    const hashOf = (file: string): string => this.#scanner.codeHash(scan, file);
    const loaded = await loadFunctions(dir, {
      known: (file) => {
        const known = this.#functions.get(file);
        return known?.hash === hashOf(file) ? known.definition : undefined;
      },
    });
    this.#functions = new Map(loaded.map(({ definition, file }) => [file, { hash: hashOf(file), definition }]));
    return loaded;
  }

  async #loadKinds(): Promise<ConnectorKinds> {
    const dir = this.#place.connectors;
    this.#kinds ??= await loadKinds((await hasFolder(dir)) ? dir : undefined);
    return this.#kinds;
  }
}

async function hasFolder(dir: string): Promise<boolean> {
  return access(dir).then(
    () => true,
    () => false,
  );
}
