/**
 * Building blocks of the specs. YAML hands over texts (see document.ts), so each block says which texts it takes; real numbers and booleans
 * are taken too. A block's message is `what is wrong; what to write instead`.
 */
import { z } from 'zod';
import { readMysqlAddress } from '../lib/mysql-address.ts';
import { didYouMean } from './nearest.ts';

const plain = z.union([z.string(), z.number(), z.boolean()], {
  error: (issue) => (issue.input === undefined ? missing('write a text') : `is ${kindOf(issue.input)}; write a text`),
});
const plainText = plain.transform(String);
const plainOrAbsent = plain.optional().transform((value) => (value === undefined ? '' : String(value)));

/** A text that must be there and not be empty. `remedy` says what belongs there. */
export function text(remedy: string) {
  return plainOrAbsent.transform((value, context) => value || fail(context, missing(remedy)));
}

/** A text; undefined when absent or empty (so `${NAME:-}` can switch a thing off). */
export const optionalText = plainOrAbsent.transform((value): string | undefined => value || undefined);

/** A text with a default. */
export function textOr(fallback: string) {
  return plainOrAbsent.transform((value) => value || fallback);
}

/** A whole number in a range, with a default. */
export function wholeNumber(options: {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
  readonly unit?: string;
}) {
  const { min, max, fallback, unit = '' } = options;
  return plainOrAbsent.transform((value, context) => {
    if (value === '') return fallback;
    const number = /^[+-]?\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    return fail(context, `is "${value}"; write a whole number${unit} from ${min} to ${max}`);
  });
}

const unitMs = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** A length of time such as `15m`, in milliseconds; undefined when absent. */
export const duration = plainOrAbsent.transform((value, context): number | undefined => {
  if (value === '') return undefined;
  const [, count = '', unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(value.trim()) ?? [];
  const ms = unitMs.get(unit);
  return ms === undefined ? fail(context, `is "${value}"; write a number with ms, s, m, h or d: 15m`) : Number(count) * ms;
});

/** true or false, also in YAML 1.1's words, which KisFlow takes; false when absent. */
export const flag = plainOrAbsent.transform((value, context) => {
  if (/^(true|yes|on)$/i.test(value)) return true;
  if (/^(false|no|off|)$/i.test(value)) return false;
  return fail(context, `is "${value}"; write true or false`);
});

/** One of some words; required when there is no fallback. */
export function oneOf<const Word extends string>(words: readonly Word[], fallback?: Word) {
  const all = words.join(', ');
  return plainOrAbsent.transform((value, context): Word => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    if (value !== '') return fail(context, `is "${value}", not one of ${all}; ${didYouMean(value, words, 'write one of them')}`);
    return fallback ?? fail(context, missing(`write one of ${all}`));
  });
}

/** A mysql:// address. The value is never printed: it holds a password. */
export function mysqlUrl(options: { readonly example: string; readonly needsDatabase: boolean }) {
  const remedy = `write ${options.example}, special characters of the password percent-encoded`;
  return text(remedy).transform((value, context) => {
    const address = readMysqlAddress(value);
    if (typeof address === 'string') return fail(context, address.includes(';') ? address : `${address}; ${remedy}`);
    if (new URL(value).hostname === '') return fail(context, `is no mysql:// address; ${remedy}`);
    if (options.needsDatabase && address.database === '') return fail(context, `names no database; write ${options.example}`);
    return value;
  });
}

/** A secret that can stand in a header; undefined when absent or empty. The value is never printed. */
export function secret({ charsMin }: { readonly charsMin: number }) {
  return optionalSecret.transform((value, context) => {
    if (value === undefined || new RegExp(`^[\\x21-\\x7e]{${charsMin},}$`).test(value)) return value;
    return fail(
      context,
      `is too short or has spaces or letters outside of ASCII; write at least ${charsMin} random characters: openssl rand -hex 32`,
    );
  });
}

const optionalSecret = z
  .union([z.string(), z.number()], { error: 'is no text; write a secret, or ${NAME} of the environment' })
  .optional()
  .transform((value) => (value === undefined || value === '' ? undefined : String(value)));

/** A list; empty when absent. */
export function list<Item extends z.ZodType>(item: Item) {
  return z
    .array(item, { error: (issue) => `is ${kindOf(issue.input)}; write a list` })
    .optional()
    .transform((items) => items ?? []);
}

/** Parameters: names and texts; empty when absent. A value without a text is ''. */
export const params = z
  .record(z.string(), plainOrAbsent, { error: (issue) => `is ${kindOf(issue.input)}; write names and texts` })
  .optional()
  .transform((entries) => entries ?? {});

/** Names and texts of which there is at least one, none empty. */
export function textMap(remedy: string) {
  return z
    .record(z.string(), text(remedy), {
      error: (issue) => `is ${issue.input === undefined ? 'missing' : kindOf(issue.input)}; ${remedy}`,
    })
    .refine((entries) => Object.keys(entries).length > 0, { error: `is empty; ${remedy}` });
}

/** Names: a list of texts. */
export const names = list(plainText);

/** A mapping that knows its keys. Unknown ones are one issue with one message a line, in the order of `issue.keys`. */
export function mapping<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') {
        return issue.input === undefined
          ? missing(`its keys are ${known.join(', ')}`)
          : `is ${kindOf(issue.input)}; its keys are ${known.join(', ')}`;
      }
      return issue.keys.map((key) => `unknown key; ${didYouMean(key, known, `the keys here are ${known.join(', ')}`)}`).join('\n');
    },
  });
}

function missing(remedy: string): string {
  return `missing; ${remedy}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'a mapping' : `"${String(value)}"`;
}

function fail(context: z.core.$RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}
