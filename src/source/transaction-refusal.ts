import { maskStatement } from './statement.ts';

/** Why a transaction is not handed on, as messages say it. */
export const refusals = {
  rolledBack:
    'a transaction too large to be held was rolled back after a part of it had been handed on: give the flow a new start after it',
} as const;

export function loggedAsStatement(text: string): string {
  return `a change is in the binlog as a statement, not as rows (${maskStatement(text)}): SET GLOBAL binlog_format = ROW, reconnect the writers`;
}
