import { binlogNumber, comparePositions, type Position } from '../row/position.ts';
import type { KeptBinlogs } from '../source/contract.ts';

type Place = Pick<Position, 'server' | 'file' | 'offset'>;

/** Bytes of the binlog between two places; undefined where they are of two servers, or sizes between them are not known. */
export function bytesBetween(from: Place, to: Place, files: KeptBinlogs['files']): number | undefined {
  if (from.server !== to.server) return undefined;
  if (comparePositions(from, to) >= 0) return 0;
  const first = binlogNumber(from.file);
  const last = binlogNumber(to.file);
  if (first === last) return to.offset - from.offset;
  const passed = files.filter(({ name }) => binlogNumber(name) >= first && binlogNumber(name) < last);
  if (passed.length !== last - first) return undefined;
  return passed.reduce((sum, { size }) => sum + size, 0) - from.offset + to.offset;
}

/** How long until the server may purge the file that a position stands in. */
export type Headroom = { readonly kind: 'never' } | { readonly kind: 'within'; readonly ms: number; readonly expireMs: number };

/** What is known of the server's files. */
export interface BinlogShelf extends KeptBinlogs {
  readonly server: string;
  /** When files were begun, by the server's clock; as far as it was asked for. */
  readonly begun: ReadonlyMap<string, number>;
}

/** The file behind the one that the place stands in: its beginning is that one's end. Undefined: it is the last one, or not there. */
export function fileBehind({ file }: Pick<Place, 'file'>, files: KeptBinlogs['files']): string | undefined {
  return files[files.findIndex(({ name }) => name === file) + 1]?.name;
}

/**
 * A file is purged by age once it was finished so long ago: that is when the next one was begun. The last one has all of that before
 * it. Purges by hand and by size cannot be foreseen. Undefined: not known yet. `now`: the server's clock.
 */
export function headroomOf(place: Place, shelf: BinlogShelf, now: number): Headroom | undefined {
  const { files, expireMs, begun, server } = shelf;
  if (place.server !== server) return undefined;
  if (expireMs === undefined) return { kind: 'never' };
  if (!files.some(({ name }) => name === place.file)) {
    const first = files[0];
    if (first === undefined || binlogNumber(place.file) > binlogNumber(first.name)) return undefined;
    return { kind: 'within', ms: 0, expireMs }; // it has happened
  }
  const next = fileBehind(place, files);
  if (next === undefined) return { kind: 'within', ms: expireMs, expireMs };
  const finished = begun.get(next);
  return finished === undefined ? undefined : { kind: 'within', ms: Math.max(0, finished + expireMs - now), expireMs };
}

const dayMs = 86_400_000;

/** Whether there is so little time left that somebody should see to it: a quarter of what the server keeps, and at most a day. */
export function isShort(headroom: Headroom | undefined): boolean {
  return headroom?.kind === 'within' && headroom.ms < Math.min(headroom.expireMs / 4, dayMs);
}
