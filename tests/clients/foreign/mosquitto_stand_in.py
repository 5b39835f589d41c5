#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Started as `mosquitto -v [-p PORT] [-c FILE]` by mosquitto's scripts: runs tercetd in its place.

TERCETD names the program. A port without a listener in the file is a loopback listener that anybody
may use, as there. mosquitto's persistence_file is there once it ran, empty, and whoever removes it
begins anew: scripts do both."""

import glob
import os
import shutil
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
    if os.path.isfile(conf):
        keep_file(lines_of(conf))
    return ["--mosquitto-conf", with_listener(conf, port)] + rest


def read(conf):
    with open(conf, encoding="utf-8", errors="replace") as file:
        return file.read()


def lines_of(conf):
    lines = [line.split() for line in read(conf).splitlines() if line.strip()]
    for line in list(lines):
        if line[0] == "include_dir" and len(line) == 2:
            for one in glob.glob(os.path.join(line[1], "*.conf")):
                lines += lines_of(one)
    return lines


def keep_file(lines):
    values = {line[0]: line[1] for line in lines if len(line) > 1}
    if values.get("persistence") != "true" or "plugin" in values:
        return
    path = os.path.join(values.get("persistence_location", "."),
                        values.get("persistence_file", "mosquitto.db"))
    if not os.path.exists(path):
        shutil.rmtree(path + ".tercet", ignore_errors=True)
        with open(path, "w", encoding="ascii"):
            pass


def with_listener(conf, port):
    if port is None or not os.path.isfile(conf):
        return conf
    text = read(conf)
    if any(line[0] in ("listener", "port") for line in lines_of(conf)):
        return conf
    anonymous = "" if "allow_anonymous" in text else "allow_anonymous true\n"
    with open(conf + ".mosquitto", "w", encoding="utf-8") as file:
        file.write("%slistener %s 127.0.0.1\n%s" % (anonymous, port, text))
    return conf + ".mosquitto"


LINE = [os.environ["TERCETD"], "--quiet", "--bridge-profile", "mosquitto",
        "--port-amqp", "0", "--port-kafka", "0"]
if os.geteuid() == 0:
    LINE += ["--user", "root"]
os.execv(LINE[0], LINE + arguments(sys.argv[1:]))
