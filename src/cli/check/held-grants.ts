/** What an account holds beside what it needs, by the lines of SHOW GRANTS. */
import type { Grants } from './grants.ts';
import { mayOn } from './grants.ts';
import { writeScope, type GrantScope, type NeededGrant } from './needed-grants.ts';

interface HeldGrant {
  readonly privileges: readonly string[];
  readonly on: GrantScope;
  /** As the server writes it. */
  readonly scope: string;
}

/** The needed privileges that the account certainly lacks, as `SELECT ON db.*`. */
export function lackedGrants(grants: Grants, needs: readonly NeededGrant[]): readonly string[] {
  return needs.flatMap(({ privileges, on }) =>
    privileges.filter((privilege) => !isHeld(grants, privilege, on)).map((privilege) => `${privilege} ON ${writeScope(on)}`),
  );
}

/** MariaDB shows some privileges by other names than GRANT took. */
const sameAs: Readonly<Record<string, string>> = {
  'BINLOG MONITOR': 'REPLICATION CLIENT',
  'REPLICATION CLIENT': 'BINLOG MONITOR',
};

function isHeld(grants: Grants, privilege: string, on: GrantScope): boolean {
  const names = [privilege, ...(sameAs[privilege] === undefined ? [] : [sameAs[privilege]])];
  const onDatabase = names.map((name) => mayOn(grants, name, on.database));
  if (onDatabase.includes(true)) return true;
  const table = 'table' in on ? on.table : undefined;
  const { isCertain, held } = readHeld(grants.lines);
  const isOnTable = held.some(
    (each) =>
      'table' in each.on && each.on.table === table && each.on.database === on.database && names.some((name) => holds(each, name)),
  );
  return isOnTable || !isCertain;
}

function holds({ privileges }: HeldGrant, privilege: string): boolean {
  return privileges.includes(privilege) || privileges.includes('ALL PRIVILEGES');
}

/**
 * What the account holds and no need covers, as `SUPER ON *.*`. What rebuilds need is not too much for an account that was given the
 * databases of shadows.
 */
export function excessGrants(
  grants: Grants,
  needs: readonly NeededGrant[],
  rebuilds: readonly NeededGrant[] = [],
): readonly string[] {
  const { held } = readHeld(grants.lines);
  const shadows = new Set(rebuilds.map(({ on }) => nameOf(on)).filter((name) => !needs.some(({ on }) => nameOf(on) === name)));
  const all = held.some(({ on }) => shadows.has(on.database)) ? [...needs, ...rebuilds] : needs;
  return held.flatMap(({ privileges, on, scope }) =>
    privileges
      .filter((privilege) => privilege !== 'USAGE' && !all.some((need) => covers(need, privilege, on)))
      .map((privilege) => `${privilege} ON ${scope}`),
  );
}

/** The database as it is held: a pattern without the backslashes of its own name. */
function nameOf(on: GrantScope): string {
  return 'isPattern' in on ? unescape(on.database) : on.database;
}

function covers({ privileges, on }: NeededGrant, privilege: string, held: GrantScope): boolean {
  if (!privileges.includes(privilege) && !privileges.includes(sameAs[privilege] ?? '')) return false;
  if (on.database === '*') return true;
  if (nameOf(on) !== held.database) return false;
  const table = 'table' in on ? on.table : undefined;
  return table === undefined || ('table' in held && held.table === table);
}

/** The lines taken apart; not certain where an account has roles or revokes. */
function readHeld(lines: readonly string[]): { readonly isCertain: boolean; readonly held: readonly HeldGrant[] } {
  const held: HeldGrant[] = [];
  let isCertain = true;
  for (const line of lines) {
    const parts =
      /^GRANT (?<privileges>.+) ON (?<scope>(?<database>\*|`(?:[^`]|``)+`)\.(?<table>\*|`(?:[^`]|``)+`)) TO (?<rest>.*)$/i.exec(
        line,
      )?.groups;
    if (parts === undefined) {
      if (/^GRANT PROXY /i.test(line)) held.push({ privileges: ['PROXY'], on: { database: '*' }, scope: 'other accounts' });
      else isCertain = false;
      continue;
    }
    const { privileges = '', scope = '', database = '', table = '', rest = '' } = parts;
    const name = bare(database);
    held.push({
      privileges: [...split(privileges), ...(/ WITH .*GRANT OPTION/i.test(rest) ? ['GRANT OPTION'] : [])],
      // on a whole database its name is a pattern
      on:
        database === '*'
          ? { database: '*' }
          : table === '*'
            ? { database: unescape(name) }
            : { database: name, table: bare(table) },
      scope,
    });
  }
  return { isCertain, held };
}

function unescape(pattern: string): string {
  return pattern.replaceAll(/\\([_%])/g, '$1');
}

function split(privileges: string): readonly string[] {
  return privileges.split(/,(?![^(]*\))/).map((privilege) => privilege.trim().toUpperCase());
}

function bare(quoted: string): string {
  return quoted.slice(1, -1).replaceAll('``', '`');
}
