import type { ReadKnown } from '../../daemon/build-assembly.ts';
import { unlessAborted } from '../../lib/abort.ts';
import { CodedError, describeError } from '../../lib/error.ts';
import { jsonAnswer, type HttpAnswer, type HttpHandler, type HttpRequest } from '../../lib/http-server.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Store } from '../../store/open.ts';
import { accessRule, isWrite, type AccessPolicy } from './access.ts';
import { codedError, errorAnswer } from './error-answer.ts';
import type { ApiProject, Operation, Outcome, RawCall } from './operation.ts';

export interface ApiOptions {
  readonly operations: readonly Operation[];
  readonly access: AccessPolicy;
  /** What runs now. */
  readonly project: () => ApiProject;
  readonly readKnown: ReadKnown;
  readonly openStore: () => Promise<Store>;
  readonly logger: Logger;
  /** How long a request may take; default 10 s. */
  readonly deadlineMs?: number | undefined;
}

/** Requests under way at once. */
const requestsMax = 16;

/** Answers all that is below `/api/`: by one of the operations, or with an error. */
export function apiHandler(options: ApiOptions): HttpHandler {
  const { operations, logger } = options;
  const refuse = accessRule(options.access);
  let underWay = 0;
  const answer = async (request: HttpRequest): Promise<HttpAnswer> => {
    const refusal = refuse(request);
    if (refusal !== undefined) throw refusal;
    const { operation, path } = findOperation(operations, request);
    if (underWay >= requestsMax) throw new CodedError('API_BUSY', `${requestsMax} requests are under way.`);
    underWay += 1; // until its work has ended, which may be after the answer
    const done = (): void => void (underWay -= 1);
    return answerOf(await runOperation(options, { operation, path, request, done }));
  };
  return {
    prefix: '/api/',
    answer: (request) =>
      answer(request).catch((error: unknown) => {
        const coded = codedError(error);
        if (coded.code === 'INTERNAL') logger.error({ path: request.path, error: describeError(error) }, 'request not answered');
        return errorAnswer(coded);
      }),
  };
}

function answerOf({ answer, location }: Outcome): HttpAnswer {
  return location === undefined ? jsonAnswer(200, answer) : { ...jsonAnswer(202, answer), headers: { location } };
}

interface Found {
  readonly operation: Operation;
  readonly path: RawCall['path'];
}

/** Throws REQUEST_PATH_UNKNOWN, REQUEST_METHOD. */
function findOperation(operations: readonly Operation[], { method, path }: HttpRequest): Found {
  const found = operations.flatMap((operation) => {
    const values = matchPath(operation.path, path);
    return values === undefined ? [] : [{ operation, path: values }];
  });
  if (found.length === 0) throw new CodedError('REQUEST_PATH_UNKNOWN', 'The HTTP API has no such path.');
  const wanted = method === 'HEAD' ? 'GET' : method;
  // a path without parameters stands before one with them
  const right = found.filter(({ operation }) => operation.method === wanted).toSorted((a, b) => size(a) - size(b))[0];
  if (right !== undefined) return right;
  const allow = [...new Set(found.flatMap(({ operation }) => (operation.method === 'GET' ? ['GET', 'HEAD'] : ['POST'])))].join(
    ', ',
  );
  throw new CodedError('REQUEST_METHOD', `This path takes ${allow}.`, { details: { allow } });
}

function size({ path }: Found): number {
  return Object.keys(path).length;
}

/** Values of the parameters; undefined where the path is another. */
function matchPath(pattern: string, path: string): RawCall['path'] | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const values: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const text = given[index] ?? '';
    if (!part.startsWith('{')) {
      if (part !== text) return undefined;
      continue;
    }
    if (text === '') return undefined;
    values[part.slice(1, -1)] = decode(text);
  }
  return values;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new CodedError('REQUEST_INVALID', 'A % in the path is not followed by what it stands for.');
  }
}

interface Run extends Found {
  readonly request: HttpRequest;
  readonly done: () => void;
}

/** The deadline is that of the whole request: a store or a source that does not answer holds nobody for longer. */
async function runOperation(options: ApiOptions, { operation, path, request, done }: Run): Promise<Outcome> {
  const { openStore, readKnown, logger } = options;
  const deadlineMs = operation.deadlineMs ?? options.deadlineMs ?? 10_000;
  const signal = AbortSignal.timeout(deadlineMs);
  const work = async (): Promise<Outcome> => {
    const call = { path, query: readQuery(request.query), body: isWrite(request.method) ? await readJson(request) : {} };
    const project = options.project();
    return operation.run(call, { configuration: project.configuration, project, readKnown, openStore, logger, signal });
  };
  const late = (): Error => new CodedError('STORE_TIMEOUT', `The request was not done within ${deadlineMs / 1000} s.`);
  return unlessAborted(work().finally(done), signal, late);
}

function readQuery(text: string): RawCall['query'] {
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(query, name)) throw new CodedError('REQUEST_INVALID', `"${name.slice(0, 100)}" is given twice.`);
    query[name] = value;
  }
  return { ...query };
}

async function readJson(request: HttpRequest): Promise<unknown> {
  const body = await request.readBody().catch((error: unknown) => {
    throw new CodedError('REQUEST_INVALID', 'The body ended before its end.', { cause: error });
  });
  if (body === undefined) throw new CodedError('REQUEST_TOO_LARGE', 'The body is longer than 64 KB.');
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return value;
  } catch {
    throw new CodedError('REQUEST_INVALID', 'The body is no JSON.');
  }
}
