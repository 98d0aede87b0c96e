import { quoteName } from '../../store/name.ts';
import { textOf, type Query } from '../../source/server-link.ts';
import type { Finding } from './finding.ts';
import type { SourceTable } from './source-tables.ts';
import { quoteId } from './store-tables.ts';

/** A foreign key by which changes of its parent's rows change those of a table. */
export interface Cascade {
  /** `db.table`, the child. */
  readonly table: string;
  readonly constraint: string;
  /** `db.table`. */
  readonly parent: string;
  /** As `ON DELETE CASCADE`. */
  readonly rules: readonly string[];
}

const acting = new Set(['CASCADE', 'SET NULL', 'SET DEFAULT']);

/**
 * The foreign keys whose effects are in no binlog: InnoDB carries them out below it. MySQL 9.6 and later do so above it, and log each row,
 * unless innodb_native_foreign_keys is ON.
 */
export async function listHiddenCascades(query: Query, flavour: 'mysql' | 'mariadb'): Promise<readonly Cascade[]> {
  if (flavour === 'mysql') {
    const [native] = await query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'");
    if (native !== undefined && textOf(native, 'Value') === 'OFF') return [];
  }
  const rows = await query(
    `SELECT constraint_schema AS db, table_name AS tab, constraint_name AS name, unique_constraint_schema AS pdb,
       referenced_table_name AS ptab, delete_rule AS del, update_rule AS upd FROM information_schema.referential_constraints`,
  );
  return rows.flatMap((row): Cascade[] => {
    const rules = [['DELETE', textOf(row, 'del')] as const, ['UPDATE', textOf(row, 'upd')] as const].flatMap(([event, rule]) =>
      acting.has(rule) ? [`ON ${event} ${rule}`] : [],
    );
    if (rules.length === 0) return [];
    const table = `${textOf(row, 'db')}.${textOf(row, 'tab')}`;
    const parent = `${textOf(row, 'pdb')}.${textOf(row, 'ptab')}`;
    return [{ table, constraint: textOf(row, 'name'), parent, rules }];
  });
}

/** One finding for each foreign key that changes rows of a table which the flow reads. */
export function examineCascades(flow: string, tables: readonly SourceTable[], cascades: readonly Cascade[]): readonly Finding[] {
  const read = new Set(tables.map(({ id }) => id));
  return cascades
    .filter(({ table }) => read.has(table))
    .map(({ table, constraint, parent, rules }): Finding => {
      const message = `Rows of ${table} that the foreign key ${constraint} changes (${rules.join(', ')} of ${parent}) are not in the binlog: the flow does not see them.`;
      const remedy = [
        `-- change the rows of ${table} before those of ${parent}, and let the key refuse what is left out:`,
        `ALTER TABLE ${quoteId(table)} DROP FOREIGN KEY ${quoteName(constraint)}, ADD CONSTRAINT <the same key, ON DELETE RESTRICT ON UPDATE RESTRICT>;`,
      ].join('\n');
      return { code: 'SOURCE_TABLE_CASCADE', severity: 'warning', subject: `flow ${flow}`, message, remedy };
    });
}
