import { type Timer } from '../core/clock.ts'
import type { PeerAnnouncement, Unsubscribe } from '../transports/transport.ts'
import type { Bell, Transaction } from './sqlite-commit.ts'
import { integer, type Reader } from './sqlite-connection.ts'
import { deleteExpired } from './sqlite-housekeeping.ts'
import {
  addPeer,
  countConsumers,
  deadPeers,
  nameConflict,
  type PeerCard,
  type PeerContext,
  recoverDead,
  removePeer,
  updatePeer,
} from './sqlite-peers.ts'
import { ownIdentity } from './sqlite-process.ts'
import { schemaVersion } from './sqlite-schema.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** Proof of what we hold: messages are held under `peer`, and only as long as this object is the store's session. */
export interface Session {
  readonly peer: number
}

interface BellWatch {
  watch(bell: Bell): void
  unwatch(bell: Bell): void
}

const bits: Readonly<Record<Bell, number>> = { queue: 1, result: 2, event: 4 }
const allBells: readonly Bell[] = ['queue', 'result', 'event']
const defaultLeaseMs = 30_000
/** A wish for a bell outlives its last user by this, so that one task after another costs no write. */
const lingerMs = 5000
const sweepMs = 1000
const housekeepingMs = 30_000
/** Longer than any process runs; only there to keep it alive. */
const foreverMs = 2_000_000_000_000

/**
 * This process among the peers of the file: its row, made when it first waits for something or says its name; its lease; the
 * bells that it wants to hear; and the watch over peers that died.
 */
export class Presence {
  readonly #store: SqliteStore
  readonly #watch: BellWatch
  readonly #who = ownIdentity()
  readonly #sessions = new Set<() => void>()
  readonly #queues = new Map<object, readonly string[]>()
  readonly #users: Record<Bell, number> = { queue: 0, result: 0, event: 0 }
  readonly #lingering: Record<Bell, Timer | undefined> = { queue: undefined, result: undefined, event: undefined }
  #announced: PeerAnnouncement | undefined
  /** What was announced holds until there are consumers to tell it by, and not again when they have gone. */
  #hasConsumed = false
  #session: Session | undefined
  #registering: Promise<void> | undefined
  /** What the row says, as JSON. */
  #saved = ''
  #leaseMs = defaultLeaseMs
  #beatMs = 0
  #sweptMs = 0
  #cleanedMs: number
  #alive: Timer | undefined
  #warned = false

  constructor(store: SqliteStore, watch: BellWatch) {
    this.#store = store
    this.#watch = watch
    this.#cleanedMs = store.clock.monotonic()
  }

  get session(): Session | undefined {
    return this.#session
  }

  /** Length of the lease for peers of other hosts; refreshed three times within it. */
  setLease(ms: number): void {
    this.#leaseMs = ms
  }

  context(): PeerContext {
    return { id: this.#session?.peer, who: this.#who, nowMs: this.#store.clock.now(), leaseMs: this.#leaseMs }
  }

  /** Called when everything that was held is another's, or gone with its file. */
  onSession(listener: () => void): Unsubscribe {
    this.#sessions.add(listener)
    return () => this.#sessions.delete(listener)
  }

  /**
   * From its resolution on, the bell's listeners hear of every commit. Keeps the process alive until released; the release is
   * idempotent.
   */
  async want(bell: Bell): Promise<() => void> {
    this.#users[bell]++
    this.#lingering[bell]?.cancel()
    this.#lingering[bell] = undefined
    this.#watch.watch(bell)
    this.#keepAlive()
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#release(bell)
    }
    try {
      await this.#present()
      await this.#save()
    } catch (error) {
      release()
      throw error
    }
    return release
  }

