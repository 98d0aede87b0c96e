import { CodedError } from '../lib/error.ts';
import { gtidContains, gtidDialect, GtidProgress } from '../row/gtid.ts';
import { binlogNumber, type Position, type StartPoint } from '../row/position.ts';
import type { TransactionPart } from '../row/change.ts';
import {
  checkBoundary,
  compact,
  gtidBefore,
  listBinlogs,
  mariadbGtidAt,
  quote,
  readHead,
  type BinlogFile,
} from './binlog-places.ts';
import type { ServerIdentity } from './contract.ts';
import { textOf, type Query } from './server-link.ts';

/** Reads transactions' ends, without rows, from a file's start, until `visit` says stop or the binlog ends. */
export type Scan = (file: string, visitor: ScanVisitor) => Promise<void>;

export interface ScanVisitor {
  /** When a file was begun, in milliseconds since 1970. */
  readonly onFile?: (time: number) => 'stop' | undefined;
  readonly onEnd?: (part: TransactionPart) => 'stop' | undefined;
}

export interface ResolveContext {
  readonly query: Query;
  readonly identity: ServerIdentity;
  readonly scan: Scan;
}

/** Turns a flow's `start` into a position. Throws SOURCE_POSITION_INVALID or SOURCE_PURGED. */
export async function resolveStart(start: StartPoint, context: ResolveContext): Promise<Position> {
  const { query, identity } = context;
  switch (start.kind) {
    case 'latest':
      return readHead(query, identity);
    case 'earliest':
      return resolveEarliest(context);
    case 'file':
      return resolvePlace(start, context);
    case 'gtid':
      return resolveGtid(start.gtid, context);
    case 'time':
      return resolveTime(start.time, context);
    case 'snapshot':
      throw new CodedError('SOURCE_POSITION_INVALID', 'a snapshot is no place in the binlog: it is read from the tables');
    default:
      return start satisfies never;
  }
}

async function resolveEarliest({ query, identity }: ResolveContext): Promise<Position> {
  const [first] = await someBinlogs(query);
  if (identity.flavour === 'mariadb' || !identity.hasGtid)
    return startOf(first, identity, await gtidBefore(query, identity, first.name));
  // The dump wants every purged GTID to be in the set, also one that SET gtid_purged added and no binlog file ever held.
  const [row] = await query('SELECT @@GLOBAL.gtid_purged AS purged');
  return startOf(first, identity, compact(textOf(row, 'purged')));
}

async function resolvePlace(
  place: { readonly file: string; readonly offset: number },
  { query, identity, scan }: ResolveContext,
): Promise<Position> {
  const { file } = place;
  const offset = Math.max(4, place.offset);
  await checkBoundary(query, file, offset);
  const position = (gtid: string) => ({ server: identity.server, file, offset, gtid, rows: 0 });
  if (!identity.hasGtid) return position('');
  if (identity.flavour === 'mariadb') {
    const gtid = await mariadbGtidAt(query, file, offset);
    if (gtid === undefined) throw new CodedError('SOURCE_POSITION_INVALID', `no transaction begins at ${file}:${offset}`);
    return position(gtid);
  }
  // MySQL cannot say which GTIDs lie before a place inside a file: those before the file, and those of its transactions up to it.
  const progress = new GtidProgress(await gtidBefore(query, identity, file), 'mysql');
  const isBefore = (part: TransactionPart) => part.file === file && part.offset <= offset;
  if (offset > 4) {
    await scan(file, {
      onEnd(part) {
        if (!isBefore(part)) return 'stop';
        if (part.gtid !== '') progress.add(part.gtid);
        return part.offset === offset ? 'stop' : undefined;
      },
    });
  }
  return position(progress.toString());
}

