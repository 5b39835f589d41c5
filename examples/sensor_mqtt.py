#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Publishes ten readings of three devices by MQTT. usage: sensor_mqtt.py [HOST [PORT]]"""

import json
import sys

import paho.mqtt.client as mqtt

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 1883

client = mqtt.Client()
client.connect(host, port)
client.loop_start()
for number in range(10):
    topic = "devices/%d/temperature" % (number % 3)
    reading = json.dumps({"reading": number, "celsius": 20 + number / 10})
    told = client.publish(topic, reading, qos=1)
    told.wait_for_publish()  # it is on disk now
    print("published", topic)
client.loop_stop()
client.disconnect()
