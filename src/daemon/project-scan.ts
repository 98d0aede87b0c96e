import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { codeFile, importedPaths } from '../flow/code-imports.ts';

/** One file as it was when it was read. */
interface FileFacts {
  readonly hash: string;
  /** Paths that its code may import; see importedPaths. */
  readonly imports: readonly string[];
}

/** The files of a project at one moment, by content. */
export interface ProjectScan {
  /** Differs when any file does. */
  readonly hash: string;
  readonly files: ReadonlyMap<string, FileFacts>;
  /** Folders in which a change of a file would show. */
  readonly folders: readonly string[];
}

interface KnownFile {
  readonly stamp: string;
  /** Whether the file was old enough when it was read that a later write must show in its times. */
  readonly isSettled: boolean;
  readonly facts: FileFacts;
}

/** A file written within this time may be written again without its times telling. */
const settleMs = 2000;

/**
 * Looks at the files that a project is made of: the configuration's, the functions', and what these import by a relative name,
 * wherever it is. Contents decide and not times: a touched file has not changed. A file whose times and size are as they were is
 * not read again.
 */
export class ProjectScanner {
  readonly #conf: string;
  readonly #functions: string;
  #known = new Map<string, KnownFile>();

  constructor(options: { readonly conf: string; readonly functions: string }) {
    this.#conf = resolve(options.conf);
    this.#functions = resolve(options.functions);
  }

  async scan(): Promise<ProjectScan> {
    const folders = new Set<string>();
    const isFolder = (await stat(this.#conf).catch(() => undefined))?.isDirectory() ?? true;
    const yaml = isFolder ? await listFiles(this.#conf, { wanted: /\.ya?ml$/, folders }) : [this.#conf];
    if (!isFolder) folders.add(dirname(this.#conf));
    const code = await listFiles(this.#functions, { wanted: /\.([cm]?[jt]s|json)$/, folders });
    const known = new Map<string, KnownFile>();
    for (const file of yaml) await this.#look(file, known);
    const queue = [...code];
    const seen = new Set(queue);
    for (const file of queue) {
      const facts = await this.#look(file, known);
      for (const path of facts?.imports ?? []) {
        if (!seen.has(path)) queue.push(path);
        seen.add(path);
      }
    }
    this.#known = known; // what is no longer there is forgotten
    const files = new Map([...known].map(([file, { facts }]) => [file, facts]));
    for (const file of files.keys()) folders.add(dirname(file));
    return { hash: hashOf([...files].map(([file, { hash }]) => [file, hash])), files, folders: [...folders] };
  }

  /** What the code of a function is: differs when its file does, or one that it imports, or that one imports. */
  codeHash(scan: ProjectScan, file: string): string {
    const paths = new Set([file]);
    const parts: [string, string][] = [];
    for (const path of paths) {
      const facts = scan.files.get(path);
      if (facts === undefined) continue;
      parts.push([relative(this.#functions, path), facts.hash]);
      for (const imported of facts.imports) paths.add(imported);
    }
    return hashOf(parts);
  }

  /** Undefined where there is no such file, which is so for most names that an import may mean. */
  async #look(path: string, known: Map<string, KnownFile>): Promise<FileFacts | undefined> {
    try {
      const before = await stat(path);
      if (!before.isFile()) return undefined;
      const stamp = [before.ino, before.size, before.mtimeMs, before.ctimeMs].join(':');
      const last = this.#known.get(path);
      const now = last?.stamp === stamp && last.isSettled ? last : await readFacts(path, { stamp, changedAt: before.ctimeMs });
      known.set(path, now);
      return now.facts;
    } catch {
      return undefined; // gone between two looks, or unreadable: loading it says so
    }
  }
}

async function readFacts(path: string, about: { readonly stamp: string; readonly changedAt: number }): Promise<KnownFile> {
  const isSettled = Date.now() - about.changedAt > settleMs;
  const text = await readFile(path, 'utf8');
  const hash = createHash('sha256').update(text).digest('hex');
  return { stamp: about.stamp, isSettled, facts: { hash, imports: codeFile.test(path) ? importedPaths(path, text) : [] } };
}

/** Files below a folder, links followed, without hidden names and packages. Notes every folder, the missing one's parent too. */
async function listFiles(
  dir: string,
  options: { readonly wanted: RegExp; readonly folders: Set<string> },
  visited = new Set<string>(),
): Promise<string[]> {
  const real = await realpath(dir).catch(() => undefined);
  if (real === undefined) {
    options.folders.add(dirname(dir));
    return [];
  }
  if (visited.has(real)) return [];
  visited.add(real);
  options.folders.add(dir);
  const files: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const { name } = entry;
    if (name.startsWith('.') || name === 'node_modules') continue;
    const path = join(dir, name);
    const isFolder = entry.isSymbolicLink()
      ? ((await stat(path).catch(() => undefined))?.isDirectory() ?? false)
      : entry.isDirectory();
    if (isFolder) files.push(...(await listFiles(path, options, visited)));
    else if (options.wanted.test(name)) files.push(path);
  }
  return files;
}

function hashOf(parts: readonly (readonly [string, string])[]): string {
  const hash = createHash('sha256');
  for (const [name, content] of parts.toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${name}\0${content}\0`);
  return hash.digest('hex');
}
