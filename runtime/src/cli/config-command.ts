import { relative } from 'node:path'
import type { SettingDescription } from '../app/app-settings.ts'
import type { TqApp } from '../app/tq.ts'
import { maskUrl } from '../core/url.ts'
import { version } from '../core/version.ts'
import type { AppLineFlags, ConfigFlags } from './main.ts'
import { openApp, openLoaded } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'

/** `tq config`: the settings of the project, secrets masked; those that were set, or with `--all` every one. */
export async function runConfig(flags: ConfigFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const settings = app.describeSettings().filter((one) => flags.all || one.origin !== 'default')
    if (flags.json) {
      output.data(toJson(settings.map((one) => ({ ...one, value: one.value ?? null, default: one.default ?? null }))))
      return
    }
    const rows = settings.map((one) => {
      const row = [one.name, textOf(one.value)]
      return flags.showOrigin ? [...row, originOf(app, one)] : row
    })
    if (rows.length > 0) output.data(printable(table(rows)))
    if (!flags.all)
      output.note(`${settings.length} of ${app.describeSettings().length} settings are set; --all shows the others.`)
  } finally {
    await app.close()
  }
}

/** `tq report`: what a bug report needs. Source: celery/app/utils.py, bugreport. */
export async function runReport(flags: AppLineFlags, output: Output): Promise<void> {
  const { app, file } = await openLoaded(flags)
  try {
    const set = app.describeSettings().filter(({ origin }) => origin !== 'default')
    const facts = {
      tq: version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      app: `${app.main} (${relative(process.cwd(), file) || file})`,
      broker: app.brokerName() === 'embedded' ? `embedded (${app.connections.embeddedPath()})` : app.brokerName(),
      results: maskUrl(app.connections.resultUrl()),
      tasks: app.registry.names().length,
      queues: app.workerQueues(),
      settings: Object.fromEntries(set.map(({ name, value }) => [name, value ?? null])),
    }
    if (flags.json) {
      output.data(toJson(facts))
      return
    }
    output.data(printable(table(Object.entries(facts).map(([name, value]) => [name, textOf(value)]))))
  } finally {
    await app.close()
  }
}

function originOf(app: TqApp, { origin }: SettingDescription): string {
  if (app.file === undefined || origin.startsWith('environment')) return origin
  return origin === 'default' ? origin : `${origin} (${relative(process.cwd(), app.file) || app.file})`
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? value : toJson(value)
}
