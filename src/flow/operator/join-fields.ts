import { unknownFields, type Field, type Fields } from './field.ts';
import { isWithin, leftJoinProblem } from './join-header.ts';
import type { JoinOptions } from './join-options.ts';
import { joinedKey } from './join-key.ts';
import { unknownName, type OperatorProblem } from './problem.ts';
import { fieldsOfTable, fieldsOfTables } from './table-fields.ts';
import { typeWords } from './term.ts';

interface Sides {
  readonly left: Fields;
  readonly right: Fields;
}

/** What rows have behind a join, and what is wrong with it as far as the tables are known. */
export function joinFields(
  options: JoinOptions,
  input: Fields,
): { readonly fields: Fields; readonly problems: readonly OperatorProblem[] } {
  const problems: OperatorProblem[] = [];
  const sideOf = (side: 'left' | 'right'): Fields => {
    // without tables, what is known is known of all rows that there are, which may be either side's
    const found = input.tables === undefined ? unknownFields : fieldsOfTable(input, options[side]);
    if (!('message' in found)) return found;
    problems.push({ path: `with.${side}`, ...found });
    return unknownFields;
  };
  const sides: Sides = { left: sideOf('left'), right: sideOf('right') };
  problems.push(...findFieldProblems(options, sides), ...findKeyProblems(options, sides));
  const { tables } = input;
  if (tables === undefined) return { fields: unknownFields, problems };
  const others = [...tables].filter(([name]) => name !== options.left && name !== options.right);
  const joined: [string, Fields] = [options.as ?? options.left, joinedFields(options, sides)];
  if (others.some(([name]) => name === joined[0])) {
    const message = `rows of the table ${joined[0]} come here already`;
    problems.push({ path: 'with.as', message, remedy: 'take another name' });
  }
  return { fields: fieldsOfTables(new Map([...others, joined])), problems };
}

function joinedFields({ on, take, type }: JoinOptions, { left, right }: Sides): Fields {
  const taken = Object.entries(take).map(([name, column]): [string, Field] => {
    const field = right.known.get(column);
    return [name, { type: field?.type ?? 'any', scale: field?.scale, isNullable: type === 'left' || field?.isNullable !== false }];
  });
  const areKeysKnown = left.key !== undefined && right.key !== undefined;
  const key = areKeysKnown ? joinedKey({ on, take, type }, { left: left.key, right: right.key }).key : undefined;
  return { known: new Map([...left.known, ...taken]), isComplete: left.isComplete, key };
}

function findFieldProblems(options: JoinOptions, { left, right }: Sides): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  const check = (path: string, name: string, fields: Fields): void => {
    if (fields.isComplete && !fields.known.has(name)) problems.push({ path, ...unknownName('field', name, fields.known.keys()) });
  };
  for (const [name, column] of Object.entries(options.on)) {
    check(`with.on.${name}`, name, left);
    check(`with.on.${name}`, column, right);
    const unlike = findUnlike({ name, of: left.known.get(name) }, { name: column, of: right.known.get(column) });
    if (unlike !== undefined) problems.push({ path: `with.on.${name}`, ...unlike });
  }
  for (const [name, column] of Object.entries(options.take)) {
    check(`with.take.${name}`, column, right);
    if (!left.known.has(name)) continue;
    const message = `${options.left} has a field "${name}" already`;
    problems.push({ path: `with.take.${name}`, message, remedy: `take it under another name: { other_${name}: ${column} }` });
  }
  return problems;
}

interface JoinedField {
  readonly name: string;
  readonly of: Field | undefined;
}

/** Values are compared as they print, so those of two types, or with two numbers of digits, would never be equal. */
function findUnlike(left: JoinedField, right: JoinedField): Omit<OperatorProblem, 'path'> | undefined {
  if (left.of === undefined || right.of === undefined || left.of.type === 'any' || right.of.type === 'any') return undefined;
  const remedy = 'make both alike with a map before the join that names its table in with.table';
  if (left.of.type !== right.of.type) {
    const [one, other] = [left, right].map(
      ({ name, of }) => `${name} (${of?.type === 'double' ? 'a float' : typeWords[of?.type ?? 'any']})`,
    );
    return { message: `${one} is compared with ${other}`, remedy };
  }
  if (left.of.type !== 'number' || left.of.scale === right.of.scale) return undefined;
  const digits = ({ name, of }: JoinedField): string => `${name} (${of?.scale ?? 'any'} digits after the point)`;
  return { message: `${digits(left)} is compared with ${digits(right)}`, remedy };
}

function findKeyProblems(options: JoinOptions, { left, right }: Sides): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  for (const [side, { key }] of [
    ['left', left],
    ['right', right],
  ] as const) {
    if (key?.length !== 0) continue;
    const message = `rows of ${options[side]} have no primary key here`;
    problems.push({
      path: `with.${side}`,
      message,
      remedy: 'give the table one, and keep its fields in what stands before the join',
    });
  }
  if (problems.length > 0 || right.key === undefined) return problems;
  if (options.type === 'left' && !isWithin(right.key, Object.values(options.on))) {
    return [
      {
        path: 'with.type',
        message: `this ${leftJoinProblem(options, right.key)}`,
        remedy: `join on ${right.key.join(', ')}, or write type: inner`,
      },
    ];
  }
  if (left.key === undefined) return problems;
  const { missing } = joinedKey(options, { left: left.key, right: right.key });
  return missing.map((column) => ({
    path: 'with.take',
    message: `a row of ${options.left} may have several of ${options.right}, and ${column} of its key is not among the joined fields`,
    remedy: `take it: { ${column}: ${column} }`,
  }));
}
