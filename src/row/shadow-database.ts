import { createHash } from 'node:crypto';

/** Of MySQL and MariaDB. */
const nameLengthMax = 64;
const hashLength = 12;
const suffixLength = '_kis_'.length + hashLength;

/** The database in which a flow is rebuilt, beside the store's own: what a flow is called may be no name of a database. */
export function shadowDatabaseOf(storeDatabase: string, flow: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([storeDatabase, flow]))
    .digest('hex')
    .slice(0, hashLength);
  return `${beginningOf(storeDatabase)}_kis_${hash}`;
}

/** The one in which it is computed anew to be compared; no flow has a name with this character. */
export function verifyDatabaseOf(storeDatabase: string, flow: string): string {
  return shadowDatabaseOf(storeDatabase, `${flow}\0verify`);
}

/** All of a store's, as a pattern of LIKE and of GRANT. */
export function shadowDatabasesOf(storeDatabase: string): string {
  return `${`${beginningOf(storeDatabase)}_kis_`.replaceAll(/[_%]/g, String.raw`\$&`)}%`;
}

/** Whether it may be the shadow of a flow of this store. */
export function isShadowDatabase(storeDatabase: string, name: string): boolean {
  return /_kis_[0-9a-f]{12}$/.test(name) && name.slice(0, -suffixLength) === beginningOf(storeDatabase);
}

function beginningOf(storeDatabase: string): string {
  return storeDatabase.slice(0, nameLengthMax - suffixLength);
}
