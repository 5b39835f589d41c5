/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/text.h"
#include "broker/main/boot.h"
#include "broker/net/listener.h"
#include "broker/net/protocol.h"
#include "config.h"

#define READY_MODE 0644

static const char *protocol_of(const struct listener *l)
{
    return listener_protocol(l)->name;
}

/* JSON's escapes for what may stand in an address: a path. */
static void add_json_text(struct text *to, const char *s)
{
    text_add_byte(to, '"');
    for (const char *c = s; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            text_format(to, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            text_format(to, "\\u%04x", (unsigned)*c);
        else
            text_add_byte(to, (uint8_t)*c);
    }
    text_add_byte(to, '"');
}

void ready_format(const struct broker *broker, struct text *to)
{
    text_format(to, "{\"pid\": %ld, \"listeners\": [", (long)getpid());
    for (unsigned i = 0; i < broker_listener_count(broker); i++) {
        const struct listener *l = broker_listener(broker, i);

        text_format(to, "%s{\"protocol\": \"%s\", \"name\": ", i == 0 ? "" : ", ", protocol_of(l));
        add_json_text(to, listener_name(l));
        text_format(to, ", \"address\": ");
        add_json_text(to, listener_address(l));
        text_format(to, ", \"port\": %u, \"tls\": %s, \"websocket\": %s}", listener_port(l),
                    listener_is_tls(l) ? "true" : "false",
                    listener_is_websocket(l) ? "true" : "false");
    }
    text_format(to, "]}\n");
}

static enum rc write_all(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, READY_MODE);
    enum rc rc = RC_OK;

    if (fd < 0)
        return rc_of_errno(errno);
    while (rc == RC_OK && bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);

        if (n < 0)
            rc = rc_of_errno(errno);
        else
            bytes = slice_after(bytes, (size_t)n);
    }
    if (close(fd) != 0 && rc == RC_OK)
        rc = rc_of_errno(errno);
    return rc;
}

enum rc ready_write(const struct broker *broker, const char *path, struct text *why)
{
    struct text content = { 0 };
    struct text beside = { 0 };
    enum rc rc;

    ready_format(broker, &content);
    text_format(&beside, "%s.%ld", path, (long)getpid());
    text_add_byte(&beside, '\0');
    rc = write_all((const char *)beside.at, text_slice(&content));
    if (rc == RC_OK && rename((const char *)beside.at, path) != 0)
        rc = rc_of_errno(errno);
    if (rc != RC_OK) {
        text_format(why, "the ready file %s cannot be written: %s", path, strerror(errno));
        (void)unlink((const char *)beside.at); /* it may never have been made */
    }
    text_done(&content);
    text_done(&beside);
    return rc;
}

/* ---- the greeting ---- */

static const char *const advice[][3] = {
    { "mqtt", "mosquitto_sub -p %u -v -t 'devices/#'",
      "mosquitto_pub -p %u -q 1 -t devices/temperature -m 21.5" },
    { "amqp", "amqp-declare-queue -u amqp://127.0.0.1:%u -d -q orders",
      "amqp-publish -u amqp://127.0.0.1:%u -r orders -b hello" },
    { "kafka", "kcat -b 127.0.0.1:%u -C -t devices -o beginning -e -f '%%k: %%s\\n'",
      "echo hello | kcat -b 127.0.0.1:%u -P -t orders" },
};

/* Formats of the table above have one %u each. */
static void add_advice(struct text *to, const char *format, unsigned port)
{
    text_format(to, "    ");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    text_format(to, format, port);
#pragma GCC diagnostic pop
    text_add_byte(to, '\n');
}

static const struct listener *find_plain(const struct broker *broker, const char *protocol)
{
    for (unsigned i = 0; i < broker_listener_count(broker); i++) {
        const struct listener *l = broker_listener(broker, i);

        if (strcmp(protocol_of(l), protocol) == 0 && !listener_is_tls(l) &&
            !listener_is_websocket(l) && strcmp(listener_address(l), "127.0.0.1") == 0)
            return l;
    }
    return NULL;
}

void ready_greet(const struct broker *broker, struct text *to)
{
    bool has_advice = false;

    text_format(to, "tercet %s, store %s\n", PACKAGE_VERSION, broker_store_place(broker));
    for (unsigned i = 0; i < broker_listener_count(broker); i++) {
        const struct listener *l = broker_listener(broker, i);

        text_format(to, "  %-6s%s%s  %s", protocol_of(l), listener_is_tls(l) ? " TLS" : "",
                    listener_is_websocket(l) ? " WebSocket" : "", listener_address(l));
        if (listener_port(l) != 0)
            text_format(to, " port %u", listener_port(l));
        text_add_byte(to, '\n');
    }
    for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
        const struct listener *l = find_plain(broker, advice[i][0]);

        if (l == NULL)
            continue;
        if (!has_advice)
            text_format(to, "Try (topics and queues are shared by all protocols):\n");
        has_advice = true;
        add_advice(to, advice[i][1], listener_port(l));
        add_advice(to, advice[i][2], listener_port(l));
    }
    text_format(to, "Ctrl-C stops it. More: man tercetd, tercetd --help\n");
}
