import { charsetOf, decoderOfCharset } from './charset/charset.ts';
import { Cursor } from './cursor.ts';
import { EventType } from './event-header.ts';
import { inflateEventPart } from './rows-event.ts';
import type { Flavour } from './flavour.ts';

export interface QueryText {
  /** The default schema. */
  readonly schema: string;
  readonly text: string;
}

/** What EXECUTE_LOAD_QUERY has about its file, behind what a QUERY has. */
const LOAD_POST_HEADER = 13;

/** Status variables in the order in which they are written, up to the character sets (MySQL statement_events.h, Query_event). */
const Variable = { FLAGS2: 0, SQL_MODE: 1, CATALOG: 2, AUTO_INCREMENT: 3, CHARSET: 4, CATALOG_NZ: 6 } as const;

/**
 * The statement of a QUERY, MariaDB's QUERY_COMPRESSED or an EXECUTE_LOAD_QUERY (LOAD DATA in statement format) event: thread (4), time
 * (4), size of the schema's name (1), error (2), size of the variables (2). The text is in the character set of the client that sent it.
 */
export function readQuery(type: number, body: Buffer, flavour: Flavour): QueryText {
  const cursor = new Cursor(body, 8);
  const schemaSize = cursor.u8();
  cursor.take(2);
  const variablesSize = cursor.u16();
  if (type === EventType.EXECUTE_LOAD_QUERY) cursor.take(LOAD_POST_HEADER);
  const variables = cursor.bytes(variablesSize);
  const schema = cursor.utf8(schemaSize);
  cursor.take(1);
  const rest = cursor.bytes(cursor.left);
  const bytes = type === EventType.QUERY_COMPRESSED ? inflateEventPart(rest) : rest;
  return { schema, text: textIn(bytes, variables, flavour) };
}

function textIn(bytes: Buffer, variables: Buffer, flavour: Flavour): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  const collation = clientCollation(new Cursor(variables));
  const charset = collation === undefined ? undefined : charsetOf(collation, flavour);
  const decode = charset === undefined ? undefined : decoderOfCharset(charset);
  // A statement may hold literals of any bytes; what counts are its words and names.
  try {
    return decode === undefined ? bytes.toString('utf8') : decode(bytes, 0, bytes.length);
  } catch {
    return bytes.toString('utf8');
  }
}

function isAscii(bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index += 1) if ((bytes[index] ?? 0) > 0x7f) return false;
  return true;
}

/** The collation of the client that sent the statement; undefined where the variables do not say. */
function clientCollation(variables: Cursor): number | undefined {
  while (variables.left > 0) {
    switch (variables.u8()) {
      case Variable.FLAGS2:
      case Variable.AUTO_INCREMENT:
        variables.take(4);
        break;
      case Variable.SQL_MODE:
        variables.take(8);
        break;
      case Variable.CATALOG:
        variables.take(variables.u8() + 1);
        break;
      case Variable.CATALOG_NZ:
        variables.take(variables.u8());
        break;
      case Variable.CHARSET:
        return variables.u16();
      default:
        return undefined;
    }
  }
  return undefined;
}
