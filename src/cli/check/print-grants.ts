/**
 * `kisflow check --grants`: the GRANT statements that each account of the project needs, for the server that is there, and what the
 * accounts lack or have too much. An account that does not exist yet, or a server that does not answer, only goes without the comparison.
 */
import { accountsOf, type Configured, type GrantAccount } from './grant-accounts.ts';
import { CodedError, describeError } from '../../lib/error.ts';
import { readMysqlAddress, type MysqlAddress } from '../../lib/mysql-address.ts';
import { textOf, withServer } from '../../source/server-link.ts';
import { excessGrants, lackedGrants } from './held-grants.ts';
import { quoteAccount, type Grants } from './grants.ts';
import { readGreeting } from './server-greeting.ts';
import { writeScope, type NeededGrant } from './needed-grants.ts';

const connectTimeoutMs = 5000;

/** What a server says of the account that the address names. */
interface SeenServer {
  readonly flavour: 'mysql' | 'mariadb';
  readonly version: string;
  /** Names of databases are taken as they are, not as patterns. */
  readonly isLiteral: boolean;
  readonly grants: Grants;
}

/** A server that the account could not log in to; its kind where its greeting tells. */
interface UnseenServer {
  readonly flavour: 'mysql' | 'mariadb' | undefined;
  readonly reason: string;
}

/** One account's grants, ready to be printed. */
export interface GrantReport {
  readonly subject: string;
  readonly user: string;
  readonly server: string;
  /** `mysql 9.7.0, as user@host`; why it was not examined. */
  readonly seen: string;
  readonly isExamined: boolean;
  readonly statements: readonly { readonly sql: string; readonly why: string }[];
  readonly lacks: readonly string[];
  readonly excess: readonly string[];
  /** Of the store's account: what `kisflow rebuild` and `kisflow verify` need besides. Nothing else needs it. */
  readonly rebuilds?: { readonly statements: readonly string[]; readonly isHeld: boolean | undefined };
}

/** Examines every account of the project. Never rejects for a server's fault. */
export async function reportGrants(configured: Configured, stop: AbortSignal): Promise<readonly GrantReport[]> {
  const accounts = accountsOf(configured);
  const seen = await Promise.all(accounts.map(({ url }) => lookAt(url, stop)));
  const needsOf = accounts.map(({ needs }, at) => {
    const server = seen[at];
    return needs(server?.flavour);
  });
  return accounts.flatMap(({ subject, url, rebuilds }, at) => {
    const address = readMysqlAddress(url);
    const server = seen[at];
    if (typeof address === 'string' || server === undefined) return [];
    // one account may be the source's and the store's: what the one needs is not too much for the other
    const all = accounts.flatMap((other, index) => (placeOf(other.url) === placeOf(url) ? (needsOf[index] ?? []) : []));
    return [reportOf({ subject, address, server, needs: needsOf[at] ?? [], all, rebuilds })];
  });
}

function placeOf(url: string): string {
  const address = readMysqlAddress(url);
  return typeof address === 'string' ? url : `${address.user}@${address.host}:${address.port}`;
}

async function lookAt(url: string, stop: AbortSignal): Promise<SeenServer | UnseenServer> {
  try {
    // without the database of the address, which may be yet to come
    const bare = new URL(url);
    bare.pathname = '';
    const signal = AbortSignal.any([stop, AbortSignal.timeout(connectTimeoutMs * 3)]);
    return await withServer({ url: bare.href, connectTimeoutMs, signal }, async (query) => {
      const [about] = await query('SELECT VERSION() AS version, CURRENT_USER() AS account');
      const [revokes] = await query("SHOW GLOBAL VARIABLES LIKE 'partial_revokes'");
      const rows = await query('SHOW GRANTS');
      const version = textOf(about, 'version');
      return {
        flavour: flavourOf(version),
        version,
        isLiteral: textOf(revokes, 'Value') === 'ON',
        grants: { account: textOf(about, 'account'), lines: rows.map((row) => String(Object.values(row)[0])) },
      };
    });
  } catch (error) {
    const address = readMysqlAddress(url);
    const isUnreachable = typeof address === 'string' || (error instanceof CodedError && error.code === 'SOURCE_UNREACHABLE');
    const version = isUnreachable ? undefined : await readGreeting({ ...address, timeoutMs: connectTimeoutMs });
    return { flavour: version === undefined ? undefined : flavourOf(version), reason: `not examined: ${describeError(error)}` };
  }
}

