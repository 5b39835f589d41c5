/* SPDX-License-Identifier: Apache-2.0 */
/* Load by MQTT 3.1.1 or 5: one publisher and --subscribers receivers of one topic, or of --topics
 * in turn, which the receivers share out among themselves but for --wild of them, who get all by a
 * wildcard; QoS 0, 1 or 2; plain, or with a frame of WebSocket for each packet. */
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "tests/bench/load.h"

#define TYPE_CONNACK 0x20
#define TYPE_PUBLISH 0x30
#define TYPE_PUBACK  0x40
#define TYPE_PUBREC  0x50
#define TYPE_PUBREL  0x62
#define TYPE_PUBCOMP 0x70
#define TYPE_SUBACK  0x90
#define MAX_NAME     200
/* Filters in one SUBSCRIBE: the length of the answer takes one byte. */
#define FILTERS_A_PACKET 100

static struct load load = { LOAD_DEFAULTS, .port = 1883, .name = "bench/mqtt" };
static uint64_t qos;
static uint64_t version = 4;
static uint64_t websocket;
static uint64_t tls;
static uint64_t topics = 1;
static uint64_t wild;
static uint64_t bystanders;

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
    uint8_t head[2], rest[FILTERS_A_PACKET + 8];

    add_packet(&packet, first, body);
    if (websocket) {
        text_clear(body);
        add_frame_head(body, packet.len);
        bench_write_all(fd, text_slice(body));
    }
    bench_write_all(fd, text_slice(&packet));
    if (websocket)
        bench_read_exactly(fd, head, sizeof(head)); /* the head of a short frame */
    bench_read_exactly(fd, head, sizeof(head));
    if (head[0] != type || head[1] >= sizeof(rest) || head[1] < 2)
        bench_fail("not the packet that was awaited", 0);
    bench_read_exactly(fd, rest, head[1]);
    /* CONNACK: flags, code, ...; SUBACK: packet identifier, (properties,) code. */
    if ((type == TYPE_CONNACK ? rest[1] : rest[head[1] - 1]) > most)
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

    if (tls)
        bench_start_tls(fd);
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

/* The topic of message `number`: their texts have the same length. */
static void add_topic(struct text *t, uint64_t number)
{
    char topic[MAX_NAME + 32];

    (void)snprintf(topic, sizeof(topic), topics == 1 ? "%s" : "%s/%06llu/temp", load.name,
                   (unsigned long long)(number % topics));
    add_string(t, topic);
}

/* Sends SUBSCRIBE when the body holds a packet full of filters, or is the last. */
static void ask_subscriptions(int fd, struct text *body, uint64_t *count, bool is_last)
{
    if (*count == 0 || (*count < FILTERS_A_PACKET && !is_last))
        return;
    ask(fd, 0x82, body, TYPE_SUBACK, (uint8_t)qos);
    *count = 0;
}

static void begin_subscriptions(struct text *body, const uint64_t *count)
{
    if (*count > 0)
        return;
    text_add_u16(body, 1);
    add_no_properties(body);
}

static void subscribe_all(int fd)
{
    struct text body = { 0 };
    char filter[MAX_NAME + 8];
    uint64_t count = 0;

    begin_subscriptions(&body, &count);
    (void)snprintf(filter, sizeof(filter), "%s/#", load.name);
    add_string(&body, filter);
    text_add_byte(&body, (uint8_t)qos);
    count++;
    ask_subscriptions(fd, &body, &count, true);
    text_done(&body);
}

/* Every `step`th topic from `first` on. */
static void subscribe(int fd, uint64_t first, uint64_t step)
{
    struct text body = { 0 };
    uint64_t count = 0;

    for (uint64_t i = first; i < topics; i += step) {
        begin_subscriptions(&body, &count);
        add_topic(&body, i);
        text_add_byte(&body, (uint8_t)qos);
        count++;
        ask_subscriptions(fd, &body, &count, false);
    }
    ask_subscriptions(fd, &body, &count, true);
    text_done(&body);
}

