/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/producer.h"

#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/stream_int.h"

/* Kafka's clients keep at most five requests in flight: a duplicate is among the last five. */
#define PRODUCER_BATCHES 5
/* Producers that one partition remembers; the one silent for longest is forgotten first. */
#define PRODUCERS_MAX 10000

struct produced {
    int32_t first_sequence;
    int32_t last_sequence;
    uint64_t base_offset;
};

struct producer {
    struct map_node by_id;
    struct link link; /* in table->order, the latest last */
    uint8_t id_bytes[8];
    uint64_t id;
    int16_t epoch;
    unsigned count;
    struct produced last[PRODUCER_BATCHES]; /* oldest first */
};

struct producer_table {
    struct map producers;
    struct list order;
};

uint64_t producer_new_id(struct core *core)
{
    return core_number(core);
}

static struct producer_table *table_of(struct partition *p)
{
    if (p->producers == NULL) {
        p->producers = mem_new(struct producer_table);
        map_init(&p->producers->producers);
        list_init(&p->producers->order);
    }
    return p->producers;
}

static struct producer *find(struct partition *p, uint64_t id)
{
    uint8_t bytes[8];
    struct map_node *node;

    if (p->producers == NULL)
        return NULL;
    put_u64(bytes, id);
    node = map_get(&p->producers->producers, slice_of(bytes, sizeof(bytes)));
    return node == NULL ? NULL : CONTAINER_OF(node, struct producer, by_id);
}

static void producer_free(struct producer_table *table, struct producer *producer)
{
    map_remove(&table->producers, &producer->by_id);
    link_remove(&producer->link);
    mem_free(producer);
}

/* ---- the catalogue: key: log u32, id u64; value: epoch u16, count u8, batches ---- */

struct producer_key {
    uint8_t bytes[12];
};

static struct producer_key producer_key(const struct partition *p, uint64_t id)
{
    struct producer_key key;

    put_u32(key.bytes, p->log);
    put_u64(key.bytes + 4, id);
    return key;
}

static void producer_record(struct partition *p, const struct producer *producer)
{
    uint8_t value[3 + PRODUCER_BATCHES * 16];
    struct wr w = wr_of(value, sizeof(value));
    struct producer_key key = producer_key(p, producer->id);

    if (p->unlogged != NULL)
        return; /* a start finds none of its records either */
    wr_i16(&w, producer->epoch);
    wr_u8(&w, (uint8_t)producer->count);
    for (unsigned i = 0; i < producer->count; i++) {
        wr_i32(&w, producer->last[i].first_sequence);
        wr_i32(&w, producer->last[i].last_sequence);
        wr_u64(&w, producer->last[i].base_offset);
    }
    partition_took_ticket(p, meta_put(p->stream->core->store, META_PRODUCERS,
                                      slice_of(key.bytes, sizeof(key.bytes)), wr_slice(&w),
                                      DURABILITY_MEMORY));
}

static struct producer *producer_make(struct partition *p, uint64_t id)
{
    struct producer_table *table = table_of(p);
    struct producer *producer = mem_new(struct producer);

    producer->id = id;
    put_u64(producer->id_bytes, id);
    map_add(&table->producers, slice_of(producer->id_bytes, sizeof(producer->id_bytes)),
            &producer->by_id);
    list_append(&table->order, &producer->link);
    return producer;
}

static void forget_oldest(struct partition *p)
{
    struct producer_table *table = table_of(p);
    struct producer *oldest;
    struct producer_key key;

    if (table->producers.count < PRODUCERS_MAX)
        return;
    oldest = LIST_FIRST(&table->order, struct producer, link);
    key = producer_key(p, oldest->id);
    core_delete(p->stream->core, META_PRODUCERS, slice_of(key.bytes, sizeof(key.bytes)));
    producer_free(table, oldest);
}

/* Sequences wrap from 2^31 - 1 to 0. */
static int32_t sequence_after(int32_t sequence, uint32_t count)
{
    return (int32_t)(((uint32_t)sequence + count) & INT32_MAX);
}

