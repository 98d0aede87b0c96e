import { CodedError } from '../lib/error.ts';
import { binlogNumber, formatPosition, type Position } from '../row/position.ts';
import { checkBoundary, compact, gtidBefore, listBinlogs, mariadbGtidAt, quote, type BinlogFile } from './binlog-places.ts';
import type { ServerIdentity } from './contract.ts';
import { textOf, type Query } from './server-link.ts';

/**
 * Sees to it, before each dump, that the server holds the history that the position was read from (L3): another server behind
 * the same address, a server made anew or reset, and one that has lost its last transactions are all SOURCE_WRONG_SERVER; a
 * history whose needed part is purged is SOURCE_PURGED.
 */
export async function verifyServer(query: Query, identity: ServerIdentity, position: Position): Promise<void> {
  if (identity.flavour === 'mariadb') return verifyMariadb(query, identity, position);
  if (identity.hasGtid && position.gtid !== '') {
    await verifyMysqlGtid(query, identity, position);
    if (position.server === identity.server && position.file !== '') await verifyOwnPlace(query, position);
    return;
  }
  if (position.server !== '' && position.server !== identity.server) {
    throw wrongServer(position, `it is ${identity.server}, and without GTIDs a position holds on its own server only`);
  }
  verifyPlace(await listBinlogs(query), position);
  await verifyBoundary(query, position);
  // A position from before gtid_mode was ON does not say which of the server's GTIDs lie behind it: resuming by GTIDs would go wrong.
  if (identity.hasGtid && (await gtidBefore(query, identity, position.file)) !== '') {
    throw new CodedError(
      'SOURCE_POSITION_INVALID',
      `${formatPosition(position)} has no GTIDs, and the server has: give the flow the start ${position.file}:${position.offset}`,
    );
  }
}

/**
 * Nothing tells a history from another one that is as long: a server that was reset and has written as much again. But in that one most
 * likely no transaction begins at our place.
 */
async function verifyBoundary(query: Query, position: Position): Promise<void> {
  try {
    await checkBoundary(query, position.file, position.offset);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'SOURCE_POSITION_INVALID') throw error;
    throw wrongServer(position, `${error.message}; was its binlog reset?`);
  }
}

/**
 * A server that was reset counts its GTIDs from 1 again, and in time has all those of a position from before: its files tell the two
 * histories apart. A file that is purged says nothing.
 */
async function verifyOwnPlace(query: Query, position: Position): Promise<void> {
  const files = await listBinlogs(query);
  const [first] = files;
  if (first !== undefined && binlogNumber(position.file) < binlogNumber(first.name)) return;
  verifyPlace(files, position);
  await verifyBoundary(query, position);
}

async function verifyMysqlGtid(query: Query, identity: ServerIdentity, position: Position): Promise<void> {
  const [row] = await query(
    `SELECT GTID_SUBSET(${quote(position.gtid)}, @@GLOBAL.gtid_executed) AS is_known, ` +
      `GTID_SUBSET(@@GLOBAL.gtid_purged, ${quote(position.gtid)}) AS is_there, @@GLOBAL.gtid_purged AS purged`,
  );
  if (textOf(row, 'is_known') !== '1')
    throw wrongServer(position, `it has not executed all of the position’s GTIDs${lossOf(identity, position)}`);
  if (textOf(row, 'is_there') === '1') return;
  throw purged(position, await listBinlogs(query), `it has purged ${compact(textOf(row, 'purged'))}`);
}

async function verifyMariadb(query: Query, identity: ServerIdentity, position: Position): Promise<void> {
  const files = await listBinlogs(query);
  if (position.gtid === '') {
    if (position.server !== '' && position.server !== identity.server) {
      throw wrongServer(position, `it is ${identity.server}, and without GTIDs a position holds on its own server only`);
    }
    return verifyPlace(files, position);
  }
  const [row] = await query('SELECT @@GLOBAL.gtid_binlog_pos AS written, @@GLOBAL.gtid_current_pos AS passed');
  const reached = [domains(textOf(row, 'written')), domains(textOf(row, 'passed'))];
  for (const [domain, { sequence }] of domains(position.gtid)) {
    const isReached = reached.some((known) => (known.get(domain)?.sequence ?? -1n) >= sequence);
    if (isReached) continue;
    throw wrongServer(position, `its GTID position is ${compact(textOf(row, 'written')) || 'empty'}${lossOf(identity, position)}`);
  }
  await verifyMariadbBeginning(query, files, position);
  // MariaDB has no identity of its own: on the same server_id the place must say the same GTIDs as the position does.
  if (position.server !== identity.server) return;
  const last = files.at(-1);
  if (last !== undefined && binlogNumber(position.file) > binlogNumber(last.name))
    throw wrongServer(position, `its last binlog file is ${last.name}`);
  if (!files.some(({ name }) => name === position.file)) return; // purged: the dump itself says whether what is needed is gone
  const there = await mariadbGtidAt(query, position.file, position.offset);
  if (there === undefined || !isSameHistory(there, position))
    throw wrongServer(position, `at that place it has GTID ${there ?? '(none)'}`);
}

