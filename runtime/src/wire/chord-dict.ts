import type { ChordBody, ChordPlace } from '../core/chord.ts'
import { DecodeError } from '../core/errors.ts'
import { dictToSignature, signatureToDict } from './canvas-dict.ts'
import { isList, isRecord, optionalCount, requiredText, shown } from './fields.ts'

/** What tq keeps beside Celery's counter of a chord, to be serialised: Celery's dict of the body, and whose workflow it is in. */
export function chordBodyToDict({ signature, rootId }: ChordBody): Record<string, unknown> {
  return { body: signatureToDict(signature), root_id: rootId }
}

/** Throws DecodeError. */
export function dictToChordBody(dict: unknown): ChordBody {
  if (!isRecord(dict)) return fail('it', `is to be an object, got ${shown(dict)}`)
  return { signature: dictToSignature(dict['body'], 'body'), rootId: requiredText(dict['root_id'], 'root_id', fail) }
}

/** The places as pairs, `[id, index]`, to be serialised. */
export function placesToList(places: readonly ChordPlace[]): readonly unknown[] {
  return places.map(({ id, index }) => [id, index ?? null])
}

/** Throws DecodeError. */
export function listToPlaces(list: unknown): readonly ChordPlace[] {
  if (!isList(list)) return fail('the places', `are to be a list, got ${shown(list)}`)
  return list.map((pair) => {
    const [id, index] = isList(pair) ? pair : [pair]
    return { id: requiredText(id, 'a place', fail), index: optionalCount(index, 'the index of a place', fail) }
  })
}

const fail = (name: string, reason: string): never => {
  throw new DecodeError(`Not the record of a chord: ${name} ${reason}`)
}
