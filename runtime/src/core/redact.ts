import { types } from 'node:util'

const mask = '***'

/**
 * A copy of the arguments for showing, in which the values of parameters, keyword arguments and object keys of these names are `***`.
 * `parameters` are the names of the positional ones, as far as they are known. Values that hold none of the names are not copied.
 */
export function redactCall(
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  names: ReadonlySet<string>,
  parameters: readonly string[],
): { readonly args: readonly unknown[]; readonly kwargs: Readonly<Record<string, unknown>> } {
  const shown = args.map((arg, index) => {
    // The rest of `...passwords` has the name of the last parameter.
    const parameter = parameters[Math.min(index, parameters.length - 1)]
    return parameter !== undefined && names.has(parameter.replace(/^\.\.\.|\?$/g, '')) ? mask : redact(arg, names, [])
  })
  return { args: shown, kwargs: redactFields(kwargs, names, []) }
}

/** Whether a value, however deep, has a field of one of these names: what is said of it may show the field. */
export function holdsName(value: unknown, names: ReadonlySet<string>, open: object[] = []): boolean {
  if (names.size === 0 || typeof value !== 'object' || value === null || open.includes(value)) return false
  // What is nested deeper than that is not looked at: it may be anything.
  if (open.length > 100) return true
  if (types.isDate(value) || types.isUint8Array(value)) return false
  const inside = [...open, value]
  return Object.entries(value).some(([key, field]) => names.has(key) || holdsName(field, names, inside))
}

function redact(value: unknown, names: ReadonlySet<string>, open: object[]): unknown {
  // What is nested deeper than that is not shown either.
  if (typeof value !== 'object' || value === null || open.includes(value) || open.length > 100) return value
  if (types.isDate(value) || types.isUint8Array(value)) return value
  open.push(value)
  const shown = Array.isArray(value)
    ? value.map((member: unknown) => redact(member, names, open))
    : redactFields(value, names, open)
  open.pop()
  return shown
}

function redactFields(value: object, names: ReadonlySet<string>, open: object[]): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) shown[key] = names.has(key) ? mask : redact(field, names, open)
  return shown
}
