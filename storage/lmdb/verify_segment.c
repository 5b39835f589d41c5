/* SPDX-License-Identifier: Apache-2.0 */
/* One segment: what its index promises beside the frames that are sound. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "storage/lmdb/verify_int.h"

struct checking {
    struct verification *v;
    struct verify_file *file;
    struct verify_segment told;
    struct promise *promises; /* owned; by position while frames are read */
    size_t count;
    size_t room;
    size_t next; /* the first promise behind the entries seen so far */
    bool has_index;
};

static void promise_add(struct checking *c, const struct segment_row *row, bool is_kept)
{
    if (c->count == c->room) {
        c->room = c->room == 0 ? 256 : c->room * 2;
        c->promises = mem_resize(c->promises, c->room * sizeof(*c->promises));
    }
    c->promises[c->count++] = (struct promise){ .row = *row, .is_kept = is_kept };
}

static int by_position(const void *left, const void *right)
{
    const struct promise *a = left, *b = right;

    return (a->row.row.position > b->row.row.position) -
           (a->row.row.position < b->row.row.position);
}

/* ---- the index ---- */

static enum rc on_row(void *arg, const struct segment_row *row)
{
    promise_add(arg, row, false);
    return RC_OK;
}

static enum rc read_index(struct checking *c)
{
    const struct sealed *sealed = &c->file->sealed;
    size_t len = (size_t)sealed->index_length;
    uint8_t *at = mem_try(len + 1);
    enum rc rc;

    if (at == NULL)
        return RC_MEMORY;
    rc = file_read(c->file->fd, at, len, sealed->index_position);
    if (rc == RC_OK)
        rc = index_unpack(slice_of(at, len), sealed->number, on_row, c);
    mem_free(at);
    c->has_index = rc == RC_OK;
    c->told.is_index_damaged = rc == RC_CORRUPT;
    return rc == RC_CORRUPT ? RC_OK : rc;
}

/* ---- the frames ---- */

static bool is_same_row(const struct row *a, const struct row *b)
{
    return a->base_offset == b->base_offset && a->record_count == b->record_count &&
           a->length == b->length && a->max_timestamp_ms == b->max_timestamp_ms;
}

/* A sound entry with records: was it promised? */
static void on_entry(struct checking *c, const struct entry_header *entry, uint64_t position)
{
    const struct segment_row row = {
        .log = entry->log,
        .row = { .base_offset = entry->base_offset,
                 .max_timestamp_ms = entry->max_timestamp_ms,
                 .segment = c->told.number,
                 .position = (uint32_t)(position / ENTRY_ALIGN),
                 .length = entry->length,
                 .record_count = entry->record_count },
    };
    struct promise *promise;

    c->told.entries++;
    c->told.records += entry->record_count;
    if (!c->has_index) {
        promise_add(c, &row, true);
        return;
    }
    while (c->next < c->count && c->promises[c->next].row.row.position < row.row.position)
        c->next++;
    promise = c->next < c->count ? &c->promises[c->next] : NULL;
    if (promise == NULL || promise->row.row.position != row.row.position ||
        promise->row.log != row.log || !is_same_row(&promise->row.row, &row.row))
        c->told.is_index_damaged = true;
    else
        promise->is_kept = true;
}

static enum rc walk_frame(struct checking *c, const struct found_frame *frame)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    uint8_t *at = NULL;
    struct rd entries;
    enum rc rc = scan_read_frame(c->file->fd, frame, &at);

    if (rc != RC_OK)
        return rc;
    rc = frame_check(slice_of(at, frame->length), &header);
    if (rc == RC_OK) {
        entries = frame_entries(slice_of(at, frame->length), &header);
        while (entry_next(&entries, header.segment, &entry, &payload)) {
            if (entry.kind == ENTRY_DATA)
                on_entry(c, &entry, frame->position + (uint64_t)(payload.at - at) - ENTRY_HEADER);
        }
    }
    mem_free(at);
    return rc;
}

static enum rc walk_frames(struct checking *c, const struct scan *scan)
{
    const struct sealed *sealed = &c->file->sealed;
    uint64_t expected = sealed->first_sequence;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < scan->count && rc == RC_OK; i++) {
        const struct found_frame *frame = &scan->frames[i];

        if (frame->sequence < expected || frame->sequence > sealed->last_sequence)
            continue;
        c->told.frames_lost += frame->sequence - expected;
        expected = frame->sequence + 1;
        c->told.frames++;
        rc = walk_frame(c, frame);
    }
    if (expected <= sealed->last_sequence)
        c->told.frames_lost += sealed->last_sequence + 1 - expected;
    return rc;
}

