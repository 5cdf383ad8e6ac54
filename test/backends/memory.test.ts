import { MemoryBackend, MemoryResults } from '../../runtime/src/backends/memory.ts'
import { silentLogger as logger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { waitForOn } from '../helpers/clock.ts'

describeResultBackend('memory', async () => {
  const clock = new VirtualClock()
  const results = new MemoryResults()
  const broker = new MemoryBroker(results)
  return {
    clock,
    waitFor: waitForOn(clock),
    open: async () => new MemoryBackend(results, { clock }),
    transport: async () => new MemoryTransport(broker, { clock, logger }),
    cleanup: async () => {},
  }
})
