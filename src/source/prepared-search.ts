import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { binlogNumber, comparePositions } from '../row/position.ts';
import type { TransactionPart } from '../row/change.ts';
import { listBinlogs } from './binlog-places.ts';
import type { ScanVisitor } from './resolve-start.ts';
import type { Query } from './server-link.ts';
import type { BinlogPlace } from './table-definitions.ts';
import { groupsOf, type PreparedSource, type XaGroups } from './xa-groups.ts';

interface XaVisitor extends ScanVisitor {
  readonly xa: XaGroups;
}

/** Reads the groups of the binlog from a place until the visitor says stop, or to the binlog's end. */
export type XaScan = (from: BinlogPlace, visitor: XaVisitor, signal: AbortSignal) => Promise<void>;

export interface PreparedSearchOptions {
  readonly ask: <T>(signal: AbortSignal, use: (query: Query) => Promise<T>) => Promise<T>;
  readonly scan: XaScan;
  readonly logger: Logger;
}

/** A dump's request has 32 bits for the offset. */
const OFFSET_MAX = 2 ** 32 - 1;

/** Reads the first groups of XA transactions again, each time by a connection of its own that ends where nothing more is needed. */
export class PreparedSearch implements PreparedSource {
  readonly #options: PreparedSearchOptions;

  constructor(options: PreparedSearchOptions) {
    this.#options = options;
  }

  /** File by file, the newest first: most XA transactions are prepared shortly before they are committed. */
  async find(xid: string, before: BinlogPlace, signal: AbortSignal): Promise<ReadonlyMap<string, BinlogPlace>> {
    const files = await this.#options.ask(signal, listBinlogs);
    const found = new Map<string, BinlogPlace>();
    const fields = { xid, committed: `${before.file}:${before.offset}` };
    this.#options.logger.info(fields, 'XA transaction was prepared before this read began: searched for backwards');
    for (const { name } of files.toReversed()) {
      if (binlogNumber(name) > binlogNumber(before.file)) continue;
      for (const [other, at] of await this.#preparedIn(name, before, signal)) if (!found.has(other)) found.set(other, at);
      if (found.has(xid)) return found;
    }
    const first = files[0]?.name ?? 'none';
    throw purged(`it is prepared in none of the server's binlog files, the first of which is ${first}`, { xid, at: before });
  }

  async read(at: BinlogPlace, keep: XaGroups['keep'], signal: AbortSignal): Promise<void> {
    let isOpen = false;
    let isDone = false;
    const end = (): void => {
      if (isOpen) isDone = true;
    };
    const xa = groupsOf({
      begin: (place) => {
        isOpen = comparePositions(place, at) === 0;
      },
      keep: (event) => (isOpen && !isDone ? keep(event) : undefined),
      prepare: end,
      commitOpen: end,
    });
    const from = { file: at.file, offset: at.offset > OFFSET_MAX ? 4 : at.offset };
    try {
      await this.#options.scan(from, { xa, onEnd: () => (isDone ? 'stop' : undefined) }, signal);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'SOURCE_PURGED') throw error;
      throw purged(`it was prepared at ${at.file}:${at.offset}, which the server has purged`, { at, cause: error });
    }
    if (!isDone) throw new CodedError('SOURCE_WRONG_SERVER', `no XA transaction is prepared at ${at.file}:${at.offset} any more`);
  }

  /** Where each XA transaction was prepared the last time within a file, up to a place. */
  async #preparedIn(file: string, before: BinlogPlace, signal: AbortSignal): Promise<ReadonlyMap<string, BinlogPlace>> {
    const found = new Map<string, BinlogPlace>();
    if (file === before.file && before.offset <= 4) return found;
    let open: BinlogPlace | undefined;
    const xa = groupsOf({
      begin: (at) => {
        open = at;
      },
      prepare: (xid) => {
        if (open !== undefined) found.set(xid, open);
      },
    });
    const onEnd = (part: TransactionPart) => (part.file !== file || comparePositions(part, before) >= 0 ? 'stop' : undefined);
    await this.#options.scan({ file, offset: 4 }, { xa, onEnd }, signal);
    return found;
  }
}

function purged(why: string, { xid = '', at, cause }: { xid?: string; at: BinlogPlace; cause?: unknown }): CodedError {
  const what = xid === '' ? 'an XA transaction' : `the XA transaction ${xid}`;
  const where = xid === '' ? '' : ` at ${at.file}:${at.offset}`;
  return new CodedError(
    'SOURCE_PURGED',
    `${what} is committed${where}, and its changes are not to be had any more (${why}): give the flow a new start behind its commit, ` +
      'and compute its tables anew',
    { cause, details: { position: `${at.file}:${at.offset}`, ...(xid === '' ? {} : { xid }) } },
  );
}
