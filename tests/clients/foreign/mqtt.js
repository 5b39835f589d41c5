// SPDX-License-Identifier: Apache-2.0
// usage: node mqtt.js HOST PORT [SCHEME [PATH [CA]]]: a round by MQTT 3.1.1 and by 5, plain, or by the
// scheme mqtts, ws or wss: every QoS in order, retained messages, wills, shared subscriptions, and
// what waits for a kept session.
const assert = require('assert')
const fs = require('fs')
const mqtt = require('mqtt')

const [host, port, scheme = 'mqtt', path = '', ca] = process.argv.slice(2)
const count = 50
const values = Array.from({ length: count }, (_, i) => `value ${i}`)
let clients = 0

function connect (protocolVersion, options = {}) {
  return mqtt.connectAsync(`${scheme}://${host}:${port}${path}`, {
    protocolVersion, clientId: `js-${process.pid}-${clients++}`, reconnectPeriod: 0,
    ca: ca && fs.readFileSync(ca), ...options })
}

// The next `wanted` messages of a client, as "payload qos retain".
function take (client, wanted) {
  const arrived = []
  return new Promise(resolve => {
    client.on('message', (_, payload, packet) => {
      arrived.push(`${payload} ${packet.qos} ${packet.retain}`)
      if (arrived.length === wanted) resolve(arrived)
    })
  })
}

async function everyQos (version, base) {
  const client = await connect(version)
  for (const qos of [0, 1, 2]) {
    const arrived = take(client, count)
    const granted = await client.subscribeAsync(`${base}/${qos}/+`, { qos })
    assert.strictEqual(granted[0].qos, qos)
    for (const value of values) await client.publishAsync(`${base}/${qos}/x`, value, { qos })
    assert.deepStrictEqual(await arrived, values.map(value => `${value} ${qos} false`))
    client.removeAllListeners('message')
  }
  await client.endAsync()
}

async function retained (version, base) {
  const client = await connect(version)
  await client.publishAsync(`${base}/kept`, 'old', { qos: 1, retain: true })
  await client.publishAsync(`${base}/kept`, 'new', { qos: 1, retain: true })
  const arrived = take(client, 1)
  await client.subscribeAsync(`${base}/#`, { qos: 1 })
  assert.deepStrictEqual(await arrived, ['new 1 true'])
  await client.publishAsync(`${base}/kept`, '', { qos: 1, retain: true })
  await client.endAsync()
}

async function will (version, base) {
  const watcher = await connect(version)
  const arrived = take(watcher, 1)
  await watcher.subscribeAsync(`${base}/will`, { qos: 1 })
  const lost = await connect(version, { will: { topic: `${base}/will`, payload: 'gone', qos: 1 } })
  lost.stream.destroy()
  assert.deepStrictEqual(await arrived, ['gone 1 false'])
  await watcher.endAsync()
}

async function shared (version, base) {
  const arrived = new Set()
  const members = await Promise.all([1, 2, 3].map(() => connect(version)))
  const all = new Promise(resolve => {
    for (const member of members) {
      member.on('message', (_, payload) => {
        assert(!arrived.has(`${payload}`), `twice: ${payload}`)
        if (arrived.add(`${payload}`).size === count) resolve()
      })
    }
  })
  for (const member of members) await member.subscribeAsync(`$share/g/${base}/+`, { qos: 1 })
  for (const value of values) await members[0].publishAsync(`${base}/x`, value, { qos: 1 })
  await all
  for (const member of members) await member.endAsync()
}

async function kept (version, base) {
  const options = { clientId: `${base.replace(/\//g, '-')}`, clean: false }
  if (version === 5) options.properties = { sessionExpiryInterval: 600 }
  const first = await connect(version, options)
  await first.subscribeAsync(`${base}/x`, { qos: 2 })
  await first.endAsync()
  const publisher = await connect(version)
  for (const value of values) await publisher.publishAsync(`${base}/x`, value, { qos: 2 })
  await publisher.endAsync()
  const again = mqtt.connect(`${scheme}://${host}:${port}${path}`, {
    protocolVersion: version, reconnectPeriod: 0, ca: ca && fs.readFileSync(ca), ...options })
  assert.deepStrictEqual(await take(again, count), values.map(value => `${value} 2 false`))
  await again.endAsync()
}

async function round (version) {
  for (const part of [everyQos, retained, will, shared, kept]) {
    await part(version, `js/${process.pid}/${version}/${part.name}`)
  }
}

round(4).then(() => round(5)).then(() => console.log('ok'), error => {
  console.error(error)
  process.exit(1)
})
