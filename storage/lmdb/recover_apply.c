/* SPDX-License-Identifier: Apache-2.0 */
/* Applying what was found when a store is opened: rows of logs from indexes and frames, and from
 * frames that the catalogue does not cover also what they change in it.
 *
 * Rows of copies are kept apart until all of them are known. They take the place of those of the
 * same offsets, which come when the segments that they were copied from do. */
#include "storage/lmdb/recover_int.h"

#include <stdlib.h>

#include "broker/base/log.h"
#include "broker/base/plant.h"

/* A log's part of the copies' rows. */
struct copied_log {
    struct map_node node; /* key: the number below */
    uint32_t number;
    size_t next; /* row that is not loaded yet */
    size_t end;
    uint64_t covered; /* offsets below it, from the first copied on, are in what was loaded */
};

static void row_add(struct recovery *r, struct store_log *log, const struct row *row)
{
    uint32_t number = log->number;

    if (row->base_offset > log->end && !(log->rows.count == 0 && log->end == log->start))
        log_event(LOG_ERROR, "storage.hole", "log=%u from=%llu to=%llu segment=%u",
                  (unsigned)number, (unsigned long long)log->end,
                  (unsigned long long)row->base_offset, (unsigned)row->segment);
    if (log->rows.count > 0 && row->base_offset < log->end) {
        log_event(LOG_ERROR, "storage.overlap", "log=%u offset=%llu end=%llu segment=%u",
                  (unsigned)number, (unsigned long long)row->base_offset,
                  (unsigned long long)log->end, (unsigned)row->segment);
        return;
    }
    store_log_add_row(r->s, log, row);
}

static struct copied_log *copied_get(const struct recovery *r, uint32_t number)
{
    struct map_node *node = r->copied.count == 0 ? NULL : map_get(&r->copied, slice_of(&number, 4));

    return node == NULL ? NULL : CONTAINER_OF(node, struct copied_log, node);
}

/* Loads a log's rows in copies that begin at or below `offset`. */
static void copies_load(struct recovery *r, struct store_log *log, struct copied_log *copied,
                        uint64_t offset)
{
    while (copied->next < copied->end && r->copies[copied->next].row.base_offset <= offset) {
        const struct row *row = &r->copies[copied->next++].row;

        if (row_end(row) > log->start)
            row_add(r, log, row);
        copied->covered = row_end(row);
    }
}

/* True when copies that are as old hold what the row did. */
static bool is_copied(struct recovery *r, struct store_log *log, const struct row *row)
{
    struct copied_log *copied = copied_get(r, log->number);

    if (copied == NULL)
        return false;
    copies_load(r, log, copied, row->base_offset);
    return row->base_offset < copied->covered;
}

static void row_load(struct recovery *r, uint32_t number, const struct row *row)
{
    struct store_log *log = store_log_get(r->s, number);

    if (log == NULL || is_copied(r, log, row) || row_end(row) <= log->start)
        return; /* dropped, copied or trimmed before */
    row_add(r, log, row);
}

static enum rc log_start_put(struct recovery *r, uint32_t number, uint64_t start)
{
    uint8_t name[5] = { CATALOG_LOGS }, value[8];

    put_u32(name + 1, number);
    put_u64(value, start);
    return catalog_put(&r->s->catalog, slice_of(name, sizeof(name)),
                       slice_of(value, sizeof(value)));
}

static void copy_keep(struct recovery *r, const struct segment_row *row)
{
    if (r->copy_count == r->copy_room) {
        r->copy_room = r->copy_room == 0 ? 256 : r->copy_room * 2;
        r->copies = mem_resize(r->copies, r->copy_room * sizeof(*r->copies));
    }
    r->copies[r->copy_count++] = *row;
}

static enum rc apply_data(struct recovery *r, const struct entry_header *entry, uint64_t position)
{
    struct found *found = r->now;
    const struct row row = {
        .base_offset = entry->base_offset,
        .max_timestamp_ms = entry->max_timestamp_ms,
        .segment = found->sealed.number,
        .position = (uint32_t)(position / ENTRY_ALIGN),
        .length = entry->length,
        .record_count = entry->record_count,
    };
    enum rc rc = RC_OK;

    if (found->row_count == found->row_room) {
        found->row_room = found->row_room == 0 ? 64 : found->row_room * 2;
        found->rows = mem_resize(found->rows, found->row_room * sizeof(*found->rows));
    }
    found->rows[found->row_count++] = (struct segment_row){ entry->log, row };
    if (found->sealed.is_copy) {
        copy_keep(r, &found->rows[found->row_count - 1]);
        return RC_OK;
    }
    if (r->sequence > r->covered && store_log_get(r->s, entry->log) == NULL) {
        (void)store_log_new(r->s, entry->log, entry->base_offset);
        rc = log_start_put(r, entry->log, entry->base_offset);
    }
    row_load(r, entry->log, &row);
    return rc;
}

static enum rc apply_trim(struct recovery *r, const struct entry_header *entry)
{
    struct store_log *log = store_log_get(r->s, entry->log);

    if (log == NULL)
        return RC_OK;
    store_log_trim(r->s, log, entry->base_offset);
    if (log->end < log->start)
        log->end = log->start;
    return log_start_put(r, entry->log, entry->base_offset);
}

static enum rc apply_drop(struct recovery *r, const struct entry_header *entry)
{
    struct store_log *log = store_log_get(r->s, entry->log);
    uint8_t name[5] = { CATALOG_LOGS };

