/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance thread's part of copying: indexes read, copies sealed and listed. */
#include <fcntl.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "storage/lmdb/copy.h"

static enum rc on_row(void *arg, const struct segment_row *row)
{
    copy_job_add(arg, row);
    return RC_OK;
}

static enum rc list_one(struct maintenance *m, struct copy_job *job, uint32_t number)
{
    struct lmdb_store *s = m->store;
    char name[SEGMENT_NAME_MAX];
    struct sealed sealed;
    enum rc rc = catalog_get_sealed(&s->catalog, number, &sealed);
    int fd;

    if (rc == RC_NOT_FOUND && !list_is_empty(&m->checkpoints))
        return RC_AGAIN; /* it is sealed when the catalogue can be written again */
    if (rc != RC_OK)
        return rc;
    segment_name(name, number);
    fd = FAULT("store.open") ? -1 : openat(s->place.seg_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return RC_IO;
    rc = seal_read(fd, &sealed, on_row, job);
    (void)close(fd); /* read only */
    return rc;
}

/* A source that was never sealed, or whose index is damaged, keeps what it has. */
void copy_list(struct maintenance *m, struct copy_job *job)
{
    for (unsigned i = 0; i < job->source_count && job->rc == RC_OK; i++) {
        enum rc rc = list_one(m, job, job->sources[i]);

        if (rc == RC_AGAIN || rc == RC_MEMORY)
            job->rc = rc;
        else if (rc != RC_OK)
            log_event(LOG_WARNING, "storage.copy-unlisted", "segment=%u rc=%s",
                      (unsigned)job->sources[i], rc_word(rc));
    }
    job->step = COPY_CHOOSE;
}

static enum rc seal(struct maintenance *m, struct copy_job *job)
{
    enum rc rc = RC_OK;

    job->count = 0;
    for (unsigned i = 0; i < job->made_count && rc == RC_OK; i++) {
        struct made *made = &job->made[i];

        rc = seal_segment(made->segment, m->store->config.has_sync, &made->sealed);
        made->sealed.is_copy = true;
        for (size_t k = 0; k < made->segment->row_count; k++)
            copy_job_add(job, &made->segment->rows[k]);
        segment_close(&made->segment);
    }
    if (rc == RC_OK)
        return rc;
    for (unsigned i = 0; i < job->made_count; i++) {
        segment_close(&job->made[i].segment);
        segment_unlink(&m->store->place, job->made[i].sealed.number);
    }
    return rc;
}

static enum rc put_compacted(struct catalog *catalog, const struct compaction *compaction)
{
    uint8_t name[5] = { CATALOG_COMPACTED }, value[16];

    put_u32(name + 1, compaction->log);
    put_u64(value, compaction->end);
    put_u64(value + 8, (uint64_t)compaction->next_ms);
    return catalog_put(catalog, slice_of(name, sizeof(name)), slice_of(value, sizeof(value)));
}

/* The files stay when the change fails: it may have reached the disk all the same. */
static enum rc list_made(struct maintenance *m, const struct copy_job *job)
{
    struct catalog *catalog = &m->store->catalog;
    enum rc rc = catalog_begin(catalog);

    for (unsigned i = 0; i < job->made_count && rc == RC_OK; i++)
        rc = catalog_put_sealed(catalog, &job->made[i].sealed);
    /* The checkpoint of a drop that comes later takes it out again. */
    if (rc == RC_OK && job->compaction != NULL && !atomic_load(&job->compaction->is_gone))
        rc = put_compacted(catalog, job->compaction);
    if (rc == RC_OK)
        rc = catalog_commit(catalog);
    catalog_abort(catalog);
    return rc;
}

enum rc copy_commit(struct maintenance *m, struct copy_job *job)
{
    enum rc rc;

    if (!job->is_sealed)
        job->rc = seal(m, job);
    job->is_sealed = true;
    if (job->rc != RC_OK) {
        count_add(COUNT_STORE_ERRORS, 1);
        return RC_OK;
    }
    if (FAULT("store.copied"))
        return RC_AGAIN;
    rc = list_made(m, job);
    if (rc != RC_OK) {
        count_add(COUNT_STORE_ERRORS, 1);
        log_event(LOG_ERROR, "storage.checkpoint-failed", "rc=%s copies=%u", rc_word(rc),
                  job->made_count);
        return RC_AGAIN;
    }
    (void)FAULT("store.moved"); /* for a kill: nothing can fail between the change and its news */
    job->step = COPY_APPLY;
    return RC_OK;
}
