export {
  Control,
  type InspectAnswer,
  type InspectQuery,
  type Ok,
  type Refusal,
  type Replies,
} from './control/control.ts'
export { isRefusal } from './control/control.ts'
export { describeWorker, type WorkerDescription } from './control/describe-worker.ts'
export { maskUrl } from './core/url.ts'
export { cleanBlock, cleanText } from './events/clean-text.ts'
export {
  type ClusterState,
  emptyCluster,
  isAlive,
  ratesOf,
  reduceEvents,
  type TaskView,
  type WorkerView,
} from './events/cluster-state.ts'
export type { TaskEvent, WorkerEvent, WorkerPulse } from './events/event.ts'
export { eventHistory, replayEvents } from './events/history.ts'
export { receiveEvents, subscribeEvents } from './events/receiver.ts'
export type { ConnectionState, QueueInfo, Transport } from './transports/transport.ts'
export type { TaskInfo, WorkerStats } from './wire/inspect-dict.ts'
export { type CallArguments, readCallRepr, readPythonLiteral } from './wire/python-literal.ts'
