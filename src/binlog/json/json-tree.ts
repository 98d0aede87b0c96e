import { DEPTH_MAX, isContainer, JsonContainer, type JsonDocument, type JsonPlace } from './json-document.ts';
import type { PathLeg } from './json-path.ts';
import { JsonPrinter } from './json-text.ts';
import type { JsonWriter } from './json-writer.ts';
import { MalformedEvent } from '../malformed.ts';

/** A value that stands in the bytes of a document, untouched. */
interface PlacedNode {
  readonly kind: 'placed';
  readonly document: JsonDocument;
  readonly place: JsonPlace;
}

interface JsonMember {
  readonly key: Buffer;
  readonly value: JsonNode;
}

/** What was taken apart. A number stands for the member or element that its container has at that index: most are never touched. */
interface ObjectNode {
  readonly kind: 'object';
  readonly document: JsonDocument;
  readonly container: JsonContainer;
  /** In MySQL's order: by the key's length, then by its bytes. */
  readonly members: (JsonMember | number)[];
}

interface ArrayNode {
  readonly kind: 'array';
  readonly document: JsonDocument;
  readonly container: JsonContainer;
  readonly items: (JsonNode | number)[];
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
  const all = Array.from({ length: container.count }, (_, i) => i);
  if (container.isObject) return { kind: 'object', document, container, members: all };
  return { kind: 'array', document, container, items: all };
}

function keyOf({ document, container }: ObjectNode, member: JsonMember | number): Buffer {
  if (typeof member !== 'number') return member.key;
  const at = container.keyAt(member);
  return document.buffer.subarray(at, at + container.keyLength(member));
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
    const index = memberIndex(node, leg.name);
    const member = node.members[index];
    const isThere = member !== undefined && keyOf(node, member).equals(leg.name);
    return { kind: 'member', parent: node, index, isThere, key: leg.name };
  }
  if (node.kind !== 'array' || leg.kind !== 'cell') return undefined;
  const size = node.items.length;
  const isThere = leg.index < size;
  if (leg.isFromEnd) return { kind: 'cell', parent: node, index: isThere ? size - leg.index - 1 : 0, isThere };
  return { kind: 'cell', parent: node, index: Math.min(leg.index, size), isThere };
}

/** The index of the first member whose key is not before this one. */
function memberIndex(node: ObjectNode, key: Buffer): number {
  let low = 0;
  let high = node.members.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = keyOf(node, node.members[middle] ?? 0);
    if ((other.length - key.length || other.compare(key)) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function valueAt({ kind, parent, index }: JsonSpot): JsonNode {
  const value = kind === 'member' ? valueOf(parent.members[index]) : parent.items[index];
  if (value === undefined) throw new MalformedEvent('a JSON path that leads nowhere');
  if (typeof value !== 'number') return value;
  return { kind: 'placed', document: parent.document, place: parent.container.valuePlace(value) };
}

function valueOf(member: JsonMember | number | undefined): JsonNode | number | undefined {
  return typeof member === 'object' ? member.value : member;
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
  const printer = new JsonPrinter(node.document, writer);
  if (node.kind === 'placed') return printer.value(node.place, depth);
  const printValue = (value: JsonNode | number) => {
    if (typeof value === 'number') printer.value(node.container.valuePlace(value), depth + 1);
    else printNode(value, writer, depth + 1);
  };
  writer.open(node.kind === 'object');
  if (node.kind === 'object') printMembers(node, writer, printValue);
  else printItems(node, writer, printValue);
  writer.close(node.kind === 'object');
}

function printMembers(node: ObjectNode, writer: JsonWriter, printValue: (value: JsonNode | number) => void): void {
  for (const [i, member] of node.members.entries()) {
    if (i > 0) writer.separator();
    const key = keyOf(node, member);
    if (typeof member === 'number') node.document.take(key.length);
    writer.quoted(key, 0, key.length);
    writer.colon();
    printValue(typeof member === 'number' ? member : member.value);
  }
}

function printItems({ items }: ArrayNode, writer: JsonWriter, printValue: (value: JsonNode | number) => void): void {
  for (const [i, item] of items.entries()) {
    if (i > 0) writer.separator();
    printValue(item);
  }
}