    if (log != NULL)
        store_log_drop(r->s, log);
    put_u32(name + 1, entry->log);
    return catalog_delete(&r->s->catalog, slice_of(name, sizeof(name)));
}

static enum rc apply_meta(struct recovery *r, const struct entry_header *entry,
                          struct slice payload)
{
    struct rd rd = rd_of(payload);
    struct slice name = rd_bytes(&rd, rd_u16(&rd)), value = rd_rest(&rd);

    if (rd.bad || name.len < 2 || name.len > NAME_MAX_BYTES || name.at[0] == CATALOG_FACTS ||
        name.at[0] >= CATALOG_COMPACTED)
        return RC_CORRUPT;
    if (PLANTED("change-lost"))
        return RC_OK;
    return entry->kind == ENTRY_META_PUT ? catalog_put(&r->s->catalog, name, value)
                                         : catalog_delete(&r->s->catalog, name);
}

static enum rc apply_entry(struct recovery *r, const struct entry_header *entry,
                           struct slice payload, uint64_t position)
{
    if (entry->kind == ENTRY_DATA)
        return apply_data(r, entry, position);
    if (r->sequence <= r->covered)
        return RC_OK; /* the catalogue has it */
    if (entry->kind == ENTRY_TRIM)
        return apply_trim(r, entry);
    if (entry->kind == ENTRY_DROP)
        return apply_drop(r, entry);
    return apply_meta(r, entry, payload);
}

static enum rc apply_frame(struct recovery *r, const struct found_frame *frame)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    uint8_t *at = NULL;
    struct rd entries;
    enum rc rc = scan_read_frame(r->now->fd, frame, &at);

    if (rc == RC_OK)
        rc = frame_check(slice_of(at, frame->length), &header);
    if (rc != RC_OK)
        goto out;
    r->sequence = frame->sequence;
    entries = frame_entries(slice_of(at, frame->length), &header);
    while (rc == RC_OK && entry_next(&entries, header.segment, &entry, &payload))
        rc = apply_entry(r, &entry, payload,
                         frame->position + (uint64_t)(payload.at - at) - ENTRY_HEADER);
out:
    mem_free(at);
    return rc;
}

enum rc recover_scanned(struct recovery *r, struct found *found)
{
    enum rc rc = RC_OK;

    r->now = found;
    r->is_changed = true;
    for (size_t i = 0; i + PLANTED("frame-lost") < found->scan.count && rc == RC_OK; i++)
        rc = apply_frame(r, &found->scan.frames[i]);
    found->sealed.index_position = scan_end(&found->scan);
    if (rc == RC_OK)
        rc = seal_file(found->fd, r->s->config.has_sync, found->rows, found->row_count,
                       &found->sealed);
    if (rc == RC_OK)
        rc = catalog_put_sealed(&r->s->catalog, &found->sealed);
    if (rc == RC_OK)
        seal_trim(found->fd, &found->sealed);
    log_event(LOG_NOTICE, "storage.recovered", "segment=%u frames=%zu entries=%zu rc=%s",
              (unsigned)found->sealed.number, found->scan.count, found->row_count, rc_word(rc));
    return rc;
}

static enum rc on_index_row(void *arg, const struct segment_row *row)
{
    struct recovery *r = arg;

    if (r->now->sealed.is_copy)
        copy_keep(r, row);
    else
        row_load(r, row->log, &row->row);
    return RC_OK;
}

enum rc recover_index(struct recovery *r, struct found *found)
{
    r->now = found;
    return seal_read(found->fd, &found->sealed, on_index_row, r);
}

/* ---- copies ---- */

/* By log and offset; what is newer first. */
static int by_place(const void *left, const void *right)
{
    const struct segment_row *a = left, *b = right;

    if (a->log != b->log)
        return a->log < b->log ? -1 : 1;
    if (a->row.base_offset != b->row.base_offset)
        return a->row.base_offset < b->row.base_offset ? -1 : 1;
    return (a->row.segment < b->row.segment) - (a->row.segment > b->row.segment);
}

static struct copied_log *copied_new(struct recovery *r, uint32_t number, size_t next)
{
    struct copied_log *copied = mem_new(struct copied_log);

    copied->number = number;
    copied->next = next;
    map_add(&r->copied, slice_of(&copied->number, sizeof(copied->number)), &copied->node);
    return copied;
}

/* What was copied again, in a younger copy, counts there. Copies cover whole rows of what they were
 * made from, so a row that begins inside another is one of those that it covers. */
void recover_copies_sort(struct recovery *r)
{
    struct copied_log *copied = NULL;
    size_t kept = 0;

    if (r->copy_count > 0)
        qsort(r->copies, r->copy_count, sizeof(*r->copies), by_place);
    for (size_t i = 0; i < r->copy_count; i++) {
        const struct segment_row *row = &r->copies[i];

        if (copied == NULL || copied->number != row->log)
            copied = copied_new(r, row->log, kept);
        else if (row->row.base_offset < row_end(&r->copies[kept - 1].row))
            continue;
        r->copies[kept++] = *row;
        copied->end = kept;
    }
    r->copy_count = kept;
}

void recover_copies_end(struct recovery *r)
{
    struct map_node *node;

    while ((node = map_any(&r->copied)) != NULL) {
        struct copied_log *copied = CONTAINER_OF(node, struct copied_log, node);
        struct store_log *log = store_log_get(r->s, copied->number);

        if (log != NULL)
            copies_load(r, log, copied, UINT64_MAX);
        map_remove(&r->copied, node);
        mem_free(copied);
    }
    map_done(&r->copied);
    MEM_FREE(r->copies);
}
