// SPDX-License-Identifier: Apache-2.0
// usage: node kafkajs.js HOST PORT: 50 records go out, compressed, and come back to a group.
const assert = require('assert')
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')

const [host, port] = process.argv.slice(2)
const count = 50
const topic = `t-${process.pid}`

async function round () {
  const kafka = new Kafka({ clientId: 'interop', brokers: [`${host}:${port}`], logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  assert.strictEqual(await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }), true)
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => ({ key: 'k', value: `value ${i}`, headers: { h: 'v' } }))
  await producer.send({ topic, messages, compression: CompressionTypes.GZIP })
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: `g-${process.pid}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const arrived = []
  await new Promise((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        arrived.push(`${message.key} ${message.value} ${message.headers.h}`)
        if (arrived.length === count) resolve()
      }
    }).catch(reject)
  })
  await consumer.disconnect()
  assert.deepStrictEqual(arrived, Array.from({ length: count }, (_, i) => `k value ${i} v`))
}

round().then(() => console.log('ok'), error => {
  console.error(error)
  process.exit(1)
})
