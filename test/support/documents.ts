import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

export interface CodeBlock {
  /** What stands behind the opening fence; '' when nothing does. */
  readonly language: string;
  readonly code: string;
}

/** A page's text, by its path from the repository's root. */
export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

export function codeBlocks(text: string): readonly CodeBlock[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }));
}

/** The text of these sections of a page, each from its heading to the next one of its rank. */
export function sections(page: string, headings: readonly string[]): string {
  const parts = readPage(page).split(/^(?=## )/m);
  return headings.map((heading) => parts.find((part) => part.startsWith(`${heading}\n`)) ?? '').join('\n');
}

/** The files that sections show: a block whose first line is a comment with the file's path. */
export function filesIn(page: string, headings: readonly string[]): Readonly<Record<string, string>> {
  const named = codeBlocks(sections(page, headings)).flatMap(({ code }) => {
    const path = /^(?:#|\/\/|--) ([\w./-]+\.\w+)\n/.exec(code)?.[1];
    return path === undefined ? [] : [[path, code] as const];
  });
  return Object.fromEntries(named);
}
