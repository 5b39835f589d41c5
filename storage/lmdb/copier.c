/* SPDX-License-Identifier: Apache-2.0 */
/* The copier thread: reads entries, checks them, writes them to a segment of their own. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "storage/lmdb/copy.h"
#include "storage/lmdb/scan.h"

#define GAP_MAX_BYTES  ((uint64_t)32 << 10)
#define SPAN_MAX_BYTES ((uint64_t)1 << 20)
#define AHEAD_ROWS     128
/* What copying may write whatever the writer does, and beside that as much as the writer does. */
#define FLOOR_BYTES_PER_MS ((uint64_t)16 << 10)
#define NAP_MS             5

struct copying {
    struct copier *copier;
    struct copy_job *job;
    struct segment *to;         /* owned: being written; NULL: none yet */
    uint64_t done_bytes;        /* of those that are full */
    struct mem_pages stage;     /* owned: frames as they are written */
    struct frame_builder frame; /* len 0: none is begun */
    struct mem_pages in;        /* owned: entries as they were read */
    int fd;                     /* of the segment that is read */
    uint32_t fd_number;
    size_t ahead; /* row up to which the device was asked ahead */
    uint64_t began_ns;
    uint64_t written_before; /* by the writer */
};

/* ---- writing ---- */

/* Waits until the writer has done as much as the copy, or time alone allows it. */
static enum rc keep_pace(const struct copying *c)
{
    struct copier *copier = c->copier;

    while (!atomic_load(&copier->is_ending)) {
        uint64_t ms = (clock_monotonic_ns() - c->began_ns) / NS_PER_MS;
        uint64_t by_writer = atomic_load(&copier->store->writer.written_bytes) - c->written_before;

        if (c->done_bytes + c->to->used <= by_writer + (ms + 1) * FLOOR_BYTES_PER_MS)
            return RC_OK;
        bell_wait(&copier->bell, NAP_MS);
    }
    return RC_CLOSED;
}

static enum rc frame_write(struct copying *c)
{
    struct segment *to = c->to;
    struct frame_header header = {
        .segment = to->number,
        .sequence = to->last_sequence + 1,
        .first_sequence = 1,
        .flags = FRAME_FIRST | FRAME_LAST | FRAME_COPY,
        .time_ms = clock_wall_ms(),
        .store_id = c->copier->store->store_id,
    };
    struct slice bytes;
    enum rc rc;

    if (c->frame.len == 0)
        return RC_OK;
    c->frame.room = (size_t)frame_room(c->frame.len);
    bytes = slice_of(c->frame.at, c->frame.room);
    frame_end(&c->frame, &header);
    c->frame.len = 0;
    rc = FAULT("store.copy") ? RC_FULL : segment_write(to, bytes);
    if (rc != RC_OK)
        return rc;
    to->first_sequence = 1;
    to->last_sequence++;
    to->frame_count++;
    return keep_pace(c);
}

static enum rc frame_start(struct copying *c, size_t entry)
{
    size_t wanted = FRAME_HEADER + entry;

    if (wanted < FRAME_TARGET)
        wanted = FRAME_TARGET;
    if (!mem_pages_try(&c->stage, (size_t)frame_room(wanted)))
        return RC_MEMORY;
    frame_begin(&c->frame, c->stage.at, (size_t)frame_room(wanted), c->to->number);
    return RC_OK;
}

/* The segment is full: the next entry goes to another one. */
static void made_add(struct copying *c)
{
    struct copy_job *job = c->job;

    job->made = mem_resize(job->made, (job->made_count + 1) * sizeof(*job->made));
    job->made[job->made_count++] =
        (struct made){ .segment = c->to, .sealed = { .number = c->to->number } };
    c->done_bytes += c->to->used;
    c->to = NULL;
}

/* Has a segment that can take an entry of that size. */
static enum rc made_ready(struct copying *c, size_t entry)
{
    struct lmdb_store *s = c->copier->store;
    enum rc rc = RC_OK;

    if (c->to != NULL && c->frame.len > 0 && c->frame.len + entry > FRAME_TARGET)
        rc = frame_write(c);
    if (rc == RC_OK && c->to != NULL && c->frame.len == 0 &&
        c->to->used >= s->config.segment_max_bytes)
        made_add(c);
    if (rc == RC_OK && c->to == NULL)
        rc = segment_create(&s->place, maintenance_number(s), 0, s->config.segment_max_bytes,
                            FILL_NONE, &c->to);
    return rc == RC_OK && c->frame.len == 0 ? frame_start(c, entry) : rc;
}