/**
 * What the dump would refuse as too old, said with the place: the binlog must not begin behind the position in any domain. A server whose binlog
 * has never had the position's own GTIDs is another one, which only counts higher.
 */
async function verifyMariadbBeginning(query: Query, files: readonly BinlogFile[], position: Position): Promise<void> {
  const [first] = files;
  const before = first === undefined ? undefined : await mariadbGtidAt(query, first.name, 4);
  const ours = domains(position.gtid);
  for (const [domain, { sequence }] of domains(before ?? '')) {
    const own = ours.get(domain);
    if ((own?.sequence ?? -1n) >= sequence) continue;
    const [row] = await query('SELECT @@GLOBAL.gtid_binlog_state AS had');
    const had = textOf(row, 'had');
    if (own !== undefined && !hasHad(had, domain, own))
      throw wrongServer(
        position,
        `its binlog has never had ${domain}-${own.server}-${own.sequence}: its GTID state is ${compact(had)}`,
      );
    throw purged(position, files, `it has purged up to ${before}`);
  }
}

/** A state has the last GTID of each domain and server. */
function hasHad(
  state: string,
  domain: string,
  { server, sequence }: { readonly server: string; readonly sequence: bigint },
): boolean {
  return compact(state)
    .split(',')
    .map((entry) => entry.split('-'))
    .some((entry) => entry[0] === domain && entry[1] === server && BigInt(entry[2] ?? '0') >= sequence);
}

/**
 * Whether a position's GTIDs fit those that the binlog has at its file and offset: nowhere behind, and in the domain of the
 * last transaction the same. (A position may be ahead in a domain, when a flow was given a GTID set to start from.)
 */
function isSameHistory(there: string, position: Position): boolean {
  const ours = domains(position.gtid);
  let hasSame = false;
  for (const [domain, { sequence, server }] of domains(there)) {
    const own = ours.get(domain);
    if (own === undefined || own.sequence < sequence) return false;
    hasSame ||= own.sequence === sequence && own.server === server;
  }
  return hasSame || position.offset <= 4;
}

function domains(gtid: string): Map<string, { readonly server: string; readonly sequence: bigint }> {
  const entries = compact(gtid)
    .split(',')
    .filter((entry) => entry !== '');
  return new Map(
    entries.map((entry) => {
      const [domain = '', server = '', sequence = '0'] = entry.split('-');
      return [domain, { server, sequence: BigInt(sequence) }];
    }),
  );
}

/** File and offset must lie within what the server has. */
function verifyPlace(files: readonly BinlogFile[], position: Position): void {
  const found = files.find(({ name }) => name === position.file);
  const [first] = files;
  if (found === undefined) {
    if (first !== undefined && binlogNumber(position.file) < binlogNumber(first.name)) throw purged(position, files);
    throw wrongServer(position, `it has no binlog file ${position.file}`);
  }
  if (position.offset > found.size) throw wrongServer(position, `its ${found.name} ends at ${found.size}${loss}`);
}

/** MySQL may lose the end of its binlog, which was read already, and go on under the same name and the same GTIDs. */
const loss = '; it may have been reset, or have lost the end of its binlog in a crash (sync_binlog is not 1)';

function lossOf(identity: ServerIdentity, position: Position): string {
  return identity.server === position.server ? loss : '';
}

function purged(position: Position, files: readonly BinlogFile[], more = ''): CodedError {
  const what = [`its first binlog file is ${files[0]?.name ?? '(none)'}`, more].filter((part) => part !== '').join(', ');
  const place = formatPosition(position);
  return new CodedError('SOURCE_PURGED', `the server has purged what follows ${place}: ${what}`, { details: { position: place } });
}

function wrongServer(position: Position, why: string): CodedError {
  return new CodedError(
    'SOURCE_WRONG_SERVER',
    `the source server is not the one that ${formatPosition(position)} was read from: ${why}`,
    { details: { position: formatPosition(position) } },
  );
}
