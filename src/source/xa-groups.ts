/**
 * What becomes of XA transactions. In the binlog such a one is two groups: the first has its changes and ends in XA PREPARE, the second,
 * any time later, is one statement that says how it ended.
 *
 * Order of calls, by the event feed: `begin`, `keep` for each event that counts, then one of `prepare`, `commitOpen` and `abandon`; and
 * `commit` or `rollBack` where the second group stands.
 */
import type { InnerEvents } from './inner-events.ts';
import type { BinlogPlace } from './table-definitions.ts';

export interface XaGroups {
  /** Where the first group stands of the transaction whose events are being given. */
  readonly source: BinlogPlace;
  /** A first group begins. */
  begin(at: BinlogPlace): void;
  /** An event of it: a table map, rows or a statement, with a header and without a checksum. A promise means "enough". */
  keep(event: Buffer): Promise<void> | undefined;
  /** The group ends: what it holds takes effect at its commit, if that comes. */
  prepare(xid: string): void;
  /** The group ends, and takes effect at once (ONE PHASE): gives its events. */
  commitOpen(): InnerEvents;
  /** The group never happened. */
  abandon(): void;
  /** The transaction takes effect in the group that begins at `at`: gives its events. */
  commit(xid: string, at: BinlogPlace): InnerEvents;
  rollBack(xid: string): void;
}

/** An XA transaction's first group, read again. */
export interface PreparedSource {
  /**
   * Where XA transactions were prepared, the last time before a place; `xid` is one of them. Others may be missing. Throws SOURCE_PURGED
   * where that one is not in the binlog.
   */
  find(xid: string, before: BinlogPlace, signal: AbortSignal): Promise<ReadonlyMap<string, BinlogPlace>>;
  /** Hands on the events of the group that begins at a place: waits for what `keep` returns. Throws SOURCE_PURGED. */
  read(at: BinlogPlace, keep: XaGroups['keep'], signal: AbortSignal): Promise<void>;
}

/** Who only listens to first groups; nothing takes effect. */
export interface XaListener {
  readonly begin?: XaGroups['begin'];
  readonly keep?: XaGroups['keep'];
  readonly prepare?: XaGroups['prepare'];
  readonly commitOpen?: () => void;
}

export function groupsOf(listener: XaListener): XaGroups {
  const none: Buffer[] = [];
  return {
    source: { file: '', offset: 0 },
    begin: (at) => listener.begin?.(at),
    keep: (event) => listener.keep?.(event),
    prepare: (xid) => listener.prepare?.(xid),
    commitOpen: () => {
      listener.commitOpen?.();
      return none.values();
    },
    abandon: () => {},
    commit: () => none.values(),
    rollBack: () => {},
  };
}
