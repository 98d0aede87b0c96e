import type { Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import type { Field, Fields } from './field.ts';
import { onImages } from './map.ts';
import type { MadeOperator } from './operator.ts';
import { unknownName, type OperatorProblem } from './problem.ts';

export interface ProjectFieldsOptions {
  readonly kind: 'project';
  /** Only these; undefined: all. */
  readonly keep: readonly string[] | undefined;
  readonly drop: readonly string[];
  /** Old name to new name. */
  readonly rename: Readonly<Record<string, string>>;
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
}

/** Rows with fewer fields, or under other names. The key of a change is renamed with its fields. */
export function makeProject(options: ProjectFieldsOptions, fields: Fields): MadeOperator {
  const problems = findProblems(options, fields);
  const names = new Map(Object.entries(options.rename));
  const kept = options.keep === undefined ? undefined : new Set([...options.keep, ...names.keys()]);
  const dropped = new Set(options.drop);
  const isKept = (name: string): boolean => (kept === undefined || kept.has(name)) && !dropped.has(name);
  const nameOf = (name: string): string => names.get(name) ?? name;
  const projectRow = (image: Row): Row => {
    const projected: Row = {};
    for (const name in image) if (isKept(name)) projected[nameOf(name)] = image[name];
    return projected;
  };
  const known = [...fields.known].flatMap(([name, field]): [string, Field][] => (isKept(name) ? [[nameOf(name), field]] : []));
  const { table } = options;
  const keyOf = (key: readonly string[]): readonly string[] => (key.every(isKept) ? key.map(nameOf) : []);
  const run = (flow: FlowContext, rows: readonly unknown[]): void =>
    onImages({ flow, rows, table }, projectRow, { replaceKey: keyOf, nameOf: (name) => (isKept(name) ? nameOf(name) : undefined) });
  const key = fields.key === undefined ? undefined : keyOf(fields.key);
  return { run: problems.length > 0 ? undefined : run, fields: { ...fields, known: new Map(known), key }, problems };
}

function findProblems({ keep, drop, rename }: ProjectFieldsOptions, fields: Fields): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  const named: [string, string][] = [
    ...(keep ?? []).map((name, index): [string, string] => [`with.keep[${index}]`, name]),
    ...drop.map((name, index): [string, string] => [`with.drop[${index}]`, name]),
    ...Object.keys(rename).map((name): [string, string] => [`with.rename.${name}`, name]),
  ];
  for (const [path, name] of named) {
    if (fields.isComplete && !fields.known.has(name)) problems.push({ path, ...unknownName('field', name, fields.known.keys()) });
  }
  const targets = Object.values(rename);
  for (const [old, name] of Object.entries(rename)) {
    const isTaken =
      targets.filter((target) => target === name).length > 1 ||
      (fields.known.has(name) && !(name in rename) && !drop.includes(name) && keep?.includes(name) !== false);
    if (isTaken)
      problems.push({ path: `with.rename.${old}`, message: `there would be two fields "${name}"`, remedy: 'take another name' });
  }
  return problems;
}
