import { readDifferences, readVerification, type KeptDifference, type Verification } from '../../repair/verify-record.ts';
import type { Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import { documentOfRun } from '../../daemon/operate/run-document.ts';
import { formatCount, formatDuration, formatTable } from '../table.ts';

/** So many differences are printed; a JSON document has all that are kept. */
const shownMax = 20;
const keptMax = 1000;

/** What a run of verify found, as text and as JSON has it. */
export interface Findings {
  readonly isRight: boolean;
  readonly message: string;
  readonly lines: readonly string[];
  readonly document: { readonly verification: object; readonly differences: readonly object[] };
}

/** Undefined: it has not compared. */
export async function readFindings(context: CommandContext, store: Store, run: Run): Promise<Findings | undefined> {
  const found = await readVerification(store, run.id);
  if (found === undefined) return undefined;
  const differences = await readDifferences(store, run.id, { limit: context.json ? keptMax : shownMax });
  const { run: _, ...verification } = found;
  const listed = differences.map((one) => ({ ...one, key: JSON.parse(one.key) as unknown }));
  return {
    isRight: wrongRows(found) === (found.mended ?? 0),
    message: sentenceOf(found),
    lines: [...tableOf(found, differences), sentenceOf(found)],
    document: { verification, differences: listed },
  };
}

/** Prints what a run of verify found. Exit 0: nothing is wrong any more. */
export async function printVerification(context: CommandContext, store: Store, run: Run): Promise<number> {
  const found = await readFindings(context, store, run);
  if (found === undefined) return exitCode.failed;
  const { isRight, message, lines, document } = found;
  context.print(context.json ? JSON.stringify({ run: documentOfRun(run), ...document, message }) : lines.join('\n'));
  return isRight ? exitCode.done : exitCode.failed;
}

function wrongRows({ missing, extra, different }: Verification): number {
  return missing + extra + different;
}

function tableOf(found: Verification, differences: readonly KeptDifference[]): readonly string[] {
  if (differences.length === 0) return [];
  const rows = differences.flatMap(({ table, key, kind, isExcused, fields }) => {
    const what = isExcused ? `${kind}, excused` : kind;
    const shownKey = key.slice(1, -1);
    if (fields.length === 0) return [[table, shownKey, what, '', '', '']];
    return fields.map(({ name, stored, recomputed }) => [table, shownKey, what, name, stored ?? 'NULL', recomputed ?? 'NULL']);
  });
  const columns = ['table', 'key', 'what', 'field', 'stored', 'recomputed'].map((title) => ({ title }));
  const more = wrongRows(found) + found.excused - differences.length;
  return [formatTable(columns, rows), ...(more > 0 ? [`and ${formatCount(more)} more rows`] : []), ''];
}

/** `Flow totals: 5,000 rows compared at binlog.000001:4; 2 missing, …`. */
function sentenceOf(found: Verification): string {
  const { flow, rows, position, heldMs, missing, extra, different, excused, mended, unmended } = found;
  const head = `Flow ${flow}: ${formatCount(rows)} rows compared as of ${position}; for that it stood ${formatDuration(heldMs)}.`;
  const lawful =
    excused === 0 ? '' : ` ${formatCount(excused)} more differ because a change of their key is dead (\`kisflow dead-rows list\`).`;
  if (wrongRows(found) === 0) return `${head} Its tables are right.${lawful}`;
  const counts = `${formatCount(missing)} missing, ${formatCount(extra)} extra, ${formatCount(different)} different.`;
  const repaired =
    mended === null
      ? ` \`kisflow verify ${flow} --repair\` mends exactly these.`
      : ` ${formatCount(mended)} mended, ${formatCount(unmended ?? 0)} could not be.`;
  return `${head} ${counts}${repaired}${lawful}`;
}
