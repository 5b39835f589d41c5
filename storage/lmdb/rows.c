/* SPDX-License-Identifier: Apache-2.0 */
/* A packed block: for each row a byte of flags, then what differs from what is most likely:
 *
 *   GAP      uvarint   base offset - end of the row before
 *   COUNT    uvarint   record count, when not that of the row before
 *   STEP     varint    position - position before, when not that of the row before
 *   LENGTH   uvarint   length, when not that of the row before
 *   TIME     varint    greatest timestamp - that of the row before
 *   SEGMENT  uvarint   segment, when not that of the row before
 *
 * "Before" the first row stands one that is all zero, but for its end. */
#include "storage/lmdb/rows.h"

#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"

#define ROWS_FIRST 2
/* Rows that stay as they are, so that the newest can grow and few reads meet a packed one. */
#define FRESH_MAX (2 * ROWS_BLOCK)
/* Trimmed rows that are worth moving the others for. */
#define ROWS_COMPACT_AT  64
#define ROW_MOST_BYTES   46
#define BLOCK_MOST_BYTES (ROWS_BLOCK * ROW_MOST_BYTES)

enum row_flag { GAP = 1, COUNT = 2, STEP = 4, LENGTH = 8, TIME = 16, SEGMENT = 32 };

struct packed {
    uint64_t base_offset;
    int64_t max_timestamp_ms; /* of its rows, and of all that were packed before */
    uint16_t len;
    uint8_t bytes[];
};

struct rows_old {
    struct packed **blocks; /* owned ring without wrapping, of owned */
    uint32_t head;
    uint32_t count;
    uint32_t room;
    uint32_t front_at; /* rows of `front` that are gone */
    struct row *front; /* owned: the oldest rows, unpacked to be forgotten one by one; or NULL */
    int64_t max_timestamp_ms;
};

/* ---- packing ---- */

struct state {
    struct row row;
    int64_t step;
};

static void pack_row(struct wr *w, struct state *before, const struct row *row)
{
    uint64_t gap = row->base_offset - row_end(&before->row);
    int64_t step = (int64_t)row->position - before->row.position;
    int64_t time =
        (int64_t)((uint64_t)row->max_timestamp_ms - (uint64_t)before->row.max_timestamp_ms);
    unsigned flags =
        (gap != 0 ? GAP : 0u) | (row->record_count != before->row.record_count ? COUNT : 0u) |
        (step != before->step ? STEP : 0u) | (row->length != before->row.length ? LENGTH : 0u) |
        (time != 0 ? TIME : 0u) | (row->segment != before->row.segment ? SEGMENT : 0u);

    wr_u8(w, (uint8_t)flags);
    if ((flags & GAP) != 0)
        wr_uvarint(w, gap);
    if ((flags & COUNT) != 0)
        wr_uvarint(w, row->record_count);
    if ((flags & STEP) != 0)
        wr_varint(w, step);
    if ((flags & LENGTH) != 0)
        wr_uvarint(w, row->length);
    if ((flags & TIME) != 0)
        wr_varint(w, time);
    if ((flags & SEGMENT) != 0)
        wr_uvarint(w, row->segment);
    *before = (struct state){ *row, step };
}

static struct packed *pack(const struct row *rows, int64_t max_timestamp_ms)
{
    uint8_t bytes[BLOCK_MOST_BYTES];
    struct wr w = wr_of(bytes, sizeof(bytes));
    struct state before = { .row = { .base_offset = rows[0].base_offset } };
    struct packed *packed;

    for (unsigned i = 0; i < ROWS_BLOCK; i++) {
        pack_row(&w, &before, &rows[i]);
        if (rows[i].max_timestamp_ms > max_timestamp_ms)
            max_timestamp_ms = rows[i].max_timestamp_ms;
    }
    ASSERT(!w.bad);
    packed = mem_get(offsetof(struct packed, bytes) + w.len);
    packed->base_offset = rows[0].base_offset;
    packed->max_timestamp_ms = max_timestamp_ms;
    packed->len = (uint16_t)w.len;
    memcpy(packed->bytes, bytes, w.len);
    return packed;
}

/* Our own bytes, from memory: they are what pack() made. */
static void unpack(const struct packed *packed, struct row *ret)
{
    struct rd r = rd_of(slice_of(packed->bytes, packed->len));
    struct state before = { .row = { .base_offset = packed->base_offset } };

    for (unsigned i = 0; i < ROWS_BLOCK; i++) {
        unsigned flags = rd_u8(&r);
        struct row row = before.row;

        row.base_offset = row_end(&before.row) + ((flags & GAP) != 0 ? rd_uvarint(&r, 10) : 0);
        if ((flags & COUNT) != 0)
            row.record_count = (uint32_t)rd_uvarint(&r, 5);
        if ((flags & STEP) != 0)
            before.step = rd_varint(&r);
        row.position = (uint32_t)(before.row.position + before.step);
        if ((flags & LENGTH) != 0)
            row.length = (uint32_t)rd_uvarint(&r, 5);
        if ((flags & TIME) != 0)
            row.max_timestamp_ms =
                (int64_t)((uint64_t)row.max_timestamp_ms + (uint64_t)rd_varint(&r));
        if ((flags & SEGMENT) != 0)
            row.segment = (uint32_t)rd_uvarint(&r, 5);
        ret[i] = before.row = row;
    }
    ASSERT(!r.bad && r.left == 0);
}

