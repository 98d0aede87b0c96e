/** What tells a server from others: its own word for itself, and where it runs. */
export interface ServerPlace {
  /** MySQL: server_uuid. MariaDB: `server_id:<n>`, which two servers may share. */
  readonly identity: string;
  /** Host name, port and data directory, as the server says them. */
  readonly place: string;
}

export const placeVariables = ['hostname', 'port', 'datadir'] as const;

/** Makes the place of a server's variables. */
export function placeOf(identity: string, value: (name: string) => string): ServerPlace {
  return { identity, place: placeVariables.map(value).join(' ') };
}

/** Whether two connections reach one server, by whatever address. */
export function isSamePlace(one: ServerPlace, other: ServerPlace): boolean {
  return one.identity === other.identity && one.place === other.place;
}

/** Why a version is too old; undefined for one that is not. binlog_row_metadata came with MySQL 8.0 and MariaDB 10.5. */
export function tooOld(flavour: 'mysql' | 'mariadb', version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = flavour === 'mysql' ? [8, 0] : [10, 5];
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `kisflow is made for ${flavour === 'mysql' ? 'MySQL 8.0' : 'MariaDB 10.5'} and later`;
}
