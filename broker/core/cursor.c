/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/cursor.h"

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/stream_int.h"

#define CURSOR_READ_BYTES ((size_t)256 << 10)
/* A record shorter than this is copied, so that it does not hold a whole block of the log. */
#define CURSOR_SHARE_BYTES 8192
/* What a packed batch may come to. Opening one holds up everybody, so it is not more; and bombs
 * are refused. */
#define CURSOR_INFLATED_MAX COMPRESSION_MAX_INFLATED_BYTES

struct cursor_window {
    struct log_read read;
    struct log_pieces pieces;
    struct cursor *cursor; /* borrowed: its owner's */
};

static void on_read(struct log_read *read, enum rc rc)
{
    struct cursor_window *window = CONTAINER_OF(read, struct cursor_window, read);
    struct cursor *cursor = window->cursor;

    cursor->failed = rc;
    if (rc == RC_OK)
        window->pieces = read->pieces;
    cursor->on_ready(cursor->arg); /* which may take the window away */
}

static struct cursor_window *window_of(struct cursor *cursor)
{
    if (cursor->window == NULL) {
        cursor->window = mem_new(struct cursor_window);
        cursor->window->cursor = cursor;
        cursor->window->read.on_done = on_read;
        cursor->window->read.max_bytes = CURSOR_READ_BYTES;
    }
    return cursor->window;
}

void cursor_init(struct cursor *cursor, void (*on_ready)(void *arg), void *arg)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->on_ready = on_ready;
    cursor->arg = arg;
}

/* Lets go of the log, and keeps the window for the next read. */
static void drop(struct cursor *cursor)
{
    struct cursor_window *window = cursor->window;

    if (window != NULL && window->read.is_under_way)
        partition_read_cancel(cursor->partition, &window->read);
    if (window != NULL) {
        log_pieces_done(&window->pieces);
        window->pieces.count = 0;
    }
    cursor->has_batch = false;
    cursor->partition = NULL;
    cursor->failed = RC_OK;
    text_done(&cursor->inflated);
}

void cursor_rest(struct cursor *cursor)
{
    drop(cursor);
    MEM_FREE(cursor->window);
}

void cursor_done(struct cursor *cursor)
{
    cursor_rest(cursor);
}

static bool covers(const struct cursor *cursor, const struct partition *p, uint64_t offset)
{
    const struct log_pieces *pieces = &cursor->window->pieces;

    return pieces->count > 0 && cursor->partition == p && offset >= pieces->at[0].base_offset &&
           offset < pieces->at[pieces->count - 1].next_offset;
}

/* Has pieces that cover the offset. */
static enum rc fetch(struct cursor *cursor, struct partition *p, uint64_t offset)
{
    struct cursor_window *window = window_of(cursor);
    enum rc rc = cursor->failed;

    if (window->read.is_under_way)
        return RC_AGAIN;
    cursor->failed = RC_OK;
    if (rc != RC_OK && cursor->partition == p)
        return rc;
    if (covers(cursor, p, offset))
        return RC_OK;
    drop(cursor);
    if (offset < p->start || offset >= p->end)
        return RC_RANGE;
    if (offset >= p->sealed_end)
        partition_seal(p);
    cursor->partition = p;
    rc =
        log_read_cached(p->stream->core->store, p->log, offset, CURSOR_READ_BYTES, &window->pieces);
    if (rc != RC_AGAIN)
        return rc;
    window->read.offset = offset;
    partition_read(p, &window->read);
    return RC_AGAIN;
}

/* Stands the reader at the batch that may hold `offset`. RC_NOT_FOUND: no such batch in the pieces.
 */
static enum rc find_batch(struct cursor *cursor, uint64_t offset)
{
    const struct log_pieces *pieces = &cursor->window->pieces;
    struct batch_header header;
    size_t whole;
    enum rc rc;

    for (; cursor->piece < pieces->count; cursor->piece++, cursor->batch_at = 0) {
        const struct log_piece *piece = &pieces->at[cursor->piece];

        while (offset < piece->next_offset && cursor->batch_at < piece->bytes.len) {
            struct slice rest = slice_after(piece->bytes, cursor->batch_at);

            rc = batch_peek(rest, &header, NULL, &whole);
            if (rc != RC_OK) {
                cursor->resume = piece->next_offset;
                return RC_CORRUPT;
            }
            cursor->batch_at += whole;
            if (offset > header.base_offset + header.last_offset_delta || header.is_control)
                continue;
            cursor->resume = header.base_offset + header.last_offset_delta + 1;
            rc = record_reader_open(rest, CURSOR_INFLATED_MAX, &cursor->inflated, &cursor->reader,
                                    NULL, NULL);
            if (rc != RC_OK) /* a producer packed it wrongly, or too well */
                return rc == RC_MEMORY ? rc : RC_CORRUPT;
            cursor->is_inflated = header.compression != COMPRESSION_NONE;
            cursor->has_batch = true;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

static enum rc give(struct cursor *cursor, const struct record *record, struct message **ret,
                    uint64_t *ret_offset)
{
    struct block *block = NULL;

    if (!cursor->is_inflated && record->body.len >= CURSOR_SHARE_BYTES)
        block = cursor->window->pieces.at[cursor->piece].block;
    *ret = message_of_record(cursor->partition->stream->name_slice, record, block);
    if (*ret == NULL)
        return RC_MEMORY;
    *ret_offset = record->offset;
    cursor->next = record->offset + 1;
    return RC_OK;
}

static enum rc walk(struct cursor *cursor, uint64_t offset, struct message **ret,
                    uint64_t *ret_offset)
{
    struct record record;
    enum rc rc;

    if (!cursor->has_batch || offset < cursor->next) {
        cursor->has_batch = false;
        cursor->piece = 0;
        cursor->batch_at = 0;
    }
    for (;;) {
        rc = cursor->has_batch ? record_next(&cursor->reader, &record) : RC_NOT_FOUND;
        if (rc == RC_OK && record.offset >= offset)
            return give(cursor, &record, ret, ret_offset);
        if (rc == RC_OK)
            continue;
        cursor->has_batch = false;
        if (rc != RC_NOT_FOUND)
            return RC_CORRUPT;
        rc = find_batch(cursor, offset);
        if (rc != RC_OK)
            return rc;
    }
}

enum rc cursor_get(struct cursor *cursor, struct partition *p, uint64_t offset,
                   struct message **ret, uint64_t *ret_offset)
{
    const struct log_pieces *pieces;
    enum rc rc;

    for (;;) {
        rc = fetch(cursor, p, offset);
        if (rc != RC_OK) {
            cursor->resume = offset + 1;
            break;
        }
        rc = walk(cursor, offset, ret, ret_offset);
        if (rc != RC_NOT_FOUND)
            break;
        /* only offsets without records were left in what was read */
        pieces = &cursor->window->pieces;
        offset = pieces->at[pieces->count - 1].next_offset;
    }
    if (rc == RC_CORRUPT || rc == RC_IO)
        log_event(LOG_ERROR, "core.unreadable", "stream=%s partition=%u offset=%llu rc=%s",
                  log_quote(p->stream->name_slice.at, p->stream->name_slice.len), p->index,
                  (unsigned long long)offset, rc_word(rc));
    return rc;
}
