import type { OperatorSpec } from './operator-spec.ts';

/** The mode that an operator's function must have; undefined where it may have each of them. */
export function modeOf(operator: OperatorSpec): 'Save' | 'Load' | undefined {
  return operator.kind === 'aggregate' ? 'Save' : operator.kind === 'lookup' ? 'Load' : undefined;
}

/** Which rows an operator must get, and why: the sentence begins with the function's name. Undefined: it takes either. */
export function rowsNeeded(operator: OperatorSpec): { readonly rows: 'after' | 'change'; readonly why: string } | undefined {
  const needsBefore = 'which needs deletes and the rows before an update';
  const ofOneTable = 'is for rows of one table, and plain rows do not say theirs';
  switch (operator.kind) {
    case 'aggregate':
      return { rows: 'change', why: `is an aggregate, ${needsBefore}` };
    case 'join':
      return { rows: 'change', why: `is a join, ${needsBefore}` };
    case 'window':
      if (operator.shape === 'session') return { rows: 'change', why: `makes sessions, ${needsBefore}` };
      return operator.table === undefined ? undefined : { rows: 'change', why: ofOneTable };
    case 'dedupe':
      if (operator.rememberMs !== undefined) return { rows: 'after', why: 'remembers keys, which it does for plain rows only' };
      return operator.table === undefined ? undefined : { rows: 'change', why: ofOneTable };
    case 'filter':
    case 'map':
    case 'project':
      return operator.table === undefined ? undefined : { rows: 'change', why: ofOneTable };
    case 'lookup':
      return undefined;
    default:
      return operator satisfies never;
  }
}
