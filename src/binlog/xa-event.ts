import { Cursor } from './cursor.ts';
import { MalformedEvent } from './malformed.ts';

/** How a group of XA ends. */
export interface XaPrepare {
  /** XA COMMIT … ONE PHASE: the transaction is committed here, not only prepared. */
  readonly isOnePhase: boolean;
  /** As `readXid` gives it. */
  readonly xid: string;
}

/** What the XA specification allows of each of the two parts, in bytes. */
const PART_BYTES_MAX = 64;

/**
 * XA_PREPARE: one phase (1), format id (4), size of the global part (4), size of the branch (4), both parts (MySQL
 * libs/mysql/binlog/event/control_events.h, XA_prepare_event; MariaDB sql/log_event.h, XA_prepare_log_event).
 */
export function readXaPrepare(body: Buffer): XaPrepare {
  const cursor = new Cursor(body);
  const isOnePhase = cursor.u8() !== 0;
  const format = cursor.u32();
  const globalSize = cursor.u32();
  const branchSize = cursor.u32();
  if (globalSize > PART_BYTES_MAX || branchSize > PART_BYTES_MAX) {
    throw new MalformedEvent(`an XA transaction's id of ${globalSize} and ${branchSize} bytes`);
  }
  const global = cursor.bytes(globalSize).toString('hex');
  return { isOnePhase, xid: `X'${global}',X'${cursor.bytes(branchSize).toString('hex')}',${format}` };
}

const xidPattern = /^X'([0-9a-f]{0,128})'\s*,\s*X'([0-9a-f]{0,128})'\s*,\s*(\d{1,20})$/i;

/**
 * The id in a statement of the binlog, `X'6162',X'',1`, always in the same form: small hexadecimal digits, and of the format id the 32 bits
 * that XA_PREPARE has of it.
 */
export function readXid(text: string): string {
  const [, global, branch, format] = xidPattern.exec(text.trim()) ?? [];
  if (global === undefined || branch === undefined || format === undefined) {
    throw new MalformedEvent(`an XA transaction's id that is written as ${text.slice(0, 300)}`);
  }
  return `X'${global.toLowerCase()}',X'${branch.toLowerCase()}',${BigInt.asUintN(32, BigInt(format))}`;
}
