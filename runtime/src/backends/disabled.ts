import { ChannelError } from '../core/errors.ts'
import type { ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { GroupMeta, TaskMeta } from '../core/states.ts'
import type { ResultBackend, StorePlan } from './result-backend.ts'

/** Keeps nothing. Storing is silent; asking for a result is an error that says how to get one. */
export class DisabledBackend implements ResultBackend {
  readonly name = 'disabled'
  readonly keepsStates = false
  readonly countsChords = false

  async connect(): Promise<void> {}
  async close(): Promise<void> {}
  async prepare(): Promise<void> {}
  async store(): Promise<void> {}
  async forget(): Promise<void> {}

  plan(): StorePlan | undefined {
    return undefined
  }

  async fetch(): Promise<readonly (TaskMeta | undefined)[]> {
    throw noResults()
  }

  watch(): AsyncIterable<TaskMeta> {
    throw noResults()
  }

  async storeGroup(): Promise<void> {
    throw noResults()
  }

  async fetchGroup(): Promise<GroupMeta | undefined> {
    throw noResults()
  }

  async dropGroup(): Promise<void> {}

  async openChord(): Promise<void> {
    throw noResults()
  }

  async growChord(): Promise<void> {
    throw noResults()
  }

  async joinChord(): Promise<'waiting'> {
    throw noResults()
  }

  async chordParts(): Promise<readonly TaskMeta[]> {
    throw noResults()
  }

  async closeChord(): Promise<void> {}

  async chordRecord(): Promise<ChordRecord | undefined> {
    return undefined
  }

  async claimChords(): Promise<readonly ClaimedChord[]> {
    return []
  }
}

function noResults(): ChannelError {
  return new ChannelError(
    "Results are disabled (resultBackend is 'disabled'). Set resultBackend or TQ_RESULT_BACKEND to a URL to read results.",
  )
}
