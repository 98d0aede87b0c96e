import type { RowDataPacket } from 'mysql2/promise';
import { expect, it, onTestFinished } from 'vitest';
import { charsetMaxBytes, charsetOf, decoderOfCharset, type DecodeText } from '../../src/binlog/charset/charset.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { storedSequences } from '../support/charset-sequences.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

/** The text, or undefined where the bytes are refused. */
function decoded(decode: DecodeText, buffer: Buffer, start: number, end: number): string | undefined {
  try {
    return decode(buffer, start, end);
  } catch (error) {
    if (error instanceof MalformedEvent) return undefined;
    throw error;
  }
}

eachServer((flavour, server) => {
  it('every character of every character set is the one that the server converts it to, and what is none is refused', async () => {
    const { connection } = await createDatabase(server);
    const [charsets] = await connection.query<RowDataPacket[]>(
      "SELECT CHARACTER_SET_NAME name FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'",
    );
    expect(charsets.length).toBeGreaterThanOrEqual(38);
    let characters = 0;
    Error.stackTraceLimit = 0; // tens of thousands of refusals are made here
    onTestFinished(() => {
      Error.stackTraceLimit = 10;
    });
    for (const { name } of charsets) {
      const decode = decoderOfCharset(name);
      if (decode === undefined) throw new Error(`no decoder of ${name}`);
      const wrong: unknown[] = [];
      for (const { bytes, text } of await storedSequences(connection, name)) {
        // once between other bytes, as a row holds it, and once so long that no short cut is taken
        const between = decoded(decode, Buffer.concat([Buffer.of(0xe3), bytes, Buffer.of(0x81, 0x81, 0x81)]), 1, 1 + bytes.length);
        const times = Math.ceil(40 / bytes.length);
        const long = decoded(decode, Buffer.concat(Array.from({ length: times }, () => bytes)), 0, times * bytes.length);
        if (between !== text || long !== text?.repeat(times)) wrong.push({ bytes: bytes.toString('hex'), text, between, long });
        if (text !== undefined) characters += 1;
      }
      expect({ name, count: wrong.length, wrong: wrong.slice(0, 5) }).toEqual({ name, count: 0, wrong: [] });
    }
    expect(characters).toBeGreaterThan(700_000);
  });

  it('every collation is in the character set that the server says, and every set has the size that it says', async () => {
    const { connection } = await createDatabase(server);
    const [charsets] = await connection.query<RowDataPacket[]>(
      'SELECT CHARACTER_SET_NAME name, MAXLEN bytes FROM information_schema.CHARACTER_SETS',
    );
    expect(charsets.map(({ name }) => [name, charsetMaxBytes(name)])).toEqual(charsets.map(({ name, bytes }) => [name, bytes]));
    const table = flavour === 'mysql' ? 'COLLATIONS' : 'COLLATION_CHARACTER_SET_APPLICABILITY';
    const [collations] = await connection.query<RowDataPacket[]>(
      `SELECT ID id, CHARACTER_SET_NAME name FROM information_schema.${table} ORDER BY ID`,
    );
    expect(collations.map(({ id }) => [id, charsetOf(id, flavour)])).toEqual(collations.map(({ id, name }) => [id, name]));
    expect(collations.length).toBeGreaterThan(flavour === 'mysql' ? 280 : 1200);
  });
});
