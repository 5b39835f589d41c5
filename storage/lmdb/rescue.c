/* SPDX-License-Identifier: Apache-2.0 */
/* After a sync that failed, what it was to cover is in the page cache at best, and a later sync of
 * that file would succeed without it. It is read back, checked, and written to another segment with
 * the same sequence numbers: the next open takes the newer copy. The copy counts as one commit, so
 * that half of it is none and the old one still stands. Writer thread. */
#include "broker/base/log.h"
#include "storage/lmdb/scan.h"
#include "storage/lmdb/store_int.h"

/* Gives every frame the numbers of the new segment. RC_CORRUPT: one is not what was written. */
static enum rc restamp(const struct writer *w, struct segment *next, uint8_t *at, size_t len)
{
    struct frame_header header;
    uint64_t sequence = w->synced_sequence;

    for (size_t done = 0, room; done < len; done += room) {
        if (frame_check(slice_of(at + done, len - done), &header) != RC_OK ||
            header.sequence != sequence + 1)
            return RC_CORRUPT;
        sequence++;
        room = (size_t)frame_room(header.length);
        header.segment = next->number;
        header.ordinal = w->ordinal + 1;
        header.first_sequence = w->synced_sequence + 1;
        header.synced_sequence = w->synced_sequence;
        header.flags =
            (uint16_t)((done == 0 ? FRAME_FIRST : 0) | (done + room == len ? FRAME_LAST : 0));
        frame_move(at + done, room, &header);
        next->frame_count++;
    }
    return sequence == w->sequence ? RC_OK : RC_CORRUPT;
}

static void rows_take(struct segment *from, struct segment *to, const struct moved *moved)
{
    size_t left = 0;

    for (size_t i = 0; i < from->row_count; i++) {
        struct segment_row row = from->rows[i];

        if (row.row.position < moved->from_position) {
            from->rows[left++] = row;
            continue;
        }
        row.row.segment = to->number;
        row.row.position = row.row.position - moved->from_position + moved->to_position;
        segment_note_row(to, &row);
    }
    from->row_count = left;
}

enum rc rescue_copy(struct writer *w, struct segment *next, struct moved **ret)
{
    struct segment *from = w->active;
    size_t len = (size_t)(from->used - from->synced_used);
    struct mem_pages pages = { 0 };
    struct moved moved = { .job = { .kind = JOB_MOVED }, .from = from->number };
    enum rc rc;

    if (!mem_pages_try(&pages, len))
        return RC_MEMORY;
    moved.to = next->number;
    moved.from_position = (uint32_t)(from->synced_used / ENTRY_ALIGN);
    moved.to_position = (uint32_t)(next->used / ENTRY_ALIGN);
    rc = file_read(from->fd, pages.at, len, from->synced_used) == RC_OK ? RC_OK : RC_IO;
    if (rc == RC_OK)
        rc = restamp(w, next, pages.at, len);
    if (rc == RC_OK)
        rc = segment_append(next, slice_of(pages.at, len), true);
    mem_pages_free(&pages);
    if (rc != RC_OK)
        return rc;
    next->first_sequence = w->synced_sequence + 1;
    next->last_sequence = w->sequence;
    from->last_sequence = w->synced_sequence;
    from->used = from->synced_used;
    rows_take(from, next, &moved);
    *ret = mem_new(struct moved);
    **ret = moved;
    log_event(LOG_WARNING, "storage.rescued", "from=%u to=%u bytes=%zu", (unsigned)moved.from,
              (unsigned)moved.to, len);
    return RC_OK;
}