/* ---- the old ones ---- */

static struct packed *block_at(const struct rows_old *old, uint32_t i)
{
    return old->blocks[old->head + i];
}

static uint32_t front_count(const struct rows_old *old)
{
    return old->front == NULL ? 0 : ROWS_BLOCK - old->front_at;
}

static uint32_t old_count(const struct rows *rows)
{
    return rows->count - rows->fresh;
}

static void old_free(struct rows *rows)
{
    struct rows_old *old = rows->old;

    rows->old = NULL;
    if (old == NULL)
        return;
    for (uint32_t i = 0; i < old->count; i++)
        mem_free(block_at(old, i));
    mem_free(old->blocks);
    mem_free(old->front);
    mem_free(old);
}

static void old_push(struct rows *rows, struct packed *packed)
{
    struct rows_old *old = rows->old;

    if (old->head + old->count == old->room) {
        if (old->head > old->room / 2) {
            memmove(old->blocks, old->blocks + old->head, old->count * sizeof(*old->blocks));
            old->head = 0;
        } else {
            old->room = old->room == 0 ? ROWS_FIRST : old->room * 2;
            old->blocks = mem_resize(old->blocks, old->room * sizeof(*old->blocks));
        }
    }
    old->blocks[old->head + old->count++] = packed;
    old->max_timestamp_ms = packed->max_timestamp_ms;
}

static void pack_oldest(struct rows *rows)
{
    if (rows->old == NULL) {
        rows->old = mem_new(struct rows_old);
        rows->old->max_timestamp_ms = INT64_MIN;
    }
    old_push(rows, pack(rows->at + rows->head, rows->old->max_timestamp_ms));
    rows->head += ROWS_BLOCK;
    rows->fresh -= ROWS_BLOCK;
}

static void old_pop(struct rows *rows)
{
    struct rows_old *old = rows->old;

    if (old->front == NULL) {
        old->front = mem_new_array(struct row, ROWS_BLOCK);
        unpack(block_at(old, 0), old->front);
        mem_free(block_at(old, 0));
        old->head++;
        old->count--;
        old->front_at = 0;
    }
    if (++old->front_at < ROWS_BLOCK)
        return;
    MEM_FREE(old->front);
    if (old->count == 0)
        old_free(rows);
}

/* Whole rows around the i-th of the old ones, and which of them it is. */
static const struct row *old_at(const struct rows *rows, uint32_t i, struct row *block,
                                uint32_t *ret)
{
    const struct rows_old *old = rows->old;
    uint32_t front = front_count(old);

    if (i < front) {
        *ret = old->front_at + i;
        return old->front;
    }
    unpack(block_at(old, (i - front) / ROWS_BLOCK), block);
    *ret = (i - front) % ROWS_BLOCK;
    return block;
}

/* ---- all of them ---- */

void rows_done(struct rows *rows)
{
    old_free(rows);
    mem_free(rows->at);
    *rows = (struct rows){ 0 };
}

uint64_t rows_start(const struct rows *rows)
{
    const struct rows_old *old = rows->old;

    ASSERT(rows->count > 0);
    if (old == NULL)
        return rows->at[rows->head].base_offset;
    return old->front == NULL ? block_at(old, 0)->base_offset
                              : old->front[old->front_at].base_offset;
}

void rows_get(const struct rows *rows, uint32_t i, struct row *ret)
{
    (void)rows_copy(rows, i, ret, 1);
}

uint32_t rows_copy(const struct rows *rows, uint32_t i, struct row *to, uint32_t most)
{
    const uint32_t olds = old_count(rows);
    struct row block[ROWS_BLOCK];
    uint32_t done = 0, at;

    ASSERT(i < rows->count);
    if (most > rows->count - i)
        most = rows->count - i;
    while (done < most && i + done < olds) {
        const struct row *from = old_at(rows, i + done, block, &at);

        while (done < most && at < ROWS_BLOCK)
            to[done++] = from[at++];
    }
    if (done < most)
        memcpy(to + done, rows->at + rows->head + (i + done - olds), (most - done) * sizeof(*to));
    return most;
}

