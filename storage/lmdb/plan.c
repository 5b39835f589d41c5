/* SPDX-License-Identifier: Apache-2.0 */
/* Lays the batches of one commit out in frames. Writer thread. */
#include "broker/base/clock.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/store_int.h"

#define PLAN_KEEP 4096 /* rows of the arrays that are kept from commit to commit */
/* Memory for frames that is kept from commit to commit, and the least that is taken. */
#define STAGE_KEEP_BYTES  ((size_t)4 << 20)
#define STAGE_LEAST_BYTES ((size_t)64 << 10)
/* Runs that are looked at before they are written. */
#define LOOK_AHEAD 8

/* One entry on disk: neighbouring runs of one log, or one other thing. */
struct plan_entry {
    uint32_t first_head;
    uint32_t head_count;
    uint32_t log;
    uint32_t length;
    uint8_t kind;
};

struct plan_frame {
    uint32_t first_entry;
    uint32_t entry_count;
    size_t size; /* before it is padded */
};

struct plan {
    struct item **heads; /* owned */
    size_t head_count;
    size_t head_room;
    struct plan_entry *entries; /* owned */
    size_t entry_count;
    size_t entry_room;
    struct plan_frame *frames; /* owned */
    size_t frame_count;
    size_t frame_room;
    struct mem_pages stage; /* owned: the frames as they are written */
};

struct plan *plan_new(void)
{
    return mem_new(struct plan);
}

void plan_free(struct plan **ref)
{
    struct plan *plan = *ref;

    *ref = NULL;
    if (plan == NULL)
        return;
    mem_free(plan->heads);
    mem_free(plan->entries);
    mem_free(plan->frames);
    mem_pages_free(&plan->stage);
    mem_free(plan);
}

/* Room for one more in an array of the plan. */
static void *more(void *at, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return at;
    *room = *room == 0 ? 16 : *room * 2;
    return mem_resize(at, *room * size);
}

/* A burst's arrays are given back. */
static void *less(void *at, size_t *room)
{
    if (*room <= PLAN_KEEP)
        return at;
    *room = 0;
    mem_free(at);
    return NULL;
}

static uint32_t length_of(const struct item *head)
{
    return head->run_bytes;
}

static struct plan_frame *frame_for(struct plan *plan, size_t room)
{
    struct plan_frame *last = plan->frame_count == 0 ? NULL : &plan->frames[plan->frame_count - 1];

    if (last != NULL && last->size + room <= FRAME_TARGET)
        return last;
    plan->frames = more(plan->frames, plan->frame_count, &plan->frame_room, sizeof(*plan->frames));
    last = &plan->frames[plan->frame_count++];
    *last = (struct plan_frame){ .first_entry = (uint32_t)plan->entry_count, .size = FRAME_HEADER };
    return last;
}

/* Lets a run continue the entry before it, when that is the same log's and in the same frame. */
static bool merge(struct plan *plan, const struct item *head)
{
    struct plan_entry *last;
    struct plan_frame *frame;
    size_t grown;

    if (head->kind != ENTRY_DATA || plan->entry_count == 0)
        return false;
    last = &plan->entries[plan->entry_count - 1];
    frame = &plan->frames[plan->frame_count - 1];
    if (last->kind != ENTRY_DATA || last->log != head->log_number ||
        last->length + (size_t)head->run_bytes > RUN_MAX_BYTES)
        return false;
    grown = entry_room(last->length + (size_t)head->run_bytes) - entry_room(last->length);
    if (frame->size + grown > FRAME_TARGET)
        return false;
    frame->size += grown;
    last->length += head->run_bytes;
    last->head_count++;
    return true;
}

static void add(struct plan *plan, struct item *head)
{
    struct plan_frame *frame;

    plan->heads = more(plan->heads, plan->head_count, &plan->head_room, sizeof(*plan->heads));
    plan->heads[plan->head_count++] = head;
    head->is_merged = merge(plan, head);
    if (head->is_merged)
        return;
    frame = frame_for(plan, entry_room(length_of(head)));
    plan->entries =
        more(plan->entries, plan->entry_count, &plan->entry_room, sizeof(*plan->entries));
    plan->entries[plan->entry_count++] = (struct plan_entry){
        .first_head = (uint32_t)(plan->head_count - 1),
        .head_count = 1,
        .log = head->log_number,
        .length = length_of(head),
        .kind = head->kind,
    };
    frame->entry_count++;
    frame->size += entry_room(length_of(head));
}

void plan_make(struct plan *plan, const struct list *batches, unsigned count)
{
    plan->heads = less(plan->heads, &plan->head_room);
    plan->entries = less(plan->entries, &plan->entry_room);
    plan->head_count = plan->entry_count = plan->frame_count = 0;
    LIST_EACH (link, batches) {
        const struct batch *batch = CONTAINER_OF(link, struct batch, job.link);

        if (count-- == 0)
            break;
        for (struct item *item = batch->first; item != NULL; item = item->next) {
            item_look_on(item);
            add(plan, item);
        }
    }
}

