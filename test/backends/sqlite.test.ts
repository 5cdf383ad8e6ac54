import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import { systemClock as clock } from '../../runtime/src/core/clock.ts'
import { silentLogger as logger } from '../../runtime/src/core/logger.ts'
import { SqliteTransport } from '../../runtime/src/transports/sqlite.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { SqliteFixture } from '../drivers/sqlite-fixture.ts'
import { waitFor } from '../helpers/clock.ts'

describeResultBackend('sqlite', async () => {
  const fixture = new SqliteFixture()
  return {
    open: async () => new SqliteBackend(await fixture.store(), { clock, logger }),
    waitFor,
    cleanup: fixture.cleanup,
    transport: async () => new SqliteTransport(await fixture.store(), { clock, logger }),
  }
})
