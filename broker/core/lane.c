/* SPDX-License-Identifier: Apache-2.0 */
/* A queue's shared cursor over one partition: what is ready, taken and settled. Emptying it at
 * once: lane_purge.c; what is recorded of it: lane_record.c. */
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/core/lane_int.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"

struct chunk chunk_settled;
struct chunk chunk_purged;

/* ---- chunks ---- */

struct chunk *lane_chunk_make(struct lane *lane, uint64_t number)
{
    struct chunk **slot;

    ASSERT(number >= lane->first_chunk);
    while (lane->chunks.count <= number - lane->first_chunk)
        *(struct chunk **)ring_push(&lane->chunks) = NULL;
    slot = lane_chunk(lane, number);
    if (*slot == NULL) {
        *slot = mem_new(struct chunk);
        if (number == lane->head >> CHUNK_SHIFT) /* what lies below the head is settled */
            (*slot)->settled = lane->head & (CHUNK_ITEMS - 1);
    }
    return *slot;
}

unsigned lane_settled_ahead_in(const struct lane *lane, uint64_t number)
{
    struct chunk **slot = lane_chunk(lane, number);
    unsigned count = 0;

    if (slot == NULL || *slot == NULL)
        return 0;
    if (chunk_is_whole(*slot))
        return CHUNK_ITEMS;
    for (unsigned i = 0; i < CHUNK_ITEMS; i++) {
        uint64_t offset = (number << CHUNK_SHIFT) + i;

        count += offset >= lane->window_end && offset < lane->partition->end &&
                 (*slot)->items[i].state == ITEM_SETTLED;
    }
    return count;
}

static bool is_settled(const struct lane *lane, uint64_t offset)
{
    struct chunk **slot = lane_chunk(lane, offset >> CHUNK_SHIFT);

    if (slot == NULL || *slot == NULL)
        return false;
    return chunk_is_whole(*slot) ||
           (*slot)->items[offset & (CHUNK_ITEMS - 1)].state == ITEM_SETTLED;
}

/* ---- settling ---- */

void lane_drop_first_chunk(struct lane *lane)
{
    struct chunk *chunk = *(struct chunk **)ring_front(&lane->chunks);

    if (lane->queue->spec.is_durable && chunk_is_recorded(chunk))
        lane_delete_settled(lane, SETTLED_CHUNK(lane->first_chunk));
    if (!chunk_is_whole(chunk))
        mem_free(chunk);
    ring_pop(&lane->chunks, 1);
}

/* A queue that is empty keeps no items: most of many are. */
static void rest(struct lane *lane)
{
    if (lane->head == lane->window_end && lane->window_end == lane->partition->end &&
        lane->settled_ahead == 0 && lane->chunks.count == 1)
        lane_drop_first_chunk(lane);
}

void lane_drop_purges(struct lane *lane)
{
    const struct purge *first;

    while ((first = ring_front(&lane->purges)) != NULL && first->to <= lane->head) {
        if (lane->queue->spec.is_durable)
            lane_delete_settled(lane, SETTLED_RANGE + first->from);
        ring_pop(&lane->purges, 1);
    }
}

/* What the head can pass at once: a whole chunk, or one offset. */
static uint64_t head_step(const struct lane *lane)
{
    struct chunk **slot = lane_chunk(lane, lane->head >> CHUNK_SHIFT);

    return slot != NULL && chunk_is_whole(*slot) && (lane->head & (CHUNK_ITEMS - 1)) == 0 &&
                   lane->window_end - lane->head >= CHUNK_ITEMS
               ? CHUNK_ITEMS
               : 1;
}

void lane_advance_head(struct lane *lane)
{
    uint64_t before = lane->head;
    unsigned chunks = 0;

    lane->is_behind = false;
    while (lane->head < lane->window_end && is_settled(lane, lane->head)) {
        lane->head += head_step(lane);
        if (lane->head >> CHUNK_SHIFT == lane->first_chunk)
            continue;
        if (lane->chunks.count > 0)
            lane_drop_first_chunk(lane);
        lane->first_chunk++;
        if (++chunks == TURN_CHUNKS) {
            lane->is_behind = true;
            queue_wake(lane->queue);
            core_wake(lane->queue->core);
            break;
        }
    }
    lane_drop_purges(lane);
    if (lane->scan < lane->head)
        lane->scan = lane->head;
    rest(lane);
    if (lane->head == before)
        return;
    queue_dirty(lane->queue); /* what told that these are settled may have gone with their chunk */
    retention_settled(lane->partition);
}

void lane_go_on(struct lane *lane)
{
    if (!lane->is_behind)
        return;
    lane_advance_head(lane);
    queue_dirty(lane->queue);
}

