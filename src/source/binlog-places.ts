import { CodedError } from '../lib/error.ts';
import { binlogNumber, type Position } from '../row/position.ts';
import type { ServerIdentity } from './contract.ts';
import { textOf, type Query } from './server-link.ts';

/** A binlog file of the server. */
export interface BinlogFile {
  readonly name: string;
  readonly size: number;
}

/** The server's binlog files, oldest first. */
export async function listBinlogs(query: Query): Promise<readonly BinlogFile[]> {
  const rows = await query('SHOW BINARY LOGS');
  return rows
    .map((row) => ({ name: textOf(row, 'Log_name'), size: Number(textOf(row, 'File_size')) }))
    .toSorted((a, b) => binlogNumber(a.name) - binlogNumber(b.name));
}

/** The end of the binlog now, with the GTIDs that the same answer gives. */
export async function readHead(query: Query, identity: ServerIdentity): Promise<Position> {
  // MySQL 8.2 renamed the statement, 8.4 dropped the old name; MariaDB knows the old one.
  const hasNewName = identity.flavour === 'mysql' && versionAtLeast(identity.version, 8, 2);
  const [row] = await query(hasNewName ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS');
  if (row === undefined) throw new CodedError('SOURCE_BINLOG_OFF', 'the source server writes no binlog');
  const file = textOf(row, 'File');
  const offset = Number(textOf(row, 'Position'));
  const gtid = identity.flavour === 'mariadb' ? await mariadbGtidAt(query, file, offset) : textOf(row, 'Executed_Gtid_Set');
  return { server: identity.server, file, offset, gtid: identity.hasGtid ? compact(gtid ?? '') : '', rows: 0 };
}

/**
 * As readHead, for who only has to know that what was committed before lies at or before it: place and GTIDs are of two answers. MariaDB's
 * BINLOG_GTID_POS, which would give those of the place, reads the file from its beginning.
 */
export async function readBound(query: Query, identity: ServerIdentity): Promise<Position> {
  if (identity.flavour === 'mysql') return readHead(query, identity);
  const [place] = await query('SHOW MASTER STATUS');
  if (place === undefined) throw new CodedError('SOURCE_BINLOG_OFF', 'the source server writes no binlog');
  const [row] = await query('SELECT @@GLOBAL.gtid_binlog_pos AS gtid');
  const { server } = identity;
  return {
    server,
    file: textOf(place, 'File'),
    offset: Number(textOf(place, 'Position')),
    gtid: compact(textOf(row, 'gtid')),
    rows: 0,
  };
}

/** MariaDB: the GTIDs up to a place; undefined when the place is not the beginning of an event in a file that exists. */
export async function mariadbGtidAt(query: Query, file: string, offset: number): Promise<string | undefined> {
  const [row] = await query(`SELECT BINLOG_GTID_POS(${quote(file)}, ${Math.max(4, offset)}) AS gtid`);
  return row?.gtid === null || row === undefined ? undefined : compact(textOf(row, 'gtid'));
}

/** The GTIDs before a file's first transaction: MySQL's Previous_gtids event, MariaDB's Gtid_list. */
export async function gtidBefore(query: Query, identity: ServerIdentity, file: string): Promise<string> {
  if (!identity.hasGtid) return '';
  if (identity.flavour === 'mariadb') return (await mariadbGtidAt(query, file, 4)) ?? '';
  const rows = await query(`SHOW BINLOG EVENTS IN ${quote(file)} LIMIT 3`);
  const previous = rows.find((row) => textOf(row, 'Event_type') === 'Previous_gtids');
  return compact(textOf(previous, 'Info'));
}

/** Events that a place between two transactions can be followed by. */
const betweenTypes =
  /^(Gtid|Gtid_tagged|Gtid_tagged_log_event|Anonymous_Gtid|Rotate|Stop|Format_desc|Previous_gtids|Gtid_list|Binlog_checkpoint|Start_encryption)$/i;

/** Throws SOURCE_POSITION_INVALID unless a transaction can begin at this place, SOURCE_PURGED when its file is gone. */
export async function checkBoundary(query: Query, file: string, offset: number): Promise<void> {
  const files = await listBinlogs(query);
  const found = files.find(({ name }) => name === file);
  const place = `${file}:${offset}`;
  if (found === undefined) {
    const [first] = files;
    const isPurged = first !== undefined && binlogNumber(file) < binlogNumber(first.name);
    if (isPurged) throw new CodedError('SOURCE_PURGED', `${place} is purged: the first binlog file of the server is ${first.name}`);
    throw new CodedError('SOURCE_POSITION_INVALID', `the source server has no binlog file ${file}`);
  }
  if (offset === found.size || offset <= 4) return;
  if (offset > found.size)
    throw new CodedError('SOURCE_POSITION_INVALID', `${place} lies behind the end of the file (${found.size})`);
  const event = await query(`SHOW BINLOG EVENTS IN ${quote(file)} FROM ${offset} LIMIT 1`).catch((error: unknown) => {
    // ER_ERROR_WHEN_EXECUTING_COMMAND: no event begins there.
    if (error instanceof Error && 'errno' in error && error.errno === 1220) return [];
    throw error;
  });
  const type = textOf(event[0], 'Event_type');
  if (Number(textOf(event[0], 'Pos')) === offset && betweenTypes.test(type)) return;
  throw new CodedError(
    'SOURCE_POSITION_INVALID',
    `no transaction begins at ${place}${type === '' ? '' : ` (there is a ${type} event)`}`,
  );
}

/** A text as an SQL literal; file names come from configuration. */
export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

export function compact(gtid: string): string {
  return gtid.replace(/\s/g, '');
}

function versionAtLeast(version: string, major: number, minor: number): boolean {
  const [has = 0, hasMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return has > major || (has === major && hasMinor >= minor);
}
