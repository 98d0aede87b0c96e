import type { Finding, Severity } from './finding.ts';

const order: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** How many findings there are of each kind that matters. */
export interface FindingCount {
  readonly errors: number;
  readonly warnings: number;
}

export function countFindings(findings: readonly Finding[]): FindingCount {
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  return { errors: count('error'), warnings: count('warning') };
}

/** Findings in groups by subject, the gravest first in each; remedies stand below, to be copied. Ends with the count. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ code }) => code.length));
  const subjects = [...new Set(findings.map(({ subject }) => subject))].sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
  const groups = subjects.map((subject) => {
    const own = findings.filter((finding) => finding.subject === subject).sort((a, b) => order[a.severity] - order[b.severity]);
    return [subject, ...own.flatMap((finding) => formatFinding(finding, width))].join('\n');
  });
  const { errors, warnings } = countFindings(findings);
  return [...groups, `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`].join('\n\n');
}

const kinds = ['configuration', 'functions', 'source', 'store', 'flow', 'table'];

/** What is upstream comes first. */
function rankOf(subject: string): number {
  return kinds.indexOf(subject.split(' ')[0] ?? '');
}

const severityWidth = 'warning'.length;

function formatFinding({ severity, code, message, remedy }: Finding, width: number): string[] {
  const indent = ' '.repeat(2 + severityWidth + 2 + width + 2);
  const [first = '', ...more] = message.split('\n');
  const head = `  ${severity.padEnd(severityWidth)}  ${code.padEnd(width)}  ${first}`;
  const below = remedy === '' ? [] : remedy.split('\n').map((line) => `  ${line}`);
  return [head, ...[...more, ...below].map((line) => `${indent}${line}`)];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
