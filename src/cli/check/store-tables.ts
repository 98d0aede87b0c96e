import { parseTableName } from '../../connector/mysql-table.ts';
import type { StoreConnection } from '../../store/connection.ts';
import { CodedError } from '../../lib/error.ts';
import type { PendingMigration } from '../../store/migrate.ts';
import { quoteName } from '../../store/name.ts';
import { nameList, sentence, type Finding } from './finding.ts';
import { quoteAccount, type Grants } from './grants.ts';

/** A column of a computed table. */
export interface ComputedColumn {
  readonly name: string;
  readonly isGenerated: boolean;
  /** Whether a row without it is refused: NOT NULL, without a default, not counted up. */
  readonly isRequired: boolean;
}

/** A computed table as the store has it; undefined columns: it is not there. */
export interface ComputedLook {
  /** `db.table`. */
  readonly id: string;
  readonly columns: readonly ComputedColumn[] | undefined;
  readonly primaryKey: readonly string[];
  /** '' for a view. */
  readonly engine: string;
  readonly uniqueKeys: readonly string[];
  /** A migration that is pending and makes the table. */
  readonly madeBy: string | undefined;
}

const columnsQuery = `SELECT column_name AS name, is_nullable AS nullable, column_default AS initial, extra AS extra,
  generation_expression AS expression FROM information_schema.columns
  WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`;

const keysQuery = `SELECT index_name AS name, column_name AS col FROM information_schema.statistics
  WHERE table_schema = ? AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index`;

/** Looks at a computed table, wherever it may be. */
export async function lookAtComputed(
  connection: StoreConnection,
  options: { readonly id: string; readonly database: string; readonly pending: readonly PendingMigration[] },
): Promise<ComputedLook> {
  const { id } = options;
  const name = parseTableName(id, options.database);
  const params = [name.database, name.table];
  const about = await connection.query(
    'SELECT engine AS engine FROM information_schema.tables WHERE table_schema = ? AND table_name = ?',
    params,
  );
  const row = about.rows[0];
  const absent = { id, columns: undefined, primaryKey: [], engine: '', uniqueKeys: [] };
  if (row === undefined) return { ...absent, madeBy: makerOf(name.table, options.pending) };
  const columns = await connection.query(columnsQuery, params);
  const keys = await connection.query(keysQuery, params);
  return {
    id,
    columns: columns.rows.map((column) => {
      const expression = column['expression'];
      const isGenerated = typeof expression === 'string' && expression !== '';
      const isCounted = /auto_increment/i.test(String(column['extra']));
      const hasDefault = column['initial'] !== null || column['nullable'] === 'YES';
      return { name: String(column['name']), isGenerated, isRequired: !isGenerated && !isCounted && !hasDefault };
    }),
    primaryKey: keys.rows.filter((key) => key['name'] === 'PRIMARY').map((key) => String(key['col'])),
    engine: row['engine'] === null ? '' : String(row['engine']),
    uniqueKeys: [...new Set(keys.rows.map((key) => String(key['name'])).filter((key) => key !== 'PRIMARY'))],
    madeBy: undefined,
  };
}

function makerOf(table: string, pending: readonly PendingMigration[]): string | undefined {
  const [name, quoted] = [table, quoteName(table)].map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const schema = '(?:\\w+|`(?:[^`]|``)+`)';
  const creates = new RegExp(
    `^\\s*CREATE\\s[^(]*?TABLE\\s+(IF\\s+NOT\\s+EXISTS\\s+)?(${schema}\\s*\\.\\s*)?(${quoted}|${name})[\\s(]`,
    'i',
  );
  return pending.find(({ statements }) => statements.some((sql) => creates.test(`${sql} `)))?.name;
}

/** What the tables say by themselves: key, engine, other unique keys. Missing ones are judged with the flows that write them. */
export function examineComputed(look: ComputedLook): readonly Finding[] {
  if (look.columns === undefined) return [];
  const subject = `table ${look.id}`;
  const name = quoteId(look.id);
  const findings: Finding[] = [];
  if (look.primaryKey.length === 0) {
    const candidate = look.columns.find(({ isGenerated }) => !isGenerated)?.name ?? 'id';
    findings.push({
      code: 'STORE_KEY_MISSING',
      severity: 'error',
      subject,
      message: `The computed table ${look.id} has no primary key, so a row of it cannot be addressed.`,
      remedy: `ALTER TABLE ${name} ADD PRIMARY KEY (${quoteName(candidate)}); -- or whichever columns name a row`,
    });
  }
  if (look.engine.toLowerCase() !== 'innodb') {
    const what = look.engine === '' ? 'is a view' : `has the engine ${look.engine}`;
    findings.push({
      code: 'STORE_ENGINE',
      severity: 'error',
      subject,
      message: `The computed table ${look.id} ${what}, so it takes no part in the batch's transaction.`,
      remedy: look.engine === '' ? '-- name a table as the key of the connector' : `ALTER TABLE ${name} ENGINE = InnoDB;`,
    });
  }
  if (look.uniqueKeys.length > 0) {
    const message = `Beside its primary key ${look.id} has the unique key ${nameList(look.uniqueKeys)}: a row that collides by it becomes a dead row.`;
    findings.push({ code: 'STORE_UNIQUE_KEY', severity: 'info', subject, message, remedy: '' });
  }
  return findings;
}

/** Tries each kind of write on a table, changing nothing: rights come from roles and from single tables too. */
export async function tryWrites(connection: StoreConnection, look: ComputedLook, grants: Grants): Promise<readonly Finding[]> {
  const columns = look.columns?.filter(({ isGenerated }) => !isGenerated).map(({ name }) => quoteName(name)) ?? [];
  const [first] = columns;
  if (first === undefined || look.engine === '') return [];
  const name = quoteId(look.id);
  const list = columns.join(', ');
  const tries = [
    ['INSERT', `INSERT INTO ${name} (${list}) SELECT ${list} FROM ${name} WHERE FALSE`],
    ['UPDATE', `UPDATE ${name} SET ${first} = ${first} WHERE FALSE`],
    ['DELETE', `DELETE FROM ${name} WHERE FALSE`],
  ] as const;
  const refused: string[] = [];
  let text = '';
  for (const [privilege, sql] of tries) {
    try {
      await connection.query(sql);
    } catch (error) {
      if (!(error instanceof CodedError) || error.class === 'retry') throw error;
      if (error.code !== 'STORE_ACCESS_DENIED') continue; // read-only and the like are found by the settings
      refused.push(privilege);
      text = error.message;
    }
  }
  if (refused.length === 0) return [];
  const missing = [...new Set(['SELECT', ...refused])].join(', ');
  return [
    {
      code: 'STORE_ACCESS_DENIED',
      severity: 'error',
      subject: `table ${look.id}`,
      message: sentence(`${grants.account} may not ${refused.join(', ')}: ${text}`),
      remedy: `GRANT ${missing} ON ${name} TO ${quoteAccount(grants.account)};`,
    },
  ];
}

/** `db.table` in backticks. */
export function quoteId(id: string): string {
  const dot = id.indexOf('.');
  return `${quoteName(id.slice(0, dot))}.${quoteName(id.slice(dot + 1))}`;
}
