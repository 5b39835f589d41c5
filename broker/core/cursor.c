/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/cursor.h"

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"
#include "broker/record/record.h"

#define CURSOR_READ_BYTES ((size_t)256 << 10)
/* A record shorter than this is copied, so that it does not hold a whole block of the log. */
#define CURSOR_SHARE_BYTES 8192
/* What a packed batch may come to. Opening one holds up everybody, so it is not more; and bombs
 * are refused. */
#define CURSOR_INFLATED_MAX COMPRESSION_MAX_INFLATED_BYTES
/* What fails for want of memory, descriptors or threads, or because a device is away for a moment,
 * is tried again, after ever longer waits. Who reads may let go of what cannot be read: so a device
 * has 5 s in all to come back. */
#define RETRY_FIRST_MS 20u
#define RETRIES        8u

struct cursor_window {
    struct cursor *cursor; /* borrowed: its owner's */
    struct log_read read;
    struct log_pieces pieces;
    struct partition *partition; /* borrowed: what pieces belong to; NULL: nothing is held */
    unsigned piece;              /* the one being walked */
    size_t batch_at;             /* where the next batch of it begins */
    struct record_reader reader;
    struct text inflated;
    uint64_t next;    /* smallest offset that the reader can still give */
    bool has_batch;   /* reader stands in a batch */
    bool is_inflated; /* that batch lies in `inflated`, not in a piece */
    enum rc failed;   /* what the last read under way came to */
    struct core *core;
    struct deadline retry;
    /* In a row; at RETRIES what cannot be read is told at once, for a device that is bad at one
     * place will be at others, until the cursor rests. */
    unsigned failures;
};

static void on_read(struct log_read *read, enum rc rc)
{
    struct cursor_window *window = CONTAINER_OF(read, struct cursor_window, read);
    struct cursor *cursor = window->cursor;

    window->failed = rc;
    if (rc == RC_OK)
        window->pieces = read->pieces;
    cursor->on_ready(cursor->arg); /* which may take the window away */
}

static struct cursor_window *window_of(struct cursor *cursor, struct core *core)
{
    if (cursor->window == NULL) {
        cursor->window = mem_new(struct cursor_window);
        cursor->window->cursor = cursor;
        cursor->window->core = core;
        cursor->window->read.on_done = on_read;
        cursor->window->read.max_bytes = CURSOR_READ_BYTES;
    }
    return cursor->window;
}

void cursor_init(struct cursor *cursor, void (*on_ready)(void *arg), void *arg)
{
    *cursor = (struct cursor){ .on_ready = on_ready, .arg = arg };
}

/* Lets go of the log; the window stays for the next read. */
static void drop(struct cursor_window *window)
{
    if (window->read.is_under_way)
        partition_read_cancel(window->partition, &window->read);
    deadline_stop(&window->core->deadlines, &window->retry);
    log_pieces_done(&window->pieces);
    window->pieces.count = 0;
    window->has_batch = false;
    window->partition = NULL;
    window->failed = RC_OK;
    text_done(&window->inflated);
}

void cursor_rest(struct cursor *cursor)
{
    if (cursor->window == NULL)
        return;
    drop(cursor->window);
    MEM_FREE(cursor->window);
}

void cursor_done(struct cursor *cursor)
{
    cursor_rest(cursor);
}

static bool covers(const struct cursor_window *window, const struct partition *p, uint64_t offset)
{
    const struct log_pieces *pieces = &window->pieces;

    return pieces->count > 0 && window->partition == p && offset >= pieces->at[0].base_offset &&
           offset < pieces->at[pieces->count - 1].next_offset;
}

/* Has pieces that cover the offset. */
static enum rc fetch(struct cursor_window *window, struct partition *p, uint64_t offset)
{
    enum rc rc = window->failed;

    if (window->read.is_under_way || window->retry.place != 0)
        return RC_AGAIN;
    window->failed = RC_OK;
    if (rc != RC_OK && window->partition == p)
        return rc;
    if (covers(window, p, offset))
        return RC_OK;
    drop(window);
    if (offset < p->start || offset >= p->end)
        return RC_RANGE;
    window->partition = p;
    if (p->unlogged != NULL)
        return unlogged_read(p, offset, CURSOR_READ_BYTES, &window->pieces);
    if (offset >= p->sealed_end)
        partition_seal(p);
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
static enum rc find_batch(struct cursor_window *window, uint64_t offset)
{
    const struct log_pieces *pieces = &window->pieces;
    struct batch_header header;
    size_t whole;
    enum rc rc;

