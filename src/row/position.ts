import { GtidProgress, gtidDialect } from './gtid.ts';
import { formatMark, parseMark, type TransactionMark } from './transaction-mark.ts';

/**
 * A place in a source's history: the end of a transaction, and how far into the next one (L2).
 *
 * Text form, which the store keeps and people read: `binlog.000003:1547`, then ` +200 of=<mark>` when 200 routed rows of the
 * transaction that follows are done, then ` gtid=<set>` and ` server=<identity>` where they are known.
 */
export interface Position {
  /** Identity of the server that file and offset belong to (MySQL: server_uuid; MariaDB: server_id:<n>). */
  readonly server: string;
  readonly file: string;
  readonly offset: number;
  /** Everything executed up to here, '' on a server without GTIDs. */
  readonly gtid: string;
  /** Routed rows done of the transaction that follows; 0 at the end of a transaction. */
  readonly rows: number;
  /** Which transaction these are rows of; absent where there are none, and in what an older version kept. */
  readonly of?: TransactionMark;
}

/** Where a flow begins when it has no checkpoint. */
export type StartPoint =
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'file'; readonly file: string; readonly offset: number }
  | { readonly kind: 'gtid'; readonly gtid: string }
  | { readonly kind: 'time'; readonly time: number };

const positionPattern =
  /^(?<file>[^\s:]+):(?<offset>\d+)(?: \+(?<rows>\d+)(?: of=(?<of>\S+))?)?(?: gtid=(?<gtid>\S+))?(?: server=(?<server>\S+))?$/;

export function formatPosition(position: Position): string {
  const of = position.of === undefined ? '' : ` of=${formatMark(position.of)}`;
  const rows = position.rows === 0 ? '' : ` +${position.rows}${of}`;
  const gtid = position.gtid === '' ? '' : ` gtid=${position.gtid}`;
  const server = position.server === '' ? '' : ` server=${position.server}`;
  return `${position.file}:${position.offset}${rows}${gtid}${server}`;
}

/** Reads the text form; undefined when it is none. */
export function parsePosition(text: string): Position | undefined {
  const groups = positionPattern.exec(text.trim())?.groups;
  if (groups === undefined) return undefined;
  const of = parseMark(groups.of ?? '');
  if (groups.of !== undefined && of === undefined) return undefined;
  return {
    server: groups.server ?? '',
    file: groups.file ?? '',
    offset: Number(groups.offset),
    gtid: groups.gtid ?? '',
    rows: Number(groups.rows ?? 0),
    ...(of === undefined ? {} : { of }),
  };
}

/** The number at the end of a binlog file's name: files are ordered by it, never by the name (binlog.999999, binlog.1000000). */
export function binlogNumber(file: string): number {
  const digits = /(\d+)$/.exec(file)?.[1];
  return digits === undefined ? 0 : Number(digits);
}

/** Orders two places of one server by file number, offset and rows; negative when `a` is before `b`. Not for two servers. */
export function comparePositions(
  a: Pick<Position, 'file' | 'offset'> & { readonly rows?: number },
  b: Pick<Position, 'file' | 'offset'> & { readonly rows?: number },
): number {
  return binlogNumber(a.file) - binlogNumber(b.file) || a.offset - b.offset || (a.rows ?? 0) - (b.rows ?? 0);
}

/** Reads `snapshot | earliest | latest | <file>:<offset> | <gtid set> | <ISO time>`; undefined when it is none of them. */
export function parseStart(text: string): StartPoint | undefined {
  const trimmed = text.trim();
  if (trimmed === 'snapshot' || trimmed === 'earliest' || trimmed === 'latest') return { kind: trimmed };
  // before GTIDs: 2026-11-22 could be one of MariaDB's
  if (/^\d{4}-\d{2}-\d{2}([T ]|$)/.test(trimmed)) {
    const time = Date.parse(/[zZ]|[+-]\d{2}:?\d{2}$/.test(trimmed) || trimmed.length === 10 ? trimmed : `${trimmed}Z`);
    return Number.isNaN(time) ? undefined : { kind: 'time', time };
  }
  if (gtidDialect(trimmed) !== undefined) return { kind: 'gtid', gtid: trimmed.replace(/\s/g, '') };
  const place = /^([^\s:]+\.\d+):(\d+)$/.exec(trimmed);
  return place === null ? undefined : { kind: 'file', file: place[1] ?? '', offset: Number(place[2]) };
}

/**
 * A position that moves: what a flow, or a reader, has passed so far. It is advanced by each final transaction part, so that a
 * checkpoint's text is made once per batch and not once per transaction.
 */
export class MovingPosition {
  #server: string;
  readonly #progress: GtidProgress | undefined;
  #file: string;
  #offset: number;

  constructor(start: Position, options: { readonly hasGtid: boolean }) {
    this.#server = start.server;
    this.#file = start.file;
    this.#offset = start.offset;
    const dialect = gtidDialect(start.gtid) ?? (start.server.startsWith('server_id:') ? 'mariadb' : 'mysql');
    this.#progress = options.hasGtid ? new GtidProgress(start.gtid, dialect) : undefined;
  }

  get file(): string {
    return this.#file;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Whether a transaction lies at or before this position: by GTID where there is one, else by file and offset. */
  hasPassed(end: { readonly file: string; readonly offset: number; readonly gtid: string }): boolean {
    if (end.gtid !== '' && this.#progress !== undefined) return this.#progress.has(end.gtid);
    return comparePositions(end, { file: this.#file, offset: this.#offset }) <= 0;
  }

  advance(end: { readonly server: string; readonly file: string; readonly offset: number; readonly gtid: string }): void {
    this.#server = end.server;
    this.#file = end.file;
    this.#offset = end.offset;
    if (end.gtid !== '') this.#progress?.add(end.gtid);
  }

  /** `of`: which transaction the rows are of. */
  toPosition(rows = 0, of?: TransactionMark): Position {
    return {
      server: this.#server,
      file: this.#file,
      offset: this.#offset,
      gtid: this.#progress?.toString() ?? '',
      rows,
      ...(rows === 0 || of === undefined ? {} : { of }),
    };
  }
}
