import { dirname, join } from 'node:path';

/** Files that hold code, by how their names end. */
export const codeFile = /\.[cm]?[jt]s$/;

const specifiers = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*(?:'(\.[^'\n]*)'|"(\.[^"\n]*)")/g;

const endings = ['', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'] as const;
const indexes = endings.slice(1).map((ending) => `/index${ending}`);

/**
 * The files that this code may import by a relative name: each as all the paths that it may mean, whether they are there or not.
 * Found by the text alone, so a name that the code puts together when it runs is not seen, and one in a comment is.
 */
export function importedPaths(file: string, code: string): readonly string[] {
  const paths = new Set<string>();
  for (const match of code.matchAll(specifiers)) {
    const target = join(dirname(file), match[1] ?? match[2] ?? '.');
    for (const ending of [...endings, ...indexes]) paths.add(target + ending);
    // TypeScript writes the name that its build will have: ./rate.js for rate.ts
    if (/\.[cm]?js$/.test(target)) paths.add(target.replace(/js$/, 'ts'));
  }
  return [...paths];
}
