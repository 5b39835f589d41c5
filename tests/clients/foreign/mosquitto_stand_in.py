#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Started as `mosquitto -v [-p PORT] [-c FILE]` by mosquitto's scripts: runs tercetd in its place.

TERCETD names the program. A port without a listener in the file is a loopback listener that anybody
may use, as there."""

import os
import sys


def arguments(words):
    port = conf = None
    rest = []
    while words:
        word = words.pop(0)
        if word == "-p":
            port = words.pop(0)
        elif word == "-c":
            conf = words.pop(0)
        elif word != "-v":
            rest.append(word)
    if conf is None:
        return ["--mqtt-profile", "mosquitto", "--ephemeral"] + (
            ["--port-mqtt", port] if port else []) + rest
    return ["--mosquitto-conf", with_listener(conf, port)] + rest


def with_listener(conf, port):
    if port is None or not os.path.isfile(conf):
        return conf
    with open(conf, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if any(line.split()[:1] in (["listener"], ["port"]) for line in text.splitlines()):
        return conf
    anonymous = "" if "allow_anonymous" in text else "allow_anonymous true\n"
    with open(conf + ".mosquitto", "w", encoding="utf-8") as file:
        file.write("%slistener %s 127.0.0.1\n%s" % (anonymous, port, text))
    return conf + ".mosquitto"


LINE = [os.environ["TERCETD"], "--quiet", "--port-amqp", "0", "--port-kafka", "0"]
if os.geteuid() == 0:
    LINE += ["--user", "root"]
os.execv(LINE[0], LINE + arguments(sys.argv[1:]))
