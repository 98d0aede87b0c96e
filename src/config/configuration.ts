import { lineOf, type Origin } from './document.ts';
import type { Problem } from './problem.ts';
import type { ConnSpec, FlowSpec, FuncSpec, GlobalSpec, Kistype, SourceSpec } from './spec.ts';

/** A checked configuration: every name in it exists. */
export interface Configuration {
  readonly global: GlobalSpec;
  readonly sources: ReadonlyMap<string, SourceSpec>;
  readonly flows: ReadonlyMap<string, FlowSpec>;
  readonly funcs: ReadonlyMap<string, FuncSpec>;
  readonly conns: ReadonlyMap<string, ConnSpec>;
  /** Where each document stands, by `originKey`; a configuration made by a program may leave it empty. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/** One document of a configuration. */
export interface DocumentName {
  readonly kistype: Kistype;
  /** '' for the global one. */
  readonly name: string;
}

/** The key of `Configuration.origins`. */
export function originKey(document: DocumentName): string {
  return `${document.kistype} ${document.name}`;
}

/** Makes a problem of a place in a document: finds its file and line. */
export function problemAt(
  configuration: Pick<Configuration, 'origins'>,
  document: DocumentName,
  problem: Pick<Problem, 'path' | 'message' | 'remedy'> & { readonly code?: Problem['code'] },
): Problem {
  const origin = configuration.origins.get(originKey(document));
  return {
    code: problem.code ?? 'CONFIG_INVALID',
    file: origin?.file ?? `${document.kistype} ${document.name}`.trim(),
    line: origin === undefined ? undefined : lineOf(origin, problem.path),
    path: problem.path,
    message: problem.message,
    remedy: problem.remedy,
  };
}

/** `conf/flow.yml:3`, or the document's name where no file is known. */
export function placeOf(configuration: Pick<Configuration, 'origins'>, document: DocumentName): string {
  const { file, line } = problemAt(configuration, document, { path: '', message: '', remedy: '' });
  return line === undefined ? file : `${file}:${line}`;
}
