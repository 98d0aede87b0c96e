import type { ConnectorCall, ConnectorInit, FlowContext, FunctionDefinition, RowSchema, RowSerializer } from './contract.ts';

/** A row of a function without an input schema. */
export type PlainRow = Readonly<Record<string, unknown>>;

/** A schema whose parsed rows have a known type; every zod schema is one. */
export interface TypedRowSchema<Parsed> {
  safeParse(
    value: unknown,
  ): { readonly success: true; readonly data: Parsed } | Extract<ReturnType<RowSchema['safeParse']>, { readonly success: false }>;
}

/** What every function may say. */
interface FunctionOptions {
  readonly name: string;
  readonly serialize?: RowSerializer | undefined;
  readonly callsConnector?: boolean | undefined;
  readonly repeatable?: boolean | undefined;
}

/** A function with an input schema: each row is parsed before `run` sees it, and a row that does not fit is a dead row. */
export interface SchemaFunction<Parsed> extends FunctionOptions {
  readonly input: TypedRowSchema<Parsed>;
  run(flow: FlowContext, rows: readonly Parsed[]): void | Promise<void>;
}

/** A function without an input schema: it says itself what its rows are (`defineFunction<Change>({…})` for `rows: change`). */
export interface PlainFunction<Input> extends FunctionOptions {
  readonly input?: undefined;
  run(flow: FlowContext, rows: readonly Input[]): void | Promise<void>;
}

/**
 * Defines a function of a flow: the default export of a file under `functions/`, or what a program registers.
 *
 * `run` receives all rows of a batch at once and commits what the next function shall receive. It runs many times at once, so it
 * keeps nothing of a run outside `flow`; and it leaves its input rows as they are, since other functions may receive them too.
 * A row committed as JSON text of an object arrives as that object. A change (`rows: change`) is given to the schema whole, and
 * keeps the fields that the schema does not name. `serialize.decode` takes the place of reading JSON texts.
 */
export function defineFunction<Parsed>(definition: SchemaFunction<Parsed>): FunctionDefinition;
export function defineFunction<Input = PlainRow>(definition: PlainFunction<Input>): FunctionDefinition;
export function defineFunction(definition: FunctionDefinition): FunctionDefinition {
  return definition;
}

/** Defines how a program opens the connector of this name; see ConnectorInit. */
export function defineConnectorInit(definition: ConnectorInit): ConnectorInit {
  return definition;
}

/** Defines what a function's call of its connector does; see ConnectorCall. */
export function defineConnectorCall(definition: ConnectorCall): ConnectorCall {
  return definition;
}
