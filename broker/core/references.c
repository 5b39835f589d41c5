/* SPDX-License-Identifier: Apache-2.0 */
/* Packed, and recorded: for each reference that is not settled, or each run of them
 *
 *   flags    uvarint   2 bits QoS, then PINS (not recorded), STEP, RUN, LOG, SENT, RETAIN, GAP,
 *                      SHARE, SIZE
 *   gap      uvarint   if GAP: places that are passed over, less one
 *   log      uvarint   if LOG: the log's number, when not the one before
 *   step     varint    if STEP: offset - offset before, when not that of the one before
 *   share    uvarint   if SHARE: the slot of the shared subscription
 *   size     byte      if SIZE: its size, when not that of the one before
 *   run      uvarint   if RUN: how many more like it follow, less one
 *
 * Before the first stand log 0, offset 0, step 0 and size 0. */
#include "broker/core/references.h"

#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"

#define ITEMS_FIRST 8

enum {
    IS_QOS = 3,
    IS_PINS = 4,
    HAS_STEP = 8,
    HAS_RUN = 16,
    HAS_LOG = 32,
    IS_SENT = 64,
    IS_RETAIN = 128,
    HAS_GAP = 256,
    HAS_SHARE = 512,
    HAS_SIZE = 1024,
    IS_OWN = 2048,
    FLAGS_END = 4096,
};

struct reference_chunk {
    struct reference *items; /* owned; NULL when it is packed */
    uint8_t *packed;         /* owned; NULL when it is not */
    uint32_t packed_bytes;
    uint16_t from; /* place of items[0] */
    uint16_t count;
    uint16_t room;
    bool has_qos0; /* when packed */
};

/* ---- packing ---- */

struct coder {
    uint64_t offset;
    uint64_t step;
    uint32_t log;
    unsigned size;
    unsigned place; /* the next */
};

static unsigned kind_of(const struct reference *r)
{
    return r->qos | ((r->flags & REFERENCE_PINS) != 0 ? IS_PINS : 0u) |
           (r->attempts > 0 || r->state == REFERENCE_SENT ? IS_SENT : 0u) |
           ((r->flags & REFERENCE_RETAIN) != 0 ? IS_RETAIN : 0u) |
           ((r->flags & REFERENCE_OWN) != 0 ? IS_OWN : 0u) | (r->share != 0 ? HAS_SHARE : 0u);
}

/* How many after `at` are like it, one after the other. */
static unsigned run_of(const struct reference *items, unsigned count, unsigned at, uint64_t step)
{
    unsigned n = 0;

    while (at + n + 1 < count) {
        const struct reference *r = &items[at + n], *next = r + 1;

        if (next->state == REFERENCE_SETTLED || next->log != r->log ||
            next->offset - r->offset != step || kind_of(next) != kind_of(r) ||
            next->share != r->share || next->size != r->size)
            break;
        n++;
    }
    return n;
}

/* `items` stand at places from `from` on. */
static void encode(const struct reference *items, unsigned from, unsigned count, unsigned kinds,
                   struct text *out)
{
    struct coder before = { 0 };

    for (unsigned i = 0, run; i < count; i += run + 1) {
        const struct reference *r = &items[i];
        uint64_t step = r->offset - before.offset;
        unsigned flags = kind_of(r) & kinds;

        run = 0;
        if (r->state == REFERENCE_SETTLED)
            continue;
        run = run_of(items, count, i, step);
        flags |= (from + i != before.place ? HAS_GAP : 0u) | (r->log != before.log ? HAS_LOG : 0u) |
                 (step != before.step ? HAS_STEP : 0u) | (run > 0 ? HAS_RUN : 0u) |
                 (r->size != before.size ? HAS_SIZE : 0u);
        text_add_uvarint(out, flags);
        if ((flags & HAS_GAP) != 0)
            text_add_uvarint(out, from + i - before.place - 1);
        if ((flags & HAS_LOG) != 0)
            text_add_uvarint(out, r->log);
        if ((flags & HAS_STEP) != 0)
            text_add_varint(out, (int64_t)step);
        if ((flags & HAS_SHARE) != 0)
            text_add_uvarint(out, r->share);
        if ((flags & HAS_SIZE) != 0)
            text_add_byte(out, r->size);
        if ((flags & HAS_RUN) != 0)
            text_add_uvarint(out, run - 1);
        before =
            (struct coder){ r->offset + run * step, step, r->log, r->size, from + i + run + 1 };
    }
}

