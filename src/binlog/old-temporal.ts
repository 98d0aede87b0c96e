import type { ReadValue } from './integer.ts';
import { MalformedEvent } from './malformed.ts';
import { dateTimeText, fractionText, timestampText, timeText } from './temporal.ts';

/**
 * The temporal types from before MySQL 5.6, which MariaDB still writes for tables of that age and under mysql56_temporal_format=OFF
 * (MariaDB sql/field.cc, Field_timestamp, Field_time, Field_datetime and their _hires forms). With a fraction they have another layout,
 * and the binlog does not say which: `digits` is the table definition's.
 */
const HIRES_TIMESTAMP_FRACTION_BYTES = [0, 1, 1, 2, 2, 3, 3];
const HIRES_DATETIME_BYTES = [0, 6, 6, 7, 7, 7, 8];
const HIRES_TIME_BYTES = [0, 4, 4, 5, 5, 5, 6];
/** TIME_MAX_VALUE_SECONDS + 1: what a TIME with a fraction is counted from. */
const HIRES_TIME_ZERO_SECONDS = 3_020_400;

export function oldTimestampReader(digits: number): ReadValue {
  if (digits === 0) {
    return (c) => {
      const seconds = c.u32();
      return seconds === 0 ? '0000-00-00 00:00:00' : timestampText(seconds);
    };
  }
  const bytes = sizeOf(HIRES_TIMESTAMP_FRACTION_BYTES, digits);
  return (c) => {
    const seconds = c.buffer.readUInt32BE(c.take(4));
    const fraction = c.buffer.readUIntBE(c.take(bytes), bytes);
    const whole = seconds === 0 && fraction === 0 ? '0000-00-00 00:00:00' : timestampText(seconds);
    return whole + fractionText(fraction, digits);
  };
}

export function oldTimeReader(digits: number): ReadValue {
  if (digits === 0) {
    return (c) => {
      const raw = c.buffer.readIntLE(c.take(3), 3);
      const packed = Math.abs(raw);
      return timeText(raw < 0, Math.trunc(packed / 10_000), Math.trunc(packed / 100) % 100, packed % 100);
    };
  }
  const bytes = sizeOf(HIRES_TIME_BYTES, digits);
  const unit = 10 ** digits;
  return (c) => {
    const units = c.buffer.readUIntBE(c.take(bytes), bytes) - HIRES_TIME_ZERO_SECONDS * unit;
    const absolute = Math.abs(units);
    const seconds = Math.trunc(absolute / unit);
    const text = timeText(units < 0, Math.trunc(seconds / 3600), Math.trunc(seconds / 60) % 60, seconds % 60);
    return text + fractionText(absolute % unit, digits);
  };
}

export function oldDateTimeReader(digits: number): ReadValue {
  if (digits === 0) {
    return (c) => {
      const packed = Number(c.u64());
      const date = Math.trunc(packed / 1_000_000);
      const time = packed % 1_000_000;
      const second = Math.trunc(time / 10_000) * 3600 + (Math.trunc(time / 100) % 100) * 60 + (time % 100);
      return checked(Math.trunc(date / 10_000), Math.trunc(date / 100) % 100, date % 100, second);
    };
  }
  const bytes = sizeOf(HIRES_DATETIME_BYTES, digits);
  const unit = 10n ** BigInt(digits);
  return (c) => {
    const start = c.take(bytes);
    let packed = 0n;
    for (let at = start; at < start + bytes; at += 1) packed = (packed << 8n) | BigInt(c.buffer.readUInt8(at));
    const fraction = Number(packed % unit);
    const seconds = Number(packed / unit);
    const days = Math.trunc(seconds / 86_400);
    const months = Math.trunc(days / 32);
    return checked(Math.trunc(months / 13), months % 13, days % 32, seconds % 86_400) + fractionText(fraction, digits);
  };
}

function checked(year: number, month: number, day: number, second: number): string {
  if (year > 9999 || month > 12 || day > 31 || second >= 86_400) throw new MalformedEvent('a DATETIME that is none');
  return dateTimeText({ year, month, day }, second);
}

function sizeOf(sizes: readonly number[], digits: number): number {
  const size = sizes[digits];
  if (size === undefined) throw new MalformedEvent(`a time of ${digits} digits behind its seconds`);
  return size;
}
