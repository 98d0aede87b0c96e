import { deadRowOperations } from './dead-row-operations.ts';
import { flowOperations } from './flow-operations.ts';
import { documentOperation } from './openapi.ts';
import type { Operation } from './operation.ts';
import { runOperations } from './run-operations.ts';
import { runRequestOperations } from './run-request-operations.ts';
import { tableOperations } from './table-operations.ts';

/** All of the HTTP API. */
export function allOperations(version: string): readonly Operation[] {
  const operations = [...flowOperations, ...runRequestOperations, ...deadRowOperations, ...tableOperations, ...runOperations];
  return [...operations, documentOperation(operations, version)];
}