/* ---- what is lost ---- */

/* By log and offset; of what begins at the same place, the youngest copy first: it alone counts. */
static int by_offset(const void *left, const void *right)
{
    const struct promise *a = left, *b = right;

    if (a->row.log != b->row.log)
        return a->row.log > b->row.log ? 1 : -1;
    if (a->row.row.base_offset != b->row.row.base_offset)
        return a->row.row.base_offset > b->row.row.base_offset ? 1 : -1;
    if (a->is_copy != b->is_copy)
        return b->is_copy - a->is_copy;
    return (a->row.row.segment < b->row.row.segment) - (a->row.row.segment > b->row.row.segment);
}

static void tell_loss(struct verification *v, const struct verify_loss *loss)
{
    if (loss->to <= loss->from)
        return;
    v->totals.offsets_lost += loss->to - loss->from;
    if (v->events->on_loss != NULL)
        v->events->on_loss(v->events->arg, loss);
}

/* Promised rows that nothing keeps, and gaps before those that come, as far as they are owed. */
void verify_weigh(struct verification *v)
{
    struct verify_loss loss = { 0 };

    if (v->promise_count > 0)
        qsort(v->promises, v->promise_count, sizeof(*v->promises), by_offset);
    for (size_t i = 0; i < v->promise_count; i++) {
        const struct promise *promise = &v->promises[i];
        const struct row *row = &promise->row.row;
        struct verify_log *log = verify_log_get(v, promise->row.log);
        uint64_t to = row_end(row), gone = promise->is_kept ? row->base_offset : to;

        if (log == NULL || to <= log->end)
            continue; /* dropped, trimmed, or copied */
        if (gone > log->end &&
            (loss.log != log->number || loss.to != log->end || loss.segment != row->segment)) {
            tell_loss(v, &loss);
            loss = (struct verify_loss){ .log = log->number,
                                         .segment = row->segment,
                                         .from = log->end };
        }
        if (gone > log->end)
            loss.to = gone;
        log->end = to;
    }
    tell_loss(v, &loss);
    mem_free(v->promises);
    v->promises = NULL;
}

/* Where nothing was copied, sound rows that follow each other weigh as one: the memory of a check
 * is then that of one segment's rows, not of all. */
static void join(struct checking *c)
{
    size_t kept = 0;

    if (c->count > 0)
        qsort(c->promises, c->count, sizeof(*c->promises), by_offset);
    for (size_t i = 0; i < c->count; i++) {
        struct segment_row *last = kept == 0 ? NULL : &c->promises[kept - 1].row;
        const struct promise *promise = &c->promises[i];

        if (last != NULL && promise->is_kept && c->promises[kept - 1].is_kept &&
            last->log == promise->row.log && row_end(&last->row) == promise->row.row.base_offset &&
            last->row.record_count < UINT32_MAX - promise->row.row.record_count)
            last->row.record_count += promise->row.row.record_count;
        else
            c->promises[kept++] = *promise;
    }
    c->count = kept;
}

/* Keeps what the segment promised for the weighing. */
static void hand_over(struct checking *c)
{
    struct verification *v = c->v;

    if (!v->has_copies)
        join(c);
    v->promises = mem_resize(v->promises, (v->promise_count + c->count) * sizeof(*v->promises) + 1);
    for (size_t i = 0; i < c->count; i++) {
        c->promises[i].is_copy = c->file->sealed.is_copy;
        v->promises[v->promise_count++] = c->promises[i];
    }
}

static void tell(struct checking *c)
{
    struct verify_segment *told = &c->told;

    told->is_sound = told->state != VERIFY_MISSING && told->frames_lost == 0 &&
                     !told->is_index_damaged && c->file->gaps == 0;
    c->v->totals.segments++;
    c->v->totals.damaged += !told->is_sound;
    c->v->totals.records += told->records;
    if (c->v->events->on_segment != NULL)
        c->v->events->on_segment(c->v->events->arg, told);
}

static enum rc check_sealed(struct checking *c)
{
    struct scan scan = { 0 };
    enum rc rc = read_index(c);

    if (rc == RC_OK)
        rc = scan_file(c->file->fd, c->told.number, c->v->store_id, SCAN_ALL, &scan);
    if (rc == RC_OK && scan.foreign > 0)
        verify_problem(c->v, "segment %u holds frames of another store", (unsigned)c->told.number);
    if (c->count > 0)
        qsort(c->promises, c->count, sizeof(*c->promises), by_position);
    if (rc == RC_OK)
        rc = walk_frames(c, &scan);
    scan_done(&scan);
    return rc;
}

