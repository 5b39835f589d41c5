/* SPDX-License-Identifier: Apache-2.0 */
/* Load by AMQP 0-9-1: one publisher to a queue by the default exchange, one consumer. Transient and
 * acknowledged by the broker itself, or persistent with confirms and manual acknowledgement. */
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "tests/bench/load.h"

#define FRAME_METHOD          1
#define FRAME_HEADER          2
#define FRAME_BODY            3
#define FRAME_END             0xce
#define FRAME_EXTRA_BYTES     8
#define METHOD(class, number) ((uint32_t)(class) << 16 | (number))

#define CONNECTION_START    METHOD(10, 10)
#define CONNECTION_START_OK METHOD(10, 11)
#define CONNECTION_TUNE     METHOD(10, 30)
#define CONNECTION_TUNE_OK  METHOD(10, 31)
#define CONNECTION_OPEN     METHOD(10, 40)
#define CONNECTION_OPEN_OK  METHOD(10, 41)
#define CHANNEL_OPEN        METHOD(20, 10)
#define CHANNEL_OPEN_OK     METHOD(20, 11)
#define QUEUE_DECLARE       METHOD(50, 10)
#define QUEUE_DECLARE_OK    METHOD(50, 11)
#define QUEUE_DELETE        METHOD(50, 40)
#define QUEUE_DELETE_OK     METHOD(50, 41)
#define BASIC_QOS           METHOD(60, 10)
#define BASIC_QOS_OK        METHOD(60, 11)
#define BASIC_CONSUME       METHOD(60, 20)
#define BASIC_CONSUME_OK    METHOD(60, 21)
#define BASIC_PUBLISH       METHOD(60, 40)
#define BASIC_DELIVER       METHOD(60, 60)
#define BASIC_ACK           METHOD(60, 80)
#define CONFIRM_SELECT      METHOD(85, 10)
#define CONFIRM_SELECT_OK   METHOD(85, 11)

#define QUEUE_DURABLE      2
#define CONSUME_NO_ACK     2
#define DELIVERY_MODE_FLAG 0x1000
#define CLASS_BASIC        60

static struct load load = { LOAD_DEFAULTS, .port = 5672, .name = "bench-amqp" };
static uint64_t persistent, confirm, manual_ack, ack_every = 1, prefetch = 1000, frame_max;
static uint64_t keep_queue;
static const char *user = "guest", *password = "guest";

/* A frame of one method, whose arguments the caller has put into `arguments`. */
static void add_method(struct text *t, uint16_t channel, uint32_t method,
                       const struct text *arguments)
{
    text_add_byte(t, FRAME_METHOD);
    text_add_u16(t, channel);
    text_add_u32(t, (uint32_t)(4 + arguments->len));
    text_add_u32(t, method);
    text_add(t, text_slice(arguments));
    text_add_byte(t, FRAME_END);
}

static void add_short(struct text *t, const char *s)
{
    text_add_byte(t, (uint8_t)strlen(s));
    text_add(t, slice_str(s));
}

/* Waits for one method frame on any channel; the arguments are in `ret`. */
static void await(int fd, uint32_t method, struct text *ret)
{
    uint8_t head[11];
    struct rd r = rd_of(slice_of(head, sizeof(head)));
    uint32_t len, got;

    bench_read_exactly(fd, head, sizeof(head));
    (void)rd_u8(&r);
    (void)rd_u16(&r);
    len = rd_u32(&r);
    got = rd_u32(&r);
    text_clear(ret);
    if (len < 4 || !text_reserve(ret, len))
        bench_fail("frame length", 0);
    bench_read_exactly(fd, ret->at, len - 4 + 1);
    ret->len = len - 4;
    if (got != method) {
        fprintf(stderr, "bench: method %u.%u came instead of %u.%u: %.*s\n", got >> 16,
                got & 0xffff, method >> 16, method & 0xffff, (int)ret->len, (char *)ret->at);
        exit(EXIT_FAILURE);
    }
}

