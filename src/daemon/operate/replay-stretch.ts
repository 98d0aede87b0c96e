import type { Checkpoint } from '../../checkpoint/checkpoint.ts';
import type { FlowSpec } from '../../config/spec.ts';
import { CodedError } from '../../lib/error.ts';
import { hasReached } from '../../repair/replay-reader.ts';
import { formatPosition, parsePosition, parseStart, type Position, type StartPoint } from '../../row/position.ts';
import { createBinlogSource } from '../../source/binlog-source.ts';
import type { Source } from '../../source/contract.ts';
import type { ReplayAsked } from './run-asked.ts';
import type { RunPlace } from './run-place.ts';

const connectTimeoutMs = 5000;

export interface StretchOptions {
  readonly place: Pick<RunPlace, 'configuration' | 'logger' | 'signal'>;
  readonly asked: ReplayAsked;
  readonly spec: FlowSpec;
  readonly checkpoint: Checkpoint;
}

/** The stretch that is to be replayed, on the source as it is now. Throws SOURCE_POSITION_INVALID, SOURCE_PURGED, SOURCE_WRONG_SERVER, REPLAY_RANGE. */
export async function resolveStretch(options: StretchOptions): Promise<{ readonly from: Position; readonly to: Position }> {
  const { asked, spec, checkpoint } = options;
  const { configuration, logger, signal } = options.place;
  const name = spec.source?.name ?? '';
  const found = configuration.sources.get(name);
  if (found === undefined) throw new CodedError('INTERNAL', `Flow ${spec.flow_name} has no source ${name}.`);
  const source = createBinlogSource({ name, url: found.url, serverId: 0, logger, connectTimeoutMs });
  try {
    const from = await resolvePoint('from', asked.from, { source, signal });
    const stands: Position = { ...checkpoint.position, rows: 0 };
    const to = asked.to === undefined ? stands : await resolvePoint('to', asked.to, { source, signal });
    requireBefore(from, stands, `flow ${spec.flow_name} stands at ${shortOf(stands)}`);
    requireBefore(from, to, `its end is ${shortOf(to)}`);
    return { from, to };
  } finally {
    await source.close();
  }
}

async function resolvePoint(
  option: 'from' | 'to',
  text: string,
  { source, signal }: { readonly source: Source; readonly signal: AbortSignal },
): Promise<Position> {
  const start = await startOf(option, text, { source, signal });
  const position = await source.resolve(start, signal);
  // the place of a GTID set is one before which the server has all of it: the set alone says where it is
  return start.kind === 'gtid' ? { ...position, server: '' } : position;
}

async function startOf(
  option: 'from' | 'to',
  text: string,
  { source, signal }: { readonly source: Source; readonly signal: AbortSignal },
): Promise<StartPoint> {
  const stored = parsePosition(text);
  if (stored !== undefined && (stored.server !== '' || stored.gtid !== '')) {
    const { server } = await source.inspect(signal);
    const { file, offset, gtid } = stored;
    if (stored.server === '' || stored.server === server) return { kind: 'file', file, offset };
    if (gtid !== '') return { kind: 'gtid', gtid };
    throw new CodedError('SOURCE_WRONG_SERVER', `${option} ${text} is a place on another server than ${server}, and has no GTIDs.`);
  }
  const start = parseStart(text);
  if (start !== undefined && start.kind !== 'snapshot' && start.kind !== 'latest') return start;
  throw new CodedError(
    'SOURCE_POSITION_INVALID',
    `${option} takes <file>:<offset>, a GTID set, a time such as 2026-01-31T12:00:00Z, or a position as the store keeps it, not "${text}".`,
  );
}

function requireBefore(from: Position, end: Position, what: string): void {
  if (hasReached(end, from, () => end.gtid)) return;
  throw new CodedError('REPLAY_RANGE', `There is nothing to replay from ${shortOf(from)}: ${what}.`);
}

function shortOf(position: Position): string {
  return formatPosition({ ...position, server: '' });
}
