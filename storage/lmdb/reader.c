/* SPDX-License-Identifier: Apache-2.0 */
/* Reader threads: cold entries by pread, checked, in blocks of their own. Reading through the map
 * would raise SIGBUS on a failing disk, and fault on the loop's thread. */
#include <fcntl.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "storage/lmdb/scan.h"
#include "storage/lmdb/store_int.h"

/* Neighbours of one log that are no farther apart are read in one go. */
#define GAP_MAX_BYTES  ((uint64_t)32 << 10)
#define SPAN_MAX_BYTES ((uint64_t)4 << 20)
/* What a reader of a long run will want next. */
#define AHEAD_LEAST_BYTES ((uint64_t)64 << 10)
#define AHEAD_BYTES       ((off_t)2 << 20)

static uint64_t row_from(const struct row *row)
{
    return (uint64_t)row->position * ENTRY_ALIGN;
}

static uint64_t row_to(const struct row *row)
{
    return row_from(row) + ENTRY_HEADER + row->length;
}

/* Rows from `first` on that one pread covers; gives where it ends. */
static unsigned span_of(const struct read_job *job, unsigned first, uint64_t *ret_to)
{
    const uint64_t from = row_from(&job->rows[first]);
    uint64_t to = row_to(&job->rows[first]);
    unsigned n = 1;

    while (first + n < job->row_count) {
        const struct row *row = &job->rows[first + n];

        if (row->segment != job->rows[first].segment || row_from(row) < to ||
            row_from(row) - to > GAP_MAX_BYTES || row_to(row) - from > SPAN_MAX_BYTES)
            break;
        to = row_to(row);
        n++;
    }
    *ret_to = to;
    return n;
}

static enum rc check(const struct read_job *job, const struct row *row, struct slice bytes,
                     struct slice *ret_payload)
{
    struct entry_header header;
    struct rd r;
    uint8_t padding = (uint8_t)(entry_room(row->length) - ENTRY_HEADER - row->length);

    /* The padding behind the last entry of a span need not have been read. */
    r = rd_of(slice_of(bytes.at, ENTRY_HEADER + (size_t)row->length + padding));
    if (entry_next(&r, row->segment, &header, ret_payload) && header.kind == ENTRY_DATA &&
        header.log == job->log && header.base_offset == row->base_offset &&
        header.length == row->length)
        return RC_OK;
    log_event(LOG_ERROR, "storage.corrupt", "segment=%u position=%llu log=%u offset=%llu",
              (unsigned)row->segment, (unsigned long long)row_from(row), (unsigned)job->log,
              (unsigned long long)row->base_offset);
    return RC_CORRUPT;
}

static void add_piece(struct read_job *job, struct block *block, const struct row *row,
                      struct slice payload)
{
    job->pieces.at[job->pieces.count++] = (struct log_piece){
        .block = block,
        .bytes = payload,
        .base_offset = row->base_offset,
        .next_offset = row_end(row),
    };
    job->pieces.bytes += payload.len;
}

static enum rc read_span(struct read_job *job, int fd, unsigned first, unsigned count, uint64_t to)
{
    const uint64_t from = row_from(&job->rows[first]);
    struct block *block = block_try((size_t)(to - from) + ENTRY_ALIGN);
    enum rc rc;

    if (block == NULL)
        return RC_MEMORY;
    rc = FAULT("store.read") ? RC_IO : file_read(fd, block->at, (size_t)(to - from), from);
    block->refs = 0; /* nobody else has it yet: one reference for each piece */
    for (unsigned i = first; i < first + count && rc == RC_OK; i++) {
        const struct row *row = &job->rows[i];
        struct slice payload;

        rc = check(job, row, slice_of(block->at + (row_from(row) - from), row_to(row) - from),
                   &payload);
        if (rc != RC_OK)
            break;
        block->refs++;
        add_piece(job, block, row, payload);
    }
    if (block->refs == 0) {
        block->refs = 1;
        block_unref(&block);
    }
    return rc;
}

static enum rc read_segment(struct lmdb_store *s, struct read_job *job, unsigned *first)
{
    char name[SEGMENT_NAME_MAX];
    const uint32_t segment = job->rows[*first].segment;
    uint64_t to = 0, bytes = 0;
    enum rc rc = RC_OK;
    int fd;

    segment_name(name, segment);
    fd = FAULT("store.open") ? -1 : openat(s->place.seg_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return RC_IO;
    while (*first < job->row_count && job->rows[*first].segment == segment && rc == RC_OK) {
        unsigned count = span_of(job, *first, &to);

        bytes += to - row_from(&job->rows[*first]);
        rc = read_span(job, fd, *first, count, to);
        *first += count;
    }
    if (rc == RC_OK && bytes >= AHEAD_LEAST_BYTES)
        (void)posix_fadvise(fd, (off_t)to, AHEAD_BYTES, POSIX_FADV_WILLNEED);
    (void)close(fd); /* read only */
    return rc;
}

static void read_rows(struct lmdb_store *s, struct read_job *job)
{
    unsigned i = 0;

    job->rc = RC_OK;
    while (i < job->row_count && job->rc == RC_OK)
        job->rc = read_segment(s, job, &i);
    /* What precedes a bad entry is good; its error comes when it is the first to be read. */
    if (job->pieces.count > 0)
        job->rc = RC_OK;
}

static void reader_main(void *arg)
{
    struct reader *reader = arg;
    struct list taken;
    bool is_open = true;

    while (is_open) {
        struct read_job *job;

        list_init(&taken);
        is_open = mailbox_wait(&reader->inbox, &taken, 0);
        while ((job = LIST_FIRST(&taken, struct read_job, job.link)) != NULL) {
            link_remove(&job->job.link);
            read_rows(reader->store, job);
            store_done(reader->store, &job->job);
        }
    }
}

void readers_put(struct lmdb_store *s, struct read_job *job)
{
    struct reader *reader = &s->readers[s->next_reader++ % READER_COUNT];

    if (!reader->is_running) {
        reader->store = s;
        mailbox_init(&reader->inbox);
        if (thread_start(&reader->thread, "store-reader", reader_main, reader) != RC_OK) {
            mailbox_done(&reader->inbox);
            job->rc = RC_SYSTEM;
            store_done(s, &job->job);
            return;
        }
        reader->is_running = true;
    }
    (void)mailbox_put(&reader->inbox, &job->job.link);
}

void readers_stop(struct lmdb_store *s)
{
    for (unsigned i = 0; i < READER_COUNT; i++) {
        struct reader *reader = &s->readers[i];

        if (!reader->is_running)
            continue;
        mailbox_close(&reader->inbox);
        thread_join(&reader->thread);
        mailbox_done(&reader->inbox);
        reader->is_running = false;
    }
}