/* Sends a method with the arguments in `body`, and awaits its answer there. */
static void ask(int fd, uint16_t channel, uint32_t method, uint32_t answer, struct text *body)
{
    struct text frame = { 0 };

    add_method(&frame, channel, method, body);
    bench_write_all(fd, text_slice(&frame));
    if (answer != 0)
        await(fd, answer, body);
    text_clear(body);
    text_done(&frame);
}

static void log_in(int fd, struct text *body)
{
    struct rd r;
    uint32_t theirs;

    bench_write_all(fd, SLICE("AMQP\0\0\x09\x01"));
    await(fd, CONNECTION_START, body);
    text_clear(body);
    text_add_u32(body, 0); /* client properties */
    add_short(body, "PLAIN");
    text_add_u32(body, (uint32_t)(2 + strlen(user) + strlen(password)));
    text_add_byte(body, 0);
    text_add(body, slice_str(user));
    text_add_byte(body, 0);
    text_add(body, slice_str(password));
    add_short(body, "en_US");
    ask(fd, 0, CONNECTION_START_OK, 0, body);
    await(fd, CONNECTION_TUNE, body);
    r = rd_of(text_slice(body));
    (void)rd_u16(&r);
    theirs = rd_u32(&r);
    frame_max = theirs == 0 || theirs > 131072 ? 131072 : theirs;
}

static int open_client(void)
{
    int fd = bench_connect(load.host, load.port);
    struct text body = { 0 };

    log_in(fd, &body);
    text_clear(&body);
    text_add_u16(&body, 10); /* channels */
    text_add_u32(&body, (uint32_t)frame_max);
    text_add_u16(&body, 0); /* no heartbeats */
    ask(fd, 0, CONNECTION_TUNE_OK, 0, &body);
    add_short(&body, "/");
    text_add_u16(&body, 0);
    ask(fd, 0, CONNECTION_OPEN, CONNECTION_OPEN_OK, &body);
    text_add_byte(&body, 0);
    ask(fd, 1, CHANNEL_OPEN, CHANNEL_OPEN_OK, &body);
    text_done(&body);
    return fd;
}

static void declare_queue(int fd)
{
    struct text body = { 0 };

    text_add_u16(&body, 0);
    add_short(&body, load.name);
    text_add_byte(&body, persistent ? QUEUE_DURABLE : 0);
    text_add_u32(&body, 0);
    ask(fd, 1, QUEUE_DECLARE, QUEUE_DECLARE_OK, &body);
    text_done(&body);
}

static void delete_queue(void)
{
    int fd = open_client();
    struct text body = { 0 };

    text_add_u16(&body, 0);
    add_short(&body, load.name);
    text_add_byte(&body, 0);
    ask(fd, 1, QUEUE_DELETE, QUEUE_DELETE_OK, &body);
    text_done(&body);
    close(fd);
}

static void consume(int fd)
{
    struct text body = { 0 };

    if (manual_ack) {
        text_add_u32(&body, 0);
        text_add_u16(&body, (uint16_t)prefetch);
        text_add_byte(&body, 0);
        ask(fd, 1, BASIC_QOS, BASIC_QOS_OK, &body);
    }
    text_add_u16(&body, 0);
    add_short(&body, load.name);
    add_short(&body, "");
    text_add_byte(&body, manual_ack ? 0 : CONSUME_NO_ACK);
    text_add_u32(&body, 0);
    ask(fd, 1, BASIC_CONSUME, BASIC_CONSUME_OK, &body);
    text_done(&body);
}

/* One frame; its payload is left in `ret`. Gives its whole length, 0 when it is not whole yet. */
static size_t whole_frame(struct slice bytes, uint8_t *ret_type, struct rd *ret)
{
    struct rd r = rd_of(bytes);
    uint32_t len;

    *ret_type = rd_u8(&r);
    (void)rd_u16(&r);
    len = rd_u32(&r);
    *ret = rd_fence(&r, len);
    if (rd_u8(&r) != FRAME_END && !r.bad)
        bench_fail("a frame without its end", 0);
    return r.bad ? 0 : bytes.len - r.left;
}

