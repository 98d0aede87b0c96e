import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of this package (`demo/source.sql`), from the sources as from the build, whose files lie otherwise. */
export function packageFile(path: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`${fileURLToPath(import.meta.url)} lies in no package`);
    folder = parent;
  }
  return join(folder, path);
}