async function resolveGtid(gtid: string, { query, identity }: ResolveContext): Promise<Position> {
  if (!identity.hasGtid || gtidDialect(gtid) !== identity.flavour) {
    const has = identity.hasGtid ? `GTIDs of ${identity.flavour}` : 'no GTIDs';
    throw new CodedError('SOURCE_POSITION_INVALID', `the source server has ${has}: ${gtid} is no place on it`);
  }
  const files = await someBinlogs(query);
  const head = await readHead(query, identity);
  if (!gtidContains(head.gtid, gtid)) {
    throw new CodedError('SOURCE_POSITION_INVALID', `the source server has not executed all of ${gtid}: it is at ${head.gtid}`);
  }
  await refusePurged({ query, identity, gtid, first: files[0] });
  // The last file before whose start everything is in the set: the dump finds the exact place by itself.
  for (const file of files.toReversed()) {
    if (gtidContains(gtid, await gtidBefore(query, identity, file.name))) return startOf(file, identity, gtid);
  }
  return startOf(files[0], identity, gtid);
}

async function refusePurged(options: {
  readonly query: Query;
  readonly identity: ServerIdentity;
  readonly gtid: string;
  readonly first: BinlogFile;
}): Promise<void> {
  const { query, identity, gtid, first } = options;
  const isMysql = identity.flavour === 'mysql';
  const [row] = isMysql
    ? await query(`SELECT @@GLOBAL.gtid_purged AS purged, GTID_SUBSET(@@GLOBAL.gtid_purged, ${quote(gtid)}) AS is_there`)
    : [{ purged: await gtidBefore(query, identity, first.name) }];
  const purged = compact(textOf(row, 'purged'));
  const isThere = isMysql ? textOf(row, 'is_there') === '1' : gtidContains(gtid, purged);
  if (!isThere) throw new CodedError('SOURCE_PURGED', `the source server has purged ${purged}, of which ${gtid} lacks a part`);
}

/** The place before the first transaction that was committed at `time` or later; binlog times are whole seconds. */
async function resolveTime(time: number, { query, identity, scan }: ResolveContext): Promise<Position> {
  const second = Math.floor(time / 1000) * 1000;
  const files = await someBinlogs(query);
  const file = await lastFileBefore(second, files, scan);
  const gtid = await gtidBefore(query, identity, file.name);
  if (file === files[0] && (await beginningOf(file, scan)) > second && binlogNumber(file.name) > 1) {
    throw new CodedError(
      'SOURCE_PURGED',
      `the source server has purged what was committed at ${new Date(second).toISOString()}: its first binlog is ${file.name}, begun later`,
    );
  }
  const progress = new GtidProgress(gtid, identity.flavour);
  let place = { file: file.name, offset: 4 };
  await scan(file.name, {
    onEnd(part) {
      if (part.time >= second) return 'stop';
      place = { file: part.file, offset: part.offset };
      if (part.gtid !== '') progress.add(part.gtid);
      return undefined;
    },
  });
  return { server: identity.server, ...place, gtid: identity.hasGtid ? progress.toString() : '', rows: 0 };
}

/** The last file that was begun before this time, by halving; the first one when there is none. */
async function lastFileBefore(time: number, files: readonly [BinlogFile, ...BinlogFile[]], scan: Scan): Promise<BinlogFile> {
  let found = files[0];
  let low = 1;
  let high = files.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const file = files[middle];
    if (file === undefined) break;
    if ((await beginningOf(file, scan)) < time) {
      found = file;
      low = middle + 1;
    } else {
      high = middle - 1;
    }
  }
  return found;
}

/** When a file was begun, in milliseconds since 1970. */
async function beginningOf(file: BinlogFile, scan: Scan): Promise<number> {
  let begun = 0;
  await scan(file.name, {
    onFile(at) {
      begun = at;
      return 'stop';
    },
  });
  return begun;
}

async function someBinlogs(query: Query): Promise<readonly [BinlogFile, ...BinlogFile[]]> {
  const [first, ...others] = await listBinlogs(query);
  if (first === undefined) throw new CodedError('SOURCE_BINLOG_OFF', 'the source server has no binlog file');
  return [first, ...others];
}

function startOf(file: BinlogFile, identity: ServerIdentity, gtid: string): Position {
  return { server: identity.server, file: file.name, offset: 4, gtid, rows: 0 };
}
