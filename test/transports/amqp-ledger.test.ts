import { describe, expect, test } from 'vitest'
import { AmqpDelivery, type DeliveryHolder } from '../../runtime/src/transports/amqp-delivery.ts'
import { AmqpLedger } from '../../runtime/src/transports/amqp-ledger.ts'
import { rawMessage } from '../helpers/messages.ts'

const holder: DeliveryHolder = {
  ack: async () => 'ok',
  reject: async () => 'ok',
  park: async () => 'ok',
  quarantine: async () => 'ok',
}

function delivery(tag: number): AmqpDelivery {
  const info = { queue: 'q', exchange: '', routingKey: 'q', priority: 0, redelivered: false, deliveries: 1 }
  return new AmqpDelivery(holder, { raw: rawMessage(`m${tag}`), info, tag, dueMs: undefined })
}

function holding(count: number): { ledger: AmqpLedger; held: AmqpDelivery[] } {
  const ledger = new AmqpLedger()
  const held = Array.from({ length: count }, (_, at) => delivery(at + 1))
  for (const each of held) ledger.add(each)
  return { ledger, held }
}

const pick = (held: readonly AmqpDelivery[], ...tags: number[]): AmqpDelivery[] =>
  held.filter(({ tag }) => tags.includes(tag))

describe('acknowledgements of one turn', () => {
  test('the oldest in a row go in one frame, in whatever order they were settled', () => {
    const { ledger, held } = holding(5)

    expect(ledger.settle(pick(held, 1, 2, 3).reverse())).toEqual({ upTo: 3, singles: [] })

    expect(ledger.all().map(({ tag }) => tag)).toEqual([4, 5])
  })

  test('those behind one that is still held go singly', () => {
    const { ledger, held } = holding(5)

    expect(ledger.settle(pick(held, 2, 3, 5))).toEqual({ upTo: undefined, singles: [2, 3, 5] })
    expect(ledger.settle(pick(held, 1))).toEqual({ upTo: 1, singles: [] })
    expect(ledger.settle(pick(held, 4))).toEqual({ upTo: 4, singles: [] })
  })

  test('a row goes on over what was settled before', () => {
    const { ledger, held } = holding(5)
    ledger.settle(pick(held, 2, 3))

    expect(ledger.settle(pick(held, 1, 4))).toEqual({ upTo: 4, singles: [] })
  })

  test('nothing is acknowledged twice', () => {
    const { ledger, held } = holding(2)
    ledger.settle(pick(held, 1))

    expect(ledger.settle(pick(held, 1))).toEqual({ upTo: undefined, singles: [] })
  })

  test('a delivery of an earlier channel is not taken for one with its number', () => {
    const { ledger } = holding(1)

    expect(ledger.settle([delivery(1)])).toEqual({ upTo: undefined, singles: [] })
  })
})
