import { CodedError } from '../lib/error.ts';
import { parseMysqlAddress, type MysqlAddress } from '../lib/mysql-address.ts';

/** A store url taken apart: `mysql://user:password@host:port/database?ssl=verify`. */
export type StoreAddress = MysqlAddress;

const example = 'mysql://user:password@host:3306/database';

/** Reads a url; throws CONFIG_INVALID that says what is wrong with it, never with the password in it. */
export function parseStoreUrl(text: string): StoreAddress {
  const address = parseMysqlAddress(text, 'The store url', example);
  if (address.database === '') throw new CodedError('CONFIG_INVALID', `The store url names no database; write ${example}`);
  return address;
}
