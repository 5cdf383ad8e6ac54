import { cleanInput } from './clean.ts'
import type { EditorAction } from './editor.ts'
import type { KeyPress, meaningOf } from './keys.ts'

/** What a key does to the editor while Ctrl-R searches, and whether that is all it means; else it ends the search and means what it always means. */
export function searchKey(
  press: KeyPress,
  meaning: NonNullable<ReturnType<typeof meaningOf>>,
): { readonly action: EditorAction; readonly isAll: boolean } {
  if ('command' in meaning) {
    if (meaning.command === 'search') return { action: { do: 'searchOlder' }, isAll: true }
    if (meaning.command === 'cancel' || meaning.command === 'escape')
      return { action: { do: 'searchCancel' }, isAll: true }
    // Enter takes the entry and leaves it to be read before it runs.
    return { action: { do: 'searchTake' }, isAll: meaning.command === 'enter' }
  }
  if (press.name === 'backspace') return { action: { do: 'searchBackspace' }, isAll: true }
  if (meaning.edit.do === 'insert') {
    return { action: { do: 'searchType', text: cleanInput(meaning.edit.text) }, isAll: true }
  }
  return { action: { do: 'searchTake' }, isAll: false }
}