void rows_move_to(struct rows *rows, uint32_t i, uint32_t segment, uint32_t position)
{
    const uint32_t olds = old_count(rows);
    struct row block[ROWS_BLOCK];
    struct rows_old *old = rows->old;
    struct row *row = NULL;
    uint32_t front = old == NULL ? 0 : front_count(old);

    ASSERT(i < rows->count);
    if (i >= olds) {
        row = &rows->at[rows->head + (i - olds)];
    } else if (i < front) {
        row = &old->front[old->front_at + i];
    } else {
        struct packed **slot = &old->blocks[old->head + (i - front) / ROWS_BLOCK];
        int64_t max_timestamp_ms = (*slot)->max_timestamp_ms;

        unpack(*slot, block);
        block[(i - front) % ROWS_BLOCK].segment = segment;
        block[(i - front) % ROWS_BLOCK].position = position;
        mem_free(*slot);
        *slot = pack(block, max_timestamp_ms);
        return;
    }
    row->segment = segment;
    row->position = position;
}

void rows_push(struct rows *rows, const struct row *row)
{
    const struct row *last = rows_last(rows);

    ASSERT(last == NULL || row_end(last) <= row->base_offset);
    if (rows->fresh == FRESH_MAX)
        pack_oldest(rows);
    if (rows->head + rows->fresh == rows->room) {
        if (rows->head > rows->room / 4) {
            memmove(rows->at, rows->at + rows->head, rows->fresh * sizeof(*rows->at));
            rows->head = 0;
        } else {
            rows->room = rows->room == 0 ? ROWS_FIRST : rows->room * 2;
            rows->at = mem_resize(rows->at, rows->room * sizeof(*rows->at));
        }
    }
    rows->at[rows->head + rows->fresh++] = *row;
    rows->count++;
}

void rows_pop(struct rows *rows)
{
    ASSERT(rows->count > 0);
    rows->count--;
    if (rows->old != NULL) {
        old_pop(rows);
        return;
    }
    rows->head++;
    if (--rows->fresh == 0) {
        rows_done(rows);
    } else if (rows->head >= ROWS_COMPACT_AT && rows->head > 3 * rows->fresh) {
        memmove(rows->at, rows->at + rows->head, rows->fresh * sizeof(*rows->at));
        rows->head = 0;
        rows->room = rows->fresh * 2;
        rows->at = mem_resize(rows->at, rows->room * sizeof(*rows->at));
    }
}

/* The first of `count` rows that ends behind `offset`; `count` when none does. */
static uint32_t first_behind(const struct row *rows, uint32_t count, uint64_t offset)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (row_end(&rows[middle]) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The same among the old ones, of which one does. */
static uint32_t old_behind(const struct rows *rows, uint64_t offset)
{
    const struct rows_old *old = rows->old;
    const uint32_t front = front_count(old);
    uint32_t low = 0, high = old->count;
    struct row block[ROWS_BLOCK];

    if (front > 0 && row_end(&old->front[ROWS_BLOCK - 1]) > offset)
        return first_behind(old->front + old->front_at, front, offset);
    if (old->count == 0)
        return front;
    /* the last block that begins at or below it; the next one if it lies in a gap behind */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (block_at(old, middle)->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    unpack(block_at(old, low), block);
    return front + low * ROWS_BLOCK + first_behind(block, ROWS_BLOCK, offset);
}

bool rows_find(const struct rows *rows, uint64_t offset, uint32_t *ret)
{
    uint32_t at = 0;

    if (rows->count == 0 || offset >= row_end(rows_last(rows)))
        return false;
    if (rows->old != NULL && offset < rows->at[rows->head].base_offset)
        at = old_behind(rows, offset); /* the first fresh one when it lies in a gap before that */
    else
        at = old_count(rows) + first_behind(rows->at + rows->head, rows->fresh, offset);
    *ret = at;
    return true;
}

/* The first block from which on times may be so late. What was forgotten may have been as late:
 * then it is too early, never too late. */
static uint32_t first_block(const struct rows_old *old, int64_t time_ms)
{
    uint32_t low = 0, high = old->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (block_at(old, middle)->max_timestamp_ms >= time_ms)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool rows_find_time(const struct rows *rows, int64_t time_ms, uint32_t *ret)
{
    const struct rows_old *old = rows->old;
    struct row some[ROWS_BLOCK];
    uint32_t i = 0;

    if (old != NULL) {
        i = front_count(old) + first_block(old, time_ms) * ROWS_BLOCK;
        for (uint32_t k = 0; k < front_count(old); k++) {
            *ret = k;
            if (old->front[old->front_at + k].max_timestamp_ms >= time_ms)
                return true;
        }
    }
    for (uint32_t count; i < rows->count; i += count) {
        count = rows_copy(rows, i, some, ROWS_BLOCK);
        for (uint32_t k = 0; k < count; k++) {
            *ret = i + k;
            if (some[k].max_timestamp_ms >= time_ms)
                return true;
        }
    }
    return false;
}
