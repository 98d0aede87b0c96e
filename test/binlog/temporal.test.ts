import { expect, it } from 'vitest';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { oldDateTimeReader, oldTimeReader, oldTimestampReader } from '../../src/binlog/old-temporal.ts';
import { civilFromDays, dateReader, dateTimeReader, timeReader, timestampReader } from '../../src/binlog/temporal.ts';
import { valueOf } from './bytes.ts';

it.each([
  ['DATE', dateReader(), '5dd00f', '2024-02-29'],
  ['DATE', dateReader(), '000000', '0000-00-00'],
  ['TIMESTAMP', timestampReader(0), '00000001', '1970-01-01 00:00:01'],
  ['TIMESTAMP', timestampReader(0), '7fffffff', '2038-01-19 03:14:07'],
  ['TIMESTAMP', timestampReader(0), '00000000', '0000-00-00 00:00:00'],
  ['TIMESTAMP(1)', timestampReader(1), '0000000032', '1970-01-01 00:00:00.5'],
  ['TIMESTAMP(2)', timestampReader(2), '0000000119', '1970-01-01 00:00:01.25'],
  ['TIMESTAMP(3)', timestampReader(3), '000000011ed2', '1970-01-01 00:00:01.789'],
  ['TIMESTAMP(6)', timestampReader(6), '000000010f423f', '1970-01-01 00:00:01.999999'],
  ['DATETIME', dateTimeReader(0), '99b2bac8b8', '2024-02-29 12:34:56'],
  ['DATETIME(4)', dateTimeReader(4), '99b2bac8b80001', '2024-02-29 12:34:56.0001'],
  ['DATETIME', dateTimeReader(0), '8000000000', '0000-00-00 00:00:00'],
  // The table in my_time.cc, TIME_to_longlong_time_packed.
  ['TIME(2)', timeReader(2), '800001 0a', '00:00:01.10'],
  ['TIME(2)', timeReader(2), '7fffff ff', '-00:00:00.01'],
  ['TIME(2)', timeReader(2), '7fffff 9d', '-00:00:00.99'],
  ['TIME(2)', timeReader(2), '7fffff 00', '-00:00:01.00'],
  ['TIME(2)', timeReader(2), '7ffffe f6', '-00:00:01.10'],
  ['TIME', timeReader(0), 'b46efb', '838:59:59'],
  ['TIMESTAMP of old', oldTimestampReader(0), '01000000', '1970-01-01 00:00:01'],
  ['TIMESTAMP(3) of old', oldTimestampReader(3), '000000010315', '1970-01-01 00:00:01.789'],
  ['TIME of old', oldTimeReader(0), 'c01dfe', '-12:34:56'],
  ['TIME(1) of old', oldTimeReader(1), '01cd71d2', '01:02:03.4'],
  ['TIME(1) of old', oldTimeReader(1), '01cce051', '-00:00:01.5'],
  ['DATETIME of old', oldDateTimeReader(0), 'fa4a0bfd32120000', '2001-02-03 04:05:06'],
  ['DATETIME(6) of old', oldDateTimeReader(6), '00ff88cffab1ea94', '2001-02-03 04:05:06.789012'],
] as const)('L8: %s: %# is as the server prints it', (_name, read, bytes, text) => {
  expect(valueOf(read, bytes)).toBe(text);
  // Neighbouring rows with the same day and others.
  expect([valueOf(read, bytes), valueOf(read, bytes)]).toEqual([text, text]);
  expect(() => valueOf(read, bytes.slice(0, -2))).toThrow(MalformedEvent);
});

it('L8: days are those of the calendar, for as long as TIMESTAMP has', () => {
  for (let day = 0; day < 49_711; day += 7) {
    const date = new Date(day * 86_400_000);
    expect(civilFromDays(day)).toEqual({ year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() });
  }
});

it.each([
  ['a DATE of the thirteenth month', dateReader(), 'bdd10f'],
  ['a DATE of the year 16383', dateReader(), '5dffff'],
  ['a DATETIME of the minute 60', dateTimeReader(0), '99b2bacf00'],
  ['a negative DATETIME', dateTimeReader(0), '7fffffffff'],
  ['a TIME of the second 60', timeReader(0), '80003c'],
  ['a TIME of the hour 839', timeReader(0), 'b47000'],
  ['a fraction of a whole second', timestampReader(2), '0000000164'],
  ['a DATETIME of old of the hour 24', oldDateTimeReader(0), '00000000ffffffff'],
] as const)('L3: %s is refused', (_name, read, bytes) => {
  expect(() => valueOf(read, bytes)).toThrow(MalformedEvent);
});

it('L3: more than six digits behind a second are refused', () => {
  for (const make of [timestampReader, dateTimeReader, timeReader, oldTimestampReader, oldTimeReader, oldDateTimeReader]) {
    expect(() => make(7)).toThrow(MalformedEvent);
  }
});
