import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import { systemClock as clock } from '../../runtime/src/core/clock.ts'
import { silentLogger as logger } from '../../runtime/src/core/logger.ts'
import { SqliteTransport } from '../../runtime/src/transports/sqlite.ts'
import { describeTransport } from '../conformance/transport.ts'
import { SqliteFixture } from '../drivers/sqlite-fixture.ts'
import { waitFor } from '../helpers/clock.ts'

describeTransport('sqlite', async () => {
  const fixture = new SqliteFixture()
  return {
    open: async () => new SqliteTransport(await fixture.store(), { clock, logger }),
    waitFor,
    cleanup: fixture.cleanup,
    plan: async () => new SqliteBackend(await fixture.store(), { clock, logger }),
  }
})
