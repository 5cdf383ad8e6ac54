import { registerHooks } from 'node:module'

/**
 * Imports what needs Ink 145 ms sooner. Ink 8.0.0 takes one function, `throttle`, from the index of es-toolkit/compat, which
 * loads some 300 modules; here that index is a module with this one function. Only Ink's own import is answered so, and the
 * hook is gone when the import is done. Ink's version is pinned: a new one has to be looked at (`grep es-toolkit ink/build`).
 */
export async function withLightInk<Module>(load: () => Promise<Module>): Promise<Module> {
  const scheme = 'tq-light:'
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      const isInks = specifier === 'es-toolkit/compat' && context.parentURL?.includes('/ink/build/') === true
      if (!isInks) return nextResolve(specifier, context)
      try {
        const { url } = nextResolve('es-toolkit/compat/throttle', context)
        return { url: scheme + url, format: 'module', shortCircuit: true }
      } catch {
        return nextResolve(specifier, context)
      }
    },
    load(url, context, nextLoad) {
      if (!url.startsWith(scheme)) return nextLoad(url, context)
      const source = `export { default as throttle } from ${JSON.stringify(url.slice(scheme.length))}`
      return { format: 'module', source, shortCircuit: true }
    },
  })
  try {
    return await load()
  } finally {
    hooks.deregister()
  }
}
