import { MalformedEvent } from '../malformed.ts';

/** Digits of a DECIMAL's group of 0 to 9 digits take this many bytes (strings/decimal.cc, dig2bytes). */
const GROUP_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
/** A DECIMAL holds at most 81 digits inside the server (DECIMAL_BUFF_LENGTH groups of 9). */
const PRECISION_MAX = 81;
const PACKED_BYTES = 8;
const BASE64_LINE = 76;

/**
 * A DECIMAL within JSON (Json_decimal::convert_from_binary): a byte of precision, a byte of scale, then decimal2bin's digits in
 * big-endian groups of nine, with the sign's bit flipped and every bit of a negative number flipped.
 */
export function decimalText(buffer: Buffer, start: number, end: number): string {
  if (end - start < 3) throw new MalformedEvent('a DECIMAL within JSON that is cut short');
  const precision = buffer.readUInt8(start);
  const scale = buffer.readUInt8(start + 1);
  const whole = groupsOf(precision - scale, 'first');
  const groups = [...whole, ...groupsOf(scale, 'last')];
  const size = groups.reduce((sum, digits) => sum + (GROUP_BYTES[digits] ?? 0), 0);
  if (scale > precision || precision > PRECISION_MAX || size !== end - start - 2) {
    throw new MalformedEvent(`a DECIMAL(${precision},${scale}) within JSON of ${end - start} bytes`);
  }
  const bytes = Buffer.from(buffer.subarray(start + 2, end));
  bytes.writeUInt8(bytes.readUInt8(0) ^ 0x80, 0);
  const isNegative = bytes.readUInt8(0) >= 0x80;
  if (isNegative) for (const [i, byte] of bytes.entries()) bytes[i] = byte ^ 0xff;
  let at = 0;
  const digits = groups.map((count) => {
    const length = GROUP_BYTES[count] ?? 0;
    const group = String(bytes.readUIntBE(at, length)).padStart(count, '0');
    if (group.length > count) throw new MalformedEvent('a DECIMAL within JSON with a group of too many digits');
    at += length;
    return group;
  });
  const text = digits.slice(0, whole.length).join('').replace(/^0+/, '') || '0';
  const fraction = digits.slice(whole.length).join('');
  return `${isNegative ? '-' : ''}${text}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The sizes of the groups of so many digits: nines, and what is left first (before the point) or last (behind it). */
function groupsOf(digits: number, rest: 'first' | 'last'): number[] {
  if (digits <= 0) return [];
  const nines = Array.from({ length: Math.floor(digits / 9) }, () => 9);
  const left = digits % 9 === 0 ? [] : [digits % 9];
  return rest === 'first' ? [...left, ...nines] : [...nines, ...left];
}

/** A DATE, TIME, DATETIME or TIMESTAMP within JSON: TIME_to_longlong_packed (mysys/my_time.cc), 8 bytes, little-endian. */
interface PackedTime {
  readonly isNegative: boolean;
  readonly whole: number;
  readonly microseconds: number;
}

function readPacked(buffer: Buffer, start: number, end: number): PackedTime {
  if (end - start !== PACKED_BYTES) throw new MalformedEvent(`a time within JSON of ${end - start} bytes`);
  const low = buffer.readUInt32LE(start);
  const whole = buffer.readInt32LE(start + 4) * 256 + (low >>> 24);
  const fraction = low & 0xff_ffff;
  const isNegative = whole < 0;
  const borrow = isNegative && fraction > 0 ? 1 : 0;
  const microseconds = borrow === 1 ? 0x100_0000 - fraction : fraction;
  if (microseconds > 999_999) throw new MalformedEvent('a time within JSON of more than 999999 microseconds');
  return { isNegative, whole: isNegative ? -whole - borrow : whole, microseconds };
}

/** `-838:59:59.000000`: sign, hours (10 bits), minutes (6), seconds (6). */
export function timeText(buffer: Buffer, start: number, end: number): string {
  const { isNegative, whole, microseconds } = readPacked(buffer, start, end);
  return `${isNegative ? '-' : ''}${clock(whole % 2 ** 22)}.${pad(microseconds, 6)}`;
}

/** `2024-02-29`: year * 13 + month (17 bits), day (5), and a clock that is left out. */
export function dateText(buffer: Buffer, start: number, end: number): string {
  return day(Math.floor(readPacked(buffer, start, end).whole / 2 ** 17));
}

/** `2024-02-29 23:59:59.999999`, also of a TIMESTAMP: it was put into JSON in its session's time zone. */
export function datetimeText(buffer: Buffer, start: number, end: number): string {
  const { whole, microseconds } = readPacked(buffer, start, end);
  return `${day(Math.floor(whole / 2 ** 17))} ${clock(whole % 2 ** 17)}.${pad(microseconds, 6)}`;
}

function day(packed: number): string {
  const months = Math.floor(packed / 32);
  return `${pad(Math.floor(months / 13), 4)}-${pad(months % 13, 2)}-${pad(packed % 32, 2)}`;
}

function clock(packed: number): string {
  return `${pad(packed >> 12, 2)}:${pad((packed >> 6) & 63, 2)}:${pad(packed & 63, 2)}`;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

export interface OpaqueBytes {
  /** The column type's number (enum_field_types). */
  readonly type: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Bytes of any other type: base64, with the escaped line break that the server's base64_encode puts behind each 76 characters. */
export function base64Text({ type, buffer, start, end }: OpaqueBytes): string {
  const text = buffer.toString('base64', start, end);
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += BASE64_LINE) lines.push(text.slice(at, at + BASE64_LINE));
  return `base64:type${type}:${lines.join('\\n')}`;
}
