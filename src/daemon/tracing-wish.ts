/**
 * Whether the environment asks for traces: an OTLP endpoint is named, and nothing switches them off (OpenTelemetry's variables). Apart from
 * what makes them, which is not loaded unless it is wished for.
 */
export function wantsTraces(env: Readonly<Record<string, string | undefined>>): boolean {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const exporter = env['OTEL_TRACES_EXPORTER'] || 'otlp';
  return endpoint !== undefined && endpoint !== '' && exporter === 'otlp' && env['OTEL_SDK_DISABLED']?.toLowerCase() !== 'true';
}
