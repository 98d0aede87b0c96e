import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { CodedError, describeError } from '../lib/error.ts';
import { originKey, type Configuration, type DocumentName } from './configuration.ts';
import { documentSchema, joinPath } from './document.ts';
import { withTexts } from './program-document.ts';
import { maskSecrets } from './secret.ts';
import type { FlowSpec, Spec } from './spec.ts';

/** A flow's part of a configuration, as files. */
export interface FlowExport {
  /** `flow-NAME.yaml`, `func-NAME.yaml`, `conn-NAME.yaml` as KisFlow names them; with a source or the store `source-NAME.yaml`, `global.yaml`. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** Variables that stand for secrets which were written out: they must be set where the files are loaded. */
  readonly variables: readonly string[];
}

/**
 * What a flow is made of: its document and those that it names, as they were written (references to the environment stay
 * references), without secrets. Loaded again, they are the same flow. Undefined when there is no such flow.
 */
export function exportFlow(configuration: Configuration, flowName: string): FlowExport | undefined {
  const flow = configuration.flows.get(flowName);
  if (flow === undefined) return undefined;
  const variables = new Set<string>();
  const files = documentsOf(configuration, flow).map(({ document, spec }) => {
    const written = configuration.origins.get(originKey(document))?.written ?? withTexts(asWritten(spec));
    const value = withoutSecrets({ value: written, key: '', path: `${document.kistype} ${document.name}`, variables });
    return { name: fileName(document), text: dump(value, { schema: documentSchema, noRefs: true, lineWidth: -1 }) };
  });
  return { files, variables: [...variables] };
}

/** Writes the files into a folder, which is made if it is not there; files of the same names are replaced. */
export async function writeExport(exported: FlowExport, dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    for (const { name, text } of exported.files) await writeFile(join(dir, name), text);
  } catch (error) {
    throw new CodedError('CONFIG_INVALID', `${dir} cannot be written: ${describeError(error)}`, { cause: error });
  }
}

/** A document with its keys as they are written: what an operator is told stands under `with`. */
function asWritten(spec: Spec): unknown {
  if (!('operator' in spec) || spec.operator === undefined) return spec;
  const { kind, ...told } = spec.operator;
  return { ...spec, operator: kind, with: told };
}

interface NamedSpec {
  readonly document: DocumentName;
  readonly spec: Spec;
}

function documentsOf(configuration: Configuration, flow: FlowSpec): readonly NamedSpec[] {
  const funcs = [...new Set(flow.flows.map(({ fname }) => configuration.funcs.get(fname)))].filter(isPresent);
  const conns = [...new Set(funcs.map(({ option }) => configuration.conns.get(option.cname ?? '')))].filter(isPresent);
  const source = configuration.sources.get(flow.source?.name ?? '');
  const global: NamedSpec = { document: { kistype: 'global', name: '' }, spec: configuration.global };
  const needsGlobal =
    source !== undefined || conns.some(({ type, addrs }) => addrs === 'store' || (type === 'redis' && addrs === ''));
  return [
    { document: { kistype: 'flow', name: flow.flow_name }, spec: flow },
    ...funcs.map((spec): NamedSpec => ({ document: { kistype: 'func', name: spec.fname }, spec })),
    ...conns.map((spec): NamedSpec => ({ document: { kistype: 'conn', name: spec.cname }, spec })),
    ...(source === undefined ? [] : [{ document: { kistype: 'source' as const, name: source.name }, spec: source }]),
    ...(needsGlobal ? [global] : []),
  ];
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Characters that a file's name must not have are percent-encoded. */
function fileName({ kistype, name }: DocumentName): string {
  const safe = name.replaceAll(/[/\\:*?"<>|%]|\p{Cc}/gu, (one) => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return name === '' ? `${kistype}.yaml` : `${kistype}-${safe}.yaml`;
}

interface Place {
  readonly value: unknown;
  readonly key: string;
  readonly path: string;
  readonly variables: Set<string>;
}

function withoutSecrets(at: Place): unknown {
  const { value, path } = at;
  if (typeof value === 'string') return maskSecrets(at.key, value, () => newVariable(at));
  if (Array.isArray(value)) return value.map((item, index) => withoutSecrets({ ...at, value: item, path: joinPath(path, index) }));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    withoutSecrets({ ...at, value: item, key, path: joinPath(path, key) }),
  ]);
  return Object.fromEntries(entries);
}

/** The name of a variable for a secret at this place: `CONN_SCORES_ADDRS_SECRET`. */
function newVariable({ path, variables }: Place): string {
  const base = `${path.replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase()}_SECRET`;
  let name = base;
  for (let count = 2; variables.has(name); count += 1) name = `${base}_${count}`;
  variables.add(name);
  return name;
}
