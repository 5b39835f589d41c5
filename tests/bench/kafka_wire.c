/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/kafka_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/record/builder.h"
#include "broker/record/crc32c.h"
#include "broker/record/record.h"

#define API_PRODUCE      0
#define PRODUCE_VERSION  7
#define API_FETCH        1
#define FETCH_VERSION    11
#define API_METADATA     3
#define METADATA_VERSION 4
#define CLIENT_ID        "bench"
#define AT_CORRELATION   8
#define AT_CRC           17
#define AT_ATTRIBUTES    21
#define TIMEOUT_MS       10000
#define MAX_WAIT_MS      500
#define MAX_ANSWER_BYTES ((size_t)64 << 20)
#define READ_BYTES       ((size_t)64 << 10)
#define TOPIC_TRIES      100
#define TOPIC_PAUSE_MS   50

void kafka_open(struct kafka_wire *w, const char *host, uint64_t port)
{
    *w = (struct kafka_wire){ .fd = bench_connect(host, port) };
}

void kafka_close(struct kafka_wire *w)
{
    close(w->fd);
    text_done(&w->in);
}

static void add_string(struct text *t, const char *s)
{
    text_add_u16(t, (uint16_t)strlen(s));
    text_add(t, slice_str(s));
}

static void begin_request(struct text *t, uint16_t api, uint16_t version)
{
    text_clear(t);
    text_add_u32(t, 0); /* length */
    text_add_u16(t, api);
    text_add_u16(t, version);
    text_add_u32(t, 0); /* correlation */
    add_string(t, CLIENT_ID);
}

static void end_request(struct text *t)
{
    if (t->bad)
        bench_fail("memory", 0);
    put_u32(t->at, (uint32_t)(t->len - 4));
}

void kafka_number(struct kafka_wire *w, struct text *t)
{
    put_u32(t->at + AT_CORRELATION, w->next_correlation++);
}

bool kafka_read(struct kafka_wire *w)
{
    ssize_t n;

    if (!text_reserve(&w->in, READ_BYTES))
        bench_fail("memory", 0);
    n = read(w->fd, w->in.at + w->in.len, w->in.room - w->in.len);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        bench_fail("the broker closed the connection", n < 0 ? errno : 0);
    w->in.len += (size_t)n;
    return true;
}

bool kafka_next_answer(struct kafka_wire *w, size_t *taken, struct rd *ret)
{
    struct rd r = rd_of(slice_after(text_slice(&w->in), *taken));
    size_t before = r.left;
    uint32_t len = rd_u32(&r);

    if (!r.bad && len > MAX_ANSWER_BYTES)
        bench_fail("an answer of senseless length", 0);
    *ret = rd_fence(&r, len);
    if (r.bad)
        return false;
    if (rd_u32(ret) != w->await_correlation++)
        bench_fail("answers out of order", 0);
    *taken += before - r.left;
    return true;
}

void kafka_taken(struct kafka_wire *w, size_t taken)
{
    memmove(w->in.at, w->in.at + taken, w->in.len - taken);
    w->in.len -= taken;
}

struct rd kafka_ask(struct kafka_wire *w, struct text *t)
{
    size_t taken = 0;
    struct rd r;

    text_clear(&w->in);
    kafka_number(w, t);
    bench_write_all(w->fd, text_slice(t));
    do
        (void)kafka_read(w); /* blocks */
    while (!kafka_next_answer(w, &taken, &r));
    return r;
}

static void check_error(int16_t error)
{
    if (error == 0)
        return;
    fprintf(stderr, "bench: the broker answers error %d\n", error);
    exit(EXIT_FAILURE);
}

/* The error of the one topic in a metadata answer. */
static int16_t topic_error(struct rd r)
{
    int16_t error;

    (void)rd_u32(&r); /* throttle */
    for (uint32_t brokers = rd_u32(&r); brokers > 0 && !r.bad; brokers--) {
        uint16_t rack;

        (void)rd_u32(&r);
        (void)rd_bytes(&r, rd_u16(&r));
        (void)rd_u32(&r);
        rack = rd_u16(&r);
        (void)rd_bytes(&r, rack == UINT16_MAX ? 0 : rack);
    }
    (void)rd_bytes(&r, rd_u16(&r)); /* cluster */
    (void)rd_u32(&r);               /* controller */
    if (rd_u32(&r) != 1)
        bench_fail("metadata without the topic", 0);
    error = rd_i16(&r);
    if (r.bad)
        bench_fail("metadata", 0);
    return error;
}

void kafka_make_topic(struct kafka_wire *w, const char *topic)
{
    struct text t = { 0 };
    int16_t error = -1;

    begin_request(&t, API_METADATA, METADATA_VERSION);
    text_add_u32(&t, 1);
    add_string(&t, topic);
    text_add_byte(&t, 1); /* create it */
    end_request(&t);
    for (int i = 0; i < TOPIC_TRIES && error != 0; i++) {
        error = topic_error(kafka_ask(w, &t));
        if (error != 0)
            (void)poll(NULL, 0, TOPIC_PAUSE_MS); /* it may be still being made */
    }
    check_error(error);
    text_clear(&w->in);
    text_done(&t);
}

