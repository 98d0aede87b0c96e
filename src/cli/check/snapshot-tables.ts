import type { FlowSpec } from '../../config/spec.ts';
import { errorCodes } from '../../lib/error-codes.ts';
import { CodedError } from '../../lib/error.ts';
import { parseStart } from '../../row/position.ts';
import { describeTable } from '../../snapshot/describe-table.ts';
import { readError } from '../../snapshot/read-error.ts';
import type { Query } from '../../source/server-link.ts';
import { findingOf, type Finding } from './finding.ts';
import type { SourceTable } from './source-tables.ts';

/** Of how many tables of one flow this is asked: a wildcard may take in thousands. */
const tablesMax = 200;

/** Whether the tables of a flow that begins with a snapshot can be read: one that cannot stops the flow before it has read any. */
export async function examineSnapshotTables(
  query: Query,
  flow: FlowSpec,
  tables: readonly SourceTable[],
): Promise<readonly Finding[]> {
  if (flow.source === undefined || parseStart(flow.source.start)?.kind !== 'snapshot') return [];
  const findings: Finding[] = [];
  for (const { schema, name, isView } of tables.slice(0, tablesMax)) {
    if (isView) continue;
    try {
      await describeTable(query, { schema, name, columns: undefined });
    } catch (failure) {
      const error = readError(failure, { schema, name });
      const remedy = error instanceof CodedError ? errorCodes[error.code].remedy : '';
      findings.push(findingOf(error, { subject: `flow ${flow.flow_name}`, remedy: `-- ${remedy}` }));
    }
  }
  return findings;
}
