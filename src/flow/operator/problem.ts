/** A mistake in an operator's part of the configuration. The configuration knows its file and line. */
export interface OperatorProblem {
  /** Below the func document: `with.where`. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  /** It is one only as long as nobody knows the columns of the real tables. */
  readonly needsTypes?: boolean;
  /** A name that there is none of, and those that there are: the nearest one is the remedy. */
  readonly unknown?: { readonly name: string; readonly known: readonly string[] } | undefined;
}

/** A mistake in an expression, whose place somebody else knows. */
export type ExpressionProblem = Omit<OperatorProblem, 'path'>;

/** A mistake in a name. */
export function unknownName(kind: string, name: string, known: Iterable<string>): ExpressionProblem {
  const names = [...known];
  const remedy = names.length === 0 ? `there is no ${kind} here` : `write one of ${names.join(', ')}`;
  return { message: `there is no ${kind} "${name}"`, remedy, unknown: { name, known: names } };
}
