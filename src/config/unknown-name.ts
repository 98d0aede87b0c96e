import { CodedError } from '../lib/error.ts';
import { nearest } from './nearest.ts';

/** The error for a name that somebody gave and nobody knows: it names the nearest one that exists. */
export function unknownName(kind: 'flow' | 'table', name: string, known: Iterable<string>): CodedError {
  const names = [...known];
  const near = nearest(name, names);
  const list = names.length === 0 ? `There are no ${kind}s.` : `The ${kind}s are ${names.toSorted().join(', ')}.`;
  return new CodedError('NAME_UNKNOWN', `There is no ${kind} "${name}". ${near === undefined ? list : `Did you mean "${near}"?`}`);
}
