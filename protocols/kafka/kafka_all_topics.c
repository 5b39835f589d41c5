/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata of all topics. There may be a million, so they are looked at and encoded some in each
 * turn, into blocks; head and end of the answer are encoded as if there were none, and go around
 * them. A topic that comes or goes meanwhile may or may not be told. */
#include "protocols/kafka/kafka_all_topics.h"

#include "broker/base/block.h"
#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

/* A turn's part: topics between looks at the clock, and when it is over. */
#define PART_TOPICS 64
#define PART_NS     UINT64_C(500000)
#define BLOCK_BYTES ((size_t)64 << 10)
/* The stream that it stood at went away so often: then the rest is one part. */
#define RESTARTS_MAX 10
#define COUNT_ROOM   5

struct all_topics {
    struct kafka_request *request; /* borrowed: its state */
    struct timer timer;
    struct kafka_shown shown;
    bool has_operations;
    struct text after; /* owned: the name of the stream that was looked at last */
    bool has_after;
    unsigned restarts;
    struct text filling;   /* owned: topics as they are encoded */
    struct block **blocks; /* owned, each with a reference: those before */
    size_t block_count;
    size_t block_room;
    size_t bytes; /* of the blocks */
    uint32_t topics;
};

static void forget(struct all_topics *all)
{
    for (size_t i = 0; i < all->block_count; i++)
        block_unref(&all->blocks[i]);
    all->block_count = 0;
    all->bytes = 0;
    all->topics = 0;
    all->has_after = false;
    text_clear(&all->filling);
}

static void on_cancel(struct kafka_request *request)
{
    struct all_topics *all = request->state;

    timer_done(&all->timer);
}

static void on_done(struct kafka_request *request)
{
    struct all_topics *all = request->state;

    timer_done(&all->timer);
    forget(all);
    mem_free(all->blocks);
    text_done(&all->filling);
    text_done(&all->after);
    mem_free(all);
}

/* ---- encoding ---- */

static void free_bytes(void *arg, struct block *block)
{
    (void)arg;
    mem_free(block->at);
}

static void fill_block(struct all_topics *all)
{
    struct block *block;
    size_t len;
    uint8_t *at;

    if (all->filling.len == 0 || all->filling.bad)
        return;
    at = text_take(&all->filling, &len);
    block = block_around(slice_of(at, len), free_bytes, NULL);
    if (block == NULL) {
        mem_free(at);
        all->request->arena.bad = true; /* as without memory in it */
        return;
    }
    if (all->block_count == all->block_room) {
        all->block_room = all->block_room == 0 ? 16 : all->block_room * 2;
        all->blocks = mem_resize(all->blocks, all->block_room * sizeof(struct block *));
    }
    all->blocks[all->block_count++] = block;
    all->bytes += len;
}

static void add_topic(struct all_topics *all, const struct kafka_metadata_topic_result *topic)
{
    const struct kafka_request *request = all->request;
    struct kafka_encoder e = { .w = wr_counting() };
    size_t len;

    kafka_encode(&e, &kafka_metadata_topic_result_type, request->header.version,
                 request->is_flexible, topic);
    len = e.w.len;
    if (!text_reserve(&all->filling, len))
        return; /* its `bad` is looked at in the end */
    e = (struct kafka_encoder){ .w = wr_of(all->filling.at + all->filling.len, len) };
    kafka_encode(&e, &kafka_metadata_topic_result_type, request->header.version,
                 request->is_flexible, topic);
    all->filling.len += len;
    all->topics++;
    if (all->filling.len >= BLOCK_BYTES)
        fill_block(all);
}

static void look_at(struct all_topics *all, struct stream *stream)
{
    struct kafka_metadata_topic_result topic;
    struct slice name = kafka_topic_name_now(all->request, stream);

    /* what it may not see is left out, and is no refusal: it did not ask for it */
    if (name.at == NULL ||
        !may_use(all->request->client, OPERATION_DESCRIBE, RESOURCE_TOPIC, stream_name(stream)))
        return;
    kafka_defaults(&kafka_metadata_topic_result_type, &topic);
    kafka_fill_topic(all->request, all->has_operations, stream, name, &all->shown, &topic);
    add_topic(all, &topic);
}

