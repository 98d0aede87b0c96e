/**
 * What function files and programs import as `kisflow`.
 *
 * A function file needs `defineFunction`, the actions and `isChange`. A program builds a flow from code with `createFlow`, or from a
 * configuration directory with `loadProject`, commits rows to it and runs it.
 */
export {
  abort,
  ActionAbort,
  ActionDataReuse,
  ActionForceEntryNext,
  ActionJumpFunc,
  forceNext,
  jump,
  reuse,
} from './flow/actions.ts';
export { defineFunction, type PlainFunction, type PlainRow, type SchemaFunction, type TypedRowSchema } from './flow/define.ts';
export { createFlow, DrivenFlow, type CreateFlowOptions, type DriveOptions, type RunOptions } from './flow/driven-flow.ts';
export { buildFlow, type FlowOptions, type StepOptions } from './flow/build.ts';
export { Registry } from './flow/registry.ts';
export { isChange, makeChange, type Change, type Row, type Value } from './row/change.ts';
export { CodedError, type CodedErrorOptions, type ErrorClass } from './lib/error.ts';
export type { ErrorCode } from './lib/error-codes.ts';
export type { Logger } from './lib/logger.ts';
export { makeMemoryConnector, MemoryConnector } from './connector/memory.ts';
export type { ConnectorKinds, MakeConnector } from './connector/registry.ts';
export type { BatchScope, Connector, ConnectorOptions, ConnectorSession, Guarantee } from './connector/contract.ts';
export { openStore, type OpenStoreOptions, type Store } from './store/open.ts';
export type { StoreResult, StoreTransaction } from './store/contract.ts';
export type {
  Action,
  Flow,
  FlowContext,
  FunctionDefinition,
  FunctionMode,
  FunctionParams,
  RowSchema,
  RunResult,
  StepCount,
} from './flow/contract.ts';
export type { FlowState } from './flow/state.ts';
export { loadProject, type Project, type ProjectOptions } from './daemon/project.ts';
