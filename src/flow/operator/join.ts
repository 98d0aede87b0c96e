import type { FlowContext } from '../contract.ts';
import { JoinBatch } from './join-batch.ts';
import { joinFields } from './join-fields.ts';
import type { JoinOptions } from './join-options.ts';
import type { Fields } from './field.ts';
import type { MadeOperator } from './operator.ts';

/**
 * Rows of two tables joined by key, and kept joined: changes of either side become the changes of joined rows, so that after every batch
 * all of them together amount to the same JOIN in SQL. Both sides are kept in the function's state, which is believed more than a
 * change's image before: what goes is what was emitted. Rows of other tables go on as they came.
 */
export function makeJoin(options: JoinOptions, input: Fields): MadeOperator {
  const { fields, problems } = joinFields(options, input);
  const run = (flow: FlowContext, rows: readonly unknown[]): Promise<void> => new JoinBatch(flow, options).run(rows);
  return { run: problems.length > 0 ? undefined : run, fields, problems };
}
