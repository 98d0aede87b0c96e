import { z } from 'zod';
import { errorSchema } from './error-answer.ts';
import { defineOperation, type Operation } from './operation.ts';

const shape = z.record(z.string(), z.unknown());

/** `GET /api/v1/openapi.json`: describes these operations, and itself. */
export function documentOperation(operations: readonly Operation[], version: string): Operation {
  let document: Readonly<Record<string, unknown>> = {};
  const operation = defineOperation({
    id: 'getDocument',
    method: 'GET',
    path: '/api/v1/openapi.json',
    summary: 'This document',
    answerName: 'OpenApiDocument',
    answer: shape,
    run: async () => document,
  });
  document = openApiDocument([...operations, operation], version);
  return operation;
}

/** The OpenAPI 3.1 document of the operations, made of the schemas that they parse with. */
export function openApiDocument(operations: readonly Operation[], version: string): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: describe(operation) };
  }
  const answers = operations.map(({ answerName, answer }): [string, unknown] => [answerName, jsonSchema(answer)]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'kisflow',
      version,
      description:
        'The HTTP API of a daemon. What it says of flows, dead rows, tables and runs is of the store, so of every daemon on it. Who may ask what: docs/api.md.',
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      schemas: { ...Object.fromEntries(answers), Error: jsonSchema(errorSchema) },
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'http.token of the configuration. Without one, reads on loopback need none.',
        },
      },
    },
  };
}

function describe({ id, path, summary, query, body, method, answerName, isBegun }: Operation): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.entries(query.shape).map(([name, schema]) => ({
      name,
      in: 'query',
      required: !schema.safeParse(undefined).success,
      schema: jsonSchema(schema),
    })),
  ];
  const content = (schema: object): object => ({ 'application/json': { schema } });
  const isWrite = method === 'POST';
  const statuses = [400, 401, 403, 404, ...(isWrite ? [409, 413, 415] : []), 500, 503];
  const error = { description: 'An error: its code, what happened, and what to do', content: content(ref('Error')) };
  const done = { content: content(ref(answerName)) };
  return {
    operationId: id,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(isWrite ? { requestBody: { required: body?.safeParse({}).success === false, content: content(bodySchema(body)) } } : {}),
    responses: {
      ...(isBegun ? { '202': { ...done, description: 'Begun', headers: location } } : { '200': { ...done, description: 'Done' } }),
      ...Object.fromEntries(statuses.map((status) => [String(status), error])),
    },
  };
}

const location = { Location: { description: 'Where it is to be seen how far it is', schema: { type: 'string' } } };

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

/** Whoever sends a body may leave out what has a default. */
function bodySchema(body: Operation['body']): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body ?? z.strictObject({}), { io: 'input' });
  return schema;
}

function jsonSchema(of: z.core.$ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(of);
  return schema;
}
