import type { Configuration } from '../../config/configuration.ts';
import { originKey } from '../../config/configuration.ts';
import { changeFlow, describeChange, type ChangedFlow } from '../../config/flow-change.ts';
import { maskSecrets } from '../../config/secret.ts';
import { readFlowChanges, type StoredChange } from '../../daemon/flow-change-record.ts';
import type { CommandContext } from '../command.ts';
import { unknownName } from '../../config/unknown-name.ts';
import { withExistingStore } from '../existing-store.ts';
import { formatTable } from '../table.ts';

interface ShownFunction {
  readonly fname: string;
  readonly mode: string | null;
  readonly connector: string | null;
  /** Its defaults, overlaid by the flow's, as they are written: what a variable holds may be a secret. */
  readonly params: Readonly<Record<string, string>>;
  readonly from: 'file' | 'store';
}

/** A flow as it runs: its chain, and what of it comes from the store. */
export interface ShownFlow {
  readonly flow: string;
  readonly file: string;
  readonly status: 0 | 1;
  readonly fileStatus: 0 | 1;
  readonly functions: readonly ShownFunction[];
  /** The commands that changed it, in order. */
  readonly changes: readonly string[];
  /** Why one of them does not fit the file any more; null when all do. */
  readonly unfit: string | null;
}

export async function readShownFlow(context: CommandContext, name: string): Promise<ShownFlow> {
  return withExistingStore(context, async ({ configuration, store }) => {
    const stored = store === undefined ? [] : await readFlowChanges(store);
    return showFlow(configuration, stored, name);
  });
}

function showFlow(configuration: Configuration, stored: readonly StoredChange[], name: string): ShownFlow {
  const spec = configuration.flows.get(name);
  if (spec === undefined) throw unknownName('flow', name, configuration.flows.keys());
  const changes = stored.map(({ change }) => change).filter(({ flow }) => flow === name);
  const origin = configuration.origins.get(originKey({ kistype: 'flow', name }));
  const changed: ChangedFlow = changeFlow(spec, origin, changes);
  const shown = changed.kind === 'changed' ? changed.spec : spec;
  const written = (changed.kind === 'changed' ? changed.origin : origin)?.written;
  const added = new Set(changes.flatMap((change) => (change.kind === 'add-function' ? [change.fname] : [])));
  return {
    flow: name,
    file: origin?.file ?? '',
    status: shown.status,
    fileStatus: spec.status,
    functions: shown.flows.map(({ fname, params }, index) => {
      const func = configuration.funcs.get(fname);
      const ofFunc = configuration.origins.get(originKey({ kistype: 'func', name: fname }))?.written;
      return {
        fname,
        mode: func?.fmode ?? null,
        connector: func?.option.cname ?? null,
        params: {
          ...asWritten(func?.option.default_params ?? {}, at(ofFunc, 'option', 'default_params')),
          ...asWritten(params, at(written, 'flows', index, 'params')),
        },
        from: added.has(fname) ? 'store' : 'file',
      };
    }),
    changes: changes.map((change) => `kisflow ${describeChange(change)}`),
    unfit: changed.kind === 'unfit' ? `${describeChange(changed.change)}: ${changed.reason}` : null,
  };
}

/** Parameters with the texts that stand in the document, and literal secrets masked. */
function asWritten(params: Readonly<Record<string, string>>, written: unknown): Record<string, string> {
  const shown = (key: string, value: string): string => {
    const text = at(written, key);
    return maskSecrets(key, typeof text === 'string' ? text : value, () => '***');
  };
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, shown(key, value)]));
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (each, key) => (typeof each === 'object' && each !== null ? Reflect.get(each, key) : undefined),
    value,
  );
}

const columns = [{ title: 'function' }, { title: 'mode' }, { title: 'connector' }, { title: 'parameters' }, { title: 'from' }];

export function formatShownFlow(shown: ShownFlow): string {
  const rows = shown.functions.map(({ fname, mode, connector, params, from }) => [
    fname,
    mode ?? '-',
    connector ?? '-',
    Object.entries(params)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ') || '-',
    from,
  ]);
  const isOverlaid = shown.status !== shown.fileStatus;
  const lines = [
    `Flow ${shown.flow}, ${shown.file}, status ${shown.status}${isOverlaid ? ` (in the file: ${shown.fileStatus})` : ''}`,
  ];
  lines.push(formatTable(columns, rows));
  if (shown.changes.length > 0) lines.push('', 'Changed by command:', ...shown.changes.map((command) => `  ${command}`));
  if (shown.unfit !== null) {
    lines.push('', `A change does not fit the file any more, and the flow is shown as its file says: ${shown.unfit}`);
    lines.push(`  kisflow flow reset ${shown.flow}`);
  }
  return lines.join('\n');
}
