export {
  type LiveOptions,
  type LiveServer,
  serveLive,
} from './live/live-server.ts'
export type {
  LiveFault,
  LiveMessage,
  LiveOutcome,
  LiveRequest,
  LiveTask,
  LiveWorker,
} from './live/protocol.ts'
