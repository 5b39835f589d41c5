// SPDX-License-Identifier: Apache-2.0
// usage: node amqplib.js HOST PORT: 50 confirmed messages go through a topic exchange to a worker.
const assert = require('assert')
const amqp = require('amqplib')

const [host, port] = process.argv.slice(2)
const count = 50

async function round () {
  const connection = await amqp.connect(`amqp://guest:guest@${host}:${port}`)
  const channel = await connection.createConfirmChannel()
  const exchange = `x-${process.pid}`
  await channel.assertExchange(exchange, 'topic', { autoDelete: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, exchange, 'a.#')
  for (let i = 0; i < count; i++) {
    channel.publish(exchange, 'a.b.c', Buffer.from(`value ${i}`), { headers: { i, list: [1, 'x'] }, persistent: true })
  }
  await channel.waitForConfirms()
  const arrived = []
  await channel.prefetch(10)
  await new Promise((resolve, reject) => {
    channel.consume(queue, message => {
      if (message === null) return reject(new Error('cancelled'))
      assert.deepStrictEqual(message.properties.headers, { i: arrived.length, list: [1, 'x'] })
      arrived.push(message.content.toString())
      channel.ack(message)
      if (arrived.length === count) resolve()
    }).catch(reject)
  })
  assert.deepStrictEqual(arrived, Array.from({ length: count }, (_, i) => `value ${i}`))
  await channel.close()
  await connection.close()
}

round().then(() => console.log('ok'), error => {
  console.error(error)
  process.exit(1)
})
