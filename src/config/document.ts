/**
 * YAML text to documents. Scalars keep their text (only null is told apart): the spec of a key decides its type, so that
 * `scale: 1.10` stays "1.10" for a parameter and `"${X:-0}"` is a number where a number is wanted.
 */
import {
  constructFromEvents,
  EVENT_ID,
  FAILSAFE_SCHEMA,
  getScalarValue,
  mergeTag,
  nullCoreTag,
  parseEvents,
  YAMLException,
  type Event,
  type Schema,
} from 'js-yaml';
import { substituteVariables } from './environment.ts';
import type { Problem } from './problem.ts';

/** Where a document stands: its file and the line of each path in it (`source.tables[0]`; '' is the document). */
export interface Origin {
  readonly file: string;
  readonly lines: ReadonlyMap<string, number>;
  /** The document as it stands there, its variables not filled in; absent where a program made the configuration. */
  readonly written?: unknown;
}

/** One YAML document with its variables filled in. */
export interface ConfigDocument {
  readonly origin: Origin;
  readonly value: unknown;
}

/** What was read from one file. */
export interface FileContent {
  readonly documents: readonly ConfigDocument[];
  readonly problems: readonly Problem[];
  /** Names that stand in documents whose syntax is broken: they exist, whatever else is wrong with them. */
  readonly brokenNames: readonly string[];
  readonly hasBroken: boolean;
}

/** Scalars are texts, except null. */
export const documentSchema: Schema = FAILSAFE_SCHEMA.withTags(nullCoreTag, mergeTag);
const maxDepth = 100;

/** The path of a key or an index below a path: `source` and `tables` give `source.tables`, `tables` and 0 give `tables[0]`. */
export function joinPath(parent: string, step: PropertyKey): string {
  if (typeof step === 'number') return `${parent}[${step}]`;
  return parent === '' ? String(step) : `${parent}.${String(step)}`;
}

