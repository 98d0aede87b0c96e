import type { TableStatement } from '../row/change.ts';

export interface StatementRoute {
  readonly wants: (schema: string, table: string) => boolean;
  /** Whether tables of the schema may be wanted. */
  readonly wantsSchema: (schema: string) => boolean;
}

/**
 * The statement as it concerns a flow; undefined where it does not. Row events name tables as the server keeps them, a statement as its
 * writer wrote them: where names are not told apart by case, only the lower-case ones may fit. Then it is not certain that the
 * table is the flow's own, and nothing may be deleted for it.
 */
export function routeStatement(statement: TableStatement, { wants, wantsSchema }: StatementRoute): TableStatement | undefined {
  const isWanted = (schema: string, table: string): boolean => (table === '' ? wantsSchema(schema) : wants(schema, table));
  const { schema, table, op } = statement;
  if (isWanted(schema, table)) return statement;
  if (!isWanted(schema.toLowerCase(), table.toLowerCase())) return undefined;
  return op === 'truncate' || op === 'drop' ? { ...statement, op: 'rewrite' } : statement;
}
