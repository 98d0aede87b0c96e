import type { Change } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { mismatch } from './operator.ts';
import type { JoinOptions } from './join-options.ts';

/** What a join keeps about itself: other definitions and other keys cannot go on with its state. */
interface JoinHeader {
  readonly definition: string;
  /** Of the tables whose rows it has seen. */
  readonly leftKey?: readonly string[];
  readonly rightKey?: readonly string[];
}

/** The key of the state that the header stands under; those of rows begin with L and R. */
const headerKey = 'D';

export interface JoinKeys {
  /** Undefined as long as no row of the table was seen. */
  readonly left: readonly string[] | undefined;
  readonly right: readonly string[] | undefined;
}

/** The primary keys of both tables, from these changes and from those before; throws OPERATOR_MISMATCH where they do not fit. */
export async function openHeader(flow: FlowContext, options: JoinOptions, changes: readonly Change[]): Promise<JoinKeys> {
  const definition = definitionOf(options);
  const stored = await flow.state.get(headerKey);
  const header = isHeader(stored) ? stored : undefined;
  if (header !== undefined && header.definition !== definition) {
    throw mismatch(flow, 'has joined rows by another definition; change it back, or give the flow a new start');
  }
  const leftKey = keyOf(flow, { table: options.left, known: header?.leftKey, changes });
  const rightKey = keyOf(flow, { table: options.right, known: header?.rightKey, changes });
  if (options.type === 'left' && rightKey !== undefined && !isWithin(rightKey, Object.values(options.on))) {
    throw mismatch(flow, leftJoinProblem(options, rightKey));
  }
  if (header === undefined || header.leftKey !== leftKey || header.rightKey !== rightKey) {
    const kept: JoinHeader = { definition, ...(leftKey && { leftKey }), ...(rightKey && { rightKey }) };
    flow.state.set(headerKey, kept);
  }
  return { left: leftKey, right: rightKey };
}

/** Why the join cannot be a left one, behind the name of what it is. */
export function leftJoinProblem({ right }: Pick<JoinOptions, 'right'>, rightKey: readonly string[]): string {
  return `is a left join, for which a row of the left table may have one row of ${right} at most: the key of ${right} (${rightKey.join(', ')}) must be among the fields that are joined on`;
}

export function isWithin(key: readonly string[], fields: readonly string[]): boolean {
  return key.length > 0 && key.every((name) => fields.includes(name));
}

function definitionOf({ left, right, on, type, take, as }: JoinOptions): string {
  return JSON.stringify([left, right, Object.entries(on), type, Object.entries(take), as ?? left]);
}

function keyOf(
  flow: FlowContext,
  given: { readonly table: string; readonly known: readonly string[] | undefined; readonly changes: readonly Change[] },
): readonly string[] | undefined {
  const { table, known, changes } = given;
  let key = known;
  let seen: readonly string[] | undefined;
  for (const change of changes) {
    if (change.table !== table || change.key === seen) continue;
    seen = change.key;
    if (change.key.length === 0) throw mismatch(flow, `joins rows of ${table}, which come without a primary key`);
    key ??= change.key;
    if (change.key.join() === key.join()) continue;
    const message = `keeps rows of ${table} by the key (${key.join(', ')}), and now it is (${change.key.join(', ')}); give the flow a new start`;
    throw mismatch(flow, message);
  }
  return key;
}

function isHeader(value: unknown): value is JoinHeader {
  return typeof value === 'object' && value !== null && 'definition' in value;
}