static void acknowledge(struct load_peer *peer, uint64_t tag, bool is_multiple)
{
    static const uint8_t head[] = { FRAME_METHOD, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80 };

    text_add(&peer->out, slice_of(head, sizeof(head)));
    text_add_u64(&peer->out, tag);
    text_add_byte(&peer->out, is_multiple);
    text_add_byte(&peer->out, FRAME_END);
}

/* Method, header and bodies of one delivery; gives their length when all are there. */
static size_t take_delivery(struct load_peer *peer, struct slice bytes)
{
    uint8_t type;
    struct rd method, header, body;
    size_t taken = whole_frame(bytes, &type, &method);
    size_t n = taken == 0 ? 0 : whole_frame(slice_after(bytes, taken), &type, &header);
    uint64_t tag, body_bytes, got = 0;
    struct slice first = SLICE_NONE;

    if (n == 0)
        return 0;
    taken += n;
    if (rd_u32(&method) != BASIC_DELIVER || type != FRAME_HEADER)
        bench_fail("a consumer gets what is no delivery", 0);
    (void)rd_bytes(&method, rd_u8(&method)); /* consumer tag */
    tag = rd_u64(&method);
    (void)rd_u32(&header);
    body_bytes = rd_u64(&header);
    while (got < body_bytes) {
        n = whole_frame(slice_after(bytes, taken), &type, &body);
        if (n == 0)
            return 0;
        if (got == 0)
            first = slice_of(body.at, body.left);
        taken += n;
        got += body.left;
    }
    if (tag != peer->received + 1 || rd_u8(&method) != 0 || first.len < LOAD_STAMP_BYTES)
        bench_fail("a delivery that is not the next, redelivered or short", 0);
    load_received(&load, peer, first.at, body_bytes, load.size);
    if (manual_ack && tag % ack_every == 0)
        acknowledge(peer, tag, ack_every > 1);
    return taken;
}

static size_t take_by_receiver(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    size_t n;

    (void)l;
    while ((n = take_delivery(peer, slice_after(bytes, taken))) > 0)
        taken += n;
    return taken;
}

/* Confirms may come in any order; what counts is the least number not confirmed. One broker
 * confirms each, the other many at once, but both in order of delivery tags nearly always: those
 * that come early wait in a map of the window. */
static uint8_t early[65536];

static void confirmed(struct load *l, uint64_t tag, bool is_multiple)
{
    uint64_t up_to = l->acknowledged;

    if (tag == 0 || tag > l->sent || tag <= (is_multiple ? 0 : up_to))
        bench_fail("a confirm of what was not sent or is confirmed", 0);
    if (is_multiple)
        for (; up_to < tag; up_to++)
            early[(up_to + 1) % sizeof(early)] = 0;
    else if (early[tag % sizeof(early)])
        bench_fail("a message confirmed twice", 0);
    else
        early[tag % sizeof(early)] = 1;
    while (early[(up_to + 1) % sizeof(early)] && up_to < l->sent) {
        up_to++;
        early[up_to % sizeof(early)] = 0;
    }
    load_acknowledged(l, up_to);
}

static size_t take_by_publisher(struct load *l, struct load_peer *peer, struct slice bytes)
{
    size_t taken = 0;
    uint8_t type;
    struct rd r;
    size_t n;

    (void)peer;
    while ((n = whole_frame(slice_after(bytes, taken), &type, &r)) > 0) {
        uint32_t method = rd_u32(&r);
        uint64_t tag = rd_u64(&r);
        uint8_t flags = rd_u8(&r);

        if (type != FRAME_METHOD || method != BASIC_ACK || r.bad) {
            fprintf(stderr, "bench: method %u.%u\n", method >> 16, method & 0xffff);
            bench_fail("a publisher gets what is no confirm", 0);
        }
        confirmed(l, tag, (flags & 1) != 0);
        taken += n;
    }
    return taken;
}