static struct reference reference_of(unsigned flags, const struct coder *at, uint16_t share)
{
    return (struct reference){
        .offset = at->offset,
        .log = at->log,
        .qos = flags & IS_QOS,
        .size = at->size & 63u,
        .state = REFERENCE_OWED,
        .attempts = (flags & IS_SENT) != 0,
        .flags = (((flags & IS_PINS) != 0 ? REFERENCE_PINS : 0u) |
                  ((flags & IS_RETAIN) != 0 ? REFERENCE_RETAIN : 0u) |
                  ((flags & IS_OWN) != 0 ? REFERENCE_OWN : 0u)) &
                 0xfu,
        .share = share,
    };
}

static enum rc decode_run(struct rd *rd, struct coder *at, struct reference *ret)
{
    unsigned flags = (unsigned)rd_uvarint(rd, 2);
    uint64_t more = 0, share = 0;

    if ((flags & HAS_GAP) != 0) {
        uint64_t gap = rd_uvarint(rd, 2);

        at->place += gap < REFERENCE_CHUNK ? (unsigned)gap + 1 : REFERENCE_CHUNK;
    }
    if ((flags & HAS_LOG) != 0)
        at->log = (uint32_t)rd_uvarint(rd, 5);
    if ((flags & HAS_STEP) != 0)
        at->step = (uint64_t)rd_varint(rd);
    if ((flags & HAS_SHARE) != 0)
        share = rd_uvarint(rd, 3);
    if ((flags & HAS_SIZE) != 0)
        at->size = rd_u8(rd);
    if ((flags & HAS_RUN) != 0)
        more = rd_uvarint(rd, 2) + 1;
    if (rd->bad || flags >= FLAGS_END || (flags & IS_QOS) == IS_QOS || share > UINT16_MAX ||
        at->size > 63 || at->place >= REFERENCE_CHUNK || more >= REFERENCE_CHUNK - at->place)
        return RC_CORRUPT;
    for (uint64_t i = 0; i <= more; i++) {
        at->offset += at->step;
        ret[at->place++] = reference_of(flags, at, (uint16_t)share);
    }
    return RC_OK;
}

enum rc references_decode(struct slice bytes, struct reference ret[REFERENCE_CHUNK],
                          unsigned *ret_end)
{
    struct rd rd = rd_of(bytes);
    struct coder at = { 0 };

    for (unsigned i = 0; i < REFERENCE_CHUNK; i++)
        ret[i] = (struct reference){ .state = REFERENCE_SETTLED };
    while (rd.left > 0) {
        if (decode_run(&rd, &at, ret) != RC_OK)
            return RC_CORRUPT;
    }
    *ret_end = at.place;
    return RC_OK;
}

/* ---- chunks ---- */

static uint64_t chunk_number(uint64_t number)
{
    return number >> REFERENCE_CHUNK_SHIFT;
}

static unsigned place_of(uint64_t number)
{
    return (unsigned)(number & (REFERENCE_CHUNK - 1));
}

static struct reference_chunk *chunk_at(const struct references *refs, uint64_t chunk)
{
    return ring_at(&refs->chunks, (size_t)(chunk - chunk_number(refs->first)));
}

static void chunk_free(struct reference_chunk *chunk)
{
    MEM_FREE(chunk->items);
    MEM_FREE(chunk->packed);
}

/* The first of its items that is not forgotten. */
static unsigned alive_from(const struct references *refs, uint64_t number,
                           const struct reference_chunk *chunk)
{
    return number == chunk_number(refs->first) ? place_of(refs->first) : chunk->from;
}

