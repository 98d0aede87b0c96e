import type { Value } from '../row/change.ts';
import type { Cursor } from './cursor.ts';
import type { ReadValue } from './integer.ts';
import { MalformedEvent } from './malformed.ts';

/**
 * Dates and times as the server prints them, TIMESTAMP in UTC (MySQL sql-common/my_time.cc, my_time_packed_from_binary and the like).
 * Invalid dates that a server has kept (0000-00-00, 2023-02-30) come as they are.
 *
 * Texts are made of character codes at once: put together from pieces, V8 would keep them as trees, several times their size.
 */
const SECONDS_PER_DAY = 86_400;
const FRACTION_DIGITS_MAX = 6;
const DATE_LENGTH = 10;
const HOURS_MAX = 838;
const ZERO_TIMESTAMP = '0000-00-00 00:00:00';

/** Bytes of a fraction of so many digits. */
const FRACTION_BYTES = [0, 1, 1, 2, 2, 3, 3];

/** '' or '.' and so many digits of a number of 10^-digits. */
export function fractionText(fraction: number, digits: number): string {
  return digits === 0 ? '' : `.${String(fraction).padStart(digits, '0')}`;
}

/** `secondOfDay` counts from midnight. */
export function dateTimeText(date: { year: number; month: number; day: number }, secondOfDay: number): string {
  const { year, month, day } = date;
  const hour = Math.trunc(secondOfDay / 3600);
  const minute = Math.trunc(secondOfDay / 60) % 60;
  const second = secondOfDay % 60;
  return String.fromCharCode(
    48 + Math.trunc(year / 1000),
    48 + (Math.trunc(year / 100) % 10),
    48 + (Math.trunc(year / 10) % 10),
    48 + (year % 10),
    45,
    48 + Math.trunc(month / 10),
    48 + (month % 10),
    45,
    48 + Math.trunc(day / 10),
    48 + (day % 10),
    32,
    48 + Math.trunc(hour / 10),
    48 + (hour % 10),
    58,
    48 + Math.trunc(minute / 10),
    48 + (minute % 10),
    58,
    48 + Math.trunc(second / 10),
    48 + (second % 10),
  );
}

/** A TIME of at most 838:59:59, without its fraction. */
export function timeText(isNegative: boolean, hour: number, minute: number, second: number): string {
  const text = `${hour < 10 ? '0' : ''}${hour}:${minute < 10 ? '0' : ''}${minute}:${second < 10 ? '0' : ''}${second}`;
  return isNegative ? `-${text}` : text;
}

