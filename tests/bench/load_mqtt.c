/* SPDX-License-Identifier: Apache-2.0 */
/* Load by MQTT 3.1.1 or 5: one publisher, --subscribers receivers of one topic, QoS 0 or 1; plain,
 * or with a frame of WebSocket for each packet. */
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "tests/bench/load.h"

#define TYPE_CONNACK 0x20
#define TYPE_PUBLISH 0x30
#define TYPE_PUBACK  0x40
#define TYPE_SUBACK  0x90
#define MAX_NAME     200

static struct load load = { LOAD_DEFAULTS, .port = 1883, .name = "bench/mqtt" };
static uint64_t qos;
static uint64_t version = 4;
static uint64_t websocket;

/* The head of a client's frame. Its mask is zero: that changes no byte, and costs the broker what
 * any other would. */
static void add_frame_head(struct text *t, size_t len)
{
    text_add_byte(t, 0x82);
    if (len < 126) {
        text_add_byte(t, (uint8_t)(0x80 | len));
    } else if (len <= UINT16_MAX) {
        text_add_byte(t, 0x80 | 126);
        text_add_u16(t, (uint16_t)len);
    } else {
        text_add_byte(t, 0x80 | 127);
        text_add_u64(t, len);
    }
    text_add_u32(t, 0);
}

static void add_length(struct text *t, size_t len)
{
    do {
        text_add_byte(t, (uint8_t)((len & 0x7f) | (len > 0x7f ? 0x80 : 0)));
        len >>= 7;
    } while (len > 0);
}

static void add_packet(struct text *t, uint8_t first, const struct text *body)
{
    text_add_byte(t, first);
    add_length(t, body->len);
    text_add(t, text_slice(body));
}

static void add_string(struct text *t, const char *s)
{
    text_add_u16(t, (uint16_t)strlen(s));
    text_add(t, slice_str(s));
}

static void add_no_properties(struct text *t)
{
    if (version == 5)
        text_add_byte(t, 0);
}

/* Sends a packet, waits for the answer of `type` and checks its last byte. */
static void ask(int fd, uint8_t first, struct text *body, uint8_t type, uint8_t most)
{
    struct text packet = { 0 };
    uint8_t answer[2], rest[128];

    add_packet(&packet, first, body);
    if (websocket) {
        text_clear(body);
        add_frame_head(body, packet.len);
        bench_write_all(fd, text_slice(body));
    }
    bench_write_all(fd, text_slice(&packet));
    if (websocket)
        bench_read_exactly(fd, answer, sizeof(answer)); /* the head of a short frame */
    bench_read_exactly(fd, answer, sizeof(answer));
    if (answer[0] != type || answer[1] >= sizeof(rest) || answer[1] < 2)
        bench_fail("not the packet that was awaited", 0);
    bench_read_exactly(fd, rest, answer[1]);
    /* CONNACK: flags, code, ...; SUBACK: packet identifier, (properties,) code. */
    if ((type == TYPE_CONNACK ? rest[1] : rest[answer[1] - 1]) > most)
        bench_fail("the broker refuses", 0);
    text_done(&packet);
    text_clear(body);
}

static void upgrade(int fd)
{
    static const char request[] =
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    uint32_t last = 0;
    uint8_t byte;

    bench_write_all(fd, slice_str(request));
    while (last != 0x0d0a0d0a) {
        bench_read_exactly(fd, &byte, 1);
        last = last << 8 | byte;
    }
}

static int open_client(const char *role, unsigned number)
{
    int fd = bench_connect(load.host, load.port);
    struct text body = { 0 };
    char id[64];

    if (websocket)
        upgrade(fd);
    (void)snprintf(id, sizeof(id), "bench-%s-%d-%u", role, (int)getpid(), number);
    add_string(&body, "MQTT");
    text_add_byte(&body, (uint8_t)version);
    text_add_byte(&body, 2); /* clean */
    text_add_u16(&body, 0);  /* no keep-alive */
    if (version == 5) {
        text_add_byte(&body, 3);
        text_add_byte(&body, 0x21); /* receive maximum */
        text_add_u16(&body, UINT16_MAX);
    }
    add_string(&body, id);
    ask(fd, 0x10, &body, TYPE_CONNACK, 0);
    text_done(&body);
    return fd;
}

static void subscribe(int fd)
{
    struct text body = { 0 };

    text_add_u16(&body, 1);
    add_no_properties(&body);
    add_string(&body, load.name);
    text_add_byte(&body, (uint8_t)qos);
    ask(fd, 0x82, &body, TYPE_SUBACK, (uint8_t)qos);
    text_done(&body);
}

/* The length of the next whole packet and of its fixed header, or 0. */
static size_t whole_packet(struct slice bytes, size_t *ret_header)
{
    struct rd r = rd_of(bytes);
    uint32_t len;

    (void)rd_u8(&r);
    len = rd_varint4(&r);
    *ret_header = bytes.len - r.left;
    return r.bad || len > r.left ? 0 : *ret_header + len;
}

