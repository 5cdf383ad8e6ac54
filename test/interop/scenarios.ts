import { expect } from 'vitest'

/**
 * The recorded scenarios as calls, under the names of test/wire/fixtures/index.json. pyworker.py and mirror.ts both have the tasks, so each
 * runs in both directions and has to end the same way.
 */
export interface Scenario {
  readonly name: string
  readonly task: string
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  readonly options?: ScenarioOptions | undefined
  readonly ends: Ending
  /** False where tq refuses to send it. */
  readonly tqSends?: boolean | undefined
  /** Sent when the others have ended, not together with them. */
  readonly alone?: true | 'on Python' | undefined
  /** Where a tq worker says it in other words. */
  readonly endsOnTq?: Ending | undefined
  /** What the tasks left in Redis, sorted; `<id>` in the key stands for the id of the call. */
  readonly marks?: { readonly key: string; readonly lines: readonly unknown[] } | undefined
}

export interface ScenarioOptions {
  readonly countdown?: number
  /** Seconds from now, and the offset in which the time is written. */
  readonly eta?: { readonly inSeconds: number; readonly offset?: '+05:30' }
  readonly expires?: number
  readonly serializer?: string
  readonly compression?: string
  readonly priority?: number
  readonly shadow?: string
  readonly appId?: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly ignoreResult?: boolean
  readonly softTimeLimit?: number
  readonly timeLimit?: number
  readonly link?: readonly Callback[]
  readonly linkError?: readonly Callback[]
}

export interface Callback {
  readonly task: string
  readonly args?: readonly unknown[]
  readonly immutable?: boolean
}

/** How a call ends: with a value, an error of a class (and its arguments), in a state that is none of these, or without any result. */
export type Ending =
  | { readonly value: unknown }
  | { readonly error: unknown; readonly args?: unknown }
  | { readonly state: string; readonly result: unknown }
  | 'without a result'

const values = [1, 1.5, 's', true, null, [1], { a: 1 }]
const kinds = ['int', 'float', 'str', 'bool', 'NoneType', 'list', 'dict']
const long = 'äöü€😀'.repeat(40_000)
const size = (length: number): Ending => ({ value: { type: 'str', length } })
const text = 'x'.repeat(5000)

