import { diag, DiagLogLevel, type Tracer } from '@opentelemetry/api';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  RandomIdGenerator,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { sleep } from '../lib/abort.ts';
import { describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { addBatchSpans, spansOf, type FailedTry } from './batch-spans.ts';
import { codeOf, type BatchTrail, type FlowObserver } from './batch-trail.ts';

/** What became of spans. */
export type SpanOutcome = 'sent' | 'failed' | 'dropped';

export interface TracingOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly onSpans: (outcome: SpanOutcome, count: number) => void;
  readonly logger: Logger;
}

const triesMax = 20;

/**
 * Traces of batches, sent by OTLP over HTTP as OpenTelemetry's environment variables say. A trace is a batch, and its id is the batch's: tries of
 * one batch are in one trace.
 *
 * Spans are made when a try of a batch is over, from its trail, and wait in a bounded queue. When the queue is full, because the collector is
 * slow or gone, whole batches are left out and counted: nothing ever waits for a collector.
 */
export class Tracing implements FlowObserver {
  readonly #options: TracingOptions;
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #queueMax: number;
  /** Of the batch that is being traced. */
  #traceId = '';
  /** Spans that are neither sent nor given up. */
  #pending = 0;
  #lost = 0;
  #isFailing = false;
  /** By flow: tries of its batch that have failed. */
  readonly #failures = new Map<string, { readonly batchId: string; readonly tries: readonly FailedTry[] }>();

  private constructor(options: TracingOptions, exporter: SpanExporter) {
    const { env, version } = options;
    this.#options = options;
    this.#queueMax = Number(env['OTEL_BSP_MAX_QUEUE_SIZE']) || 2048;
    const ids = new RandomIdGenerator();
    const processor = new BatchSpanProcessor(this.#watch(exporter), { maxQueueSize: this.#queueMax });
    const own = resourceFromAttributes({ 'service.name': 'kisflow', 'service.version': version });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(own)
        .merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [processor],
      idGenerator: { generateTraceId: () => this.#traceId || ids.generateTraceId(), generateSpanId: () => ids.generateSpanId() },
    });
    this.#tracer = this.#provider.getTracer('kisflow', version);
  }

  static async open(options: TracingOptions): Promise<Tracing> {
    const said = new Set<string>();
    const warn = (message: string): void => {
      if (said.has(message) || said.size > 20) return;
      said.add(message);
      options.logger.warn({ said: message }, 'traces: OpenTelemetry says');
    };
    const quiet = (): void => {};
    diag.setLogger({ error: warn, warn, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN);
    const protocol = options.env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || options.env['OTEL_EXPORTER_OTLP_PROTOCOL'];
    if (protocol === 'grpc') options.logger.warn({ protocol }, 'traces are sent as http/protobuf: grpc is not spoken');
    const { OTLPTraceExporter } =
      protocol === 'http/json'
        ? await import('@opentelemetry/exporter-trace-otlp-http')
        : await import('@opentelemetry/exporter-trace-otlp-proto');
    return new Tracing(options, new OTLPTraceExporter());
  }

  batchCommitted(trail: BatchTrail): void {
    this.#add(trail, undefined);
    this.#failures.delete(trail.subject.flow.name);
  }

  batchFailed(trail: BatchTrail, error: unknown): void {
    this.#add(trail, error);
    const flow = trail.subject.flow.name;
    const tries = [...this.#triesOf(trail), { code: codeOf(error), at: Date.now() }];
    this.#failures.set(flow, { batchId: trail.subject.batchId(), tries: tries.slice(-triesMax) });
  }

  flowRetries(): void {}

  flowEnded(flow: string): void {
    this.#failures.delete(flow);
  }

  /** Sends what waits, for so long at most. */
  async close(deadlineMs: number): Promise<void> {
    const over = new AbortController();
    const sent = this.#provider.shutdown().catch((error: unknown) => {
      this.#options.logger.debug({ error: describeError(error) }, 'traces not sent');
    });
    await Promise.race([sent, sleep(deadlineMs, over.signal)]);
    over.abort();
    if (this.#lost + this.#pending > 0) this.#options.logger.warn({ spans: this.#lost + this.#pending }, 'traces were lost');
    diag.disable();
  }

  #triesOf({ subject }: BatchTrail): readonly FailedTry[] {
    const known = this.#failures.get(subject.flow.name);
    return known !== undefined && known.batchId === subject.batchId() ? known.tries : [];
  }

  #add(trail: BatchTrail, error: unknown): void {
    const { size, batch, batchId } = trail.subject;
    if (size === 0 && batch?.parts.every(({ statements }) => statements === undefined) !== false) return;
    const count = spansOf(trail);
    if (this.#pending + count > this.#queueMax) {
      this.#lose('dropped', count, 'their queue is full');
      return;
    }
    this.#traceId = batchId();
    const sampled = addBatchSpans(this.#tracer, trail, { error, failures: this.#triesOf(trail) });
    this.#traceId = '';
    this.#pending += sampled;
  }

  /** The exporter, with what becomes of its spans counted. It never fails: what went wrong is said here, once. */
  #watch(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans: ReadableSpan[], done) =>
        exporter.export(spans, ({ error }) => {
          this.#pending -= spans.length;
          if (error === undefined) this.#noteSent(spans.length);
          else this.#lose('failed', spans.length, describeError(error));
          done({ code: 0 });
        }),
      shutdown: () => exporter.shutdown(),
      forceFlush: async () => exporter.forceFlush?.(),
    };
  }

  #noteSent(count: number): void {
    const { logger, onSpans } = this.#options;
    onSpans('sent', count);
    if (!this.#isFailing) return;
    this.#isFailing = false;
    logger.info({ lost: this.#lost }, 'traces are sent again');
    this.#lost = 0;
  }

  #lose(outcome: 'failed' | 'dropped', count: number, error: string): void {
    const { logger, onSpans } = this.#options;
    onSpans(outcome, count);
    this.#lost += count;
    if (this.#isFailing) return;
    this.#isFailing = true;
    logger.warn({ error }, 'traces are not sent; flows go on without them');
  }
}