enum rc producer_check(struct partition *p, const struct batch_header *batch,
                       struct append_result *ret_duplicate)
{
    struct producer *producer;

    if (batch->producer_id < 0)
        return RC_OK;
    producer = find(p, (uint64_t)batch->producer_id);
    if (producer == NULL)
        return RC_OK; /* its state may have been forgotten: Kafka accepts any first sequence */
    if (batch->producer_epoch < producer->epoch)
        return RC_FENCED;
    if (batch->producer_epoch > producer->epoch)
        return batch->base_sequence == 0 ? RC_OK : RC_SEQUENCE;
    for (unsigned i = 0; i < producer->count; i++) {
        const struct produced *before = &producer->last[i];

        if (before->first_sequence != batch->base_sequence ||
            before->last_sequence != sequence_after(batch->base_sequence, batch->last_offset_delta))
            continue;
        *ret_duplicate = (struct append_result){ before->base_offset, p->start };
        return RC_DUPLICATE;
    }
    if (producer->count > 0 &&
        batch->base_sequence !=
            sequence_after(producer->last[producer->count - 1].last_sequence, 1))
        return RC_SEQUENCE;
    return RC_OK;
}

void producer_appended(struct partition *p, const struct batch_header *batch, uint64_t base_offset)
{
    struct producer *producer;

    if (batch->producer_id < 0)
        return;
    producer = find(p, (uint64_t)batch->producer_id);
    if (producer == NULL) {
        forget_oldest(p);
        producer = producer_make(p, (uint64_t)batch->producer_id);
    }
    if (producer->epoch != batch->producer_epoch)
        producer->count = 0;
    producer->epoch = batch->producer_epoch;
    if (producer->count == PRODUCER_BATCHES) {
        memmove(producer->last, producer->last + 1,
                (PRODUCER_BATCHES - 1) * sizeof(producer->last[0]));
        producer->count--;
    }
    producer->last[producer->count++] =
        (struct produced){ batch->base_sequence,
                           sequence_after(batch->base_sequence, batch->last_offset_delta),
                           base_offset };
    link_remove(&producer->link);
    list_append(&p->producers->order, &producer->link);
    producer_record(p, producer);
}

void producers_free(struct partition *p)
{
    if (p->producers == NULL)
        return;
    while (!list_is_empty(&p->producers->order))
        producer_free(p->producers, LIST_FIRST(&p->producers->order, struct producer, link));
    map_done(&p->producers->producers);
    MEM_FREE(p->producers);
}

void producers_drop(struct partition *p)
{
    if (p->producers == NULL)
        return;
    LIST_EACH (k, &p->producers->order) {
        struct producer_key key = producer_key(p, CONTAINER_OF(k, struct producer, link)->id);

        core_delete(p->stream->core, META_PRODUCERS, slice_of(key.bytes, sizeof(key.bytes)));
    }
}

enum rc producer_load(struct core *core, struct slice key, struct slice value)
{
    struct rd key_rd = rd_of(key);
    struct rd rd = rd_of(value);
    struct partition *p = partition_of_log(core, rd_u32(&key_rd));
    uint64_t id = rd_u64(&key_rd);
    int16_t epoch = rd_i16(&rd);
    unsigned count = rd_u8(&rd);
    struct producer *producer;

    if (key_rd.bad || count > PRODUCER_BATCHES)
        return RC_CORRUPT;
    if (p == NULL || PLANTED("producer-forgotten"))
        return RC_OK; /* of a log that is gone */
    producer = producer_make(p, id);
    producer->epoch = epoch;
    for (unsigned i = 0; i < count; i++) {
        producer->last[i].first_sequence = rd_i32(&rd);
        producer->last[i].last_sequence = rd_i32(&rd);
        producer->last[i].base_offset = rd_u64(&rd);
    }
    producer->count = count;
    return rd.bad ? RC_CORRUPT : RC_OK;
}
