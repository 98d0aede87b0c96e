import type { z } from 'zod';
import type { RunPlace } from '../../daemon/operate/run-place.ts';
import { loadFunctions } from '../../flow/loader.ts';
import { UsageError, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { folderOrNone } from '../project.ts';

/** What the options of a command ask for, by the names that the HTTP API has for it. Throws UsageError, which names the options. */
export function readAsked<Asked>(
  schema: z.ZodType<Asked>,
  values: Readonly<Record<string, unknown>>,
  optionOf: Readonly<Record<string, string>> = {},
): Asked {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path, message }) => {
    const name = String(path[0] ?? '');
    return `--${optionOf[name] ?? name} ${message}.`;
  });
  throw new UsageError(wrong.join(' '));
}

/** The project as a command sees it: its files. */
export function placeOf({ functions, logger, stop }: CommandContext, { configuration, store }: OpenProject): RunPlace {
  const load = async () => {
    const folder = await folderOrNone(functions);
    return folder === undefined ? [] : (await loadFunctions(folder)).map(({ definition }) => definition);
  };
  return { configuration, store, functions: load, logger, signal: stop };
}