    for (; window->piece < pieces->count; window->piece++, window->batch_at = 0) {
        const struct log_piece *piece = &pieces->at[window->piece];

        while (offset < piece->next_offset && window->batch_at < piece->bytes.len) {
            struct slice rest = slice_after(piece->bytes, window->batch_at);

            rc = batch_peek(rest, &header, NULL, &whole);
            if (rc != RC_OK) {
                window->cursor->resume = piece->next_offset;
                return RC_CORRUPT;
            }
            window->batch_at += whole;
            if (offset > header.base_offset + header.last_offset_delta || header.is_control)
                continue;
            window->cursor->resume = header.base_offset + header.last_offset_delta + 1;
            rc = record_reader_open(rest, CURSOR_INFLATED_MAX, &window->inflated, &window->reader,
                                    NULL, NULL);
            if (rc != RC_OK) /* a producer packed it wrongly, or too well */
                return rc == RC_MEMORY ? rc : RC_CORRUPT;
            window->is_inflated = header.compression != COMPRESSION_NONE;
            window->has_batch = true;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

static enum rc give(struct cursor_window *window, const struct record *record, struct message **ret,
                    uint64_t *ret_offset)
{
    struct block *block = NULL;

    if (!window->is_inflated && record->body.len >= CURSOR_SHARE_BYTES)
        block = window->pieces.at[window->piece].block;
    *ret = message_of_record(window->partition->stream->by_name.key, record, block);
    if (*ret == NULL) {
        window->has_batch = false; /* the reader is past it, and it is to be given once more */
        return RC_MEMORY;
    }
    *ret_offset = record->offset;
    window->next = record->offset + 1;
    return RC_OK;
}

static enum rc walk(struct cursor_window *window, uint64_t offset, struct message **ret,
                    uint64_t *ret_offset)
{
    struct record record;
    enum rc rc;

    if (!window->has_batch || offset < window->next) {
        window->has_batch = false;
        window->piece = 0;
        window->batch_at = 0;
    }
    for (;;) {
        rc = window->has_batch ? record_next(&window->reader, &record) : RC_NOT_FOUND;
        if (rc == RC_OK && record.offset >= offset)
            return give(window, &record, ret, ret_offset);
        if (rc == RC_OK)
            continue;
        window->has_batch = false;
        if (rc != RC_NOT_FOUND)
            return RC_CORRUPT;
        rc = find_batch(window, offset);
        if (rc != RC_OK)
            return rc;
    }
}

/* ---- once more ---- */

static void on_retry(void *arg)
{
    struct cursor_window *window = arg;

    window->cursor->on_ready(window->cursor->arg); /* which may take the window away */
}

/* Is it tried again? What memory, descriptors or threads are lacking for will be some day. */
static bool is_put_off(struct cursor_window *window, enum rc rc)
{
    const unsigned most = rc == RC_IO ? RETRIES : RETRIES - 1;
    const unsigned waits = window->failures < most ? window->failures : RETRIES - 1;

    if (rc != RC_MEMORY && rc != RC_SYSTEM && (rc != RC_IO || window->failures == RETRIES))
        return false;
    if (window->failures < most)
        window->failures++;
    deadline_start_in_ms(&window->core->deadlines, &window->retry, RETRY_FIRST_MS << waits,
                         on_retry, window);
    return true;
}

static void tell(const struct partition *p, uint64_t offset, enum rc rc, bool is_again)
{
    log_event(is_again ? LOG_WARNING : LOG_ERROR, is_again ? "core.reads_again" : "core.unreadable",
              "stream=%s partition=%u offset=%llu rc=%s",
              log_quote(p->stream->by_name.key.at, p->stream->by_name.key.len), p->index,
              (unsigned long long)offset, rc_word(rc));
}

/* What the owner is to know of a get that came to `rc`. */
static enum rc told(struct cursor_window *window, const struct partition *p, uint64_t offset,
                    enum rc rc)
{
    bool is_first = window->failures == 0;

    if (rc == RC_OK && window->failures < RETRIES)
        window->failures = 0;
    if (rc == RC_OK || rc == RC_AGAIN || rc == RC_RANGE)
        return rc;
    if (is_put_off(window, rc)) {
        if (is_first)
            tell(p, offset, rc, true);
        return RC_AGAIN;
    }
    if (rc == RC_CORRUPT || rc == RC_IO)
        tell(p, offset, rc, false);
    return rc;
}

enum rc cursor_get(struct cursor *cursor, struct partition *p, uint64_t offset,
                   struct message **ret, uint64_t *ret_offset)
{
    struct cursor_window *window;
    const struct log_pieces *pieces;
    enum rc rc;

    if (p->unlogged != NULL) {
        *ret_offset = offset;
        *ret = unlogged_message(p, offset);
        if (*ret != NULL)
            return RC_OK;
    }
    window = window_of(cursor, p->stream->core);
    pieces = &window->pieces;
    for (;;) {
        rc = fetch(window, p, offset);
        if (rc != RC_OK) {
            cursor->resume = offset + 1;
            break;
        }
        rc = walk(window, offset, ret, ret_offset);
        if (rc != RC_NOT_FOUND)
            break;
        /* only offsets without records were left in what was read */
        offset = pieces->at[pieces->count - 1].next_offset;
    }
    return told(window, p, offset, rc);
}
