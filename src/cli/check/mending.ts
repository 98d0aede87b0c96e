import type { Configuration } from '../../config/configuration.ts';
import { ownedColumns, tablesToRebuild } from '../../config/shadow-plan.ts';
import { requireSwappable } from '../../repair/shadow-tables.ts';
import { shadowDatabaseOf } from '../../row/shadow-database.ts';
import type { StoreConnection } from '../../store/connection.ts';
import { findingOf, type Finding } from './finding.ts';
import { quoteAccount, type Grants } from './grants.ts';
import { lackedGrants } from './held-grants.ts';
import { mendedFlows, mendingGrants, writeScope } from './needed-grants.ts';

export interface MendingScope {
  readonly configuration: Configuration;
  readonly database: string;
  readonly grants: Grants;
  readonly flavour: 'mysql' | 'mariadb';
  /** Those of the computed tables that exist, as `db.table`. */
  readonly existing: ReadonlySet<string>;
}

/** Flows that are to be rebuilt by themselves (`on_purged: snapshot`), and could not be: what the store says, and not the configuration. */
export async function examineMending(connection: StoreConnection, scope: MendingScope): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const flow of mendedFlows(scope.configuration)) {
    const { configuration, database: main, grants, flavour, existing } = scope;
    const { flow_name: name } = flow;
    const tables = tablesToRebuild(configuration, flow, main).filter((table) => existing.has(`${main}.${table}`));
    const subject = `flow ${name}`;
    try {
      const owned = ownedColumns(configuration, flow, main);
      await requireSwappable(connection, { flow: name, main, shadow: shadowDatabaseOf(main, name), tables, owned });
    } catch (error) {
      findings.push(findingOf(error, { subject, remedy: `source: {on_purged: stop}   # in the document of flow ${name}` }));
    }
    const needs = mendingGrants({ database: main, flow: name, flavour });
    const lacked = lackedGrants(grants, needs);
    if (lacked.length === 0) continue;
    const message = `${grants.account} lacks ${lacked.join(', ')}, without which the flow is not rebuilt by itself (on_purged: snapshot).`;
    const give = needs.map(
      ({ privileges, on }) => `GRANT ${privileges.join(', ')} ON ${writeScope(on)} TO ${quoteAccount(grants.account)};`,
    );
    findings.push({ code: 'STORE_ACCESS_DENIED', severity: 'error', subject, message, remedy: give.join('\n') });
  }
  return findings;
}
