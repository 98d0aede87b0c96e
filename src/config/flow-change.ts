import { lineOf, type Origin } from './document.ts';
import type { FlowFunctionSpec, FlowSpec } from './spec.ts';

/** Where in the chain a function is put. */
export type ChainPlace =
  | { readonly kind: 'end' }
  | { readonly kind: 'before'; readonly fname: string }
  | { readonly kind: 'after'; readonly fname: string };

/**
 * What an operator changed of a flow by command. It is kept in the store and lies over the flow's file, in the order in which
 * the changes were made.
 */
export type FlowChange =
  | {
      readonly kind: 'add-function';
      readonly flow: string;
      readonly fname: string;
      readonly place: ChainPlace;
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'remove-function'; readonly flow: string; readonly fname: string }
  | { readonly kind: 'set-status'; readonly flow: string; readonly status: 0 | 1 };

/** The command that made the change, as it would be typed. */
export function describeChange(change: FlowChange): string {
  const head = `flow ${change.kind} ${change.flow}`;
  switch (change.kind) {
    case 'set-status':
      return `${head} ${change.status}`;
    case 'remove-function':
      return `${head} ${change.fname}`;
    case 'add-function': {
      const { place, params } = change;
      const where = place.kind === 'end' ? '' : ` --${place.kind} ${place.fname}`;
      return `${head} ${change.fname}${where}${Object.entries(params)
        .map(([key, value]) => ` --param ${key}=${value}`)
        .join('')}`;
    }
    default:
      return change satisfies never;
  }
}

/** A flow with its changes, or why one of them does not fit. */
export type ChangedFlow =
  | { readonly kind: 'changed'; readonly spec: FlowSpec; readonly origin: Origin | undefined }
  | { readonly kind: 'unfit'; readonly change: FlowChange; readonly reason: string };

interface Link extends FlowFunctionSpec {
  /** Its index in the file; undefined when a change put it there. */
  readonly index: number | undefined;
}

/** Lays changes over one flow. Lines of the file stay right: a function's is where it stands there, wherever it is in the chain. */
export function changeFlow(spec: FlowSpec, origin: Origin | undefined, changes: readonly FlowChange[]): ChangedFlow {
  let links: readonly Link[] = spec.flows.map((link, index) => ({ ...link, index }));
  let { status } = spec;
  for (const change of changes) {
    if (change.kind === 'set-status') {
      status = change.status;
      continue;
    }
    const next = change.kind === 'add-function' ? addLink(links, change) : removeLink(links, change.fname);
    if (typeof next === 'string') return { kind: 'unfit', change, reason: next };
    links = next;
  }
  const flows = links.map(({ fname, params }) => ({ fname, params }));
  return { kind: 'changed', spec: { ...spec, status, flows }, origin: origin && moveLines(origin, links) };
}

type AddFunction = Extract<FlowChange, { readonly kind: 'add-function' }>;

function addLink(links: readonly Link[], { fname, params, place }: AddFunction): readonly Link[] | string {
  if (links.some((link) => link.fname === fname)) return `the flow has the function ${fname} already`;
  const link: Link = { fname, params, index: undefined };
  if (place.kind === 'end') return [...links, link];
  const at = findLink(links, place.fname);
  return typeof at === 'string' ? at : links.toSpliced(place.kind === 'before' ? at : at + 1, 0, link);
}

function removeLink(links: readonly Link[], fname: string): readonly Link[] | string {
  const at = findLink(links, fname);
  return typeof at === 'string' ? at : links.toSpliced(at, 1);
}

function findLink(links: readonly Link[], fname: string): number | string {
  const places = links.flatMap((link, index) => (link.fname === fname ? [index] : []));
  const [first] = places;
  if (first === undefined) {
    return `the flow has no function ${fname}; its chain is ${links.map((link) => link.fname).join(', ') || 'empty'}`;
  }
  return places.length === 1 ? first : `the flow has the function ${fname} ${places.length} times`;
}

/** The lines of `flows[i]` as the chain is now; a function that is in no file has the line of the whole list. */
function moveLines(origin: Origin, links: readonly Link[]): Origin {
  const lines = new Map([...origin.lines].filter(([path]) => !path.startsWith('flows[')));
  for (const [index, link] of links.entries()) {
    if (link.index === undefined) continue;
    for (const [path, line] of origin.lines) {
      const below = path.startsWith(`flows[${link.index}]`) ? path.slice(`flows[${link.index}]`.length) : undefined;
      if (below !== undefined) lines.set(`flows[${index}]${below}`, line);
    }
  }
  const whole = lineOf(origin, 'flows');
  return { ...origin, lines: whole === undefined ? lines : lines.set('flows', whole) };
}
