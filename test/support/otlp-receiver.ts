import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';
import { onEnd } from './cleanup.ts';
import { portOf } from './half-open-proxy.ts';

const value = z.looseObject({
  stringValue: z.string().optional(),
  intValue: z.union([z.number(), z.string()]).optional(),
  doubleValue: z.number().optional(),
  boolValue: z.boolean().optional(),
  arrayValue: z.looseObject({ values: z.array(z.looseObject({ stringValue: z.string().optional() })) }).optional(),
});
const attributes = z.array(z.object({ key: z.string(), value })).default([]);
const span = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes,
  events: z.array(z.looseObject({ name: z.string(), attributes })).default([]),
  status: z.looseObject({ code: z.number().default(0) }).default({ code: 0 }),
});
/** An export as OTLP/HTTP has it in JSON. */
const request = z.looseObject({
  resourceSpans: z.array(
    z.looseObject({
      resource: z.looseObject({ attributes }),
      scopeSpans: z.array(z.looseObject({ spans: z.array(span) })),
    }),
  ),
});

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  readonly isError: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface OtlpReceiver {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT is set to. */
  readonly url: string;
  /** All spans that came as JSON. */
  readonly spans: readonly ReceivedSpan[];
  /** The content types of all requests, and whether they had a body. */
  readonly requests: readonly { readonly type: string; readonly bytes: number; readonly path: string }[];
  /** From now on requests get this status, or no answer at all. */
  answer(how: number | 'never'): void;
}

/** A collector of OpenTelemetry: takes exports by HTTP at `/v1/traces`; closed at the end. */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: { type: string; bytes: number; path: string }[] = [];
  let how: number | 'never' = 200;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const type = incoming.headers['content-type'] ?? '';
      requests.push({ type, bytes: body.length, path: incoming.url ?? '' });
      if (how === 'never') return;
      if (how === 200 && type === 'application/json') spans.push(...decode(body.toString()));
      response.writeHead(how, { 'content-type': type }).end(type === 'application/json' ? '{}' : '');
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${portOf(server)}`, spans, requests, answer: (next) => (how = next) };
}

function decode(text: string): ReceivedSpan[] {
  const { resourceSpans } = request.parse(JSON.parse(text));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((one) => ({
        traceId: one.traceId,
        spanId: one.spanId,
        parentSpanId: one.parentSpanId,
        name: one.name,
        startMs: Number(BigInt(one.startTimeUnixNano) / 1000n) / 1000,
        endMs: Number(BigInt(one.endTimeUnixNano) / 1000n) / 1000,
        attributes: toRecord(one.attributes),
        events: one.events.map((event) => ({ name: event.name, attributes: toRecord(event.attributes) })),
        isError: one.status.code === 2,
        resource: toRecord(resource.attributes),
      })),
    ),
  );
}

function toRecord(list: z.infer<typeof attributes>): Record<string, unknown> {
  return Object.fromEntries(
    list.map(({ key, value: { stringValue, intValue, doubleValue, boolValue, arrayValue } }) => [
      key,
      stringValue ??
        doubleValue ??
        boolValue ??
        (intValue === undefined ? arrayValue?.values.map((one) => one.stringValue) : Number(intValue)),
    ]),
  );
}
