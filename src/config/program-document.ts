import type { ConfigDocument } from './document.ts';

/** A document as a program writes it: the keys of the YAML, with texts, numbers and booleans for its scalars. */
export type ProgramDocument = Readonly<Record<string, unknown>>;

/** Documents that a program gives, as those of a file; the first one is `document 1 of the program`. */
export function programDocuments(documents: readonly ProgramDocument[]): readonly ConfigDocument[] {
  return documents.map((document, index) => ({
    origin: { file: `document ${index + 1} of the program`, lines: new Map(), written: withTexts(document) },
    value: withoutNulls(document),
  }));
}

/** A null is an absent key, as in a file. */
function withoutNulls(value: unknown): unknown {
  return mapScalars(value, (scalar) => scalar ?? undefined);
}

/** As the document would stand in a file: scalars are texts, and `${` is no variable. */
export function withTexts(value: unknown): unknown {
  return mapScalars(value, (scalar) =>
    scalar === null || scalar === undefined ? null : String(scalar).replaceAll('${', () => '$${'),
  );
}

function mapScalars(value: unknown, map: (scalar: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapScalars(item, map));
  if (typeof value !== 'object' || value === null) return map(value);
  const present = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(present.map(([key, item]) => [key, mapScalars(item, map)]));
}