uint64_t plan_room(const struct plan *plan)
{
    uint64_t room = 0;

    for (size_t i = 0; i < plan->frame_count; i++)
        room += frame_room(plan->frames[i].size);
    return room;
}

unsigned plan_frame_count(const struct plan *plan)
{
    return (unsigned)plan->frame_count;
}

static void write_data(const struct plan *plan, const struct plan_entry *entry,
                       struct frame_builder *frame)
{
    for (uint32_t i = 0; i < entry->head_count; i++) {
        for (const struct item *item = plan->heads[entry->first_head + i]; item != NULL;
             item = item->run_next)
            frame_payload(frame, block_slice(item->entry.block));
    }
}

static void note_row(struct segment *segment, const struct entry_header *header, uint64_t position)
{
    const struct segment_row row = {
        .log = header->log,
        .row = { .base_offset = header->base_offset,
                 .max_timestamp_ms = header->max_timestamp_ms,
                 .segment = segment->number,
                 .position = (uint32_t)(position / ENTRY_ALIGN),
                 .length = header->length,
                 .record_count = header->record_count },
    };

    segment_note_row(segment, &row);
}

/* Blocks of small appends lie anywhere: each is fetched while those before it are written. */
static void look_ahead(const struct plan *plan, size_t head)
{
    const struct item *item;

    if (head + LOOK_AHEAD >= plan->head_count)
        return;
    item = plan->heads[head + LOOK_AHEAD];
    __builtin_prefetch(&item->fresh, 1);
    if (item->entry.block == NULL)
        return; /* it is no append */
    __builtin_prefetch(item->entry.block);
    __builtin_prefetch(item->entry.block + 2);
}

/* `position`: of the entry in the file. */
static void write_entry(const struct plan *plan, const struct plan_entry *entry,
                        struct frame_builder *frame, struct segment *segment, uint64_t position)
{
    const struct item *first = plan->heads[entry->first_head];
    struct entry_header header = {
        .log = entry->log,
        .length = entry->length,
        .kind = entry->kind,
        .base_offset = first->entry.base_offset,
    };

    if (entry->kind == ENTRY_DATA)
        header.max_timestamp_ms = first->run_time_ms;
    look_ahead(plan, entry->first_head);
    for (uint32_t i = 0; i < entry->head_count; i++) {
        struct item *head = plan->heads[entry->first_head + i];

        header.record_count += head->run_records;
        if (entry->kind == ENTRY_DATA && head->run_time_ms > header.max_timestamp_ms)
            header.max_timestamp_ms = head->run_time_ms;
        head->segment = frame->segment;
        head->position = (uint32_t)(position / ENTRY_ALIGN);
    }
    frame_entry(frame, &header);
    if (entry->kind == ENTRY_DATA) {
        write_data(plan, entry, frame);
        note_row(segment, &header, position);
    } else {
        frame_payload(frame, slice_of(first->payload, first->run_bytes));
    }
    frame_entry_end(frame);
}

/* Memory for all frames; NULL when there is none. */
static uint8_t *stage_for(struct plan *plan, uint64_t room)
{
    if (plan->stage.room > STAGE_KEEP_BYTES && room <= STAGE_KEEP_BYTES)
        mem_pages_free(&plan->stage);
    return mem_pages_try(&plan->stage, room < STAGE_LEAST_BYTES ? STAGE_LEAST_BYTES : (size_t)room)
               ? plan->stage.at
               : NULL;
}

enum rc plan_write(struct plan *plan, struct writer *w, struct segment *segment, struct slice *ret)
{
    struct frame_header header = {
        .segment = segment->number,
        .ordinal = segment->ordinal,
        .sequence = w->sequence,
        .first_sequence = segment->frame_count == 0 ? w->sequence + 1 : segment->first_sequence,
        .synced_sequence = w->synced_sequence,
        .time_ms = clock_wall_ms(),
        .store_id = w->store->store_id,
    };
    uint8_t *stage = stage_for(plan, plan_room(plan));
    size_t at = 0;

    if (stage == NULL)
        return RC_MEMORY;
    for (size_t i = 0; i < plan->frame_count; i++) {
        const struct plan_frame *frame = &plan->frames[i];
        size_t room = (size_t)frame_room(frame->size);
        struct frame_builder builder;

        header.sequence++;
        header.flags =
            (uint16_t)((i == 0 ? FRAME_FIRST : 0) | (i + 1 == plan->frame_count ? FRAME_LAST : 0));
        frame_begin(&builder, stage + at, room, segment->number);
        for (uint32_t j = 0; j < frame->entry_count; j++)
            write_entry(plan, &plan->entries[frame->first_entry + j], &builder, segment,
                        segment->used + at + builder.len);
        frame_end(&builder, &header);
        at += room;
    }
    *ret = slice_of(stage, at);
    return RC_OK;
}
