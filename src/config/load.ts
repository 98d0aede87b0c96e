/**
 * Loads a configuration from files, from documents that a program gives, or from both. Every mistake is found before anything is thrown: what one document gets wrong is left out of it, so
 * that the names in it can still be checked, and a name that stands in a document too broken to use counts as known.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { originKey, placeOf, problemAt, type Configuration, type DocumentName } from './configuration.ts';
import { joinPath, lineOf, readDocuments, type ConfigDocument, type Origin } from './document.ts';
import { didYouMean, nearest } from './nearest.ts';
import { ConfigurationError, type Problem } from './problem.ts';
import { applyChanges } from './apply-changes.ts';
import type { FlowChange } from './flow-change.ts';
import { programDocuments, type ProgramDocument } from './program-document.ts';
import { checkReferences } from './references.ts';
import {
  globalSpec,
  kistypes,
  specs,
  type ConnSpec,
  type FlowSpec,
  type FuncSpec,
  type GlobalSpec,
  type Kistype,
  type SourceSpec,
  type Spec,
} from './spec.ts';

export interface LoadOptions {
  /** The directory, or one file; absent: there are only the documents. */
  readonly dir?: string | undefined;
  /** Documents from code, beside those of the files; `${` in their texts means nothing. */
  readonly documents?: readonly ProgramDocument[] | undefined;
  /** For `${NAME}`; usually process.env. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Functions that have code; undefined: not known yet, and not checked. */
  readonly functionNames?: ReadonlySet<string> | undefined;
  /** Operators' changes of flows, from the store: they lie over the files, which have to be right without them too. */
  readonly changes?: readonly FlowChange[] | undefined;
  /** Checks more of a configuration; what it finds is reported with everything else. */
  readonly examine?: ((configuration: Configuration) => readonly Problem[]) | undefined;
}

/** A configuration in the making. */
interface Draft {
  global: GlobalSpec | undefined;
  readonly sources: Map<string, SourceSpec>;
  readonly flows: Map<string, FlowSpec>;
  readonly funcs: Map<string, FuncSpec>;
  readonly conns: Map<string, ConnSpec>;
  readonly origins: Map<string, Origin>;
  readonly problems: Problem[];
  /** Names in documents that could not be used: they exist, so that nobody is told that they do not. */
  readonly doubtful: Set<string>;
  hasDoubtfulGlobal: boolean;
}

/** Reads, fills in and checks all of it. Rejects with ConfigurationError, which holds every problem, sorted by file and line. */
export async function loadConfiguration(options: LoadOptions): Promise<Configuration> {
  const draft: Draft = {
    global: undefined,
    sources: new Map(),
    flows: new Map(),
    funcs: new Map(),
    conns: new Map(),
    origins: new Map(),
    problems: [],
    doubtful: new Set([unknownName]),
    hasDoubtfulGlobal: false,
  };
  for (const file of options.dir === undefined ? [] : await findFiles(options.dir, draft.problems)) {
    const content = readDocuments({ file, text: await readFile(file, 'utf8'), env: options.env });
    draft.problems.push(...content.problems);
    for (const name of content.brokenNames) draft.doubtful.add(name);
    if (content.hasBroken) draft.hasDoubtfulGlobal = true;
    for (const document of content.documents) addDocument(draft, document);
  }
  for (const document of programDocuments(options.documents ?? [])) addDocument(draft, document);
  const written: Configuration = { ...draft, global: draft.global ?? globalSpec.parse({ kistype: 'global' }) };
  requireNone(draft.problems, written, { options, draft });
  const { configuration, problems } = applyChanges(written, options.changes ?? []);
  requireNone(problems, configuration, { options, draft });
  const { global, sources, flows, funcs, conns, origins } = configuration;
  return { global, sources, flows, funcs, conns, origins };
}