function flavourOf(version: string): 'mysql' | 'mariadb' {
  return /mariadb/i.test(version) ? 'mariadb' : 'mysql';
}

function reportOf(options: {
  readonly subject: string;
  readonly address: MysqlAddress;
  readonly server: SeenServer | UnseenServer;
  readonly needs: readonly NeededGrant[];
  readonly all: readonly NeededGrant[];
  readonly rebuilds: GrantAccount['rebuilds'];
}): GrantReport {
  const { subject, address, server, needs, all, rebuilds } = options;
  const isExamined = 'grants' in server;
  const account = quoteAccount(isExamined ? server.grants.account : `${address.user}@%`);
  const demand = address.tls === 'off' ? '' : address.tlsFiles.cert === undefined ? ' REQUIRE SSL' : ' REQUIRE X509';
  const create = `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY '<the password of the url>'${demand};`;
  const isLiteral = isExamined && server.isLiteral;
  const write = ({ privileges, on }: NeededGrant): string =>
    `GRANT ${privileges.join(', ')} ON ${writeScope(on, isLiteral)} TO ${account};`;
  const { flavour } = server;
  const shadows = rebuilds?.(flavour, isLiteral) ?? [];
  // each database by its name: an account may have been given them one by one
  const named = [...shadows, ...(rebuilds?.(flavour, true) ?? [])];
  return {
    subject,
    user: address.user,
    server: `${address.host}:${address.port}`,
    seen: isExamined ? `${server.flavour} ${server.version}, as ${server.grants.account}` : reasonOf(subject, server.reason),
    isExamined,
    statements: [
      ...(isExamined ? [] : [{ sql: create, why: 'where it is not there yet' }]),
      ...needs.map((need) => ({ sql: write(need), why: need.why })),
    ],
    lacks: isExamined ? lackedGrants(server.grants, needs) : [],
    excess: isExamined ? excessGrants(server.grants, all, named) : [],
    ...(shadows.length === 0
      ? {}
      : {
          rebuilds: {
            statements: shadows.map(write),
            isHeld: isExamined ? lackedGrants(server.grants, rebuilds?.(flavour, true) ?? []).length === 0 : undefined,
          },
        }),
  };
}

/** All servers are asked in the same way, as a source is; the store's is not one. */
function reasonOf(subject: string, reason: string): string {
  if (subject.startsWith('source ')) return reason;
  return reason.replace(/\bSOURCE_/, 'STORE_').replace('the source server', 'the server');
}

/** As a script of SQL: all that is no statement is a comment. */
export function formatGrants(reports: readonly GrantReport[]): string {
  return reports.map(formatReport).join('\n\n');
}

function formatReport(report: GrantReport): string {
  const { subject, user, server, seen, isExamined, statements, lacks, excess, rebuilds } = report;
  const comment = (text: string): string => `-- ${text.replaceAll(/\s+/g, ' ')}`;
  return [
    comment(`${subject}: ${user} on ${server}`),
    comment(seen),
    ...statements.flatMap(({ sql, why }) => [comment(why), sql]),
    ...(isExamined ? [comment(lacks.length === 0 ? 'it lacks none of them' : `it lacks ${lacks.join('; ')}`)] : []),
    ...(rebuilds === undefined ? [] : [comment(rebuildsWhy(rebuilds.isHeld)), ...rebuilds.statements.map(comment)]),
    ...(excess.length === 0 ? [] : [comment(`it has more than it needs: ${excess.join('; ')}`)]),
  ].join('\n');
}

function rebuildsWhy(isHeld: boolean | undefined): string {
  const held = isHeld === undefined ? '' : isHeld ? ' (it has this)' : ' (it has not got this)';
  return `only for kisflow rebuild and kisflow verify, which compute in databases of their own beside the store’s${held}:`;
}