export const scenarios: readonly Scenario[] = [
  // --- arguments ---
  { name: 'args', task: 'py.add', args: [2, 3], ends: { value: 5 } },
  { name: 'kwargs', task: 'py.add', kwargs: { x: 2, y: 3, z: 4 }, ends: { value: 9 } },
  {
    name: 'args_kwargs',
    task: 'py.echo',
    args: [1, 'a', null, [1, { b: 2 }]],
    kwargs: { k: 'v' },
    ends: { value: { args: [1, 'a', null, [1, { b: 2 }]], kwargs: { k: 'v' } } },
  },
  { name: 'kwonly', task: 'py.kwonly', kwargs: { a: 1 }, ends: { value: [1, 2] } },
  {
    name: 'unicode',
    task: 'py.unicode',
    args: ['håå®ƒ 😀'],
    ends: { value: expect.objectContaining({ reversed: '😀 ƒ®ååh', length: 7, utf8: '68c3a5c3a5c2aec69220f09f9880' }) },
  },
  { name: 'large_payload', task: 'py.size', args: [long], ends: size(200_000) },
  { name: '5 MB there', task: 'py.size', args: ['y'.repeat(5_000_000)], ends: size(5_000_000) },
  { name: '5 MB back', task: 'py.large', args: [5_000_000], ends: { value: expect.stringMatching(/^x{5000000}$/) } },

  // --- what comes with them ---
  {
    name: 'bind_request',
    task: 'py.request',
    args: [1],
    kwargs: { k: 2 },
    ends: {
      value: expect.objectContaining({
        task: 'py.request',
        args: [1],
        kwargs: { k: 2 },
        retries: 0,
        parent_id: null,
        group: null,
        eta: null,
        is_eager: false,
        called_directly: false,
      }),
    },
  },
  {
    name: 'custom_header',
    task: 'py.header',
    args: ['x-mine'],
    options: { headers: { 'x-mine': 'hello' } },
    ends: { value: 'hello' },
  },
  {
    name: 'app_id_property',
    task: 'py.request',
    options: { appId: 'abc' },
    ends: { value: expect.objectContaining({ properties: expect.objectContaining({ app_id: 'abc' }) }) },
  },
  {
    name: 'shadow',
    task: 'py.request',
    options: { shadow: 'other.name' },
    ends: { value: expect.objectContaining({ task: 'py.request', shadow: 'other.name' }) },
  },
  {
    name: 'priority',
    task: 'py.priority',
    args: ['p7'],
    options: { priority: 7 },
    ends: { value: ['p7', 7] },
    marks: { key: 'py:priority', lines: ['p7'] },
  },

  // --- bytes ---
  { name: 'serializer_json_types', task: 'py.typeof', args: values, ends: { value: kinds } },
  { name: 'serializer_yaml', task: 'py.typeof', args: values, options: { serializer: 'yaml' }, ends: { value: kinds } },
  {
    name: 'serializer_msgpack',
    task: 'py.typeof',
    args: values,
    options: { serializer: 'msgpack' },
    ends: { value: kinds },
  },
  ...['gzip', 'zlib', 'bzip2', 'lzma', 'brotli', 'zstd'].map((compression) => ({
    name: `compression_${compression}`,
    tqSends: compression !== 'bzip2', // nothing on npm that is kept up writes it
    task: 'py.size',
    args: [text],
    options: { compression },
    ends: size(5000),
  })),
  {
    name: 'gzip_msgpack',
    task: 'py.size',
    args: [text],
    options: { compression: 'gzip', serializer: 'msgpack' },
    ends: size(5000),
  },

  // --- time ---
  { name: 'countdown', task: 'py.add', args: [1, 1], options: { countdown: 1 }, ends: { value: 2 } },
  { name: 'eta', task: 'py.add', args: [1, 1], options: { eta: { inSeconds: 1 } }, ends: { value: 2 } },
  { name: 'eta_past', task: 'py.add', args: [1, 1], options: { eta: { inSeconds: -100 } }, ends: { value: 2 } },
  {
    name: 'eta_offset',
    task: 'py.add',
    args: [1, 1],
    options: { eta: { inSeconds: 1, offset: '+05:30' } },
    ends: { value: 2 },
  },
  { name: 'expires_seconds', task: 'py.add', args: [1, 1], options: { expires: 600 }, ends: { value: 2 } },
  {
    name: 'soft_time_limit',
    task: 'py.sleep',
    args: [600],
    options: { softTimeLimit: 1 },
    ends: { error: 'SoftTimeLimitExceeded' },
  },
  { name: 'soft_caught', task: 'py.soft', args: [600], ends: { value: 'soft limit' } },

  // --- results ---
  { name: 'none_result', task: 'py.none', ends: { value: null } },
  {
    name: 'rich_result',
    task: 'py.rich',
    ends: { value: expect.objectContaining({ decimal: '1.10', tuple: [1, 2], aware: '2020-01-02T03:04:05Z' }) },
    endsOnTq: {
      value: expect.objectContaining({ decimal: '1.10', tuple: [1, 2], aware: '2020-01-02T03:04:05.000000Z' }),
    },
  },
  {
    name: 'ignore_result_task',
    task: 'py.ignored',
    args: ['py:ignored:task'],
    ends: 'without a result',
    marks: { key: 'py:ignored:task', lines: ['ran'] },
  },
  {
    name: 'ignore_result_call',
    task: 'py.mark',
    args: ['py:ignored:call', 'ran'],
    options: { ignoreResult: true },
    ends: 'without a result',
    marks: { key: 'py:ignored:call', lines: ['ran'] },
  },
  { name: 'progress', task: 'py.progress', args: [2, 0.01], ends: { value: { done: 2 } } },
  { name: 'ignore_exc', task: 'py.ignore', ends: { state: 'CUSTOM', result: { kept: true } } },

  // --- failures ---
  { name: 'fail_value', task: 'py.fail', args: ['oops'], ends: { error: 'ValueError', args: ['oops'] } },
  {
    name: 'fail_custom',
    task: 'py.fail_custom',
    args: [42, 'custom'],
    ends: { error: 'PyError', args: [42, 'custom'] },
    endsOnTq: { error: 'PyError', args: ['42: custom'] },
  },
  { name: 'fail_chained', task: 'py.fail_chained', ends: { error: 'RuntimeError', args: ['outer'] } },
  {
    name: 'fail_nonjson',
    task: 'py.fail_nonjson',
    ends: { error: 'ValueError', args: ['has an object', expect.stringContaining('object')] },
    endsOnTq: { error: 'ValueError', args: ['has an object'] },
  },
  {
    name: 'fail_wrong_args',
    task: 'py.add_untyped',
    args: [1],
    ends: { error: 'TypeError', args: [expect.stringContaining("'y'")] },
    endsOnTq: { error: 'ArgumentError', args: [expect.stringContaining('py.add_untyped(')] },
  },
  { name: 'retry_twice', task: 'py.retry_n', args: [2, 0.1], ends: { value: 2 } },
  {
    name: 'retry_exhausted',
    task: 'py.retry_exhaust',
    ends: { error: 'PyError', args: [7, 'gave up'] },
    endsOnTq: { error: 'PyError', args: ['7: gave up'] },
  },
  {
    name: 'retry_exhausted_noexc',
    task: 'py.retry_exhaust_noexc',
    ends: { error: 'MaxRetriesExceededError', args: [expect.stringContaining("Can't retry py.retry_exhaust_noexc[")] },
  },
  { name: 'autoretry', task: 'py.autoretry', args: [2], ends: { value: 2 } },

  // --- callbacks and hooks ---
  {
    name: 'link',
    task: 'py.add',
    args: [2, 2],
    options: { link: [{ task: 'py.record', args: ['py:link:one'] }] },
    ends: { value: 4 },
    marks: { key: 'py:link:one', lines: ['4'] },
  },
  {
    name: 'link_two',
    task: 'py.add',
    args: [2, 2],
    options: {
      link: [
        { task: 'py.record', args: ['py:link:two'] },
        { task: 'py.mark', args: ['py:link:two', 'imm'], immutable: true },
      ],
    },
    ends: { value: 4 },
    marks: { key: 'py:link:two', lines: ['4', 'imm'] },
  },
  {
    name: 'link_error_old',
    task: 'py.fail',
    args: ['x'],
    options: { linkError: [{ task: 'py.errback_old' }] },
    ends: { error: 'ValueError', args: ['x'] },
    marks: { key: 'py:errback:<id>', lines: ['old'] },
  },
  {
    name: 'link_error_new',
    task: 'py.fail',
    args: ['x'],
    options: { linkError: [{ task: 'py.errback_new' }] },
    ends: { error: 'ValueError', args: ['x'] },
    marks: { key: 'py:errback:<id>', lines: ['new ValueError x'] },
  },
  {
    name: 'link_error_foreign',
    task: 'py.fail',
    args: ['x'],
    options: { linkError: [{ task: 'no.such.task' }] },
    ends: { error: 'ValueError', args: ['x'] },
  },
  {
    name: 'classtask_hooks',
    task: 'py.classtask',
    args: ['fine'],
    ends: { value: 'fine' },
    marks: { key: 'py:hooks:<id>', lines: ['after_return SUCCESS', "on_success 'fine'"] },
  },

  // Last, when nothing waits. RabbitMQ drops what has expired unless a worker takes it at once, and what breaks a process of
  // Python's pool is not to break others.
  {
    name: 'expires_past',
    task: 'py.add',
    args: [1, 1],
    options: { expires: -5 },
    alone: true,
    ends: { error: 'TaskRevokedError', args: ['expired'] },
  },
  {
    name: 'fail_odd_args',
    task: 'py.fail_odd',
    alone: 'on Python',
    // Python's pool cannot hand such an error over, and says so in its place as soon as it notices.
    ends: { error: expect.stringMatching(/^(?:OddError|MaybeEncodingError)$/) },
    endsOnTq: { error: 'OddError', args: ['only one'] },
  },
  {
    name: 'hard_time_limit',
    task: 'py.sleep',
    args: [600],
    options: { timeLimit: 1 },
    alone: 'on Python',
    ends: { error: 'TimeLimitExceeded' },
  },
]

/** Those that canvas.test.ts acts out in all its forms. */
export const canvasScenarios: readonly string[] = [
  'chain',
  'chain_fails',
  'chain_group_chord',
  'chain_ids',
  'chain_immutable',
  'chord',
  'chord_header_fails',
  'group',
  'group_in_chain_end',
  'replace',
  'replace_group',
]

/** Refused by both directions of bytes.test.ts: unpickling runs code. */
export const refusedScenarios: readonly string[] = ['serializer_pickle']
