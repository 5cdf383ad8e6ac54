import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bindingOf, defaultKeymap } from '../../../tui/src/keymap.ts'
import { configFolder, keymapText, readKeymap, withChanges } from '../../../tui/src/keymap-file.ts'
import { temporaryFolder } from '../../helpers/project.ts'

describe('a keymap file', () => {
  test('gives actions other keys, and leaves the rest', () => {
    const { keymap, problems } = withChanges({ retry: 'r', down: ['j', 'ctrl-n'], copyId: [] })

    expect(problems).toEqual([])
    const key = { input: 'r', ctrl: false, meta: false, shift: false }
    expect(bindingOf(key, 'task', keymap)?.intent).toBe('retry')
    expect(keymap.find(({ intent }) => intent === 'down')?.keys).toEqual(['j', 'ctrl-n'])
    expect(keymap.find(({ intent }) => intent === 'copyId')?.keys).toEqual([])
    expect(keymap.find(({ intent }) => intent === 'up')?.keys).toEqual(['k', 'up', 'N'])
  })

  test.each([
    [{ retry: 'j' }, 'Key j is bound to down and to retry.'],
    [{ retri: 'r' }, "There is no action 'retri'; tq-tui info --keymap lists them."],
    [{ retry: 'Enter!' }, 'retry: expected a key such as "j", "ctrl-d", "space" or "pageDown", got "Enter!".'],
    [{ retry: 5 }, 'retry: expected a key such as "j", "ctrl-d", "space" or "pageDown", got 5.'],
    [{ quit: [] }, 'quit: it needs a key, or there is no way out.'],
    [['retry'], 'Expected the keymap to be an object of actions and keys, e.g. { "retry": "r" }.'],
  ])('%j is refused with a sentence', (changes, sentence) => {
    expect(withChanges(changes)).toEqual({ keymap: defaultKeymap, problems: [sentence] })
  })

  test('a file that is not there changes nothing, one that is no JSON is named', () => {
    const folder = temporaryFolder()
    writeFileSync(`${folder}/broken.json`, '{ retry }')

    expect(readKeymap(`${folder}/none.json`)).toEqual({ keymap: defaultKeymap, problems: [] })
    expect(readKeymap(`${folder}/broken.json`).problems[0]).toMatch(/broken\.json is not JSON: /u)
  })

  test('what info prints is taken as it is', () => {
    expect(withChanges(JSON.parse(keymapText(defaultKeymap)))).toEqual({ keymap: defaultKeymap, problems: [] })
  })

  test('stands in the XDG folder, else in ~/.config, on Windows in APPDATA', () => {
    expect(configFolder({ XDG_CONFIG_HOME: '/x' }, '/home/a', 'linux')).toBe('/x/tq')
    expect(configFolder({}, '/home/a', 'linux')).toBe('/home/a/.config/tq')
    expect(configFolder({ APPDATA: '/roaming' }, '/home/a', 'win32')).toBe('/roaming/tq')
  })
})