/* What was reckoned may be less than what comes of it. */
static uint64_t minus(uint64_t from, uint64_t bytes)
{
    return from > bytes ? from - bytes : 0;
}

static void count_taken(struct lane *lane, const struct message *message)
{
    lane->taken_bytes += message->value.len;
    if (lane->open_bytes < lane->taken_bytes)
        lane->open_bytes = lane->taken_bytes;
}

static void count_settled(struct lane *lane, const struct message *message)
{
    lane->open_bytes = minus(lane->open_bytes, message->value.len);
    if (lane->open_bytes < lane->taken_bytes)
        lane->open_bytes = lane->taken_bytes;
}

void lane_count_bytes(struct lane *lane, const struct message *message)
{
    lane->open_bytes += message->value.len;
    if (lane->counts_bytes)
        queue_dirty(lane->queue);
}

/* By the mean size of a record. */
static uint64_t reckon(const struct lane *lane, uint64_t records)
{
    const struct partition *p = lane->partition;
    uint64_t all = p->end - p->start;

    return all == 0 ? 0 : (uint64_t)((double)partition_bytes(p) * (double)records / (double)all);
}

void lane_reckon_bytes(struct lane *lane)
{
    if (!lane->counts_bytes)
        return;
    lane->open_bytes =
        lane->has_bytes ? lane->open_bytes + reckon(lane, lane->partition->end - lane->recorded_end)
                        : reckon(lane, lane_ready(lane)) + lane->taken_bytes;
    lane->has_bytes = false;
}

static void mark_settled(struct lane *lane, uint64_t offset, struct item *item)
{
    uint64_t number = offset >> CHUNK_SHIFT;
    struct chunk **slot = lane_chunk(lane, number);
    struct chunk *chunk = *slot;

    count_settled(lane, item->message);
    message_unref(&item->message);
    item->state = ITEM_SETTLED;
    item->holding = NULL;
    chunk->settled++;
    if (lane->queue->spec.is_durable && !chunk->is_dirty) {
        chunk->is_dirty = true;
        *(uint64_t *)ring_push(&lane->dirty_chunks) = number;
    }
    queue_dirty(lane->queue);
    if (offset == lane->head) {
        lane_advance_head(lane);
    } else if (chunk->settled == CHUNK_ITEMS && number > lane->first_chunk) {
        if (lane->queue->spec.is_durable)
            lane_record_chunk(lane, number, chunk);
        mem_free(chunk);
        *slot = &chunk_settled;
    }
}

static void leave_ready(struct lane *lane, const struct item *item)
{
    lane->ready--;
    lane->ready_bytes -= item->message->body.len;
}

void lane_settle_ready(struct lane *lane, uint64_t offset)
{
    struct item *item = lane_item_at(lane, offset);

    ASSERT(item != NULL && item->state == ITEM_READY);
    leave_ready(lane, item);
    mark_settled(lane, offset, item);
}

void lane_deliver(struct lane *lane, uint64_t offset, struct holding *holding)
{
    struct item *item = lane_item_at(lane, offset);

    ASSERT(item != NULL && item->state == ITEM_READY);
    leave_ready(lane, item);
    if (offset >= lane->taken_high) {
        lane->taken_high = offset + 1;
        queue_dirty(lane->queue);
    }
    if (item->attempts < UINT16_MAX)
        item->attempts++;
    if (holding == NULL) {
        mark_settled(lane, offset, item);
        return;
    }
    item->state = ITEM_TAKEN;
    item->holding = holding;
    holding->count++;
    lane->taken++;
    count_taken(lane, item->message);
}

/* ---- what is given back: a min-heap of offsets ---- */