static void chunk_pack(struct references *refs, uint64_t number)
{
    struct reference_chunk *chunk = chunk_at(refs, number);
    unsigned from = alive_from(refs, number, chunk);
    unsigned skip = from - chunk->from, count = chunk->count - skip;
    const struct reference *items;
    struct text out = { 0 };

    if (chunk->packed != NULL || (uint64_t)from + count < REFERENCE_CHUNK)
        return;
    items = chunk->items + skip;
    chunk->has_qos0 = false;
    for (unsigned i = 0; i < count; i++) {
        if (items[i].state == REFERENCE_SENT)
            return;
        chunk->has_qos0 |= items[i].state == REFERENCE_OWED && items[i].qos == 0;
    }
    encode(items, from, count, FLAGS_END - 1, &out);
    if (out.bad) {
        text_done(&out);
        return; /* without memory it stays as it is */
    }
    chunk->packed_bytes = (uint32_t)out.len;
    chunk->packed = mem_get(out.len);
    if (out.len > 0)
        memcpy(chunk->packed, out.at, out.len);
    text_done(&out);
    MEM_FREE(chunk->items);
}

static void decode_own(const struct references *refs, uint64_t number,
                       const struct reference_chunk *chunk, struct reference *ret)
{
    unsigned end;
    enum rc rc = references_decode(slice_of(chunk->packed, chunk->packed_bytes), ret, &end);

    ASSERT(rc == RC_OK);
    for (unsigned i = 0; i < REFERENCE_CHUNK; i++) {
        if ((number << REFERENCE_CHUNK_SHIFT) + i < refs->sent_below)
            ret[i].attempts = 1;
    }
}

static void chunk_unpack(const struct references *refs, uint64_t number,
                         struct reference_chunk *chunk)
{
    if (chunk->packed == NULL)
        return;
    chunk->items = mem_new_array(struct reference, REFERENCE_CHUNK);
    decode_own(refs, number, chunk, chunk->items);
    chunk->from = 0;
    chunk->count = chunk->room = REFERENCE_CHUNK;
    MEM_FREE(chunk->packed);
}

/* ---- all of them ---- */

void references_init(struct references *refs)
{
    *refs = (struct references){ .first = 0 };
    ring_init(&refs->chunks, sizeof(struct reference_chunk));
}

static void drop_first_chunk(struct references *refs)
{
    chunk_free(ring_front(&refs->chunks));
    ring_pop(&refs->chunks, 1);
}

void references_free(struct references *refs)
{
    while (refs->chunks.count > 0)
        drop_first_chunk(refs);
    ring_done(&refs->chunks);
    refs->first = refs->end;
}

void references_start(struct references *refs, uint64_t number)
{
    ASSERT(references_is_empty(refs));
    refs->first = refs->end = number;
}

struct reference *references_at(struct references *refs, uint64_t number)
{
    struct reference_chunk *chunk;

    ASSERT(number >= refs->first && number < refs->end);
    chunk = chunk_at(refs, chunk_number(number));
    chunk_unpack(refs, chunk_number(number), chunk);
    return &chunk->items[place_of(number) - chunk->from];
}

/* Room for one more item: forgotten ones at the front make it, or it grows. */
static void chunk_reserve(const struct references *refs, struct reference_chunk *chunk)
{
    unsigned dead = alive_from(refs, chunk_number(refs->end), chunk) - chunk->from;

    if (chunk->count < chunk->room)
        return;
    if (dead > 0 && dead >= chunk->room / 2u) {
        chunk->count = (uint16_t)(chunk->count - dead);
        chunk->from = (uint16_t)(chunk->from + dead);
        memmove(chunk->items, chunk->items + dead, chunk->count * sizeof(*chunk->items));
        return;
    }
    chunk->room = (uint16_t)(chunk->room == 0 ? ITEMS_FIRST : chunk->room * 2);
    chunk->items = mem_resize(chunk->items, chunk->room * sizeof(*chunk->items));
}

uint64_t references_push(struct references *refs, const struct reference *reference)
{
    uint64_t number = refs->end;
    struct reference_chunk *chunk;

    if (references_is_empty(refs) || place_of(number) == 0) {
        if (!references_is_empty(refs))
            chunk_pack(refs, chunk_number(number) - 1);
        chunk = ring_push(&refs->chunks);
        *chunk = (struct reference_chunk){ .from = (uint16_t)place_of(number) };
    }
    chunk = chunk_at(refs, chunk_number(number));
    ASSERT(chunk->packed == NULL); /* it is not full */
    chunk_reserve(refs, chunk);
    chunk->items[chunk->count++] = *reference;
    refs->end++;
    return number;
}

