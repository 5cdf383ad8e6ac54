import { type SettingsInput, Tq } from 'tq-runtime'
import type { Project } from 'tq-runtime/loader'
import { maskUrl } from 'tq-runtime/monitor'
import { isAbsolute, resolve } from 'node:path'

/** Where the messages and results of an app are, and how to reach them. */
export interface BrokerPlace {
  /** Apps with the same key share a connection. */
  readonly key: string
  /** `embedded`, or the URL with its password masked. */
  readonly name: string
  readonly embedded: boolean
  /** Of a SQLite broker; it is not made by looking at it. */
  readonly file: string | undefined
  /** For an app of ours; the URLs in it have their passwords. */
  readonly settings: SettingsInput
  readonly defaultQueue: string
  /** URLs whose passwords must not be shown. */
  readonly urls: readonly string[]
}

/** Reads a project's settings as its own programs would. Throws SettingError. */
export function brokerPlace({ settings, place, cwd }: Project): BrokerPlace {
  const probe = new Tq('tq-vscode', settings)
  probe.file = place?.file ?? resolve(cwd, 'package.json')
  const { connections } = probe
  const url = connections.brokerUrl()
  const results = connections.resultUrl()
  const file = sqliteFile(url, cwd)
  // Written differently from the embedded default, so that a folder that is gone is not made again by a connection that looks.
  const brokerUrl = file === undefined ? url : `sqlite:${file}${queryOf(url)}`
  const resultFile = sqliteFile(results, cwd)
  const resultBackend =
    results === url ? undefined : resultFile === undefined ? results : `sqlite:${resultFile}${queryOf(results)}`
  const { taskDefaultQueue, acceptContent, jsonStyle, brokerTransportOptions, resultBackendTransportOptions } =
    probe.settings
  const effective: SettingsInput = {
    ...settings,
    brokerUrl,
    resultBackend,
  }
  return {
    key: JSON.stringify([
      brokerUrl,
      resultBackend,
      acceptContent,
      jsonStyle,
      brokerTransportOptions,
      resultBackendTransportOptions,
    ]),
    name: connections.brokerName() === 'embedded' ? 'embedded' : maskUrl(url),
    embedded: connections.embedded,
    file,
    settings: effective,
    defaultQueue: taskDefaultQueue,
    urls: [url, results],
  }
}

function sqliteFile(url: string, cwd: string): string | undefined {
  if (!/^sqlite:/i.test(url)) return undefined
  const path = url.split('?')[0]?.replace(/^sqlite:(?:\/\/)?/i, '') ?? ''
  return isAbsolute(path) ? path : resolve(cwd, path)
}

function queryOf(url: string): string {
  const at = url.indexOf('?')
  return at < 0 ? '' : url.slice(at)
}
