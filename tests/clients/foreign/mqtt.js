// SPDX-License-Identifier: Apache-2.0
// usage: node mqtt.js HOST PORT [SCHEME [PATH]]: 50 messages go out and come back, at QoS 2, by MQTT
// 3.1.1 and 5; plain, or by the scheme ws.
const assert = require('assert')
const mqtt = require('mqtt')

const [host, port, scheme = 'mqtt', path = ''] = process.argv.slice(2)
const count = 50

async function round (protocolVersion) {
  const client = await mqtt.connectAsync(`${scheme}://${host}:${port}${path}`, { protocolVersion })
  const topic = `t/${process.pid}/${protocolVersion}`
  const arrived = []
  const all = new Promise(resolve => {
    client.on('message', (_, payload, packet) => {
      arrived.push(`${payload} ${packet.qos}`)
      if (arrived.length === count) resolve()
    })
  })
  const granted = await client.subscribeAsync(`t/${process.pid}/+`, { qos: 2 })
  assert.strictEqual(granted[0].qos, 2)
  for (let i = 0; i < count; i++) await client.publishAsync(topic, `value ${i}`, { qos: 2 })
  await all
  await client.endAsync()
  assert.deepStrictEqual(arrived, Array.from({ length: count }, (_, i) => `value ${i} 2`))
}

round(4).then(() => round(5)).then(() => console.log('ok'), error => {
  console.error(error)
  process.exit(1)
})
