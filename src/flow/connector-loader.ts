import { join, resolve } from 'node:path';
import { CodedError, describeError } from '../lib/error.ts';
import type { ConnectorKind } from '../connector/contract.ts';
import { createLoader, inTime, listFiles, requireInside } from './loader.ts';

/** A kind of connector and the file it comes from. */
export interface LoadedConnectorKind {
  readonly kind: ConnectorKind;
  readonly file: string;
}

/**
 * Loads every file of a folder as a kind of connector, as functions are loaded: its default export is what `defineConnector` gave. A type is
 * defined once, and `known` types are taken. All mistakes of all files are reported at once, as one CONFIG_INVALID.
 */
export async function loadConnectorKinds(dir: string, known: Iterable<string>): Promise<readonly LoadedConnectorKind[]> {
  const folder = resolve(dir);
  const files = await listFiles(folder, 'connectors');
  if (files.length === 0) return [];
  const loader = await createLoader(folder);
  const takenBy = new Map([...known].map((type) => [type, 'kisflow itself']));
  const loaded: LoadedConnectorKind[] = [];
  const problems: string[] = [];
  for (const name of files) {
    const file = join(folder, name);
    try {
      await requireInside(folder, file);
      const kind = readKind(await inTime(loader.import(file)));
      const other = takenBy.get(kind.type);
      if (other !== undefined)
        throw new Error(`the connector type ${kind.type} is already defined in ${other}; give one of them another name`);
      takenBy.set(kind.type, file);
      loaded.push({ kind, file });
    } catch (error) {
      problems.push(`${file}: ${describeError(error)}`);
    }
  }
  if (problems.length > 0) {
    throw new CodedError(
      'CONFIG_INVALID',
      `Connectors cannot be loaded:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
      {
        details: { problems: problems.length },
      },
    );
  }
  return loaded;
}

function readKind(module: unknown): ConnectorKind {
  const kind: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined;
  if (isKind(kind)) return kind;
  throw new Error(
    'has no kind of connector as its default export; write `export default defineConnector({ type, make(options) { … } })`',
  );
}

function isKind(value: unknown): value is ConnectorKind {
  if (typeof value !== 'object' || value === null) return false;
  const type: unknown = Reflect.get(value, 'type');
  return typeof type === 'string' && type !== '' && typeof Reflect.get(value, 'make') === 'function';
}
