import type { FlowContext, FunctionDefinition, RowSchema } from './contract.ts';

/** A row of a function without an input schema. */
export type PlainRow = Readonly<Record<string, unknown>>;

/** A schema whose parsed rows have a known type; every zod schema is one. */
export interface TypedRowSchema<Parsed> {
  safeParse(
    value: unknown,
  ): { readonly success: true; readonly data: Parsed } | Extract<ReturnType<RowSchema['safeParse']>, { readonly success: false }>;
}

/** A function with an input schema: each row is parsed before `run` sees it, and a row that does not fit is a dead row. */
export interface SchemaFunction<Parsed> {
  readonly name: string;
  readonly input: TypedRowSchema<Parsed>;
  run(flow: FlowContext, rows: readonly Parsed[]): void | Promise<void>;
}

/** A function without an input schema: it says itself what its rows are (`defineFunction<Change>({…})` for `rows: change`). */
export interface PlainFunction<Input> {
  readonly name: string;
  readonly input?: undefined;
  run(flow: FlowContext, rows: readonly Input[]): void | Promise<void>;
}

/**
 * Defines a function of a flow: the default export of a file under `functions/`, or what a program registers.
 *
 * `run` receives all rows of a batch at once and commits what the next function shall receive. It runs many times at once, so it
 * keeps nothing of a run outside `flow`; and it leaves its input rows as they are, since other functions may receive them too.
 * A row committed as JSON text of an object arrives as that object. A change (`rows: change`) is given to the schema whole, and
 * keeps the fields that the schema does not name.
 */
export function defineFunction<Parsed>(definition: SchemaFunction<Parsed>): FunctionDefinition;
export function defineFunction<Input = PlainRow>(definition: PlainFunction<Input>): FunctionDefinition;
export function defineFunction(definition: FunctionDefinition): FunctionDefinition {
  return definition;
}
