import type { ScalarTag, Tags } from 'yaml'

/**
 * What PyYAML takes for something else than text, where the library takes more: `y`, `09` and `1e5` are texts to PyYAML, and it
 * writes them without quotes. Source: PyYAML, resolver.py (implicit resolvers).
 */
const narrower: readonly (readonly [sample: string, test: RegExp])[] = [
  ['yes', /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/],
  ['no', /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/],
  ['12', /^[-+]?(?:0|[1-9][0-9_]*)$/],
  ['1.5', /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)$/],
  ['1:30', /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/],
  [
    '2020-01-02',
    /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/,
  ],
]

/** PyYAML takes a number for a float only if it has a point and a signed exponent. */
const floatWithExponent: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  format: 'EXP',
  identify: (value) => typeof value === 'number',
  test: /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)[eE][-+][0-9]+$/,
  resolve: (text) => Number(text.replaceAll('_', '')),
  stringify: ({ value }) => {
    const text = Number(value).toExponential()
    return text.includes('.') ? text : text.replace('e', '.0e')
  },
}

/** The library's YAML 1.1, as PyYAML reads it. */
export function readingTags(tags: Tags): Tags {
  return tags.map((tag): Tags[number] => {
    if (!isScalarTag(tag)) return tag
    if (tag.format === 'EXP') return floatWithExponent
    const rule = narrower.find(([sample]) => tag.test?.test(sample))
    return rule ? { ...tag, test: rule[1] } : tag
  })
}

/** As PyYAML has to read it: a key `<<` is a text like any other. */
export function writingTags(tags: Tags): Tags {
  return tags
    .filter((tag) => typeof tag !== 'object' || tag.tag !== 'tag:yaml.org,2002:merge')
    .map((tag) => (isScalarTag(tag) && tag.format === 'EXP' ? floatWithExponent : tag))
}

function isScalarTag(tag: Tags[number]): tag is ScalarTag {
  return typeof tag === 'object' && 'test' in tag
}