enum rc copy_write(struct copying *c, const struct entry_header *header, struct slice payload)
{
    enum rc rc = made_ready(c, entry_room(header->length));
    struct segment_row row = {
        .log = header->log,
        .row = { .base_offset = header->base_offset,
                 .max_timestamp_ms = header->max_timestamp_ms,
                 .length = header->length,
                 .record_count = header->record_count },
    };

    if (rc != RC_OK)
        return rc;
    row.row.segment = c->to->number;
    row.row.position = (uint32_t)((c->to->used + c->frame.len) / ENTRY_ALIGN);
    frame_entry(&c->frame, header);
    frame_payload(&c->frame, payload);
    frame_entry_end(&c->frame);
    segment_note_row(c->to, &row);
    return RC_OK;
}

/* ---- reading ---- */

static uint64_t row_from(const struct row *row)
{
    return (uint64_t)row->position * ENTRY_ALIGN;
}

static uint64_t row_to(const struct row *row)
{
    return row_from(row) + entry_room(row->length);
}

/* Rows from `first` on that are read at once. */
static size_t span_of(const struct copy_job *job, size_t first, size_t end, uint64_t *ret_to)
{
    const struct row *from = &job->rows[first].row;
    size_t n = 1;

    *ret_to = row_to(from);
    for (; first + n < end; n++) {
        const struct row *row = &job->rows[first + n].row;

        if (row->segment != from->segment || row_from(row) < *ret_to ||
            row_from(row) > *ret_to + GAP_MAX_BYTES ||
            row_to(row) > row_from(from) + SPAN_MAX_BYTES)
            break;
        *ret_to = row_to(row);
    }
    return n;
}

static enum rc source_open(struct copying *c, uint32_t number)
{
    char name[SEGMENT_NAME_MAX];

    if (c->fd >= 0 && c->fd_number == number)
        return RC_OK;
    if (c->fd >= 0)
        (void)close(c->fd); /* read only */
    segment_name(name, number);
    c->fd = FAULT("store.open")
                ? -1
                : openat(c->copier->store->place.seg_fd, name, O_RDONLY | O_CLOEXEC);
    c->fd_number = number;
    return c->fd < 0 ? RC_IO : RC_OK;
}

static enum rc visit_row(const struct segment_row *wanted, struct slice bytes, copy_visit_fn *visit,
                         void *arg)
{
    struct rd r = rd_of(bytes);
    struct entry_header header;
    struct slice payload;

    if (entry_next(&r, wanted->row.segment, &header, &payload) && header.kind == ENTRY_DATA &&
        header.log == wanted->log && header.base_offset == wanted->row.base_offset &&
        header.length == wanted->row.length)
        return visit(arg, wanted, payload);
    count_add(COUNT_STORE_ERRORS, 1);
    log_event(LOG_ERROR, "storage.corrupt", "segment=%u position=%llu log=%u offset=%llu",
              (unsigned)wanted->row.segment, (unsigned long long)row_from(&wanted->row),
              (unsigned)wanted->log, (unsigned long long)wanted->row.base_offset);
    return visit(arg, wanted, SLICE_NONE);
}

/* Has the device look for what comes next while this is read: entries that live among many that do
 * not would cost its answer each. */
static void read_ahead(struct copying *c, size_t first, size_t end)
{
    size_t to = end - first < AHEAD_ROWS ? end : first + AHEAD_ROWS;

    if (c->ahead < first)
        c->ahead = first;
    if (c->ahead + AHEAD_ROWS / 2 > to && to < end)
        return;
    for (; c->ahead < to; c->ahead++) {
        const struct row *row = &c->job->rows[c->ahead].row;

        if (row->segment != c->fd_number)
            return;
        (void)posix_fadvise(c->fd, (off_t)row_from(row), (off_t)entry_room(row->length),
                            POSIX_FADV_WILLNEED);
    }
}

static enum rc read_span(struct copying *c, size_t first, size_t end, uint64_t to)
{
    const struct row *row = &c->job->rows[first].row;
    enum rc rc = source_open(c, row->segment);

    if (rc == RC_OK)
        read_ahead(c, first, end);

    if (rc == RC_OK && !mem_pages_try(&c->in, (size_t)(to - row_from(row))))
        return RC_MEMORY;
    if (rc == RC_OK)
        rc = FAULT("store.read")
                 ? RC_IO
                 : file_read(c->fd, c->in.at, (size_t)(to - row_from(row)), row_from(row));
    if (rc == RC_OK)
        return RC_OK;
    count_add(COUNT_STORE_ERRORS, 1);
    log_event(LOG_ERROR, "storage.copy-unread", "segment=%u rc=%s", (unsigned)row->segment,
              rc_word(rc));
    return RC_CORRUPT;
}

