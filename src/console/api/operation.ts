/**
 * The contract of an operation of the HTTP API. Requests and answers are zod schemas, and the OpenAPI document is made of the same ones.
 * To add operations: define them in a file of their own, and name that in `operations.ts`.
 *
 * The server finds the operation by method and path, asks `accessRule`, and calls `run` with what came; that parses it, and refuses unknown
 * parameters and keys by name. What `run` rejects with is answered as an error.
 */
import { z } from 'zod';
import type { Configuration } from '../../config/configuration.ts';
import { didYouMean } from '../../config/nearest.ts';
import type { ReadKnown } from '../../daemon/build-assembly.ts';
import type { LoadedProject } from '../../daemon/project-files.ts';
import { CodedError } from '../../lib/error.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Store } from '../../store/open.ts';

/** How long an operation may take that asks the source: a place in a large binlog file is found by reading it. */
export const sourceDeadlineMs = 25_000;

/** What the daemon runs now. */
export type ApiProject = Omit<LoadedProject, 'scan'>;

/** What operations work with. */
export interface ApiContext {
  readonly configuration: Configuration;
  readonly project: ApiProject;
  readonly readKnown: ReadKnown;
  readonly logger: Logger;
  /** Rejects where it does not answer. */
  readonly openStore: () => Promise<Store>;
  /** Aborts when the request has taken too long. */
  readonly signal: AbortSignal;
}

export interface RawCall {
  /** Decoded values of the path's parameters. */
  readonly path: Readonly<Record<string, string>>;
  /** Each parameter once. */
  readonly query: Readonly<Record<string, string>>;
  /** Parsed JSON. */
  readonly body: unknown;
}

export interface Operation {
  /** `listFlows`: its operationId. */
  readonly id: string;
  readonly method: 'GET' | 'POST';
  /** `/api/v1/flows/{flow}`. */
  readonly path: string;
  readonly summary: string;
  /** How long it may take; absent: as long as others. */
  readonly deadlineMs?: number;
  /** Whether it only begins what was asked: it is answered with 202, and with where that is to be seen. */
  readonly isBegun: boolean;
  readonly query: z.ZodObject;
  readonly body: z.ZodObject | undefined;
  /** Its name among the schemas of the document. */
  readonly answerName: string;
  readonly answer: z.ZodType;
  readonly run: (call: RawCall, context: ApiContext) => Promise<Outcome>;
}

export interface Outcome {
  readonly answer: unknown;
  /** Path of what was begun. */
  readonly location: string | undefined;
}

/** What a schema lets out, of which nothing is changed any more. */
type Shown<T> = T extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Shown<T[Key]> }
    : T;

export interface OperationSpec<Query extends z.ZodObject, Body extends z.ZodObject, Answer> extends Omit<
  Operation,
  'query' | 'body' | 'answer' | 'run' | 'isBegun'
> {
  readonly query?: Query;
  readonly body?: Body;
  readonly answer: z.ZodType<Answer>;
  readonly run: (
    call: { readonly path: Readonly<Record<string, string>>; readonly query: z.output<Query>; readonly body: z.output<Body> },
    context: ApiContext,
  ) => Promise<Shown<Answer>>;
  /** Of one that only begins what was asked: where that is to be seen. */
  readonly locationOf?: (answer: Shown<Answer>) => string;
}

export function defineOperation<Query extends z.ZodObject, Body extends z.ZodObject, Answer>(
  spec: OperationSpec<Query, Body, Answer>,
): Operation {
  const { query = z.strictObject({}), body, run, locationOf, ...rest } = spec;
  return {
    ...rest,
    query,
    body,
    isBegun: locationOf !== undefined,
    run: async ({ path, query: given, body: sent }, context) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the decoded edge: without a schema nothing but {} passes
      const parsedQuery = parse(query, given, 'parameter') as z.output<Query>;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- likewise
      const parsedBody = parse(body ?? z.strictObject({}), sent, 'key') as z.output<Body>;
      const answer = await run({ path, query: parsedQuery, body: parsedBody }, context);
      return { answer, location: locationOf?.(answer) };
    },
  };
}

/** Throws REQUEST_INVALID, which names everything that is wrong. */
function parse(schema: z.ZodObject, value: unknown, what: 'parameter' | 'key'): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const known = Object.keys(schema.shape);
  const wrong = result.error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      const place = issue.path.join('.');
      const message = issue.message.endsWith('received undefined') ? 'is missing' : issue.message;
      return [place === '' ? message : `${place}: ${message}`];
    }
    const list = known.length === 0 ? `there are no ${what}s here` : `the ${what}s here are ${known.join(', ')}`;
    return issue.keys.map((key) => `"${key.slice(0, 100)}" is no ${what}; ${didYouMean(key, known, list)}`);
  });
  throw new CodedError('REQUEST_INVALID', `${wrong.slice(0, 20).join('. ')}.`.replaceAll('?.', '?'));
}
