/**
 * What the lines of SHOW GRANTS allow. They are read for what is certain only: an account with roles, or with rights on single
 * tables, may have more than its lines say, and the answer is then undefined.
 */
export interface Grants {
  /** `user@host` as the server knows the account. */
  readonly account: string;
  readonly lines: readonly string[];
}

/** Whether the account has the privilege on a whole database; `*` asks for every database. */
export function mayOn(grants: Grants, privilege: string, database: string): boolean | undefined {
  let isCertain = true;
  for (const line of grants.lines) {
    const parts = /^GRANT (?<privileges>.+) ON (?<database>\*|`(?:[^`]|``)+`)\.(?<table>\*|`(?:[^`]|``)+`) TO /i.exec(line)?.groups;
    if (parts === undefined) {
      if (/^GRANT [^ ]*[`'@]/.test(line) || /^REVOKE /i.test(line)) isCertain = false; // a role, or a partial revoke
      continue;
    }
    if (!matches(parts['database'] ?? '', database)) continue;
    if (!holds(parts['privileges'] ?? '', privilege)) continue;
    if (parts['table'] === '*') return true;
    isCertain = false;
  }
  return isCertain ? false : undefined;
}

/** `'user'@'host'`, as GRANT takes it. */
export function quoteAccount(account: string): string {
  const at = account.lastIndexOf('@');
  const [user, host] = at === -1 ? [account, '%'] : [account.slice(0, at), account.slice(at + 1)];
  return `'${user.replaceAll("'", "''")}'@'${host.replaceAll("'", "''")}'`;
}

function holds(privileges: string, wanted: string): boolean {
  const held = privileges
    .replace(/\([^)]*\)/g, '(some columns)')
    .split(',')
    .map((privilege) => privilege.trim().toUpperCase());
  return held.includes('ALL PRIVILEGES') || held.includes('ALL') || held.includes(wanted);
}

/** Grants name databases by patterns of LIKE: `%`, `_`, and a backslash before one that stands for itself. */
function matches(quoted: string, database: string): boolean {
  if (quoted === '*') return true;
  if (database === '*') return false;
  const pattern = quoted.slice(1, -1).replaceAll('``', '`');
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const sign = pattern[at] ?? '';
    const isEscape = sign === '\\' && at + 1 < pattern.length;
    if (isEscape) at += 1;
    const literal = (isEscape ? (pattern[at] ?? '') : sign).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    source += !isEscape && sign === '%' ? '.*' : !isEscape && sign === '_' ? '.' : literal;
  }
  return new RegExp(`^${source}$`, 'is').test(database);
}