static enum rc check_open(struct checking *c)
{
    const struct scan *scan = &c->file->scan;
    enum rc rc = RC_OK;

    c->told.frames_torn = c->file->frames_torn;
    if (scan->count > 0)
        rc = walk_frames(c, scan);
    return rc;
}

enum rc verify_file_check(struct verification *v, struct verify_file *file)
{
    struct checking c = { .v = v, .file = file, .told.number = file->sealed.number };
    struct stat stat;
    enum rc rc = RC_OK;

    c.told.state = !file->is_there ? VERIFY_MISSING : file->is_listed ? VERIFY_SEALED : VERIFY_OPEN;
    if (file->is_there && fstat(file->fd, &stat) == 0)
        c.told.bytes = (uint64_t)stat.st_size;
    if (c.told.state == VERIFY_SEALED)
        rc = check_sealed(&c);
    else if (c.told.state == VERIFY_OPEN)
        rc = check_open(&c);
    else
        c.told.frames_lost = file->sealed.last_sequence + 1 - file->sealed.first_sequence;
    if (rc == RC_OK) {
        tell(&c);
        hand_over(&c);
    }
    mem_free(c.promises);
    return rc;
}

/* ---- segments that are not sealed ---- */

enum rc verify_scan_open(struct verification *v, struct verify_file *file)
{
    enum rc rc = scan_file(file->fd, file->sealed.number, v->store_id, SCAN_ALL, &file->scan);

    if (rc != RC_OK)
        return rc;
    if (file->scan.foreign > 0)
        verify_problem(v, "segment %u holds frames of another store",
                       (unsigned)file->sealed.number);
    if (file->scan.count > 0 && (file->scan.frames[0].flags & FRAME_COPY) != 0)
        file->scan.count = 0; /* never finished: what it copied is where it was */
    file->sealed.ordinal = file->scan.ordinal;
    if (file->scan.synced_sequence > v->synced)
        v->synced = file->scan.synced_sequence;
    return RC_OK;
}

static void apply_change(struct verification *v, const struct entry_header *entry)
{
    if (entry->kind == ENTRY_DROP)
        verify_log_drop(v, entry->log);
    else if (entry->kind == ENTRY_TRIM && verify_log_get(v, entry->log) != NULL)
        verify_log_put(v, entry->log, entry->base_offset);
    else if (entry->kind == ENTRY_DATA && verify_log_get(v, entry->log) == NULL)
        verify_log_put(v, entry->log, entry->base_offset);
}

static enum rc apply_frame(struct verification *v, const struct verify_file *file,
                           const struct found_frame *frame)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    uint8_t *at = NULL;
    struct rd entries;
    enum rc rc;

    if (frame->sequence <= v->covered)
        return RC_OK; /* the catalogue has it */
    rc = scan_read_frame(file->fd, frame, &at);
    if (rc != RC_OK)
        return rc;
    if (frame_check(slice_of(at, frame->length), &header) == RC_OK) {
        entries = frame_entries(slice_of(at, frame->length), &header);
        while (entry_next(&entries, header.segment, &entry, &payload))
            apply_change(v, &entry);
    }
    mem_free(at);
    return RC_OK;
}

enum rc verify_accept_open(struct verification *v)
{
    uint64_t limit = UINT64_MAX;
    enum rc rc = RC_OK;

    for (size_t i = v->count; i-- > 0;) {
        struct verify_file *file = &v->files[i];
        size_t found = file->scan.count;

        if (file->sealed.is_copy)
            continue; /* its frames are no part of the sequence */
        if (!file->is_listed && found > 0) {
            file->gaps = scan_accept(&file->scan, v->synced, limit);
            file->frames_torn = found - file->scan.count;
            if (file->scan.count > 0) {
                file->sealed.first_sequence = file->scan.frames[0].sequence;
                file->sealed.last_sequence = file->scan.frames[file->scan.count - 1].sequence;
            }
        }
        if (file->is_listed || file->scan.count > 0)
            limit = file->sealed.first_sequence;
    }
    for (size_t i = 0; i < v->count; i++) {
        for (size_t k = 0; k < v->files[i].scan.count && rc == RC_OK; k++)
            rc = apply_frame(v, &v->files[i], &v->files[i].scan.frames[k]);
    }
    return rc;
}