/** The date of a day counted from 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible date algorithms"). */
export function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.trunc(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.trunc(
    (dayOfEra - Math.trunc(dayOfEra / 1460) + Math.trunc(dayOfEra / 36_524) - Math.trunc(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100));
  const shiftedMonth = Math.trunc((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.trunc((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** A moment, in seconds since 1970, as a TIMESTAMP's text in UTC without its fraction; 0 is the zero date. */
export function timestampText(seconds: number): string {
  return dateTimeText(civilFromDays(Math.trunc(seconds / SECONDS_PER_DAY)), seconds % SECONDS_PER_DAY);
}

/** DATE: 5 bits of day, 4 of month, 15 of year. Neighbouring rows often have the same. */
export function dateReader(): ReadValue {
  let lastRaw = -1;
  let lastText = '';
  return (c) => {
    const raw = c.buffer.readUIntLE(c.take(3), 3);
    if (raw === lastRaw) return lastText;
    const year = raw >>> 9;
    const month = (raw >>> 5) & 15;
    if (year > 9999 || month > 12) throw new MalformedEvent(`a DATE of the month ${year}-${month}`);
    lastText = dateTimeText({ year, month, day: raw & 31 }, 0).slice(0, DATE_LENGTH);
    lastRaw = raw;
    return lastText;
  };
}

/** TIMESTAMP(n): big-endian seconds since 1970 and the fraction. */
export function timestampReader(digits: number): ReadValue {
  checkDigits(digits);
  let lastSeconds = 0;
  let lastText = ZERO_TIMESTAMP;
  return (c) => {
    const seconds = c.buffer.readUInt32BE(c.take(4));
    const fraction = readFraction(c, digits);
    // 0 seconds with a fraction is a moment of 1970, 0 without is the zero date: the server prints so.
    if (seconds === 0 && fraction === 0) return ZERO_TIMESTAMP + fractionText(0, digits);
    if (seconds !== lastSeconds || seconds === 0) {
      lastText = timestampText(seconds);
      lastSeconds = seconds;
    }
    return digits === 0 ? lastText : flat(lastText + fractionText(fraction, digits));
  };
}

/** DATETIME(n): 40 bits big-endian (sign, 17 of year and month, 5 of day, 5 of hour, 6, 6) and the fraction. */
export function dateTimeReader(digits: number): ReadValue {
  checkDigits(digits);
  let lastPacked = -1;
  let lastText = '';
  return (c) => {
    const packed = c.buffer.readUIntBE(c.take(5), 5);
    const fraction = readFraction(c, digits);
    if (packed !== lastPacked) {
      lastText = unpackDateTime(packed - 2 ** 39);
      lastPacked = packed;
    }
    return digits === 0 ? lastText : flat(lastText + fractionText(fraction, digits));
  };
}

function unpackDateTime(packed: number): string {
  if (packed < 0) throw new MalformedEvent('a negative DATETIME');
  const days = Math.trunc(packed / 2 ** 17);
  const low = packed % 2 ** 17;
  const months = days >>> 5;
  const year = Math.trunc(months / 13);
  const second = (low >>> 12) * 3600 + ((low >>> 6) & 63) * 60 + (low & 63);
  if (year > 9999 || second >= SECONDS_PER_DAY || !isSexagesimal(low)) throw new MalformedEvent('a DATETIME that is none');
  return dateTimeText({ year, month: months % 13, day: days & 31 }, second);
}

/** Whether the minutes and the seconds in the low 12 bits are below 60. */
function isSexagesimal(packed: number): boolean {
  return ((packed >>> 6) & 63) < 60 && (packed & 63) < 60;
}

/** TIME(n): 24 bits big-endian around 2^23 (10 of hour, 6, 6) and the fraction, which belongs to the same number in two's complement. */
export function timeReader(digits: number): ReadValue {
  checkDigits(digits);
  const fractionBytes = FRACTION_BYTES[digits] ?? 0;
  const fractionUnit = 2 ** (8 * fractionBytes);
  return (c) => {
    const start = c.take(3 + fractionBytes);
    const whole = c.buffer.readUIntBE(start, 3) - 2 ** 23;
    const raw = fractionBytes === 0 ? 0 : c.buffer.readUIntBE(start + 3, fractionBytes);
    const isNegative = whole < 0;
    const absolute = Math.abs(whole * fractionUnit + raw);
    const packed = Math.trunc(absolute / fractionUnit);
    const fraction = scaleFraction(absolute % fractionUnit, digits);
    if (packed >>> 12 > HOURS_MAX || !isSexagesimal(packed)) throw new MalformedEvent('a TIME that is none');
    return flat(timeText(isNegative, packed >>> 12, (packed >>> 6) & 63, packed & 63) + fractionText(fraction, digits));
  };
}

function readFraction(c: Cursor, digits: number): number {
  if (digits === 0) return 0;
  const bytes = FRACTION_BYTES[digits] ?? 0;
  return scaleFraction(c.buffer.readUIntBE(c.take(bytes), bytes), digits);
}

/** An odd number of digits is stored as the next even one. */
function scaleFraction(raw: number, digits: number): number {
  const fraction = digits % 2 === 1 ? Math.trunc(raw / 10) : raw;
  if (fraction >= 10 ** digits) throw new MalformedEvent('a fraction of a second of a second or more');
  return fraction;
}

function checkDigits(digits: number): void {
  if (digits > FRACTION_DIGITS_MAX) throw new MalformedEvent(`a time of ${digits} digits behind its seconds`);
}

/** Makes V8 put a text that was joined from pieces into one piece of memory. */
function flat(text: string): Value {
  text.charCodeAt(0);
  return text;
}