/* The batch: `records` values of `size` bytes, no keys, of now: old ones are soon retired. */
static struct block *make_batch(uint64_t records, uint64_t size)
{
    struct batch_builder b;
    struct block *block;
    uint8_t *value = mem_zeroed(size);

    memset(value, 'x', size);
    batch_builder_init(&b, (size_t)512 << 20, 0);
    for (uint64_t i = 0; i < records; i++)
        if (batch_builder_add(&b, clock_wall_ms(), SLICE_NONE, slice_of(value, size), 0,
                              SLICE_NONE) != RC_OK)
            bench_fail("batch", 0);
    batch_builder_seal(&b, 0, &block);
    mem_free(value);
    return block;
}

void kafka_make_produce(struct kafka_produce *p, const char *topic, uint64_t records, uint64_t size,
                        bool acks_all)
{
    struct block *batch = make_batch(records, size);
    struct record_reader reader;
    struct record first;

    *p = (struct kafka_produce){ 0 };
    begin_request(&p->request, API_PRODUCE, PRODUCE_VERSION);
    text_add_u16(&p->request, UINT16_MAX); /* no transaction */
    text_add_u16(&p->request, acks_all ? UINT16_MAX : 1);
    text_add_u32(&p->request, TIMEOUT_MS);
    text_add_u32(&p->request, 1);
    add_string(&p->request, topic);
    text_add_u32(&p->request, 1);
    text_add_u32(&p->request, 0); /* partition */
    text_add_u32(&p->request, (uint32_t)batch->len);
    p->batch_at = p->request.len;
    text_add(&p->request, block_slice(batch));
    end_request(&p->request);
    if (record_reader_open(block_slice(batch), 0, NULL, &reader, NULL, NULL) != RC_OK ||
        record_next(&reader, &first) != RC_OK || first.value.len < KAFKA_STAMP_BYTES)
        bench_fail("batch", 0);
    p->stamp_at = (size_t)(first.value.at - batch->at);
    block_unref(&batch);
}

void kafka_stamp(struct kafka_wire *w, struct kafka_produce *p, uint64_t number, uint64_t time_ns)
{
    uint8_t *batch = p->request.at + p->batch_at;
    size_t len = p->request.len - p->batch_at;

    bench_put_u64(batch + p->stamp_at, number);
    bench_put_u64(batch + p->stamp_at + 8, time_ns);
    put_u32(batch + AT_CRC, crc32c(slice_of(batch + AT_ATTRIBUTES, len - AT_ATTRIBUTES)));
    kafka_number(w, &p->request);
}

uint64_t kafka_take_produced(struct rd r)
{
    uint64_t offset;

    if (rd_u32(&r) != 1)
        bench_fail("a produce answer without the topic", 0);
    (void)rd_bytes(&r, rd_u16(&r));
    (void)rd_u32(&r);
    (void)rd_u32(&r); /* partition */
    check_error(rd_i16(&r));
    offset = rd_u64(&r);
    if (r.bad)
        bench_fail("a produce answer cut short", 0);
    return offset;
}

void kafka_make_fetch(struct text *t, const char *topic, uint64_t offset, uint64_t max_bytes)
{
    begin_request(t, API_FETCH, FETCH_VERSION);
    text_add_u32(t, UINT32_MAX); /* no replica */
    text_add_u32(t, MAX_WAIT_MS);
    text_add_u32(t, 1); /* bytes at least */
    text_add_u32(t, (uint32_t)max_bytes);
    text_add_byte(t, 0); /* read uncommitted */
    text_add_u32(t, 0);  /* no session */
    text_add_u32(t, UINT32_MAX);
    text_add_u32(t, 1);
    add_string(t, topic);
    text_add_u32(t, 1);
    text_add_u32(t, 0); /* partition */
    text_add_u32(t, UINT32_MAX);
    text_add_u64(t, offset);
    text_add_u64(t, UINT64_MAX);
    text_add_u32(t, (uint32_t)max_bytes);
    text_add_u32(t, 0); /* nothing forgotten */
    add_string(t, "");
    end_request(t);
}

struct slice kafka_take_fetched(struct rd r, uint64_t *ret_end)
{
    struct slice batches;
    uint32_t aborted;

    (void)rd_u32(&r); /* throttle */
    check_error(rd_i16(&r));
    (void)rd_u32(&r); /* session */
    if (rd_u32(&r) != 1)
        bench_fail("a fetch answer without the topic", 0);
    (void)rd_bytes(&r, rd_u16(&r));
    (void)rd_u32(&r);
    (void)rd_u32(&r); /* partition */
    check_error(rd_i16(&r));
    *ret_end = rd_u64(&r);
    (void)rd_u64(&r);
    (void)rd_u64(&r);
    aborted = rd_u32(&r);
    for (uint32_t i = 0; aborted != UINT32_MAX && i < aborted && !r.bad; i++)
        (void)rd_bytes(&r, 16);
    (void)rd_u32(&r);
    batches = rd_bytes(&r, rd_u32(&r));
    if (r.bad)
        bench_fail("a fetch answer cut short", 0);
    return batches;
}
