import type { ASTNode } from '@marcbachmann/cel-js';
import type { OperatorReads } from '../contract.ts';
import { parseExpression } from './expression.ts';
import type { OperatorOptions } from './make-operator.ts';

/** What an operator reads of its rows. */
export function readsOf(options: OperatorOptions): OperatorReads {
  switch (options.kind) {
    case 'filter':
      return { fields: namesIn([options.where]), table: options.table };
    case 'map':
      return { fields: namesIn(Object.values(options.set)), table: options.table };
    case 'project':
      // it hands on what a row has
      return { fields: [], table: options.table };
    case 'lookup':
      return { fields: Object.values(options.match), table: undefined };
    case 'aggregate':
      return { fields: [...Object.values(options.key), ...namesIn(Object.values(options.fields))], table: undefined };
    case 'join':
      return { fields: 'all', table: undefined };
    case 'dedupe':
    case 'window':
      return { fields: 'all', table: options.table };
    default:
      return options satisfies never;
  }
}

/** The fields that expressions name; what cannot be read is a mistake that is found elsewhere. */
function namesIn(texts: readonly string[]): readonly string[] {
  const names = new Set<string>();
  for (const text of texts) {
    const node = parseExpression(text);
    if ('op' in node) gatherNames(node, names);
  }
  return [...names];
}

function gatherNames(part: unknown, names: Set<string>): void {
  if (Array.isArray(part)) for (const inner of part) gatherNames(inner, names);
  else if (isNode(part)) {
    if (part.op === 'id') names.add(part.args);
    else gatherNames(part.args, names);
  }
}

function isNode(part: unknown): part is ASTNode {
  return typeof part === 'object' && part !== null && 'op' in part;
}
