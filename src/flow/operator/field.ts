/**
 * - `number`: integers and decimals, exact. `double`: floating point.
 * - `text`: texts, dates and times, JSON. `binary`: bytes, which expressions can only copy and compare with null.
 * - `any`: not known; it takes the type that its use asks for.
 */
export type FieldType = 'number' | 'double' | 'text' | 'bool' | 'binary' | 'any';

export interface Field {
  readonly type: FieldType;
  readonly isNullable: boolean;
  /** Digits after the point that a number has at most; undefined where that is not known. */
  readonly scale?: number | undefined;
}

/** The fields of a step's rows. */
export interface Fields {
  readonly known: ReadonlyMap<string, Field>;
  /** Whether there are no others; else every name is taken for a field. */
  readonly isComplete: boolean;
  /** The primary key, where these are the fields of one table's rows and it is known. */
  readonly key?: readonly string[] | undefined;
  /** The fields by table, where they are known: the others are then those that rows of all tables have. */
  readonly tables?: ReadonlyMap<string, Fields> | undefined;
}

/** Nothing is known about the rows. */
export const unknownFields: Fields = { known: new Map(), isComplete: false };

const types: Readonly<Record<string, FieldType>> = {
  tinyint: 'number',
  smallint: 'number',
  mediumint: 'number',
  int: 'number',
  bigint: 'number',
  year: 'number',
  decimal: 'number',
  float: 'double',
  double: 'double',
  binary: 'binary',
  varbinary: 'binary',
  tinyblob: 'binary',
  blob: 'binary',
  mediumblob: 'binary',
  longblob: 'binary',
  bit: 'any',
  geometry: 'any',
};

/** A column as a field, by what the server calls its type: `decimal(12,2)`, `int unsigned`, `varchar(40)`. */
export function fieldOf(columnType: string, isNullable: boolean): Field {
  const type = types[/^[a-z]+/i.exec(columnType)?.[0].toLowerCase() ?? ''] ?? 'text';
  const scale = type === 'number' ? Number(/^decimal\(\d+,(\d+)\)/i.exec(columnType)?.[1] ?? 0) : undefined;
  return { type, isNullable, scale };
}

/** What `with.types` may name. */
export const typeNames = ['int', 'decimal', 'double', 'text', 'bool'] as const;

/** The fields that a step declares itself, put over those that are known; declared ones may be NULL. */
export function declareFields(fields: Fields, declared: Readonly<Record<string, (typeof typeNames)[number]>>): Fields {
  const own = Object.entries(declared).map(([name, type]): [string, Field] => {
    const isNumber = type === 'int' || type === 'decimal';
    const known = fields.known.get(name);
    return [
      name,
      { type: isNumber ? 'number' : type, isNullable: known?.isNullable ?? true, scale: type === 'int' ? 0 : known?.scale },
    ];
  });
  return { ...fields, known: new Map([...fields.known, ...own]) };
}

/** The fields that rows of all these tables have, each with a type that holds them all. */
export function commonFields(tables: readonly ReadonlyMap<string, Field>[]): Fields {
  const [first, ...others] = tables;
  if (first === undefined) return unknownFields;
  const common = new Map<string, Field>();
  for (const [name, field] of first) {
    const same = others.map((table) => table.get(name));
    if (same.some((other) => other === undefined)) continue;
    common.set(name, {
      type: same.every((other) => other?.type === field.type) ? field.type : 'any',
      isNullable: field.isNullable || same.some((other) => other?.isNullable === true),
      scale: maxScale([field.scale, ...same.map((other) => other?.scale)]),
    });
  }
  return { known: common, isComplete: true };
}

/** The most digits after the point; undefined where one of them is not known. */
export function maxScale(scales: readonly (number | undefined)[]): number | undefined {
  return scales.reduce((most, scale) => (most === undefined || scale === undefined ? undefined : Math.max(most, scale)), 0);
}
