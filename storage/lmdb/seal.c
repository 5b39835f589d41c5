/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing: the packed index that lets a segment be opened without reading its data. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/store_int.h"

/* Headers are read through a window: small entries in passing, long payloads are skipped. */
#define WINDOW_BYTES ((size_t)64 << 10)
#define ROWS_FIRST   256

struct window {
    int fd;
    uint64_t from;
    size_t len;
    uint8_t at[WINDOW_BYTES];
};

/* `len` bytes of the file from `from` on; NULL when it ends before. */
static const uint8_t *window_at(struct window *window, uint64_t from, size_t len)
{
    if (from < window->from || from + len > window->from + window->len) {
        ssize_t done = pread(window->fd, window->at, WINDOW_BYTES, (off_t)from);

        window->from = from;
        window->len = done < 0 ? 0 : (size_t)done;
        if (window->len < len)
            return NULL;
    }
    return window->at + (from - window->from);
}

struct collected {
    struct segment_row *rows; /* owned */
    size_t count;
    size_t room;
};

static enum rc collect_frame(struct window *window, uint64_t position, uint32_t segment,
                             struct collected *to)
{
    const uint8_t *at = window_at(window, position, FRAME_HEADER);
    struct frame_header frame;
    uint64_t end;

    if (at == NULL || frame_read_header(slice_of(at, FRAME_HEADER), &frame) != RC_OK)
        return RC_CORRUPT;
    end = position + frame.length;
    for (position += FRAME_HEADER; position < end;) {
        struct entry_header header;

        at = window_at(window, position, ENTRY_HEADER);
        if (at == NULL || !entry_read_header(slice_of(at, ENTRY_HEADER), &header))
            return RC_CORRUPT;
        if (header.kind == ENTRY_DATA) {
            if (to->count == to->room) {
                to->room = to->room == 0 ? ROWS_FIRST : to->room * 2;
                to->rows = mem_resize(to->rows, to->room * sizeof(*to->rows));
            }
            to->rows[to->count++] = (struct segment_row){
                .log = header.log,
                .row = { .base_offset = header.base_offset,
                         .max_timestamp_ms = header.max_timestamp_ms,
                         .segment = segment,
                         .position = (uint32_t)(position / ENTRY_ALIGN),
                         .length = header.length,
                         .record_count = header.record_count },
            };
        }
        position += entry_room(header.length);
    }
    return RC_OK;
}

enum rc seal_collect(const struct segment *segment, struct segment_row **ret, size_t *ret_count)
{
    struct window *window = mem_new(struct window);
    struct collected to = { 0 };
    enum rc rc = RC_OK;

    window->fd = segment->fd;
    for (uint32_t i = 0; i < segment->frame_count && rc == RC_OK; i++)
        rc = collect_frame(window,
                           (uint64_t)segment->frame_pages[i] * segment->page_size + PAGE_HEADER,
                           segment->number, &to);
    mem_free(window);
    if (rc != RC_OK) {
        mem_free(to.rows);
        return rc;
    }
    *ret = to.rows;
    *ret_count = to.count;
    return RC_OK;
}

static enum rc write_seal(struct segment *segment, struct slice index, bool is_synced,
                          struct sealed *sealed)
{
    uint8_t record[16];
    MDB_val key = { 1, (void *)(uintptr_t) "S" }, value = { sizeof(record), record };
    size_t size = index.len;
    MDB_txn *txn = NULL;
    void *at;
    enum rc rc = segment_begin(segment, &txn);

    if (rc != RC_OK)
        return rc;
    if (size < FRAME_LEAST(segment->page_size))
        size = FRAME_LEAST(segment->page_size);
    rc = segment_reserve(segment, txn, SLICE("I"), size, &at, &sealed->index_position);
    if (rc == RC_OK) {
        memcpy(at, index.at, index.len);
        memset((uint8_t *)at + index.len, 0, size - index.len);
        put_u64(record, segment->first_sequence);
        put_u64(record + 8, segment->last_sequence);
        rc = segment_rc(mdb_put(txn, segment->dbi, &key, &value, MDB_APPEND));
    }
    if (rc != RC_OK) {
        mdb_txn_abort(txn);
        return rc;
    }
    return segment_commit(segment, txn, is_synced);
}

enum rc seal_segment(struct segment *segment, bool is_synced, struct sealed *ret)
{
    struct sealed sealed = {
        .number = segment->number,
        .ordinal = segment->ordinal,
        .first_sequence = segment->first_sequence,
        .last_sequence = segment->last_sequence,
    };
    struct segment_row *rows = NULL;
    struct text index = { 0 };
    size_t count = 0;
    enum rc rc = seal_collect(segment, &rows, &count);

    if (rc == RC_OK) {
        index_pack(rows, count, segment->number, &index);
        rc = index.bad ? RC_MEMORY : RC_OK;
    }
    sealed.index_length = index.len;
    if (rc == RC_OK)
        rc = write_seal(segment, text_slice(&index), is_synced, &sealed);
    mem_free(rows);
    text_done(&index);
    if (rc == RC_OK)
        *ret = sealed;
    return rc;
}

enum rc seal_file(int fd, bool is_synced, struct segment_row *rows, size_t count,
                  struct sealed *sealed)
{
    struct text index = { 0 };
    struct stat stat;
    enum rc rc = RC_OK;

    if (fstat(fd, &stat) != 0)
        return rc_of_errno(errno);
    index_pack(rows, count, sealed->number, &index);
    if (index.bad)
        rc = RC_MEMORY;
    sealed->index_position = ((uint64_t)stat.st_size + ENTRY_ALIGN - 1) & ~(uint64_t)7;
    sealed->index_length = index.len;
    if (rc == RC_OK &&
        (FAULT("store.write") ||
         pwrite(fd, index.at, index.len, (off_t)sealed->index_position) != (ssize_t)index.len))
        rc = RC_IO;
    if (rc == RC_OK && is_synced && fdatasync(fd) != 0)
        rc = RC_IO;
    text_done(&index);
    return rc;
}
