import { isInStore } from '../../config/plan.ts';
import type { Configuration } from '../../config/configuration.ts';
import { connectorGrants, rebuildGrants, sourceGrants, storeGrants, type NeededGrant } from './needed-grants.ts';

export interface Configured {
  readonly configuration: Configuration;
  /** The statements of the migrations, applied or not. */
  readonly migrations: readonly string[];
}

/** An account of the project: whose it is, where, and what it needs on a server of a kind. */
export interface GrantAccount {
  /** `source main`, `store`, `connector x`. */
  readonly subject: string;
  readonly url: string;
  readonly needs: (flavour: 'mysql' | 'mariadb' | undefined) => readonly NeededGrant[];
  /** And for rebuilds and verifies; `isLiteral`: each database by its name, not all by a pattern. */
  readonly rebuilds?: (flavour: 'mysql' | 'mariadb' | undefined, isLiteral: boolean) => readonly NeededGrant[];
}

/** Every account of the configuration: of its sources, of the store, and of mysql connectors with servers of their own. */
export function accountsOf({ configuration, migrations }: Configured): readonly GrantAccount[] {
  const sources = [...configuration.sources.values()].map((spec): GrantAccount => ({
    subject: `source ${spec.name}`,
    url: spec.url,
    needs: (flavour) => sourceGrants(configuration, spec, flavour),
  }));
  const url = configuration.global.store?.url;
  const store: GrantAccount[] =
    url === undefined
      ? []
      : [
          {
            subject: 'store',
            url,
            needs: (flavour) => storeGrants(configuration, migrations, flavour),
            rebuilds: (flavour, isLiteral) => rebuildGrants(configuration, flavour, isLiteral),
          },
        ];
  const connectors = [...configuration.conns.values()]
    .filter((conn) => (conn.type === 'mysql' || conn.type === 'tidb') && !isInStore(conn))
    .map((conn): GrantAccount => ({
      subject: `connector ${conn.cname}`,
      url: conn.addrs,
      needs: () => connectorGrants(configuration, conn),
    }));
  return [...sources, ...store, ...connectors];
}
