import { formatPosition, type Position } from '../row/position.ts';
import { countChanges, originOf, type Batch, type RoutedPart } from './batch.ts';
import type { DueRows } from './stage-run.ts';

export interface StagePlace {
  readonly flow: string;
  /** Where the stream stands, between two transactions. */
  readonly place: Position;
  /** Tells the batch from others at this place. */
  readonly number: number;
}

/** Rows of a run as a batch that stands between two transactions: it leaves the flow's position where it is. */
export function batchOfRows({ groups, chunk, time, bytes }: DueRows, { flow, place, number }: StagePlace): Batch {
  const { server, file, offset } = place;
  const size = countChanges(groups);
  const part: RoutedPart = { groups, size, server, file, offset, gtid: '', run: chunk.run, time, bytes, isFinal: true };
  return {
    start: place,
    end: place,
    parts: [part],
    size,
    time: 0,
    dead: [],
    deadRounds: 0,
    unread: [],
    origin: originOf(`${flow}|run ${chunk.run}|${chunk.sourceTable}|${formatPosition(place)}|${number}`),
    chunk,
  };
}
