import type { ResultBackend } from '../backends/result-backend.ts'
import { relationOf } from '../core/id.ts'
import { idsIn, type Outline, packOutline, unpackOutline } from './workflow-outline.ts'

/** What is written down of a canvas when it is sent, so that it can be explained later. */
export interface WorkflowRecord {
  readonly outline: Outline
  readonly sentAtMs: number
  /** The task that sent it. */
  readonly parentId: string | undefined
}

/** A record of another version is not read. */
const recordVersion = 1
/** Ids that somebody gave are found by a record each; beyond that many there are others to ask by. */
const mostGivenIds = 100

/**
 * Writes the record, once for all ids that tq made for the canvas. It lies where saved groups lie: of all documents these alone are
 * kept by every result backend, with a time to live, without being taken for a task's result; Python does not look there.
 */
export async function storeRecord(
  backend: ResultBackend,
  id: string,
  record: WorkflowRecord,
  options: { readonly ttlMs: number },
): Promise<void> {
  const { outline, sentAtMs, parentId } = record
  const text = JSON.stringify({ v: recordVersion, at: sentAtMs, by: parentId, of: packOutline(outline) })
  const relation = relationOf(id)
  const given = [...idsIn(outline)].filter((one) => one !== '' && relationOf(one) !== relation).slice(0, mostGivenIds)
  const keys = [relatedKey(id), ...given.map(givenKey)]
  await Promise.all(keys.map((key) => backend.storeGroup({ id: key, results: [{ id: text }] }, options)))
}

/** The record of the canvas that the id belongs to. */
export async function fetchRecord(backend: ResultBackend, id: string): Promise<WorkflowRecord | undefined> {
  return (await read(backend, relatedKey(id), id)) ?? read(backend, givenKey(id), id)
}

/** The record of the canvas that took a task's place under its id. */
export function fetchReplacement(backend: ResultBackend, id: string): Promise<WorkflowRecord | undefined> {
  return read(backend, givenKey(id), id)
}

/** Undefined where there is none, or none that names the id. */
async function read(backend: ResultBackend, key: string, id: string): Promise<WorkflowRecord | undefined> {
  const [text] = (await backend.fetchGroup(key))?.results ?? []
  if (!text) return undefined
  const packed = parsed(text.id)
  if (typeof packed !== 'object' || packed === null || !('v' in packed) || packed.v !== recordVersion) return undefined
  if (!('of' in packed) || !('at' in packed)) return undefined
  const outline = unpackOutline(packed.of)
  const parentId = 'by' in packed && typeof packed.by === 'string' ? packed.by : undefined
  if (!outline || typeof packed.at !== 'number' || ![...idsIn(outline)].includes(id)) return undefined
  return { outline, sentAtMs: packed.at, parentId }
}

/** Undefined for what is no JSON: whoever can write to the result backend can write that there, too. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const relatedKey = (id: string): string => `tq.workflow.${relationOf(id)}`
const givenKey = (id: string): string => `tq.workflow.id.${id}`
