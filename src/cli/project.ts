import { access } from 'node:fs/promises';
import type { Configuration } from '../config/configuration.ts';
import { CodedError, describeError } from '../lib/error.ts';

/** The store's url; a command that needs the store and has none cannot go on. */
export function requireStoreUrl(configuration: Pick<Configuration, 'global'>): string {
  const url = configuration.global.store?.url;
  if (url === undefined || url === '') {
    throw new CodedError(
      'CONFIG_INVALID',
      'There is no store: add a document with `kistype: global` and `store: {url: mysql://user:pass@host:3306/kisflow}`.',
    );
  }
  return url;
}

/** Resolves with undefined where the folder does not exist, so that optional folders may be absent. */
export async function folderOrNone(dir: string): Promise<string | undefined> {
  try {
    await access(dir);
    return dir;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new CodedError('CONFIG_INVALID', `${dir} cannot be read: ${describeError(error)}`, { cause: error });
  }
}