/* ---- the answer ---- */

/* What of the response stands behind its topics. */
static size_t tail_bytes(const struct kafka_request *request)
{
    int16_t version = request->header.version;

    return (version >= 8 && version <= 10 ? 4u : 0u) + (version >= 13 ? 2u : 0u) +
           (request->is_flexible ? 1u : 0u);
}

/* The response was encoded without topics: their number, and they, go in between. */
static bool write_answer(struct kafka_request *request)
{
    struct all_topics *all = request->state;
    struct kafka_encoder count = { .w = wr_counting() }, e = { 0 };
    size_t tail = tail_bytes(request), old = request->is_flexible ? 1 : 4, split;
    uint8_t number[COUNT_ROOM];
    struct wr w = wr_of(number, sizeof(number));
    struct text text = { 0 };
    uint64_t frame;

    if (all->filling.bad)
        return false;
    kafka_encode_answer(&count, request, 0);
    if (request->is_flexible)
        wr_uvarint(&w, (uint64_t)all->topics + 1);
    else
        wr_u32(&w, all->topics);
    ASSERT(count.w.len >= tail + old && !w.bad);
    split = count.w.len - tail - old;
    frame = (uint64_t)split + w.len + all->bytes + tail - sizeof(uint32_t);
    if (count.w.bad || frame > INT32_MAX || !text_reserve(&text, count.w.len)) {
        text_done(&text);
        return false;
    }
    e.w = wr_of(text.at, count.w.len);
    kafka_encode_answer(&e, request, (size_t)frame);
    conn_write(request->conn, slice_of(text.at, split));
    conn_write(request->conn, wr_slice(&w));
    for (size_t i = 0; i < all->block_count; i++)
        conn_write_block(request->conn, all->blocks[i], block_slice(all->blocks[i]));
    conn_write(request->conn, slice_of(text.at + split + old, tail));
    text_done(&text);
    return true;
}

/* ---- in parts ---- */

/* Where it stood; NULL: before the first. */
static struct stream *stand(struct all_topics *all)
{
    struct stream *stream;

    if (!all->has_after)
        return NULL;
    stream = stream_find(all->request->kafka->core, text_slice(&all->after));
    if (stream == NULL) {
        all->restarts++;
        forget(all);
    }
    return stream;
}

/* True when all were looked at. */
static bool look(struct all_topics *all)
{
    struct core *core = all->request->kafka->core;
    uint64_t end_ns = clock_monotonic_ns() + PART_NS;
    struct stream *at = stand(all), *stream;
    unsigned n = 0;

    while ((stream = stream_next(core, at)) != NULL) {
        look_at(all, stream);
        at = stream;
        if (++n % PART_TOPICS == 0 && all->restarts < RESTARTS_MAX &&
            clock_monotonic_ns() >= end_ns)
            break;
    }
    text_clear(&all->after);
    all->has_after = at != NULL;
    if (at != NULL)
        text_add(&all->after, stream_name(at));
    return stream == NULL;
}

static void step(void *arg)
{
    struct all_topics *all = arg;

    if (!look(all)) {
        timer_start(&all->timer, 0);
        return;
    }
    fill_block(all);
    all->request->write_answer = write_answer;
    kafka_answer(all->request);
}

void kafka_answer_all_topics(struct kafka_request *request, bool has_operations)
{
    struct all_topics *all = mem_new(struct all_topics);

    all->request = request;
    all->has_operations = has_operations;
    timer_init(&all->timer, request->kafka->loop, step, all);
    request->state = all;
    request->on_cancel = on_cancel;
    request->on_done = on_done;
    step(all);
}
