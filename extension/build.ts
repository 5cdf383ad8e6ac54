import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type BuildOptions, build as bundle } from 'esbuild'

const extension = dirname(fileURLToPath(import.meta.url))
const runtime = join(extension, '..', 'runtime', 'src')

/**
 * The modules that run in processes of their own. They and their chunks lie in one folder, because they find each other beside
 * their own file.
 */
const processes: Readonly<Record<string, string>> = {
  main: join(extension, 'src/sidecar/main.ts'),
  'run-child': join(extension, 'src/sidecar/run-child.ts'),
  'scan-host': join(runtime, 'scan/scan-host.ts'),
  'settings-child': join(runtime, 'run/settings-child.ts'),
}

export interface BuildResult {
  /** The folder that the manifest calls `dist`. */
  readonly dist: string
  /** Inputs of every output file, by its path from the extension's folder: what is bundled into what. */
  readonly inputs: Readonly<Record<string, readonly string[]>>
}

/** Bundles the extension and its sidecar into `dist`, by default the extension's own. */
export async function buildExtension(dist = join(extension, 'dist')): Promise<BuildResult> {
  await rm(join(dist, 'sidecar'), { recursive: true, force: true })
  const common: BuildOptions = {
    absWorkingDir: extension,
    bundle: true,
    platform: 'node',
    minify: true,
    // Stack traces of a task's own class names and automatic task names need the names of functions.
    keepNames: true,
    sourcemap: false,
    legalComments: 'none',
    conditions: ['@tq/source'],
    logLevel: 'warning',
    metafile: true,
  }
  const [editor, sidecar] = await Promise.all([
    bundle({
      ...common,
      entryPoints: { extension: 'src/extension.ts' },
      outdir: dist,
      outExtension: { '.js': '.cjs' },
      format: 'cjs',
      target: 'node20',
      keepNames: false,
      // Its ESM build; the CommonJS one cannot be shaken.
      mainFields: ['module', 'main'],
      external: ['vscode'],
    }),
    bundle({
      ...common,
      entryPoints: { ...processes },
      outdir: join(dist, 'sidecar'),
      outExtension: { '.js': '.mjs' },
      chunkNames: '[name]-[hash]',
      format: 'esm',
      target: 'node22.18',
      splitting: true,
      // CommonJS libraries that ask for Node's own modules.
      banner: {
        js: "import { createRequire as __require } from 'node:module'; const require = __require(import.meta.url);",
      },
    }),
    bundleParser(join(dist, 'sidecar/node_modules/ts-morph'), common),
  ])
  const outputs = { ...editor.metafile?.outputs, ...sidecar.metafile?.outputs }
  return {
    dist,
    inputs: Object.fromEntries(Object.entries(outputs).map(([file, { inputs }]) => [file, Object.keys(inputs)])),
  }
}

/** The scanner asks for `ts-morph` by name and uses the TypeScript in it: that part, as a package beside the scanner. */
async function bundleParser(folder: string, common: BuildOptions): Promise<void> {
  const ask = createRequire(join(runtime, 'scan/parser.ts'))
  const manifest = ask('ts-morph/package.json') as { version: string } // a package's manifest
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: 'ts-morph', version: manifest.version, main: 'dist/ts-morph.js' })}\n`,
  )
  await bundle({
    ...common,
    keepNames: false,
    stdin: {
      contents: "exports.ts = require('@ts-morph/common/dist/typescript.js')",
      resolveDir: dirname(ask.resolve('ts-morph')),
    },
    outfile: join(folder, 'dist/ts-morph.js'),
    format: 'cjs',
    target: 'node20',
  })
}

/** What goes into the VSIX beside `dist`. */
const packed = ['package.json', 'package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'media', '.vscodeignore']

/**
 * Builds into a folder of its own, or takes what is built in `dist`, and packs it; gives the path of the VSIX. Nobody else's build can
 * come between.
 */
export async function packageExtension(file = join(extension, 'tq-vscode.vsix'), dist?: string): Promise<string> {
  const path = resolve(file)
  const staging = await mkdtemp(join(tmpdir(), 'tq-vsix-'))
  try {
    for (const name of packed) await cp(join(extension, name), join(staging, name), { recursive: true })
    if (dist === undefined) await buildExtension(join(staging, 'dist'))
    else await cp(dist, join(staging, 'dist'), { recursive: true })
    const vsce = join(dirname(createRequire(import.meta.url).resolve('@vscode/vsce/package.json')), 'vsce')
    const args = [
      'package',
      '--no-dependencies',
      '--allow-missing-repository',
      '--no-rewrite-relative-links',
      '--out',
      path,
    ]
    // Rejects with what it has said.
    await promisify(execFile)(process.execPath, [vsce, ...args], { cwd: staging })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
  return path
}

/** `node extension/build.ts`: into `dist`. `node extension/build.ts --vsix [file]`: a VSIX, whose path is printed. */
async function main(args: readonly string[]): Promise<void> {
  const vsix = args.indexOf('--vsix')
  if (vsix < 0) await buildExtension()
  else process.stdout.write(`${await packageExtension(args[vsix + 1])}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(process.argv.slice(2))
}
