import { createRequire } from 'node:module';
import type { createJiti, Jiti, JitiOptions } from 'jiti';

/**
 * A jiti that evaluates code files anew each time and leaves nothing behind.
 *
 * jiti hands some files to Node's own loader (`.mjs`, `.cjs`, `.js` below a package.json of `type: module`), which keeps every
 * module for ever: an edited helper would stay as it was, and each reload would leak. jiti evaluates such a file itself when Node
 * cannot import it, so it is given an import that refuses all code but that of packages.
 */
export function createFreshJiti(id: string, options: JitiOptions): Jiti {
  const require = createRequire(createRequire(import.meta.url).resolve('jiti'));
  // jiti's entry calls these two with an import of its own; it has no option for it
  const make: typeof createJitiWith = require('../dist/jiti.cjs');
  const transform: NonNullable<JitiOptions['transform']> = require('../dist/babel.cjs');
  // JSON always goes to Node's loader
  for (const path of Object.keys(require.cache)) if (path.endsWith('.json') && !isPackage(path)) delete require.cache[path];
  return make(
    id,
    { moduleCache: false, fsCache: false, transform, ...options },
    {
      nativeImport: importPackage,
      createRequire,
      onError: (error) => {
        throw error;
      },
    },
  );
}

/** What jiti's own entry files call. */
declare function createJitiWith(
  id: string,
  options: JitiOptions,
  context: {
    readonly nativeImport: (id: string) => Promise<unknown>;
    readonly createRequire: typeof createRequire;
    readonly onError: (error: unknown) => never;
  },
): ReturnType<typeof createJiti>;

async function importPackage(id: string): Promise<unknown> {
  const isOwnCode = /^(\/|[A-Za-z]:[\\/]|file:)/.test(id) && !isPackage(id) && /\.[cm]?[jt]sx?$/.test(id);
  if (isOwnCode) throw new Error(`${id} is evaluated anew each time`);
  return import(id);
}

function isPackage(path: string): boolean {
  return path.includes('node_modules');
}
