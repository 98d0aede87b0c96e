import { errnoOf } from '../../store/errors.ts';
import { quoteName } from '../../store/name.ts';
import type { StoreConnection } from '../../store/connection.ts';
import type { Finding } from './finding.ts';

/** Flows whose functions or configuration are others than those that their tables were begun or rebuilt with. */
export async function examineBuilt(connection: StoreConnection, database: string): Promise<readonly Finding[]> {
  try {
    const { rows } = await connection.query(
      `SELECT flow FROM ${quoteName(database)}.kis_flow WHERE built_fingerprint <> fingerprint ORDER BY flow`,
    );
    return rows.map((row): Finding => {
      const flow = String(row['flow']);
      return {
        code: 'FLOW_CHANGED',
        severity: 'info',
        subject: `flow ${flow}`,
        message:
          'Its functions or its configuration have changed since its tables were begun: rows that have not changed since are as the version before computed them.',
        remedy: `kisflow rebuild ${flow}`,
      };
    });
  } catch (error) {
    // no such database, table or column yet, no right to read it: findings of their own
    if ([1044, 1049, 1054, 1142, 1146].includes(errnoOf(error) ?? 0)) return [];
    throw error;
  }
}