static void add_frame(struct text *t, uint8_t type, const struct text *payload)
{
    text_add_byte(t, type);
    text_add_u16(t, 1);
    text_add_u32(t, (uint32_t)payload->len);
    text_add(t, text_slice(payload));
    text_add_byte(t, FRAME_END);
}

static void set_packet(void)
{
    struct text packet = { 0 }, body = { 0 };
    size_t stamp_at;

    text_add_u16(&body, 0);
    add_short(&body, ""); /* the default exchange */
    add_short(&body, load.name);
    text_add_byte(&body, 0);
    add_method(&packet, 1, BASIC_PUBLISH, &body);
    text_clear(&body);
    text_add_u16(&body, CLASS_BASIC);
    text_add_u16(&body, 0);
    text_add_u64(&body, load.size);
    text_add_u16(&body, DELIVERY_MODE_FLAG);
    text_add_byte(&body, persistent ? 2 : 1);
    add_frame(&packet, FRAME_HEADER, &body);
    if (load.size > frame_max - FRAME_EXTRA_BYTES)
        bench_fail("size is larger than a frame", 0);
    stamp_at = packet.len + 7;
    text_clear(&body);
    if (!text_reserve(&body, load.size))
        bench_fail("size", 0);
    memset(body.at, 'x', load.size);
    body.len = load.size;
    add_frame(&packet, FRAME_BODY, &body);
    load_set_packet(&load, text_slice(&packet), stamp_at, 0);
    text_done(&body);
    text_done(&packet);
}

static void select_confirms(int fd)
{
    struct text body = { 0 };

    text_add_byte(&body, 0);
    ask(fd, 1, CONFIRM_SELECT, CONFIRM_SELECT_OK, &body);
    text_done(&body);
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        LOAD_OPTIONS(load),
        { "persistent", &persistent, NULL, "1: durable queue, delivery mode 2" },
        { "confirm", &confirm, NULL, "1: publisher confirms" },
        { "manual-ack", &manual_ack, NULL, "1: the consumer acknowledges" },
        { "ack-every", &ack_every, NULL, "1: each; n: the n-th, with `multiple`" },
        { "prefetch", &prefetch, NULL, "of the consumer that acknowledges" },
        { "consumers", &load.receivers_wanted, NULL, "1, or 0: only publish, with confirms" },
        { "keep", &keep_queue, NULL, "1: leave the queue behind" },
        { "user", NULL, &user, "login" },
        { "password", NULL, &password, "password" },
        { NULL, NULL, NULL, NULL },
    };
    char scenario[96];
    int fd, status;

    load.window = 2000;
    if (bench_options(argc, argv, options) != argc || load.receivers_wanted > 1 ||
        (load.receivers_wanted == 0 && !confirm) || ack_every == 0 || strlen(load.name) > 255)
        bench_fail("options", 0);
    load.receivers = mem_zeroed_array(1, sizeof(*load.receivers));
    fd = open_client();
    declare_queue(fd);
    if (load.receivers_wanted == 1) {
        consume(fd);
        load_set_peer(&load.receivers[0], fd, take_by_receiver);
    }
    fd = open_client();
    if (confirm)
        select_confirms(fd);
    set_packet();
    load_set_peer(&load.publisher, fd, take_by_publisher);
    load.is_acknowledged = confirm != 0;
    (void)snprintf(scenario, sizeof(scenario), "amqp %s%s%s",
                   persistent ? "persistent" : "transient", confirm ? " confirm" : "",
                   manual_ack ? " manual-ack" : " auto-ack");
    status = load_run(&load, scenario);
    if (!keep_queue)
        delete_queue();
    return status;
}
