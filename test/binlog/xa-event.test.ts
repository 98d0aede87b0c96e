import { describe, expect, it } from 'vitest';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { readXaPrepare, readXid } from '../../src/binlog/xa-event.ts';

function prepareBody({ isOnePhase = false, format = 1, global = Buffer.from('a'), branch = Buffer.alloc(0) }): Buffer {
  const fixed = Buffer.alloc(13);
  fixed.writeUInt8(isOnePhase ? 1 : 0, 0);
  fixed.writeUInt32LE(format, 1);
  fixed.writeUInt32LE(global.length, 5);
  fixed.writeUInt32LE(branch.length, 9);
  return Buffer.concat([fixed, global, branch]);
}

describe('an XA transaction’s id', () => {
  it('is the same from the event that prepares it and from the statement that ends it, whatever its bytes', () => {
    const global = Buffer.from("a'\0\\\xff", 'latin1');
    const branch = Buffer.from([0xab, 0xcd]);
    const { xid, isOnePhase } = readXaPrepare(prepareBody({ global, branch, format: 7 }));
    expect(isOnePhase).toBe(false);
    expect(readXid(`X'6127005CFF',X'ABCD',7`)).toBe(xid);
    expect(readXid(`X'6127005cff',X'abcd',8`)).not.toBe(xid);
    expect(readXaPrepare(prepareBody({ isOnePhase: true })).isOnePhase).toBe(true);
  });

  it('has 32 bits of the format id, of which a statement may show 64', () => {
    expect(readXid(`X'61',X'',4294967297`)).toBe(readXaPrepare(prepareBody({ format: 1 })).xid);
    expect(readXid(`X'61',X'',18446744073709551615`)).toBe(readXaPrepare(prepareBody({ format: 0xff_ff_ff_ff })).xid);
  });

  it('L3: is refused where it cannot be read', () => {
    for (const text of ['', "'a'", "X'6',1", "X'61',X'',", "X'61',X'',1 ONE PHASE"])
      expect(() => readXid(text)).toThrow(MalformedEvent);
    const body = prepareBody({ global: Buffer.alloc(64), branch: Buffer.alloc(64) });
    expect(readXaPrepare(body).xid).toHaveLength(3 + 128 + 1 + 3 + 128 + 2);
    for (let size = 0; size < body.length; size += 1) expect(() => readXaPrepare(body.subarray(0, size))).toThrow(MalformedEvent);
    expect(() => readXaPrepare(prepareBody({ global: Buffer.alloc(65) }))).toThrow(MalformedEvent);
  });
});