  /** Queues that `consumer` takes messages from; undefined when it stops. */
  async setQueues(consumer: object, queues: readonly string[] | undefined): Promise<void> {
    if (queues === undefined) this.#queues.delete(consumer)
    else {
      this.#queues.set(consumer, queues)
      this.#hasConsumed = true
    }
    if (this.#session) await this.#save()
  }

  /** Rejects with ChannelError when a living worker has the name. */
  async announce(peer: PeerAnnouncement): Promise<void> {
    await this.#present()
    const conflict = await this.#store.submit((tx) => {
      recoverDead(tx, this.context())
      const found = peer.kind === 'worker' ? nameConflict(tx, this.context(), peer.name) : undefined
      if (found === undefined && this.#session) updatePeer(tx, this.#session.peer, this.#card(peer), this.#untilMs())
      return found
    })
    if (conflict) throw conflict
    this.#announced = peer
    this.#saved = JSON.stringify(this.#card())
  }

  consumers(reader: Reader, queue: string): number {
    return countConsumers(reader, this.context(), queue)
  }

  wantedByOthers(tx: Reader): ReadonlySet<Bell> {
    const row = tx.get(
      'select max(wants & 1) as queue, max(wants & 2) as result, max(wants & 4) as event from peer where id<>?',
      this.#session?.peer ?? 0,
    )
    return new Set(allBells.filter((bell) => integer(row?.[bell]) > 0))
  }

  /** Whether our row is still there; an operation that takes messages asks first, so that nothing is held by nobody. */
  isListed(tx: Reader, session: Session): boolean {
    if (isListed(tx, session)) return true
    queueMicrotask(() => this.#lost(session))
    return false
  }

  /** Every 500 ms while the store is in use: lease, dead peers, expired rows. */
  tick(): void {
    const nowMs = this.#store.clock.monotonic()
    if (this.#session === undefined) return
    if (nowMs - this.#beatMs >= this.#leaseMs / 3) {
      this.#beatMs = nowMs
      this.#quietly(this.#beat())
    }
    if (this.#users.queue === 0) return
    if (nowMs - this.#sweptMs >= sweepMs) {
      this.#sweptMs = nowMs
      this.#quietly(this.#sweep())
    }
    if (nowMs - this.#cleanedMs >= housekeepingMs) {
      this.#cleanedMs = nowMs
      this.#quietly(this.#clean())
    }
  }

  /** The file is gone, and our row with it. */
  forget(): void {
    this.#session = undefined
    this.#saved = ''
  }

  /** A new file took its place. */
  comeBack(): void {
    for (const bell of allBells) if (this.#users[bell] > 0) this.#watch.watch(bell)
    if (this.#isNeeded()) this.#quietly(this.#present())
  }

  async leave(): Promise<void> {
    for (const bell of allBells) this.#lingering[bell]?.cancel()
    this.#alive?.cancel()
    try {
      await this.#registering
      const session = this.#session
      this.#session = undefined
      if (session) await this.#store.submit((tx) => removePeer(tx, session.peer))
    } catch (error) {
      this.#store.logger.warn(
        `Could not leave ${this.#store.path} in order; what this process held is delivered again once it has ended.`,
        { error },
      )
    }
  }

  #isNeeded(): boolean {
    return this.#announced !== undefined || allBells.some((bell) => this.#users[bell] > 0)
  }

  #release(bell: Bell): void {
    this.#users[bell]--
    if (allBells.every((each) => this.#users[each] === 0)) {
      this.#alive?.cancel()
      this.#alive = undefined
    }
    if (this.#users[bell] > 0 || this.#store.state === 'closed') return
    this.#lingering[bell] = this.#store.clock.timer(lingerMs, () => {
      this.#lingering[bell] = undefined
      this.#watch.unwatch(bell)
      this.#quietly(this.#save())
    })
  }

  // Whoever consumes, listens or watches has something to wait for; an idle client has not.
  #keepAlive(): void {
    this.#alive ??= this.#store.clock.timer(foreverMs, () => {}, { ref: true })
    this.#store.startTicking()
  }

  #card(announced = this.#announced): PeerCard {
    const wants = allBells.filter((bell) => this.#users[bell] > 0 || this.#lingering[bell])
    return {
      name: announced?.name ?? '',
      kind: announced?.kind ?? 'client',
      queues: this.#hasConsumed ? [...new Set([...this.#queues.values()].flat())] : (announced?.queues ?? []),
      wants: wants.reduce((sum, bell) => sum + bits[bell], 0),
    }
  }

  #untilMs(): number {
    return this.#store.clock.now() + this.#leaseMs
  }