/* Subscriptions of which none gets a message. */
static void stand_by(int fd)
{
    struct text body = { 0 };
    char filter[MAX_NAME + 64];
    uint64_t count = 0;

    for (uint64_t i = 0; i < bystanders; i++) {
        begin_subscriptions(&body, &count);
        (void)snprintf(filter, sizeof(filter), i % 2 == 0 ? "%s/%06llu/other" : "%s/+/%06llu/#",
                       load.name, (unsigned long long)i);
        add_string(&body, filter);
        text_add_byte(&body, 0);
        count++;
        ask_subscriptions(fd, &body, &count, false);
    }
    ask_subscriptions(fd, &body, &count, true);
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

static void answer(struct load_peer *peer, uint8_t type, uint16_t id)
{
    if (websocket)
        add_frame_head(&peer->out, 4);
    text_add_u16(&peer->out, (uint16_t)(type << 8 | 2));
    text_add_u16(&peer->out, id);
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
    if (got_qos > 0)
        answer(peer, got_qos == 1 ? TYPE_PUBACK : TYPE_PUBREC, id);
}

static size_t take_by_receiver(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    size_t header;
    size_t len;

    (void)l;
    while ((len = whole_packet(slice_after(bytes, taken), &header)) > 0) {
        uint8_t first = bytes.at[taken];
        struct rd r = rd_of(slice_of(bytes.at + taken + header, len - header));

        if (first == TYPE_PUBREL && qos == 2)
            answer(peer, TYPE_PUBCOMP, rd_u16(&r));
        else if ((first & 0xf0) == TYPE_PUBLISH)
            take_publish(peer, first, r);
        else
            bench_fail("a receiver gets what is neither PUBLISH nor PUBREL", 0);
        taken += len;
    }
    return taken;
}

static size_t take_by_publisher(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    size_t header;
    size_t len;

    while ((len = whole_packet(slice_after(bytes, taken), &header)) > 0) {
        struct rd r = rd_of(slice_of(bytes.at + taken + header, len - header));
        uint16_t id = rd_u16(&r);
        uint8_t type = bytes.at[taken];

        taken += len;
        if ((r.left > 0 && rd_u8(&r) >= 0x80) || r.bad)
            bench_fail("a publisher gets what is no good answer", 0);
        if (type == TYPE_PUBREC && qos == 2) {
            answer(peer, TYPE_PUBREL, id);
            continue;
        }
        if (type != (qos == 2 ? TYPE_PUBCOMP : TYPE_PUBACK))
            bench_fail("a publisher gets what is no acknowledgement", 0);
        if (id != l->acknowledged % 65535 + 1)
            bench_fail("an acknowledgement out of order", 0);
        load_acknowledged(l, l->acknowledged + 1);
    }
    return taken;
}

static void set_packet(void)
{
    struct text body = { 0 };
    struct text packet = { 0 };
    struct text topic = { 0 };
    size_t header;

    add_topic(&body, 0);
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
    load.ring_multiple = topics;
    load_set_packet(&load, text_slice(&packet), packet.len - load.size,
                    qos > 0 ? packet.len - body.len + header : 0);
    for (uint64_t i = 0; i < load.ring_count; i++) {
        text_clear(&topic);
        add_topic(&topic, i);
        memcpy(load.ring + i * packet.len + packet.len - body.len, topic.at, topic.len);
    }
    text_done(&topic);
    text_done(&body);
    text_done(&packet);
}

/* Receivers that share the topics out among themselves; each gets all when there is one. */
static void open_receivers(void)
{
    uint64_t sharers = topics == 1 ? 1 : load.receivers_wanted - wild;

    load.receivers = mem_zeroed_array(load.receivers_wanted + 1, sizeof(*load.receivers));
    for (uint64_t i = 0; i < load.receivers_wanted; i++) {
        bool is_wild = i >= load.receivers_wanted - wild;
        int fd = open_client("sub", (unsigned)i);

        if (is_wild)
            subscribe_all(fd);
        else
            subscribe(fd, topics == 1 ? 0 : i, sharers);
        load_set_peer(&load.receivers[i], fd, take_by_receiver);
        load.receivers[i].is_framed = websocket != 0;
        if (!is_wild && topics > 1) {
            load.receivers[i].next = i;
            load.receivers[i].step = sharers;
        }
    }
    load.fan = topics == 1 ? load.receivers_wanted : wild + (sharers > 0);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        LOAD_OPTIONS(load),
        { "subscribers", &load.receivers_wanted, NULL, "receivers" },
        { "topics", &topics, NULL, "topics, a multiple of the receivers that share them" },
        { "wild", &wild, NULL, "how many of the receivers get all topics by a wildcard" },
        { "bystanders", &bystanders, NULL, "subscriptions that get nothing" },
        { "qos", &qos, NULL, "0, 1 or 2" },
        { "version", &version, NULL, "4 is 3.1.1, 5 is 5" },
        { "websocket", &websocket, NULL, "1: by WebSocket" },
        { "tls", &tls, NULL, "1: by TLS" },
        { NULL, NULL, NULL, NULL },
    };
    char scenario[64];

    if (bench_options(argc, argv, options) != argc || qos > 2 || strlen(load.name) > MAX_NAME ||
        topics == 0 || wild > load.receivers_wanted ||
        (topics > 1 && load.receivers_wanted > wild &&
         topics % (load.receivers_wanted - wild) != 0))
        bench_fail("options", 0);
    open_receivers();
    if (bystanders > 0)
        stand_by(open_client("by", 0)); /* stays until the program ends */
    set_packet();
    load_set_peer(&load.publisher, open_client("pub", 0), take_by_publisher);
    load.publisher.is_framed = websocket != 0;
    load.is_acknowledged = qos > 0;
    (void)snprintf(scenario, sizeof(scenario), "mqtt%s qos%llu 1->%llu",
                   websocket ? " websocket" : "", (unsigned long long)qos,
                   (unsigned long long)load.receivers_wanted);
    return load_run(&load, scenario);
}
