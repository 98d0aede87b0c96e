import { BODY, type EventPacket } from './event-header.ts';

/** Post-header of an EXECUTE_LOAD_QUERY event: that of a Query event, and 13 bytes about the file. */
const POST_HEADER = 26;

/** The statement of an EXECUTE_LOAD_QUERY event: LOAD DATA in statement format, which zongji does not decode. */
export function readExecuteLoadQuery(
  { buffer, offset, end }: EventPacket,
  hasChecksum: boolean,
): { readonly schema: string; readonly text: string } {
  const body = offset + BODY;
  const schemaLength = buffer.readUInt8(body + 8);
  const variablesLength = buffer.readUInt16LE(body + 11);
  const schemaStart = body + POST_HEADER + variablesLength;
  const textStart = schemaStart + schemaLength + 1;
  return {
    schema: buffer.toString('utf8', schemaStart, schemaStart + schemaLength),
    text: buffer.toString('utf8', textStart, end - (hasChecksum ? 4 : 0)),
  };
}