  /** Resolves when we have a row. */
  #present(): Promise<void> {
    if (this.#session) return Promise.resolve()
    this.#registering ??= this.#register().finally(() => {
      this.#registering = undefined
    })
    return this.#registering
  }

  async #register(): Promise<void> {
    this.#store.startTicking()
    this.#beatMs = this.#store.clock.monotonic()
    const replacements = this.#store.replacements
    const card = this.#card()
    const peer = await this.#store.submit((tx) => {
      const id = addPeer(tx, this.#who, card, this.#untilMs())
      this.#report(recoverDead(tx, { ...this.context(), id }))
      return id
    })
    if (replacements !== this.#store.replacements) return this.#register()
    this.#session = { peer }
    this.#saved = JSON.stringify(card)
    for (const listener of [...this.#sessions]) listener()
  }

  async #save(): Promise<void> {
    const session = this.#session
    const card = this.#card()
    const saved = JSON.stringify(card)
    if (session === undefined || saved === this.#saved) return
    this.#saved = saved
    await this.#update(session, card)
  }

  async #update(session: Session, card: PeerCard): Promise<void> {
    const listed = await this.#store.submit((tx: Transaction) => updatePeer(tx, session.peer, card, this.#untilMs()))
    if (!listed) this.#lost(session)
  }

  async #beat(): Promise<void> {
    if (this.#session) await this.#update(this.#session, this.#card())
    const version = integer(await this.#store.read((reader) => reader.get('pragma user_version')?.['user_version']))
    if (version <= schemaVersion || this.#warned) return
    this.#warned = true
    this.#store.logger.error(
      `${this.#store.path} was changed by a newer tq (schema ${version}, this process knows ${schemaVersion}). Restart this process with that tq.`,
    )
  }

  #lost(session: Session): void {
    if (this.#session !== session) return
    this.#session = undefined
    this.#store.logger.warn(
      `This process was taken for dead by another one of ${this.#store.path}: the tasks it holds are delivered again and may run twice.`,
    )
    this.#quietly(this.#present())
  }

  async #sweep(): Promise<void> {
    const session = this.#session
    if (session === undefined) return
    const dead = await this.#store.read((reader) =>
      isListed(reader, session) ? deadPeers(reader, this.context()) : undefined,
    )
    if (dead === undefined) this.#lost(session)
    else if (dead.length > 0) this.#report(await this.#store.submit((tx) => recoverDead(tx, this.context())))
  }

  async #clean(): Promise<void> {
    const nowMs = this.#store.clock.now()
    while (await this.#store.submit((tx) => deleteExpired(tx, nowMs))) if (this.#store.state !== 'ready') return
  }

  #report(recovered: { readonly peers: number; readonly messages: number }): void {
    if (recovered.messages === 0) return
    this.#store.logger.warn(
      `${recovered.peers} process(es) of ${this.#store.path} ended without settling ${recovered.messages} message(s); they are delivered again.`,
    )
  }

  /** For work in the background: its failure is repeated at the next occasion, and the store's state tells of it. */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (this.#store.state === 'closed') return
      this.#store.logger.debug(`Upkeep of ${this.#store.path} failed; it is tried again.`, { error })
    })
  }
}

function isListed(reader: Reader, session: Session): boolean {
  return reader.get('select 1 as listed from peer where id=?', session.peer) !== undefined
}
