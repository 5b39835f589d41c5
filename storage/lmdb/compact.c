/* SPDX-License-Identifier: Apache-2.0 */
/* The copier thread's part of compaction: entries are read twice, and what loses records is written
 * anew. An entry of a group that loses nothing stays where it is. */
#include "storage/lmdb/copy.h"
#include "storage/sifting.h"

struct pass {
    struct copying *copying;
    struct copy_job *job;
    struct sifting sifting;
    size_t row_count; /* rows of the job that this pass covers */
};

static enum rc note_row(void *arg, const struct segment_row *row, struct slice payload)
{
    struct pass *pass = arg;
    enum rc rc = sifting_note(&pass->sifting, payload);

    if (rc != RC_LIMIT)
        pass->row_count = (size_t)(row - pass->job->rows) + 1;
    return rc;
}

static enum rc note_keys(struct pass *pass)
{
    struct copy_job *job = pass->job;
    struct compaction *c = job->compaction;
    size_t first = 0;
    enum rc rc;

    while (first < job->count && row_end(&job->rows[first].row) <= c->from)
        first++;
    pass->row_count = first;
    rc = copy_read(pass->copying, first, job->count, note_row, pass);
    if (rc == RC_LIMIT) {
        c->is_partial = true;
        rc = RC_OK;
    }
    if (pass->row_count > 0)
        c->end = row_end(&job->rows[pass->row_count - 1].row);
    return rc;
}

static enum rc sift_row(void *arg, const struct segment_row *row, struct slice payload)
{
    struct pass *pass = arg;

    return sifting_add(&pass->sifting, row->row.base_offset, row_end(&row->row),
                       row->row.max_timestamp_ms, payload);
}

static enum rc on_group(void *arg, const struct sifting_group *group)
{
    struct pass *pass = arg;
    struct compaction *c = pass->job->compaction;
    const struct entry_header header = {
        .log = c->log,
        .kind = ENTRY_DATA,
        .base_offset = group->from,
        .record_count = (uint32_t)(group->to - group->from),
        .length = (uint32_t)group->bytes.len,
        .max_timestamp_ms = group->max_timestamp_ms,
    };

    if (!group->is_changed)
        return RC_OK;
    c->was_bytes += group->was_bytes;
    c->now_bytes += group->bytes.len;
    return copy_write(pass->copying, &header, group->bytes);
}

enum rc compact_rows(struct copying *c, struct copy_job *job)
{
    struct compaction *compaction = job->compaction;
    struct pass pass = { .copying = c, .job = job };
    enum rc rc;

    sifting_init(&pass.sifting, on_group, &pass, compaction->delete_retention_ms);
    rc = note_keys(&pass);
    if (rc == RC_OK)
        rc = copy_read(c, 0, pass.row_count, sift_row, &pass);
    if (rc == RC_OK)
        rc = sifting_end(&pass.sifting);
    compaction->next_ms = pass.sifting.sift.next_ms;
    sifting_done(&pass.sifting);
    return rc;
}
