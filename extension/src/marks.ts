/** A replaced stretch of a document: lines and characters start at 0, as in the editor. */
export interface Edit {
  readonly startLine: number
  readonly startCharacter: number
  readonly endLine: number
  readonly endCharacter: number
  readonly text: string
}

export interface Place {
  readonly line: number
  readonly character: number
}

/** What a scan says of one definition. */
export interface ScannedPlace extends Place {
  readonly id: string
  /** From an older text than the scan's own. */
  readonly stale: boolean
}

interface OpenDocument {
  edits: { readonly version: number; readonly edit: Edit }[]
  places: Map<string, Place>
}

/**
 * Where definitions stand in open documents now. A scan tells where they stood in the version it has read; what was typed since
 * moves them on at once.
 */
export class Marks {
  readonly #documents = new Map<string, OpenDocument>()

  opened(file: string, scanned: readonly ScannedPlace[]): void {
    if (this.#documents.has(file)) return
    this.#documents.set(file, { edits: [], places: new Map(scanned.map((one) => [one.id, one])) })
  }

  closed(file: string): void {
    this.#documents.delete(file)
  }

  isOpen(file: string): boolean {
    return this.#documents.has(file)
  }

  /** `version` is the document's after the edit. */
  edited(file: string, version: number, edit: Edit): void {
    const document = this.#documents.get(file)
    if (!document) return
    document.edits.push({ version, edit })
    for (const [id, place] of document.places) document.places.set(id, moved(place, edit))
  }

  /** A scan of `version` of the document, or of an unknown one. */
  scanned(file: string, version: number | undefined, scanned: readonly ScannedPlace[]): void {
    const document = this.#documents.get(file)
    if (!document) return
    document.edits = version === undefined ? [] : document.edits.filter((one) => one.version > version)
    const places = scanned.map((one): [string, Place] => {
      const known = one.stale ? document.places.get(one.id) : undefined
      return [one.id, known ?? document.edits.reduce((place: Place, { edit }) => moved(place, edit), one)]
    })
    document.places = new Map(places)
  }

  /** Undefined where the document is not open. */
  placeOf(file: string, id: string): Place | undefined {
    return this.#documents.get(file)?.places.get(id)
  }
}

/** Where a place is after an edit; what stood inside a replaced stretch is at its start. */
export function moved(place: Place, edit: Edit): Place {
  const { line, character } = place
  const isBefore = edit.endLine < line || (edit.endLine === line && edit.endCharacter <= character)
  if (!isBefore) {
    const isAfter = edit.startLine > line || (edit.startLine === line && edit.startCharacter >= character)
    return isAfter ? place : { line: edit.startLine, character: edit.startCharacter }
  }
  const lines = edit.text.split('\n')
  const newLine = line + lines.length - 1 - (edit.endLine - edit.startLine)
  if (edit.endLine < line) return { line: newLine, character }
  const last = lines.at(-1)?.length ?? 0
  const column = (lines.length === 1 ? edit.startCharacter : 0) + last + character - edit.endCharacter
  return { line: newLine, character: column }
}

/** Whether an edit changes the text of a line, more than by starting a new one behind it or before it. */
export function touches(edit: Edit, line: number): boolean {
  if (line < edit.startLine || line > edit.endLine) return false
  const isInsertion = edit.startLine === edit.endLine && edit.startCharacter === edit.endCharacter
  if (!isInsertion) {
    // Lines above that are deleted whole end where this one starts.
    return !(
      line === edit.endLine &&
      edit.endCharacter === 0 &&
      edit.startLine < line &&
      /(?:^|\n)$/u.test(edit.text) &&
      edit.startCharacter === 0
    )
  }
  return !(/^\r?\n/u.test(edit.text) || (edit.startCharacter === 0 && edit.text.endsWith('\n')))
}