enum rc copy_read(struct copying *c, size_t first, size_t end, copy_visit_fn *visit, void *arg)
{
    enum rc rc = RC_OK;
    uint64_t to;
    size_t n;

    c->ahead = first;
    for (; first < end && rc == RC_OK; first += n) {
        const struct segment_row *rows = &c->job->rows[first];
        bool is_read;

        n = span_of(c->job, first, end, &to);
        rc = read_span(c, first, end, to);
        if (rc == RC_MEMORY)
            return rc;
        is_read = rc == RC_OK;
        rc = atomic_load(&c->copier->is_ending) ? RC_CLOSED : RC_OK;
        for (size_t i = 0; i < n && rc == RC_OK; i++) {
            uint64_t at = row_from(&rows[i].row) - row_from(&rows[0].row);

            rc = is_read
                     ? visit_row(&rows[i], slice_of(c->in.at + at, entry_room(rows[i].row.length)),
                                 visit, arg)
                     : visit(arg, &rows[i], SLICE_NONE);
        }
    }
    return rc;
}

/* ---- the job ---- */

static int by_position(const void *left, const void *right)
{
    const struct row *a = &((const struct segment_row *)left)->row;
    const struct row *b = &((const struct segment_row *)right)->row;

    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* An entry that is not as it was written stays where it is. */
static enum rc copy_one(void *arg, const struct segment_row *row, struct slice payload)
{
    struct entry_header header = {
        .log = row->log,
        .length = row->row.length,
        .base_offset = row->row.base_offset,
        .record_count = row->row.record_count,
        .kind = ENTRY_DATA,
        .max_timestamp_ms = row->row.max_timestamp_ms,
    };

    return slice_is_none(payload) ? RC_OK : copy_write(arg, &header, payload);
}

static enum rc copy_rows(struct copying *c)
{
    struct copy_job *job = c->job;
    enum rc rc;

    qsort(job->rows, job->count, sizeof(*job->rows), by_position);
    rc = copy_read(c, 0, job->count, copy_one, c);
    if (rc == RC_OK && c->to == NULL)
        return RC_CORRUPT; /* nothing of it could be read */
    return rc;
}

static void made_remove(struct copying *c)
{
    struct copy_job *job = c->job;

    if (c->to != NULL)
        made_add(c);
    for (unsigned i = 0; i < job->made_count; i++) {
        segment_close(&job->made[i].segment);
        segment_unlink(&c->copier->store->place, job->made[i].sealed.number);
    }
    job->made_count = 0;
}

static void copy(struct copier *copier, struct copy_job *job)
{
    struct lmdb_store *s = copier->store;
    struct copying c = { .copier = copier, .job = job, .fd = -1 };

    c.began_ns = clock_monotonic_ns();
    c.written_before = atomic_load(&s->writer.written_bytes);
    job->rc = job->compaction == NULL ? copy_rows(&c) : compact_rows(&c, job);
    if (job->rc == RC_OK && c.to != NULL)
        job->rc = frame_write(&c);
    if (c.fd >= 0)
        (void)close(c.fd); /* read only */
    mem_pages_free(&c.stage);
    mem_pages_free(&c.in);
    if (job->rc == RC_OK) {
        if (c.to != NULL)
            made_add(&c);
        job->step = COPY_COMMIT;
        return;
    }
    job->rc = segment_rc_of_space(&s->place, 0, job->rc);
    made_remove(&c);
}

static void copier_main(void *arg)
{
    struct copier *copier = arg;
    bool is_open = true;

    while (is_open) {
        struct list taken;
        struct copy_job *job;

        list_init(&taken);
        is_open = mailbox_wait(&copier->inbox, &taken, 0);
        while ((job = LIST_FIRST(&taken, struct copy_job, job.link)) != NULL) {
            link_remove(&job->job.link);
            copy(copier, job);
            if (job->rc == RC_OK)
                (void)mailbox_put(&copier->store->maintenance.inbox, &job->job.link);
            else
                store_done(copier->store, &job->job);
        }
    }
}

enum rc copier_start(struct lmdb_store *s)
{
    struct copier *copier = &s->copier;
    enum rc rc = thread_start(&copier->thread, "store-copier", copier_main, copier);

    copier->is_running = rc == RC_OK;
    return rc;
}

void copier_stop(struct lmdb_store *s)
{
    struct copier *copier = &s->copier;

    if (!copier->is_running)
        return;
    atomic_store(&copier->is_ending, true);
    bell_ring(&copier->bell);
    mailbox_close(&copier->inbox);
    thread_join(&copier->thread);
    copier->is_running = false;
}