/** Throws all that is wrong with it. What `examine` finds at a place where something else is wrong already is that again. */
function requireNone(
  known: readonly Problem[],
  configuration: Configuration,
  { options, draft }: { readonly options: LoadOptions; readonly draft: Draft },
): void {
  const { functionNames, examine } = options;
  const { doubtful, hasDoubtfulGlobal: hasDoubtfulStore } = draft;
  const found = [...known, ...checkReferences(configuration, { functionNames, doubtful, hasDoubtfulStore })];
  const problems = withoutRepeats(found);
  const places = new Set(problems.map(placeKey));
  problems.push(...(examine?.(configuration) ?? []).filter((problem) => !places.has(placeKey(problem))));
  if (problems.length > 0) throw new ConfigurationError(inOrder(problems), configuration);
}

/** All *.yml and *.yaml below the directory, sorted; links are followed, hidden names are not (a mounted ConfigMap has both). */
async function findFiles(dir: string, problems: Problem[]): Promise<string[]> {
  const report = (message: string, remedy: string): void => {
    problems.push({ code: 'CONFIG_INVALID', file: dir, path: '', message, remedy });
  };
  const kind = await stat(dir).catch((error: NodeJS.ErrnoException) => error.code ?? 'unreadable');
  if (typeof kind === 'string') {
    report(kind === 'ENOENT' ? 'no such directory' : `cannot be read (${kind})`, 'name the configuration directory with --conf');
    return [];
  }
  if (kind.isFile()) return [dir];
  const files = await filesBelow(dir, new Set());
  if (files.length === 0) report('holds no .yml or .yaml file', 'name the configuration directory with --conf');
  return files.sort();
}

async function filesBelow(dir: string, visited: Set<string>): Promise<string[]> {
  const real = await realpath(dir);
  if (visited.has(real)) return [];
  visited.add(real);
  const files: string[] = [];
  for (const name of await readdir(dir)) {
    if (name.startsWith('.')) continue;
    const path = join(dir, name);
    const kind = await stat(path);
    if (kind.isDirectory()) files.push(...(await filesBelow(path, visited)));
    else if (/\.ya?ml$/.test(name)) files.push(path);
  }
  return files;
}

function addDocument(draft: Draft, document: ConfigDocument): void {
  const { origin, value } = document;
  const report = (path: string, message: string, remedy: string): void => {
    draft.problems.push({ code: 'CONFIG_INVALID', file: origin.file, line: lineOf(origin, path), path, message, remedy });
    // Whether a function needs code depends on its mode.
    if (path === 'fmode' && isMapping(value) && typeof value.fname === 'string') draft.doubtful.add(value.fname);
  };
  if (!isMapping(value)) {
    report('', 'is no mapping', 'write keys and values, with kistype among them');
    return;
  }
  const written = value.kistype;
  const kistype =
    typeof written === 'string' ? (kistypes.find((kind) => kind === written) ?? nearest(written, kistypes)) : undefined;
  if (kistype !== written || kistype === undefined) {
    const all = `write one of ${kistypes.join(', ')}`;
    if (typeof written === 'string') report('kistype', `"${written}" is no kistype`, didYouMean(written, kistypes, all));
    else report('kistype', 'missing', all);
  }
  const kind = kistypes.find((one) => one === kistype);
  const spec = kind === undefined ? undefined : parseDocument({ kind, value: { ...value, kistype: kind }, report });
  if (spec !== undefined) return addSpec(draft, spec, origin);
  for (const key of ['name', 'flow_name', 'fname', 'cname']) if (typeof value[key] === 'string') draft.doubtful.add(value[key]);
  if (kind === undefined || kind === 'global') draft.hasDoubtfulGlobal = true;
}

