import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Decoded JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface ApiCall {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** The status that is expected; when absent 200, or 202 of what only begins something. */
  readonly status?: number;
}

interface Described {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content: { readonly 'application/json': { readonly schema: object } } }>>;
}

/** Calls operations by their ids, as the document describes them, and holds every answer against its schema. */
export class ApiClient {
  readonly document: Readonly<Record<string, unknown>>;
  readonly #url: string;
  readonly #token: string;
  readonly #operations: ReadonlyMap<string, { readonly method: string; readonly path: string; readonly described: Described }>;
  readonly #ajv = new Ajv2020({ strict: false });
  readonly #called = new Set<string>();

  constructor(options: { readonly url: string; readonly token: string; readonly document: Readonly<Record<string, unknown>> }) {
    this.document = options.document;
    this.#url = options.url;
    this.#token = options.token;
    this.#ajv.addSchema({ $id: 'api', ...this.document });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded edge: the document was validated
    const paths = this.document['paths'] as Readonly<Record<string, Readonly<Record<string, Described>>>>;
    const all = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({ method: method.toUpperCase(), path, described })),
    );
    this.#operations = new Map(all.map((operation) => [operation.described.operationId, operation]));
  }

  /** Operations that nothing has called with success. */
  get uncalled(): readonly string[] {
    return [...this.#operations.keys()].filter((id) => !this.#called.has(id));
  }

  async call(id: string, { path = {}, query = {}, body, status: wanted }: ApiCall = {}): Promise<ApiAnswer> {
    const operation = this.#operations.get(id);
    if (operation === undefined) throw new Error(`the document has no operation ${id}`);
    const status = wanted ?? ('202' in operation.described.responses ? 202 : 200);
    const filled = operation.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(path[name] ?? ''));
    const search = new URLSearchParams(query).toString();
    const isWrite = operation.method !== 'GET';
    const response = await fetch(`${this.#url}${filled}${search === '' ? '' : `?${search}`}`, {
      method: operation.method,
      headers: { authorization: `Bearer ${this.#token}`, ...(isWrite ? { 'content-type': 'application/json' } : {}) },
      ...(isWrite ? { body: JSON.stringify(body ?? {}) } : {}),
    });
    const answer = await readAnswer(response);
    expect(answer.status, JSON.stringify(answer.body)).toBe(status);
    const schema = operation.described.responses[String(status)]?.content['application/json'].schema;
    if (schema === undefined) throw new Error(`${id} does not describe the status ${status}`);
    const isRight = this.#ajv.validate(inDocument(schema), answer.body);
    expect(isRight ? [] : this.#ajv.errors, `${id}: ${JSON.stringify(answer.body)}`).toEqual([]);
    if (status < 300) this.#called.add(id);
    return answer;
  }
}

export async function readAnswer(response: Response): Promise<ApiAnswer> {
  expect(response.headers.get('content-type')).toBe('application/json');
  const body: unknown = JSON.parse(await response.text());
  if (typeof body !== 'object' || body === null) throw new Error(`not an object: ${JSON.stringify(body)}`);
  return { status: response.status, headers: response.headers, body: Object.fromEntries(Object.entries(body)) };
}

/** References within the document, for a validator that has it by the name `api`. */
function inDocument(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
}
