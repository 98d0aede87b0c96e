/** Fields by table: what an operator for the rows of one table sees, and what it leaves of the others. */
import { commonFields, unknownFields, type Fields } from './field.ts';
import type { MadeOperator } from './operator.ts';
import { unknownName, type ExpressionProblem } from './problem.ts';

/** Fields of rows of these tables. */
export function fieldsOfTables(tables: ReadonlyMap<string, Fields>): Fields {
  const all = [...tables.values()];
  const { known } = commonFields(all.map((fields) => fields.known));
  return { known, isComplete: all.length > 0 && all.every(({ isComplete }) => isComplete), tables };
}

/** The fields of one table's rows; a problem where there are no rows of such a table. Where no tables are known, those of all rows. */
export function fieldsOfTable(fields: Fields, table: string): Fields | ExpressionProblem {
  const { tables, ...all } = fields;
  if (tables === undefined) return all;
  return tables.get(table) ?? unknownName('table', table, tables.keys());
}

/** Makes an operator for the rows of one table, which passes all others on, or (`table` absent) one for all rows. */
export function makeForTable(table: string | undefined, input: Fields, make: (fields: Fields) => MadeOperator): MadeOperator {
  const { tables, ...all } = input;
  if (table === undefined) {
    const made = make(all);
    if (tables === undefined) return made;
    const each = new Map([...tables].map(([name, fields]) => [name, make(fields).fields]));
    return { ...made, fields: { ...made.fields, tables: each } };
  }
  const own = fieldsOfTable(input, table);
  if ('message' in own) {
    // which types its fields have, only the table could tell
    const others = make(unknownFields).problems.filter(({ needsTypes }) => needsTypes !== true);
    return { run: undefined, fields: input, problems: [...others, { path: 'with.table', ...own }] };
  }
  const made = make(own);
  return tables === undefined ? made : { ...made, fields: fieldsOfTables(new Map([...tables, [table, made.fields]])) };
}