/** The line of a path, or of the nearest thing around it that has one. */
export function lineOf(origin: Origin, path: string): number | undefined {
  let place = path;
  while (place !== '' && !origin.lines.has(place)) place = place.replace(/(^|\.|\[)[^.[]*$/, '');
  return origin.lines.get(place);
}

/** Reads a file's documents. A document with broken syntax is one problem and does not hide the others of its file. */
export function readDocuments(options: {
  readonly file: string;
  readonly text: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): FileContent {
  const whole = parseChunk(options.text);
  if (!(whole instanceof YAMLException)) return { ...fillIn({ ...options, parsed: whole }), brokenNames: [], hasBroken: false };
  const documents: ConfigDocument[] = [];
  const problems: Problem[] = [];
  const syntaxProblems: Problem[] = [];
  const brokenNames: string[] = [];
  for (const chunk of splitDocuments(options.text)) {
    const parsed = parseChunk(chunk);
    if (parsed instanceof YAMLException) {
      syntaxProblems.push(syntaxProblem(options.file, parsed));
      brokenNames.push(...namesIn(chunk));
      continue;
    }
    const filled = fillIn({ ...options, parsed });
    documents.push(...filled.documents);
    problems.push(...filled.problems);
  }
  // The file as a whole is wrong although each part is right (a %YAML directive out of place): say what the parser said.
  if (syntaxProblems.length === 0) syntaxProblems.push(syntaxProblem(options.file, whole));
  return { documents, problems: [...syntaxProblems, ...problems], brokenNames, hasBroken: true };
}

interface ParsedDocument {
  readonly value: unknown;
  readonly lines: ReadonlyMap<string, number>;
}

function parseChunk(text: string): readonly ParsedDocument[] | YAMLException {
  try {
    const events = parseEvents(text, { maxDepth });
    const values = constructFromEvents(events, { source: text, schema: documentSchema });
    const lines = linesOfDocuments(text, events);
    return values.map((value, index) => ({ value, lines: lines[index] ?? new Map<string, number>() }));
  } catch (error) {
    if (error instanceof YAMLException) return error;
    throw error;
  }
}

function syntaxProblem(file: string, error: YAMLException): Problem {
  return {
    code: 'CONFIG_INVALID',
    file,
    line: error.mark === undefined ? undefined : error.mark.line + 1,
    path: '',
    message: `not YAML: ${error.reason}`,
    remedy: error.reason.startsWith('duplicated mapping key')
      ? 'write --- between two documents, and each key once in a mapping'
      : 'mend the syntax there or in the line before',
  };
}

/** A `---` at the start of a line always ends a document (YAML 1.2, 9.1.2). Blank lines in front keep the line numbers right. */
function splitDocuments(text: string): string[] {
  const chunks: string[] = [];
  let current: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (/^---(\s|$)/.test(line)) {
      chunks.push(current.join('\n'));
      current = Array.from({ length: index }, () => '');
    }
    current.push(line);
  }
  return [...chunks, current.join('\n')];
}

function namesIn(chunk: string): string[] {
  return [...chunk.matchAll(/^(?:name|flow_name|fname|cname):\s*["']?([^\s"'#]+)/gm)].map((match) => match[1] ?? '');
}

/** The line of every path, one map a document, from the parser's events: a key's line, or an item's. */
function linesOfDocuments(text: string, events: readonly Event[]): ReadonlyMap<string, number>[] {
  const documents: Map<string, number>[] = [];
  const open: { readonly path: string; readonly kind: 'document' | 'map' | 'list'; index: number; key: string | undefined }[] = [];
  const lineAt = makeLineCounter(text);
  for (const event of events) {
    if (event.type === EVENT_ID.POP) {
      open.pop();
      continue;
    }
    if (event.type === EVENT_ID.DOCUMENT) {
      documents.push(new Map());
      open.push({ path: '', kind: 'document', index: 0, key: undefined });
      continue;
    }
    const parent = open.at(-1);
    const lines = documents.at(-1);
    if (parent === undefined || lines === undefined) continue;
    if (parent.kind === 'map' && parent.key === undefined && event.type === EVENT_ID.SCALAR) {
      parent.key = getScalarValue(text, event);
      lines.set(joinPath(parent.path, parent.key), lineAt(event.valueStart));
      continue;
    }
    const path = parent.kind === 'document' ? '' : joinPath(parent.path, parent.kind === 'map' ? (parent.key ?? '') : parent.index);
    parent.key = undefined;
    parent.index += 1;
    const start = startOf(event);
    if (!lines.has(path) && start >= 0) lines.set(path, lineAt(start));
    if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) {
      open.push({ path, kind: event.type === EVENT_ID.MAPPING ? 'map' : 'list', index: 0, key: undefined });
    }
  }
  return documents;
}

function startOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart;
  return event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE ? event.start : -1;
}

/** Lines of offsets that mostly grow, without counting from the start each time. */
function makeLineCounter(text: string): (offset: number) => number {
  let at = 0;
  let line = 1;
  return (offset) => {
    if (offset < at) {
      at = 0;
      line = 1;
    }
    for (; at < offset; at += 1) if (text.charCodeAt(at) === 10) line += 1;
    return line;
  };
}

function fillIn(options: {
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly parsed: readonly ParsedDocument[];
}): { readonly documents: readonly ConfigDocument[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const documents: ConfigDocument[] = [];
  for (const { value, lines } of options.parsed) {
    if (value === null) continue;
    const origin: Origin = { file: options.file, lines, written: value };
    const report = (path: string, mistake: { readonly message: string; readonly remedy: string }): void => {
      problems.push({ code: 'CONFIG_INVALID', file: options.file, line: lineOf(origin, path), path, ...mistake });
    };
    documents.push({ origin, value: fillInValue({ value, path: '', depth: 0, env: options.env, report }) });
  }
  return { documents, problems };
}

interface FillIn {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: (path: string, mistake: { readonly message: string; readonly remedy: string }) => void;
}

/** A copy with every text filled in. A null becomes undefined, which specs take for an absent key, as KisFlow does. */
function fillInValue(at: FillIn): unknown {
  const { value, path } = at;
  const below = (item: unknown, step: string | number): unknown =>
    fillInValue({ ...at, value: item, path: joinPath(path, step), depth: at.depth + 1 });
  if (at.depth > maxDepth) {
    at.report(path, { message: 'an alias that contains itself', remedy: 'write the value out' });
    return undefined;
  }
  if (typeof value === 'string') {
    const { text, mistakes } = substituteVariables(value, at.env);
    for (const mistake of mistakes) at.report(path, mistake);
    return mistakes.length === 0 ? text : undefined;
  }
  if (Array.isArray(value)) return value.map((item, index) => below(item, index));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, below(item, key)]));
  }
  return undefined;
}
