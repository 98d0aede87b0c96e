import { CodedError } from '../lib/error.ts';
import { formatPosition, type Position } from '../row/position.ts';
import { markOf, whyOther } from '../row/transaction-mark.ts';
import type { RoutedPart } from './batch.ts';
import type { Progress } from './progress.ts';

/**
 * Why a part cannot be of the transaction that was cut, whose first changes are to be passed by because they are done; undefined: it may
 * be, or it only moves the place before it. A source that lost the end of its binlog writes another transaction where that one was.
 * `skip`: how many changes are still to be passed by, of the `received.rows` that are done.
 */
export function whyNotTheCut(
  part: RoutedPart,
  { skip, received }: { readonly skip: number; readonly received: Pick<Progress, 'rows' | 'of'> },
): string | undefined {
  const { of, rows } = received;
  const isFirst = skip === rows;
  if (isFirst && part.size > 0 && of !== undefined) {
    const why = whyOther(of, markOf(part, part.groups));
    if (why !== undefined) return why;
  }
  // without GTIDs there is one server, and the next transaction on it is the one
  const isNext = part.gtid === '' ? (part.begun ?? 0) > 0 : part.gtid === of?.gtid;
  const isIt = !isFirst || part.size > 0 || isNext;
  return isIt && part.isFinal && part.size < skip ? `it has only ${rows - skip + part.size} changes for the flow now` : undefined;
}

export function wrongTransaction(flow: string, position: Position, why: string): CodedError {
  const place = formatPosition(position);
  return new CodedError(
    'SOURCE_WRONG_SERVER',
    `flow ${flow} has done ${position.rows} changes of the transaction that follows ${position.file}:${position.offset}, and another one ` +
      `stands there now: ${why}. Has the source lost the end of its binlog in a crash (sync_binlog is not 1)? (at ${place})`,
    { details: { flow, position: place } },
  );
}
