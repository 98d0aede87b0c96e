import { CodedError } from '../lib/error.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import type { FlowSpec, GlobalSpec } from './spec.ts';

/** One mistake in the configuration. */
export interface Problem {
  readonly code: ErrorCode;
  /** The file as the configuration directory was given, so that it can be opened from there. */
  readonly file: string;
  /** Line in the file, from 1; undefined where it is not known. */
  readonly line?: number | undefined;
  /** Where in the document: `source.tables[0]`; '' for the document or the file as a whole. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What to write instead. */
  readonly remedy: string;
}

/** One line: `conf/flow-x.yml:7: source.tabels: unknown key; did you mean "tables"?`. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const code = problem.code === 'CONFIG_INVALID' ? '' : `${problem.code}: `;
  const remedy = problem.remedy === '' ? '' : `; ${problem.remedy}`;
  return `${place}: ${path}${code}${problem.message}${remedy}`;
}

/** What of a faulty configuration can be read all the same: enough to find the store, not to run anything. */
export interface ReadableConfiguration {
  readonly global: GlobalSpec;
  readonly flows: ReadonlyMap<string, FlowSpec>;
}

/** The configuration cannot be used. Its message lists every problem, one a line; the process ends with exit code 78. */
export class ConfigurationError extends CodedError {
  readonly problems: readonly Problem[];
  /** Undefined where nothing was loaded. */
  readonly readable: ReadableConfiguration | undefined;

  constructor(problems: readonly Problem[], readable?: ReadableConfiguration) {
    const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
    super('CONFIG_INVALID', [`the configuration has ${count}:`, ...problems.map(formatProblem)].join('\n'));
    this.problems = problems;
    this.readable = readable;
  }
}
