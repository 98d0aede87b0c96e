import { listBinlogs, readBound } from './binlog-places.ts';
import type { KeptBinlogs, ServerIdentity, SourceProbe, SourceSight } from './contract.ts';
import { KeptLink, type KeptLinkOptions } from './kept-link.ts';
import type { ScanVisitor } from './resolve-start.ts';
import { textOf, type Query } from './server-link.ts';
import type { BinlogPlace } from './table-definitions.ts';

export interface SourceProbeOptions extends KeptLinkOptions {
  /** Reads the binlog from a place on, until the visitor has enough. */
  readonly scan: (from: BinlogPlace, visitor: ScanVisitor, signal: AbortSignal) => Promise<void>;
}

/** Looks at a server that writes a binlog (see contract.ts). */
export function createSourceProbe(options: SourceProbeOptions): SourceProbe {
  const link = new KeptLink(options);
  return {
    look: (signal) => link.use(signal, look),
    listBinlogs: (signal) => link.use(signal, listKept),
    begunAt: (file, signal) => readBegin(file, options.scan, signal),
    close: () => link.close(),
  };
}

/** The time in a file's first event. */
async function readBegin(file: string, scan: SourceProbeOptions['scan'], signal: AbortSignal): Promise<number | undefined> {
  let begun: number | undefined;
  const onFile = (time: number): 'stop' => {
    begun = time;
    return 'stop';
  };
  await scan({ file, offset: 4 }, { onFile }, signal);
  return begun;
}

async function look(query: Query, identity: ServerIdentity): Promise<SourceSight> {
  const head = await readBound(query, identity);
  const [row] = await query('SELECT UNIX_TIMESTAMP(NOW(3)) AS now');
  return { head, time: Number(textOf(row, 'now')) * 1000 };
}

const expiryVariables = "'binlog_expire_logs_seconds', 'expire_logs_days', 'binlog_expire_logs_auto_purge'";

async function listKept(query: Query): Promise<KeptBinlogs> {
  const files = await listBinlogs(query);
  const rows = await query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${expiryVariables})`);
  const values = new Map(rows.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  const days = Number(values.get('expire_logs_days') ?? 0);
  const seconds = Number(values.get('binlog_expire_logs_seconds') ?? 0) || days * 86_400;
  const isPurging = seconds > 0 && !/^(off|0)$/i.test(values.get('binlog_expire_logs_auto_purge') ?? 'on');
  return { files, expireMs: isPurging ? seconds * 1000 : undefined };
}