static void take_publish(struct load_peer *peer, uint8_t first, struct rd r)
{
    uint8_t got_qos = first >> 1 & 3;
    uint16_t id = 0;
    struct slice payload;

    (void)rd_bytes(&r, rd_u16(&r));
    if (got_qos > 0)
        id = rd_u16(&r);
    if (version == 5)
        (void)rd_bytes(&r, rd_varint4(&r));
    payload = rd_rest(&r);
    if (r.bad || got_qos != qos || payload.len < LOAD_STAMP_BYTES)
        bench_fail("a PUBLISH that we did not send", 0);
    load_received(&load, peer, payload.at, payload.len, load.size);
    if (got_qos > 0) {
        if (websocket)
            add_frame_head(&peer->out, 4);
        text_add_u16(&peer->out, TYPE_PUBACK << 8 | 2);
        text_add_u16(&peer->out, id);
    }
}

static size_t take_by_receiver(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    size_t header;
    size_t len;

    (void)l;
    while ((len = whole_packet(slice_after(bytes, taken), &header)) > 0) {
        uint8_t first = bytes.at[taken];

        if ((first & 0xf0) != TYPE_PUBLISH)
            bench_fail("a receiver gets what is no PUBLISH", 0);
        take_publish(peer, first, rd_of(slice_of(bytes.at + taken + header, len - header)));
        taken += len;
    }
    return taken;
}

static size_t take_by_publisher(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    size_t header;
    size_t len;

    (void)peer;
    while ((len = whole_packet(slice_after(bytes, taken), &header)) > 0) {
        struct rd r = rd_of(slice_of(bytes.at + taken + header, len - header));
        uint16_t id = rd_u16(&r);
        uint64_t number = l->acknowledged;
        uint64_t ahead;

        if (bytes.at[taken] != TYPE_PUBACK || (r.left > 0 && rd_u8(&r) >= 0x80) || r.bad)
            bench_fail("a publisher gets what is no good PUBACK", 0);
        /* In order: the next one, or the number is ahead of it. */
        ahead = (id + UINT64_C(65534) - number % 65535) % 65535;
        if (ahead != 0)
            bench_fail("a PUBACK out of order", 0);
        load_acknowledged(l, number + 1);
        taken += len;
    }
    return taken;
}

static void set_packet(void)
{
    struct text body = { 0 };
    struct text packet = { 0 };
    size_t header;

    add_string(&body, load.name);
    header = body.len;
    if (qos > 0)
        text_add_u16(&body, 0);
    add_no_properties(&body);
    if (!text_reserve(&body, load.size))
        bench_fail("size", 0);
    memset(body.at + body.len, 'x', load.size);
    body.len += load.size;
    if (websocket) { /* once to learn the length */
        size_t len;

        add_packet(&packet, (uint8_t)(TYPE_PUBLISH | qos << 1), &body);
        len = packet.len;
        text_clear(&packet);
        add_frame_head(&packet, len);
    }
    add_packet(&packet, (uint8_t)(TYPE_PUBLISH | qos << 1), &body);
    load_set_packet(&load, text_slice(&packet), packet.len - load.size,
                    qos > 0 ? packet.len - body.len + header : 0);
    text_done(&body);
    text_done(&packet);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        LOAD_OPTIONS(load),
        { "subscribers", &load.receivers_wanted, NULL, "receivers of the topic" },
        { "qos", &qos, NULL, "0 or 1" },
        { "version", &version, NULL, "4 is 3.1.1, 5 is 5" },
        { "websocket", &websocket, NULL, "1: by WebSocket" },
        { NULL, NULL, NULL, NULL },
    };
    char scenario[64];

    if (bench_options(argc, argv, options) != argc || qos > 1 || strlen(load.name) > MAX_NAME)
        bench_fail("options", 0);
    load.receivers = mem_zeroed_array(load.receivers_wanted + 1, sizeof(*load.receivers));
    for (uint64_t i = 0; i < load.receivers_wanted; i++) {
        int fd = open_client("sub", (unsigned)i);

        subscribe(fd);
        load_set_peer(&load.receivers[i], fd, take_by_receiver);
        load.receivers[i].is_framed = websocket != 0;
    }
    set_packet();
    load_set_peer(&load.publisher, open_client("pub", 0), take_by_publisher);
    load.publisher.is_framed = websocket != 0;
    load.is_acknowledged = qos > 0;
    (void)snprintf(scenario, sizeof(scenario), "mqtt%s qos%llu 1->%llu",
                   websocket ? " websocket" : "", (unsigned long long)qos,
                   (unsigned long long)load.receivers_wanted);
    return load_run(&load, scenario);
}