static void heap_push(struct lane *lane, uint64_t offset)
{
    size_t i = lane->returned_count++;

    if (lane->returned_count > lane->returned_room) {
        lane->returned_room = lane->returned_room == 0 ? 16 : lane->returned_room * 2;
        lane->returned = mem_resize(lane->returned, lane->returned_room * sizeof(uint64_t));
    }
    while (i > 0 && lane->returned[(i - 1) / 2] > offset) {
        lane->returned[i] = lane->returned[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    lane->returned[i] = offset;
}

static void heap_pop(struct lane *lane)
{
    uint64_t last = lane->returned[--lane->returned_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= lane->returned_count)
            break;
        if (child + 1 < lane->returned_count && lane->returned[child + 1] < lane->returned[child])
            child++;
        if (lane->returned[child] >= last)
            break;
        lane->returned[i] = lane->returned[child];
        i = child;
    }
    lane->returned[i] = last;
}

static void give_back(struct lane *lane, uint64_t offset, struct item *item)
{
    item->state = ITEM_READY;
    item->holding = NULL;
    lane->ready++;
    lane->ready_bytes += item->message->body.len;
    heap_push(lane, offset);
}

enum rc lane_settle(struct lane *lane, const struct client *client, uint64_t offset,
                    enum outcome outcome)
{
    struct item *item = offset >= lane->head ? lane_item_at(lane, offset) : NULL;

    if (item == NULL || item->state != ITEM_TAKEN || item->holding->client != client)
        return RC_NOT_FOUND;
    item->holding->count--;
    lane->taken--;
    lane->taken_bytes -= item->message->value.len;
    if (outcome == OUTCOME_REQUEUE)
        give_back(lane, offset, item);
    else
        mark_settled(lane, offset, item);
    return RC_OK;
}

bool lane_return_some(struct lane *lane, struct holding *holding, unsigned *left)
{
    uint64_t offset = holding->next_offset > lane->head ? holding->next_offset : lane->head;

    for (; offset < lane->window_end && holding->count > 0; offset++) {
        struct item *item = lane_item_at(lane, offset);

        if (*left == 0) {
            holding->next_offset = offset;
            return false;
        }
        --*left;

        if (item == NULL) { /* a chunk that is settled whole */
            offset |= CHUNK_ITEMS - 1;
            continue;
        }
        if (item->state != ITEM_TAKEN || item->holding != holding)
            continue;
        holding->count--;
        lane->taken--;
        lane->taken_bytes -= item->message->value.len;
        give_back(lane, offset, item);
    }
    return true;
}

/* ---- the window ---- */

static void window_add(struct lane *lane, struct message *message)
{
    struct chunk *chunk = lane_chunk_make(lane, lane->window_end >> CHUNK_SHIFT);
    struct item *item = &chunk->items[lane->window_end & (CHUNK_ITEMS - 1)];

    ASSERT(item->state == ITEM_ABSENT);
    item->message = message_ref(message);
    item->state = ITEM_READY;
    lane->ready++;
    lane->ready_bytes += message->body.len;
    lane->window_end++;
}

static bool window_is_full(const struct lane *lane)
{
    return lane->ready >= QUEUE_WINDOW_MESSAGES || lane->ready_bytes >= QUEUE_WINDOW_BYTES;
}

void lane_take(struct lane *lane, uint64_t offset, struct message *message)
{
    lane_count_bytes(lane, message);
    if (lane->window_end == offset && !lane->is_reading && !window_is_full(lane) &&
        (lane->queue->consumer_count > 0 || lane->queue->bound != NULL || queue_wants(lane->queue)))
        window_add(lane, message);
}

/* Passes offsets that need no delivery: settled before a restart, or without a record. */
static void window_skip(struct lane *lane, uint64_t to)
{
    while (lane->window_end < to) {
        uint64_t stop = (lane->window_end | (CHUNK_ITEMS - 1)) + 1;

        if (lane_is_whole_at(lane, lane->window_end >> CHUNK_SHIFT)) {
            stop = stop < to ? stop : to;
            ASSERT(lane->settled_ahead >= stop - lane->window_end);
            lane->settled_ahead -= stop - lane->window_end;
            lane->window_end = stop;
            continue;
        }
        if (is_settled(lane, lane->window_end)) {
            ASSERT(lane->settled_ahead > 0);
            lane->settled_ahead--;
        } else {
            struct chunk *chunk = lane_chunk_make(lane, lane->window_end >> CHUNK_SHIFT);

            chunk->items[lane->window_end & (CHUNK_ITEMS - 1)].state = ITEM_SETTLED;
            chunk->settled++;
        }
        lane->window_end++;
    }
    lane_advance_head(lane);
}

/* Where what is settled at the window's end goes to, as far as one look tells. */
static uint64_t settled_stop(const struct lane *lane)
{
    uint64_t stop = (lane->window_end | (CHUNK_ITEMS - 1)) + 1, end = lane->partition->end;

    if (!lane_is_whole_at(lane, lane->window_end >> CHUNK_SHIFT))
        return lane->window_end + 1;
    return stop < end ? stop : end;
}

/* Has the next message of the log in the window. RC_NOT_FOUND: there is none. */
static enum rc window_load(struct lane *lane)
{
    struct partition *p = lane->partition;
    struct message *message = NULL;
    uint64_t offset = 0;
    enum rc rc;

    lane->is_reading = false;
    for (unsigned n = 0; lane->window_end < p->end && is_settled(lane, lane->window_end); n++) {
        if (n == TURN_CHUNKS * CHUNK_ITEMS / 8) {
            lane->is_behind = true;
            return RC_AGAIN;
        }
        window_skip(lane, settled_stop(lane));
    }
    if (lane->window_end < p->start)
        window_skip(lane, p->start);
    if (lane->window_end >= p->end) {
        cursor_rest(&lane->cursor);
        return RC_NOT_FOUND;
    }
    rc = cursor_get(&lane->cursor, p, lane->window_end, &message, &offset);
    if (rc == RC_AGAIN)
        lane->is_reading = true;
    if (rc == RC_CORRUPT || rc == RC_IO)
        window_skip(lane, lane->cursor.resume); /* logged; what is unreadable stops no queue */
    if (rc == RC_RANGE)
        window_skip(lane, lane->window_end + 1);
    if (rc != RC_OK)
        return rc == RC_AGAIN || rc == RC_MEMORY ? RC_AGAIN : RC_OK;
    window_skip(lane, offset);
    window_add(lane, message);
    message_unref(&message);
    return RC_OK;
}

enum rc lane_next(struct lane *lane, struct item **ret, uint64_t *ret_offset)
{
    enum rc rc;

    while (lane->returned_count > 0) {
        struct item *item = lane_item_at(lane, lane->returned[0]);

        *ret_offset = lane->returned[0];
        if (item != NULL && *ret_offset >= lane->head && item->state == ITEM_READY) {
            *ret = item;
            return RC_OK;
        }
        heap_pop(lane);
    }
    for (;;) {
        for (; lane->scan < lane->window_end; lane->scan++) {
            bool is_swap = lane->scan + 1 < lane->window_end && PLANTED("order-swapped") &&
                           lane_item_at(lane, lane->scan + 1) != NULL;
            struct item *item = lane_item_at(lane, lane->scan + is_swap);

            if (item == NULL) { /* settled whole; what lies behind the window is not */
                lane->scan |= CHUNK_ITEMS - 1;
                if (lane->scan >= lane->window_end)
                    lane->scan = lane->window_end - 1;
                continue;
            }
            if (item->state != ITEM_READY)
                continue;
            *ret = item;
            *ret_offset = lane->scan + is_swap;
            return RC_OK;
        }
        rc = window_load(lane);
        if (rc != RC_OK)
            return rc;
    }
}

uint64_t lane_ready(const struct lane *lane)
{
    uint64_t end = lane->partition->end;
    uint64_t ahead = end > lane->window_end ? end - lane->window_end : 0;

    return lane->ready + (ahead > lane->settled_ahead ? ahead - lane->settled_ahead : 0);
}

/* ---- retention ---- */

uint64_t lane_retention_floor(struct lane *lane, int64_t now_ms, int64_t retention_ms)
{
    uint64_t floor = lane->partition->start;
    struct head_sample *sample;

    if (lane->head != lane->sampled_head) {
        sample = ring_push(&lane->heads);
        *sample = (struct head_sample){ now_ms, lane->head };
        lane->sampled_head = lane->head;
    }
    while ((sample = ring_front(&lane->heads)) != NULL && now_ms - sample->at_ms >= retention_ms) {
        floor = sample->head;
        ring_pop(&lane->heads, 1);
    }
    return floor;
}

int64_t lane_retention_next_ms(const struct lane *lane, int64_t retention_ms)
{
    const struct head_sample *sample = ring_front(&lane->heads);

    return sample == NULL ? INT64_MAX : sample->at_ms + retention_ms;
}

/* ---- life ---- */

static void on_cursor_ready(void *arg)
{
    struct lane *lane = arg;

    lane->is_reading = false;
    queue_wake(lane->queue);
}

struct lane *lane_new(struct queue *queue, struct partition *partition, uint32_t index)
{
    struct lane *lane = mem_new(struct lane);

    lane->queue = queue;
    lane->partition = partition;
    lane->index = index;
    lane->head = lane->window_end = lane->scan = partition->start;
    lane->first_chunk = lane->head >> CHUNK_SHIFT;
    ring_init(&lane->chunks, sizeof(struct chunk *));
    ring_init(&lane->dirty_chunks, sizeof(uint64_t));
    ring_init(&lane->purges, sizeof(struct purge));
    ring_init(&lane->heads, sizeof(struct head_sample));
    cursor_init(&lane->cursor, on_cursor_ready, lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    cursor_done(&lane->cursor);
    for (size_t i = 0; i < lane->chunks.count; i++) {
        struct chunk *chunk = *(struct chunk **)ring_at(&lane->chunks, i);

        if (chunk == NULL || chunk_is_whole(chunk))
            continue;
        for (unsigned k = 0; k < CHUNK_ITEMS; k++)
            message_unref(&chunk->items[k].message);
        mem_free(chunk);
    }
    ring_done(&lane->chunks);
    ring_done(&lane->dirty_chunks);
    ring_done(&lane->purges);
    ring_done(&lane->heads);
    mem_free(lane->returned);
    mem_free(lane);
}

void lane_suspect(struct lane *lane)
{
    if (lane->taken_high >= lane->partition->end)
        return;
    lane->taken_high = lane->redelivered_below = lane->partition->end;
    queue_dirty(lane->queue);
}
