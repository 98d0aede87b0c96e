import { DEPTH_MAX, isContainer, JsonContainer, type JsonDocument, type JsonPlace } from './json-document.ts';
import type { PathLeg } from './json-path.ts';
import { JsonPrinter } from './json-text.ts';
import type { JsonWriter } from './json-writer.ts';
import { MalformedEvent } from './malformed.ts';

/** A value that stands in the bytes of a document, untouched. */
interface PlacedNode {
  readonly kind: 'placed';
  readonly document: JsonDocument;
  readonly place: JsonPlace;
}

interface JsonMember {
  readonly key: Buffer;
  value: JsonNode;
}

interface ObjectNode {
  readonly kind: 'object';
  /** In MySQL's order: by the key's length, then by its bytes. */
  readonly members: JsonMember[];
}

interface ArrayNode {
  readonly kind: 'array';
  readonly items: JsonNode[];
}

/**
 * A document that changes. Only what a change's path leads through is taken apart; all else stays bytes of its document, and is
 * printed from there.
 */
export type JsonNode = PlacedNode | ObjectNode | ArrayNode;

/** The parts of a value: one level of it, when it is an object or an array that still stands in its bytes. */
function takeApart(node: JsonNode): JsonNode {
  if (node.kind !== 'placed' || !isContainer(node.place.type)) return node;
  const { document, place } = node;
  const container = new JsonContainer(document, place);
  const children = Array.from({ length: container.count }, (_, i): PlacedNode => ({
    kind: 'placed',
    document,
    place: container.valuePlace(i),
  }));
  if (!container.isObject) return { kind: 'array', items: children };
  const members = children.map((value, i) => {
    const length = container.keyLength(i);
    const at = container.keyAt(i);
    document.take(length);
    return { key: document.buffer.subarray(at, at + length), value };
  });
  return { kind: 'object', members };
}

/** A place in a tree where a change is made: a member of an object or a cell of an array. */
export type JsonSpot =
  | {
      readonly kind: 'member';
      readonly parent: ObjectNode;
      readonly index: number;
      readonly isThere: boolean;
      readonly key: Buffer;
    }
  | { readonly kind: 'cell'; readonly parent: ArrayNode; readonly index: number; readonly isThere: boolean };

export class JsonTree {
  #root: JsonNode;

  constructor(root: JsonNode) {
    this.#root = root;
  }

  /** The spot that a path leads to, which may be a place where nothing is yet; undefined when nothing is before its last leg. */
  find(path: readonly PathLeg[]): JsonSpot | undefined {
    let spot: JsonSpot | undefined;
    for (const [depth, leg] of path.entries()) {
      if (depth >= DEPTH_MAX || (spot !== undefined && !spot.isThere)) return undefined;
      const node = takeApart(spot === undefined ? this.#root : valueAt(spot));
      if (spot === undefined) this.#root = node;
      else replace(spot, node);
      spot = spotIn(node, leg);
      if (spot === undefined) return undefined;
    }
    return spot;
  }

  print(writer: JsonWriter): void {
    printNode(this.#root, writer, 0);
  }
}

function spotIn(node: JsonNode, leg: PathLeg): JsonSpot | undefined {
  if (node.kind === 'object' && leg.kind === 'member') {
    const index = memberIndex(node.members, leg.name);
    return { kind: 'member', parent: node, index, isThere: node.members[index]?.key.equals(leg.name) === true, key: leg.name };
  }
  if (node.kind !== 'array' || leg.kind !== 'cell') return undefined;
  const size = node.items.length;
  const isThere = leg.index < size;
  if (leg.isFromEnd) return { kind: 'cell', parent: node, index: isThere ? size - leg.index - 1 : 0, isThere };
  return { kind: 'cell', parent: node, index: Math.min(leg.index, size), isThere };
}

/** The index of the first member whose key is not before this one. */
function memberIndex(members: readonly JsonMember[], key: Buffer): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = members[middle]?.key ?? key;
    if ((other.length - key.length || other.compare(key)) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function valueAt(spot: JsonSpot): JsonNode {
  const node = spot.kind === 'member' ? spot.parent.members[spot.index]?.value : spot.parent.items[spot.index];
  if (node === undefined) throw new MalformedEvent('a JSON path that leads nowhere');
  return node;
}

/** What is at the spot becomes this value. */
export function replace(spot: JsonSpot, value: JsonNode): void {
  if (spot.kind === 'cell') spot.parent.items[spot.index] = value;
  else spot.parent.members[spot.index] = { key: spot.key, value };
}

/** A new member, or a new element before the one that is there. */
export function insert(spot: JsonSpot, value: JsonNode): void {
  if (spot.kind === 'cell') spot.parent.items.splice(spot.index, 0, value);
  else spot.parent.members.splice(spot.index, 0, { key: spot.key, value });
}

export function remove(spot: JsonSpot): void {
  if (spot.kind === 'cell') spot.parent.items.splice(spot.index, 1);
  else spot.parent.members.splice(spot.index, 1);
}

function printNode(node: JsonNode, writer: JsonWriter, depth: number): void {
  if (node.kind === 'placed') {
    new JsonPrinter(node.document, writer).value(node.place, depth);
    return;
  }
  const isObject = node.kind === 'object';
  writer.open(isObject);
  if (isObject) {
    for (const [i, { key, value }] of node.members.entries()) {
      if (i > 0) writer.separator();
      writer.quoted(key, 0, key.length);
      writer.colon();
      printNode(value, writer, depth + 1);
    }
  } else {
    for (const [i, item] of node.items.entries()) {
      if (i > 0) writer.separator();
      printNode(item, writer, depth + 1);
    }
  }
  writer.close(isObject);
}
