import type { FlowSpec } from '../../config/spec.ts';
import { CodedError } from '../../lib/error.ts';
import { gtidContains } from '../../row/gtid.ts';
import { formatPosition, parseStart, type Position } from '../../row/position.ts';
import { gtidBefore, listBinlogs, type BinlogFile } from '../../source/binlog-places.ts';
import { createBinlogSource } from '../../source/binlog-source.ts';
import type { Query } from '../../source/server-link.ts';
import type { ServerSettings } from '../../source/server-settings.ts';
import { verifyServer } from '../../source/verify-server.ts';
import { silentLogger } from '../../lib/logger.ts';
import { shortPosition } from '../../daemon/operate/flow-status.ts';
import { formatDuration } from '../table.ts';
import { findingOf, type Finding } from './finding.ts';
import type { StoredPosition } from './store.ts';

/** What positions are judged against. */
export interface PositionScope {
  readonly query: Query;
  readonly settings: ServerSettings;
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: number;
}

/** Below this, somebody should look before the night. */
const soonMs = 6 * 60 * 60 * 1000;

/** Whether the server still holds the place where each flow goes on, or begins, and for how long. */
export async function examinePositions(
  flows: readonly FlowSpec[],
  checkpoints: ReadonlyMap<string, StoredPosition>,
  scope: PositionScope,
): Promise<readonly Finding[]> {
  const files = await listBinlogs(scope.query);
  const findings: Finding[] = [];
  for (const flow of flows) {
    const stored = checkpoints.get(flow.flow_name);
    findings.push(
      stored === undefined ? await examineStart(flow, files, scope) : await examineStored(flow, stored, { files, scope }),
    );
  }
  return findings;
}

async function examineStored(
  flow: FlowSpec,
  stored: StoredPosition,
  { files, scope }: { readonly files: readonly BinlogFile[]; readonly scope: PositionScope },
): Promise<Finding> {
  const subject = `flow ${flow.flow_name}`;
  const { position } = stored;
  try {
    await verifyServer(scope.query, scope.settings, position);
    await verifyMariadbHistory(position, { files, scope });
  } catch (error) {
    const isPurged = error instanceof CodedError && error.code === 'SOURCE_PURGED';
    const finding = findingOf(error, { subject, remedy: isPurged ? anew(flow) : `${wrongServer(flow)}\n${anew(flow)}` });
    if (!isPurged || flow.source?.on_purged !== 'snapshot') return finding;
    return {
      ...finding,
      severity: 'warning',
      message: `${finding.message} The flow is rebuilt by itself (on_purged: snapshot).`,
      remedy: '',
    };
  }
  const place = `Flow ${flow.flow_name} goes on at ${shortPosition(formatPosition(position))}`;
  return { subject, ...retention({ place, position, stored, files, scope }) };
}

/** MariaDB tells only when the dump begins that it has purged what a GTID position needs; its first file says so before. */
async function verifyMariadbHistory(
  position: Position,
  { files, scope }: { readonly files: readonly BinlogFile[]; readonly scope: PositionScope },
): Promise<void> {
  const [first] = files;
  if (scope.settings.flavour === 'mysql' || position.gtid === '' || first === undefined) return;
  const purged = await gtidBefore(scope.query, scope.settings, first.name);
  if (gtidContains(position.gtid, purged)) return;
  const message = `${shortPosition(formatPosition(position))} is purged: the server's first binlog file is ${first.name}, which begins after ${purged}`;
  throw new CodedError('SOURCE_PURGED', message);
}

/** Until when the server keeps a place: its file is purged at the earliest so long after the last transaction in it. */
function retention(at: {
  readonly place: string;
  readonly position: Position;
  readonly stored: StoredPosition;
  readonly files: readonly BinlogFile[];
  readonly scope: PositionScope;
}): Pick<Finding, 'code' | 'severity' | 'message' | 'remedy'> {
  const { place, position, stored, files, scope } = at;
  const { expireSeconds, server } = scope.settings;
  const info = (why: string) => ({ code: 'SOURCE_POSITION', severity: 'info', message: `${place}${why}.`, remedy: '' }) as const;
  if (position.server !== server || !files.some(({ name }) => name === position.file)) return info(', found by its GTIDs');
  if (files.at(-1)?.name === position.file) return info(', in the file that the server writes now');
  if (expireSeconds === 0) return info(', which is never purged by age');
  if (stored.commitTime === undefined) return info('; until when the server keeps it is not known before the first change');
  const leftMs = stored.commitTime + expireSeconds * 1000 - scope.now;
  if (leftMs >= soonMs) return info(`, which the server keeps for ${formatDuration(leftMs)} more at least`);
  const when = leftMs <= 0 ? 'at any moment' : `in ${formatDuration(leftMs)}`;
  return {
    code: 'SOURCE_POSITION',
    severity: 'warning',
    message: `${place}, which the server may purge ${when}.`,
    remedy: '-- start the daemon, or on the source: SET GLOBAL binlog_expire_logs_seconds = 604800;',
  };
}

/** A flow without a checkpoint begins at its `start`: asked as the daemon asks it, where that needs no reading of the binlog. */
async function examineStart(flow: FlowSpec, files: readonly BinlogFile[], scope: PositionScope): Promise<Finding> {
  const subject = `flow ${flow.flow_name}`;
  const text = flow.source?.start ?? 'snapshot';
  const start = parseStart(text);
  const has = (what: string): Finding => {
    const message = `Flow ${flow.flow_name} has no checkpoint yet and begins at ${what}.`;
    return { code: 'SOURCE_POSITION', severity: 'info', subject, message, remedy: '' };
  };
  if (start === undefined) return has(text);
  if (start.kind === 'earliest')
    return has(`the earliest change that the server still has, in ${files[0]?.name ?? 'its first file'}`);
  if (start.kind === 'snapshot') return has('a snapshot of its tables, beside the end of the binlog');
  if (start.kind === 'latest') return has('the end of the binlog: changes made before its first start are not taken');
  if (start.kind !== 'file' && start.kind !== 'gtid') return has(text);
  const { url, connectTimeoutMs } = scope;
  const source = createBinlogSource({ name: flow.source?.name ?? '', url, serverId: 0, logger: silentLogger, connectTimeoutMs });
  try {
    await source.resolve(start, scope.signal);
    return has(text);
  } catch (error) {
    return findingOf(error, { subject, remedy: newStart(flow) });
  } finally {
    await source.close();
  }
}

function newStart(flow: FlowSpec): string {
  return `source: {start: earliest}   # in the document of flow ${flow.flow_name}; with a checkpoint: give the flow a new start (docs/operations.md)`;
}

function anew(flow: FlowSpec): string {
  return `kisflow rebuild ${flow.flow_name}   # while the daemon runs: its tables are computed anew from the source as it is`;
}

function wrongServer(flow: FlowSpec): string {
  const name = flow.source?.name ?? '';
  return `url: mysql://…   # in the document of source ${name}: the server that flow ${flow.flow_name} was read from`;
}
