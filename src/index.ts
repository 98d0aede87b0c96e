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
export {
  defineConnectorCall,
  defineConnectorInit,
  defineFunction,
  type PlainFunction,
  type PlainRow,
  type SchemaFunction,
  type TypedRowSchema,
} from './flow/define.ts';
export { createFlow, DrivenFlow, type CreateFlowOptions, type DriveOptions, type RunOptions } from './flow/driven-flow.ts';
export { InitConnector } from './flow/init-connector.ts';
export { buildFlow, type FlowOptions, type StepOptions } from './flow/build.ts';
export type { OperatorOptions } from './flow/operator/make-operator.ts';
export type { Field, FieldType, Fields } from './flow/operator/field.ts';
export { Registry } from './flow/registry.ts';
export { isChange, makeChange, type Absent, type Change, type Row, type Value } from './row/change.ts';
export { CodedError, type CodedErrorOptions, type ErrorClass } from './lib/error.ts';
export type { ErrorCode } from './lib/error-codes.ts';
export type { Logger } from './lib/logger.ts';
export { makeMemoryConnector, MemoryConnector } from './connector/memory.ts';
export type { ConnectorKinds, MakeConnector } from './connector/registry.ts';
export {
  defineConnector,
  type BatchScope,
  type Connector,
  type ConnectorKind,
  type ConnectorOptions,
  type ConnectorSession,
  type Guarantee,
} from './connector/contract.ts';
export { FlowMetrics } from './flow/flow-metrics.ts';
export { openStore, type OpenStoreOptions, type Store } from './store/open.ts';
export type { StoreResult, StoreTransaction } from './store/contract.ts';
export type {
  Action,
  ConnectorCall,
  ConnectorHandle,
  ConnectorInit,
  Flow,
  FlowContext,
  FunctionConnector,
  FunctionDefinition,
  FunctionMode,
  FunctionParams,
  RowSchema,
  RowSerializer,
  RunObserver,
  RunResult,
  StepCount,
} from './flow/contract.ts';
export type { FlowState } from './flow/state.ts';
export type { FlowExport } from './config/export.ts';
export type { ProgramDocument } from './config/program-document.ts';
export { loadProject, type Project, type ProjectOptions } from './daemon/project.ts';
