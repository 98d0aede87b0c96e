import type { Logger } from '../lib/logger.ts';
import type { TransactionPart } from '../row/change.ts';
import { BinlogStream, type BinlogStreamOptions } from './binlog-stream.ts';
import type { ScanVisitor } from './resolve-start.ts';
import type { BinlogPlace, DefinitionWish } from './table-definitions.ts';
import { groupsOf, type XaGroups } from './xa-groups.ts';

export interface ScanLimits {
  readonly url: string;
  readonly server: string;
  readonly flavour: 'mysql' | 'mariadb';
  readonly serverId: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  readonly pieceBytes: number;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
}

export interface StatementVisitor extends ScanVisitor {
  readonly onStatement?: BinlogStreamOptions['onStatement'];
  readonly xa?: XaGroups;
}

/** Nothing is wanted, so nothing asks. */
const nothingWanted = {
  describe: ({ schema, table }: DefinitionWish): Promise<never> => Promise.reject(new Error(`${schema}.${table} was not wanted`)),
};

/** A bounded dump of which no table is wanted: ends of transactions only. */
export async function scanBinlog(from: BinlogPlace, visitor: StatementVisitor, limits: ScanLimits): Promise<void> {
  const stopping = new AbortController();
  const heed = (answer: 'stop' | undefined) => {
    if (answer === 'stop') stopping.abort();
  };
  const signal = AbortSignal.any([limits.signal, stopping.signal]);
  const stream = new BinlogStream({
    ...limits,
    from,
    isBounded: true,
    wants: () => false,
    definitions: nothingWanted,
    xa: visitor.xa ?? groupsOf({}),
    ...(visitor.onStatement === undefined ? {} : { onStatement: visitor.onStatement }),
    sink: {
      push(part) {
        if (part.isFinal && !stopping.signal.aborted) heed(visitor.onEnd?.(part));
        return undefined;
      },
    },
    skip: { gtid: '', count: 0 },
    onAlive: () => {},
    onFormat: (time) => stopping.signal.aborted || heed(visitor.onFile?.(time)),
  });
  await stream.run(signal);
  limits.signal.throwIfAborted();
}

/** Reads the statements from a place to the binlog's end, and gives that end. */
export async function scanStatements(
  from: BinlogPlace,
  onStatement: NonNullable<BinlogStreamOptions['onStatement']>,
  limits: ScanLimits,
): Promise<BinlogPlace> {
  let end = from;
  const onEnd = (part: TransactionPart): undefined => void (end = { file: part.file, offset: part.offset });
  await scanBinlog(from, { onEnd, onStatement }, limits);
  return end;
}