/** The spec, without what is wrong in it; undefined when it cannot be used at all. */
function parseDocument(options: {
  readonly kind: Kistype;
  readonly value: Readonly<Record<string, unknown>>;
  readonly report: (path: string, message: string, remedy: string) => void;
}): Spec | undefined {
  const result = specs[options.kind].safeParse(options.value);
  if (result.success) return result.data;
  let pruned: unknown = options.value;
  for (const issue of result.error.issues) {
    const isUnknownKey = issue.code === 'unrecognized_keys';
    const paths = isUnknownKey ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    const texts = isUnknownKey ? issue.message.split('\n') : [issue.message];
    for (const [index, path] of paths.entries()) {
      const [message = '', ...remedy] = (texts[index] ?? '').split('; ');
      options.report(path.reduce<string>(joinPath, ''), message, remedy.join('; '));
      pruned = without(pruned, path);
    }
  }
  const again = specs[options.kind].safeParse(pruned);
  return again.success ? again.data : undefined;
}

/** Stands for a name that was wrong; it counts as known. */
const unknownName = '?';

/** What takes the place of a wrong value that a spec cannot do without, so that the rest of the document is checked all the same. */
function standIn(path: readonly PropertyKey[]): string | undefined {
  const key = path.at(-1);
  if (path.length === 1) return key === 'fmode' ? 'Verify' : undefined;
  return key === 'fname' || key === 'name' ? unknownName : undefined;
}

/** A copy without the key at the path; a list's item stays, so that its neighbours keep their index. */
function without(value: unknown, path: readonly PropertyKey[], instead = standIn(path)): unknown {
  const [step, ...rest] = path;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === step && rest.length > 0 ? without(item, rest, instead) : item));
  if (!isMapping(value) || step === undefined) return value;
  const entries = Object.entries(value);
  if (rest.length === 0) {
    const others = entries.filter(([key]) => key !== step);
    return Object.fromEntries(instead === undefined ? others : [...others, [String(step), instead]]);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, key === step ? without(item, rest, instead) : item]));
}

function addSpec(draft: Draft, spec: Spec, origin: Origin): void {
  const document = nameOf(spec);
  if (draft.origins.has(originKey(document))) {
    draft.problems.push(duplicateProblem(draft, document, origin));
    return;
  }
  draft.origins.set(originKey(document), origin);
  switch (spec.kistype) {
    case 'global':
      draft.global = spec;
      return;
    case 'source':
      draft.sources.set(document.name, spec);
      return;
    case 'flow':
      draft.flows.set(document.name, spec);
      return;
    case 'func':
      draft.funcs.set(document.name, spec);
      return;
    case 'conn':
      draft.conns.set(document.name, spec);
      return;
    default:
      spec satisfies never;
  }
}

const nameKeys = { global: 'kistype', source: 'name', flow: 'flow_name', func: 'fname', conn: 'cname' } as const;

function nameOf(spec: Spec): DocumentName {
  switch (spec.kistype) {
    case 'global':
      return { kistype: 'global', name: '' };
    case 'source':
      return { kistype: 'source', name: spec.name };
    case 'flow':
      return { kistype: 'flow', name: spec.flow_name };
    case 'func':
      return { kistype: 'func', name: spec.fname };
    case 'conn':
      return { kistype: 'conn', name: spec.cname };
    default:
      return spec satisfies never;
  }
}

function duplicateProblem(draft: Draft, document: DocumentName, origin: Origin): Problem {
  const path = nameKeys[document.kistype];
  const what = document.kistype === 'global' ? 'a global document' : `a ${document.kistype} "${document.name}"`;
  const remedy = document.kistype === 'global' ? 'make one of the two' : 'rename one of the two, or remove it';
  const here: Pick<Configuration, 'origins'> = { origins: new Map([[originKey(document), origin]]) };
  return problemAt(here, document, { path, message: `there is ${what} already, in ${placeOf(draft, document)}`, remedy });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One problem a place and path: the first says why (an unset variable is not a missing key too). Clashes with several are several. */
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = placeKey(problem);
    const isRepeat = seen.has(key) && problem.code === 'CONFIG_INVALID' && !problem.message.startsWith('the environment variable');
    seen.add(key);
    return !isRepeat;
  });
}

function placeKey({ file, line, path, code }: Problem): string {
  return JSON.stringify([file, line, path, code]);
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
}
