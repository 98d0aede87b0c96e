import { Gauge, type Registry } from 'prom-client';
import { neverVerified, type VerifyStatus } from '../repair/verify-schedule.ts';
import type { Headroom } from './binlog-distance.ts';
import type { DaemonView } from './daemon-view.ts';
import type { FlowFigures } from './flow-figures.ts';
import { flowStates } from './flow-record.ts';
import type { FlowService } from './flow-service.ts';

export interface GaugeOptions {
  /** Undefined: it does not run yet. */
  readonly daemon: () => DaemonView | undefined;
  readonly beforeScrape: () => Promise<void>;
}

interface GaugeSpec<Of = FlowFigures> {
  readonly name: string;
  readonly help: string;
  /** What one flow of this daemon shows; undefined: not known. */
  readonly read: (figures: Of) => number | undefined;
}

const perFlow: readonly GaugeSpec[] = [
  {
    name: 'kisflow_freshness_seconds',
    help: 'Everything that was committed at the source so long ago is proven to be in the store.',
    read: ({ freshMs }) => seconds(freshMs),
  },
  {
    name: 'kisflow_lag_seconds',
    help: 'How long ago the oldest change was committed that is not in the store yet; 0: there is none.',
    read: ({ lagMs }) => seconds(lagMs),
  },
  {
    name: 'kisflow_lag_bytes',
    help: 'Bytes of the source’s binlog between what the flow has done and the end.',
    read: ({ lagBytes }) => lagBytes,
  },
  {
    name: 'kisflow_purge_headroom_seconds',
    help: 'How long until the source may purge the binlog that the flow needs next, by its age; +Inf: never.',
    read: ({ headroom }) => headroomSeconds(headroom),
  },
  {
    name: 'kisflow_binlog_kept_seconds',
    help: 'For how long the source keeps a binlog that is finished; +Inf: for ever.',
    read: ({ headroom }) => (headroom?.kind === 'within' ? headroom.expireMs / 1000 : headroomSeconds(headroom)),
  },
  {
    name: 'kisflow_queue_bytes',
    help: 'Binlog bytes that wait in memory for the flow.',
    read: ({ queueBytes }) => queueBytes,
  },
  {
    name: 'kisflow_reader_connected',
    help: '1: the flow’s reader is connected to the source.',
    read: ({ reader }) => (reader === undefined ? undefined : Number(reader.isConnected)),
  },
  {
    name: 'kisflow_batch_under_way_seconds',
    help: 'For how long the oldest batch that is not committed has been under way; 0: there is none.',
    read: ({ batchMs }) => (batchMs ?? 0) / 1000,
  },
];

/** They are in the store: whichever daemon holds the flow shows them. */
const perVerified: readonly GaugeSpec<VerifyStatus>[] = [
  {
    name: 'kisflow_verify_last_success_timestamp_seconds',
    help: 'When the flow’s last verify was done, whatever it found; since 1970, by the store’s clock.',
    read: ({ last }) => timestamp(last?.endedAt),
  },
  {
    name: 'kisflow_verify_differences',
    help: 'Rows that it found wrong and did not mend.',
    read: ({ last }) => last?.differences,
  },
  {
    name: 'kisflow_verify_every_seconds',
    help: 'How long after the end of a verify the next one is due; only of flows that are verified by a schedule.',
    read: ({ schedule }) => seconds(schedule?.everyMs),
  },
  {
    name: 'kisflow_verify_scheduled_timestamp_seconds',
    help: 'From when on that holds; since 1970, by the store’s clock.',
    read: ({ schedule }) => timestamp(schedule?.since),
  },
];

/** Adds what is read when it is asked for. Figures of a flow are shown by the daemon that holds its lease, and by no other. */
export function addGauges(registry: Registry, options: GaugeOptions): void {
  const registers = [registry];
  const services = (): readonly FlowService[] => options.daemon()?.services ?? [];
  const state: Gauge<'flow' | 'state'> = new Gauge({
    name: 'kisflow_flow_state',
    help: '1 for the state that the flow has in this daemon, 0 for the others.',
    labelNames: ['flow', 'state'],
    registers,
    collect: async () => {
      await options.beforeScrape();
      state.reset();
      for (const { name: flow, report } of services()) {
        for (const other of flowStates) state.set({ flow, state: other }, Number(report.state === other));
      }
    },
  });
  const lease: Gauge<'flow'> = new Gauge({
    name: 'kisflow_lease_held',
    help: '1: this daemon holds the flow’s lease.',
    labelNames: ['flow'],
    registers,
    collect: () => {
      lease.reset();
      for (const { name: flow, isHolder } of services()) lease.set({ flow }, Number(isHolder));
    },
  });
  for (const { read, ...spec } of perFlow) addPerFlow(registry, { ...spec, read: ({ figures }) => read(figures) }, services);
  for (const { read, ...spec } of perVerified) {
    const readFlow = ({ name }: FlowService): number | undefined => read(options.daemon()?.verified.get(name) ?? neverVerified);
    addPerFlow(registry, { ...spec, read: readFlow }, services);
  }
  addKept(registry, services);
  addServers(registry, options.daemon);
}

function addPerFlow(
  registry: Registry,
  { name, help, read }: GaugeSpec<FlowService>,
  services: () => readonly FlowService[],
): void {
  const gauge: Gauge<'flow'> = new Gauge({
    name,
    help,
    labelNames: ['flow'],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const service of services()) {
        const value = service.isHolder ? read(service) : undefined;
        if (value !== undefined) gauge.set({ flow: service.name }, value);
      }
    },
  });
}

function addKept(registry: Registry, services: () => readonly FlowService[]): void {
  const gauge: Gauge<'flow' | 'state'> = new Gauge({
    name: 'kisflow_kept_rows',
    help: 'Rows in kis_dead_row that may still be applied: dead, waiting for others, or parked behind one of these.',
    labelNames: ['flow', 'state'],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const { name: flow, report } of services()) {
        for (const [state, rows] of Object.entries(report.kept ?? {})) gauge.set({ flow, state }, rows);
      }
    },
  });
}

function addServers(registry: Registry, daemon: GaugeOptions['daemon']): void {
  const registers = [registry];
  const source: Gauge<'source'> = new Gauge({
    name: 'kisflow_source_up',
    help: '1: the source answered when it was last asked, at most seconds ago.',
    labelNames: ['source'],
    registers,
    collect: () => {
      source.reset();
      for (const [name, { failure }] of daemon()?.look().sources ?? []) source.set({ source: name }, Number(failure === undefined));
    },
  });
  const store: Gauge = new Gauge({
    name: 'kisflow_store_up',
    help: '1: the store answered when it was last asked, at most seconds ago.',
    registers,
    collect: () => store.set(Number(daemon()?.look().store.failure === undefined)),
  });
  const writable: Gauge = new Gauge({
    name: 'kisflow_store_writable',
    help: '1: the store took the daemon’s last write of figures.',
    registers,
    collect: () => writable.set(Number(daemon()?.look().writes.failure === undefined)),
  });
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function timestamp(iso: string | undefined): number | undefined {
  return iso === undefined ? undefined : Date.parse(iso) / 1000;
}

function headroomSeconds(headroom: Headroom | undefined): number | undefined {
  return headroom?.kind === 'never' ? Number.POSITIVE_INFINITY : seconds(headroom?.ms);
}
