import type { Connector } from '../connector/contract.ts';
import type { Flow, RunFlow } from '../flow/contract.ts';
import type { Logger } from '../lib/logger.ts';
import type { StartPoint } from '../row/position.ts';
import type { TableReader } from '../snapshot/contract.ts';
import type { NamedTable } from '../snapshot/require-visible.ts';
import type { Source } from '../source/contract.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { Store } from '../store/open.ts';
import type { BadRowsPolicy } from './bad-rows.ts';
import type { RowShape } from './batch.ts';
import type { FlowObserver } from './batch-trail.ts';
import type { FlowRecords } from './flow-record.ts';
import type { PurgeMending } from './purge-mending.ts';
import type { ReaderPool } from './reader-pool.ts';
import type { SourceWatch } from './source-watch.ts';
import type { TablePolicies } from './table-statements.ts';
import type { Watchdog } from './watchdog.ts';

/** One flow as the daemon runs it: the flow, and where its rows come from. */
export interface DaemonFlow {
  readonly flow: Flow;
  readonly shape: RowShape;
  readonly start: StartPoint;
  /** How many tables a snapshot reads at once, how many chunks of each, and the tables that the flow names in full. */
  readonly snapshot: { readonly tablesMax: number; readonly chunksMax: number; readonly named: readonly NamedTable[] };
  readonly wants: (schema: string, table: string) => boolean;
  /** Whether tables of the schema may be wanted. */
  readonly wantsSchema: (schema: string) => boolean;
  /** The columns that it receives, besides primary keys'; undefined: all. */
  readonly columns: ReadonlySet<string> | undefined;
  /** Changes when the flow's tables or columns do: a position inside a transaction counts rows of these tables only. */
  readonly tablesHash: string;
  readonly batch: { readonly rows: number; readonly bytes: number };
  readonly badRows: BadRowsPolicy;
  /** What it does about rows that go without a change of each. */
  readonly tablePolicies: TablePolicies;
  /** What it does when the source no longer has what follows its checkpoint. */
  readonly onPurged: 'stop' | 'snapshot';
  /** Whether it keeps in the store which change last wrote each field of its computed rows. */
  readonly keepsLineage: boolean;
  readonly sourceName: string;
  /** Changes when anything does that makes the flow what it is: its configuration, its functions' code, its connectors. */
  readonly fingerprint: string;
  /** The same flow, made anew for computed tables in this database. Throws REBUILD_IMPOSSIBLE. */
  readonly inShadow: (database: string) => ShadowFlow;
}

/** A flow that computes its tables anew beside the live ones. */
export interface ShadowFlow {
  readonly subject: DaemonFlow;
  /** Not open. */
  readonly connectors: readonly Connector[];
  /** The names of its computed tables. */
  readonly tables: readonly string[];
  /** Of each of them, the columns that the flow owns, lower case; undefined: all. */
  readonly owned: ReadonlyMap<string, ReadonlySet<string> | undefined>;
  /** Those of which another flow writes other columns, with its name. */
  readonly shared: ReadonlyMap<string, string>;
}

/** What one flow needs to be kept running. */
export interface FlowServiceOptions {
  /** The flow at first; see FlowService.replace. */
  readonly subject: DaemonFlow;
  readonly source: Source;
  /** Reads the source's tables. */
  readonly tables: TableReader;
  readonly hasGtid: boolean;
  readonly pool: ReaderPool;
  /** Looks at the source. */
  readonly watch: Pick<SourceWatch, 'view'>;
  readonly store: Store;
  readonly leases: LeaseKeeper;
  readonly records: FlowRecords;
  readonly runFlow: RunFlow;
  readonly watchdog: Watchdog;
  readonly observer?: FlowObserver | undefined;
  readonly logger: Logger;
  readonly queueBytesMax: number;
  readonly retryLimitMs: number;
  readonly pollMs: number;
  /** Done under the flow's lease before each run; absent: nothing is. True: what stopped the flow, if anything did, is gone. */
  readonly settle?: ((lease: Lease) => Promise<boolean>) | undefined;
  /** What the flow does by itself about an error that it cannot go on with; absent: it stops. */
  readonly mending?: Pick<PurgeMending, 'begin' | 'look'> | undefined;
  /** A changed version of the flow has taken the place of the one before, which no batch uses any more. */
  readonly onReplaced: () => void;
  /** Take no more, commit what is queued, end. */
  readonly stop: AbortSignal;
  /** End at once. */
  readonly abort: AbortSignal;
  /** At its end a run waits, until this aborts, for the rows that wait; undefined: it leaves them to the next run. */
  readonly leave: AbortSignal | undefined;
}