/* Room for one more item at the front of the first chunk, whose items now begin with it. */
static void chunk_reserve_front(struct references *refs, struct reference_chunk *chunk)
{
    unsigned place = place_of(refs->first - 1);

    chunk_unpack(refs, chunk_number(refs->first - 1), chunk);
    if (chunk->from <= place)
        return;
    ASSERT(chunk->from == place + 1);
    if (chunk->count == chunk->room) {
        chunk->room = (uint16_t)(chunk->room == 0 ? ITEMS_FIRST : chunk->room * 2);
        chunk->items = mem_resize(chunk->items, chunk->room * sizeof(*chunk->items));
    }
    memmove(chunk->items + 1, chunk->items, chunk->count * sizeof(*chunk->items));
    chunk->count++;
    chunk->from--;
}

uint64_t references_push_front(struct references *refs, const struct reference *reference)
{
    struct reference_chunk *chunk;

    ASSERT(refs->first > 0);
    if (references_is_empty(refs) || place_of(refs->first) == 0) {
        chunk = ring_push_front(&refs->chunks);
        *chunk = (struct reference_chunk){ .from = (uint16_t)(place_of(refs->first - 1) + 1) };
    } else {
        chunk = ring_front(&refs->chunks);
    }
    chunk_reserve_front(refs, chunk);
    refs->first--;
    *references_at(refs, refs->first) = *reference;
    return refs->first;
}

void references_take_back(struct references *refs)
{
    uint64_t number = refs->end - 1;
    struct reference_chunk *chunk = chunk_at(refs, chunk_number(number));

    ASSERT(!references_is_empty(refs) && chunk->packed == NULL);
    chunk->count--;
    refs->end = number;
    if (place_of(number) != 0 && !references_is_empty(refs))
        return;
    chunk_free(chunk);
    ring_drop_last(&refs->chunks);
}

void references_pop(struct references *refs)
{
    ASSERT(!references_is_empty(refs));
    refs->first++;
    if (place_of(refs->first) == 0 || references_is_empty(refs))
        drop_first_chunk(refs);
}

void references_pack(struct references *refs)
{
    if (references_is_empty(refs))
        return;
    for (uint64_t n = chunk_number(refs->first); n < chunk_number(refs->end); n++)
        chunk_pack(refs, n);
}

void references_each(struct references *refs, bool (*wants)(bool is_packed, bool has_qos0),
                     references_visit_fn *visit, void *arg)
{
    uint64_t number = refs->first;

    while (number < refs->end) {
        uint64_t chunk = chunk_number(number);
        uint64_t end = (chunk + 1) << REFERENCE_CHUNK_SHIFT;
        const struct reference_chunk *at = chunk_at(refs, chunk);
        bool was_packed = at->packed != NULL;

        if (end > refs->end)
            end = refs->end;
        if (wants != NULL && !wants(was_packed, was_packed && at->has_qos0)) {
            number = end;
            continue;
        }
        for (; number < end; number++)
            visit(arg, number, references_at(refs, number));
        if (was_packed)
            chunk_pack(refs, chunk);
    }
}

uint64_t references_take_chunk(struct references *refs, references_visit_fn *visit, void *arg)
{
    uint64_t number = refs->first, chunk = chunk_number(number);
    uint64_t end = (chunk + 1) << REFERENCE_CHUNK_SHIFT;

    ASSERT(!references_is_empty(refs));
    if (end > refs->end)
        end = refs->end;
    for (; number < end; number++)
        visit(arg, number, references_at(refs, number));
    drop_first_chunk(refs);
    refs->first = end;
    return chunk;
}

void references_encode(struct references *refs, uint64_t chunk, struct text *out)
{
    struct reference items[REFERENCE_CHUNK];
    const struct reference_chunk *at;
    unsigned from, skip;

    if (references_is_empty(refs) || chunk < chunk_number(refs->first) ||
        chunk > chunk_number(refs->end - 1))
        return;
    at = chunk_at(refs, chunk);
    from = alive_from(refs, chunk, at);
    if (at->packed != NULL) {
        decode_own(refs, chunk, at, items);
        encode(items + from, from, REFERENCE_CHUNK - from, (FLAGS_END - 1) & ~(unsigned)IS_PINS,
               out);
        return;
    }
    skip = from - at->from;
    encode(at->items + skip, from, at->count - skip, (FLAGS_END - 1) & ~(unsigned)IS_PINS, out);
}
