import { formatCount, formatTable } from '../table.ts';
import { isEqual, type ComparisonResult, type RowPair } from './compare.ts';

const differencesShownMax = 10;

/** The comparison for people: the counts, a handful of rows from both sides, and the differences when there are any. */
export function formatComparison(result: ComparisonResult): string {
  const { comparison, computedRows, expectedRows, missing, extra, differing, shown } = result;
  const lines = [
    `${comparison.flow} → ${comparison.table}: ${formatCount(computedRows)} rows, ${formatCount(expectedRows)} recomputed in SQL:` +
      ` ${formatCount(missing.length)} missing, ${formatCount(extra.length)} extra, ${formatCount(differing.length)} differing`,
    indent(formatPairs(result, shown)),
  ];
  if (!isEqual(result)) {
    const differences = [...missing, ...extra, ...differing];
    lines.push(`  DIFFERENCES${differences.length > differencesShownMax ? ` (the first ${differencesShownMax})` : ''}:`);
    lines.push(indent(formatPairs(result, differences.slice(0, differencesShownMax))));
  }
  return lines.join('\n');
}

/** The same for programs. */
export function comparisonJson(result: ComparisonResult) {
  const { comparison, computedRows, expectedRows, missing, extra, differing } = result;
  return {
    flow: comparison.flow,
    table: comparison.table,
    rows: computedRows,
    expected: expectedRows,
    missing: missing.length,
    extra: extra.length,
    differing: differing.length,
    differences: [...missing, ...extra, ...differing].slice(0, differencesShownMax),
  };
}

/** Two lines a row: what kisflow computed, and what SQL makes of the source. */
function formatPairs({ comparison: { key, columns } }: ComparisonResult, pairs: readonly RowPair[]): string {
  const cells = (row: Readonly<Record<string, unknown>> | undefined): readonly string[] =>
    row === undefined ? ['(no row)'] : columns.map((column) => String(row[column]));
  const rows = pairs.flatMap((pair) => [
    [String(pair.key), 'kisflow', ...cells(pair.computed)],
    ['', 'SQL', ...cells(pair.expected)],
  ]);
  return formatTable([{ title: key, isNumber: true }, { title: '' }, ...columns.map((title) => ({ title, isNumber: true }))], rows);
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
