/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance thread: prepares segments ahead, seals, checkpoints, retires. */
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/plant.h"
#include "storage/lmdb/backup.h"
#include "storage/lmdb/copy.h"

#define RETRY_MS    1000
#define UNUSED_PART 8

struct segment *maintenance_take_spare(struct lmdb_store *s)
{
    struct maintenance *m = &s->maintenance;
    struct segment *spare;

    (void)pthread_mutex_lock(&m->lock);
    spare = m->spare;
    m->spare = NULL;
    (void)pthread_mutex_unlock(&m->lock);
    return spare;
}

uint32_t maintenance_number(struct lmdb_store *s)
{
    struct maintenance *m = &s->maintenance;
    uint32_t number;

    (void)pthread_mutex_lock(&m->lock);
    ASSERT(m->next_number < UINT32_MAX);
    number = m->next_number++;
    (void)pthread_mutex_unlock(&m->lock);
    return number;
}

void maintenance_reclaim(struct maintenance *m, uint32_t number)
{
    struct lmdb_store *s = m->store;
    char name[SEGMENT_NAME_MAX];
    struct stat stat;

    if (PLANTED("segment-kept"))
        return;
    segment_name(name, number);
    if (m->set_aside_count < SET_ASIDE_MAX && s->config.is_prewritten &&
        fstatat(s->place.seg_fd, name, &stat, 0) == 0 &&
        stat.st_nlink == 1 && /* else a backup has it too */
        (uint64_t)stat.st_size >= s->config.segment_first_bytes &&
        segment_set_aside(&s->place, number) == RC_OK) {
        m->set_aside[m->set_aside_count++] = number;
        return;
    }
    segment_unlink(&s->place, number);
}

static bool has_spare(struct maintenance *m)
{
    bool ret;

    (void)pthread_mutex_lock(&m->lock);
    ret = m->spare != NULL;
    (void)pthread_mutex_unlock(&m->lock);
    return ret;
}

static void on_prepare(struct maintenance *m, const struct prepare *prepare)
{
    struct lmdb_store *s = m->store;
    enum filling filling = prepare->filling;
    struct segment *segment = NULL;
    enum rc rc = RC_NOT_FOUND;

    if (has_spare(m))
        return; /* asked for again by a writer that was faster */
    if (m->set_aside_count > 0) {
        /* One that cannot be used is looked at again by the next open. */
        uint32_t file = m->set_aside[--m->set_aside_count];

        rc = segment_create(&s->place, maintenance_number(s), file, prepare->capacity, filling,
                            &segment);
    }
    if (rc != RC_OK)
        rc = segment_create(&s->place, maintenance_number(s), 0, prepare->capacity, filling,
                            &segment);
    if (rc != RC_OK) {
        count_add(COUNT_STORE_ERRORS, 1);
        log_event(LOG_WARNING, "storage.prepare-failed", "rc=%s bytes=%llu", rc_word(rc),
                  (unsigned long long)prepare->capacity);
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    ASSERT(m->spare == NULL);
    m->spare = segment;
    (void)pthread_mutex_unlock(&m->lock);
}

static void on_abandon(struct maintenance *m, struct abandon *abandon)
{
    uint32_t number = abandon->segment->number;
    bool is_good = abandon->segment->is_written && !abandon->segment->has_failed;

    segment_close(&abandon->segment);
    if (is_good)
        maintenance_reclaim(m, number);
    else
        segment_unlink(&m->store->place, number);
}

/* It was left long before it was full: what it never used is not to be kept for its life. */
static bool is_wasteful(const struct segment *segment, const struct sealed *sealed)
{
    return segment->used + sealed->index_length <
           segment->capacity / UNUSED_PART * (UNUSED_PART - 1);
}

static void unsealed_add(struct maintenance *m, const struct segment *segment)
{
    m->unsealed = mem_resize(m->unsealed, (m->unsealed_count + 1) * sizeof(*m->unsealed));
    m->unsealed[m->unsealed_count++] = (struct unsealed){ segment->number, segment->used };
}

static void unsealed_remove(struct maintenance *m, uint32_t number)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < m->unsealed_count; i++) {
        if (m->unsealed[i].number != number)
            m->unsealed[kept++] = m->unsealed[i];
    }
    m->unsealed_count = kept;
}

/* A segment that cannot be sealed stays as it is: the next open reads it whole. */
static void seal(struct maintenance *m, struct checkpoint *checkpoint)
{
    struct segment *segment = checkpoint->seal;
    enum rc rc = RC_IO;

    if (!segment->has_failed)
        rc = seal_segment(segment, m->store->config.has_sync, &checkpoint->sealed);
    checkpoint->is_sealed = rc == RC_OK;
    if (rc != RC_OK) {
        unsealed_add(m, segment);
        count_add(COUNT_STORE_ERRORS, 1);
        log_event(LOG_WARNING, "storage.seal-failed", "segment=%u rc=%s", (unsigned)segment->number,
                  rc_word(rc));
    } else if (checkpoint->is_last || is_wasteful(segment, &checkpoint->sealed)) {
        seal_trim(segment->fd, &checkpoint->sealed);
    }
    segment_close(&checkpoint->seal);
}

/* A log that goes takes along how far it was compacted. */
static enum rc forget_compacted(struct catalog *catalog, struct slice log)
{
    uint8_t name[5] = { CATALOG_COMPACTED };

    if (log.len != sizeof(name) || log.at[0] != CATALOG_LOGS)
        return RC_OK;
    memcpy(name + 1, log.at + 1, sizeof(name) - 1);
    return catalog_delete(catalog, slice_of(name, sizeof(name)));
}

static enum rc apply_changes(struct catalog *catalog, const struct map *changes)
{
    enum rc rc = RC_OK;

    MAP_EACH (node, changes) {
        const struct change *change = CONTAINER_OF(node, struct change, node);
        struct slice name, value;

        change_parts(slice_of(change->payload, change->bytes), &name, &value);
        rc = change->is_delete ? catalog_delete(catalog, name) : catalog_put(catalog, name, value);
        if (rc == RC_OK && change->is_delete)
            rc = forget_compacted(catalog, name);
        if (rc != RC_OK)
            break;
    }
    return rc;
}

static enum rc apply(struct maintenance *m, const struct checkpoint *checkpoint)
{
    struct catalog *catalog = &m->store->catalog;
    enum rc rc = catalog_begin(catalog);

    if (rc != RC_OK)
        return rc;
    rc = apply_changes(catalog, &checkpoint->changes);
    if (rc == RC_OK)
        rc = catalog_put_number(catalog, "covered", checkpoint->covered);
    if (rc == RC_OK && checkpoint->is_sealed)
        rc = catalog_put_sealed(catalog, &checkpoint->sealed);
    for (uint32_t i = 0; i < checkpoint->retire_count && rc == RC_OK; i++)
        rc = catalog_delete_sealed(catalog, checkpoint->retire[i]);
    if (rc == RC_OK)
        return catalog_commit(catalog);
    catalog_abort(catalog);
    return rc;
}

static void checkpoint_free(struct checkpoint **ref)
{
    struct checkpoint *checkpoint = *ref;

    *ref = NULL;
    if (checkpoint == NULL)
        return;
    changes_free(&checkpoint->changes);
    segment_close(&checkpoint->seal);
    mem_free(checkpoint->retire);
    mem_free(checkpoint);
}

/* In order, since a later one may undo what an earlier one did. */
static void run_checkpoints(struct maintenance *m)
{
    struct checkpoint *checkpoint;

    while ((checkpoint = LIST_FIRST(&m->checkpoints, struct checkpoint, job.link)) != NULL) {
        enum rc rc;

        if (checkpoint->seal != NULL)
            seal(m, checkpoint);
        rc = apply(m, checkpoint);
        if (rc != RC_OK) {
            count_add(COUNT_STORE_ERRORS, 1);
            log_event(LOG_ERROR, "storage.checkpoint-failed", "rc=%s", rc_word(rc));
            return;
        }
        count_add(COUNT_STORE_RETIRED, checkpoint->retire_count);
        for (uint32_t i = 0; i < checkpoint->retire_count; i++) {
            unsealed_remove(m, checkpoint->retire[i]);
            maintenance_reclaim(m, checkpoint->retire[i]);
        }
        link_remove(&checkpoint->job.link);
        checkpoint_free(&checkpoint);
        (void)atomic_fetch_sub(&m->checkpoints_under_way, 1);
    }
}

/* The copy that is to be listed, if any; one that the catalogue did not take is tried again. */
static void run_copy(struct maintenance *m)
{
    struct copy_job *job = m->copy;

    if (job == NULL || copy_commit(m, job) != RC_OK)
        return;
    m->copy = NULL;
    store_done(m->store, &job->job);
}

static void on_copy(struct maintenance *m, struct copy_job *job)
{
    if (job->step == COPY_LIST) {
        copy_list(m, job);
        store_done(m->store, &job->job);
        return;
    }
    ASSERT(m->copy == NULL && job->step == COPY_COMMIT);
    m->copy = job;
    run_copy(m);
}

static void on_job(struct maintenance *m, struct job *job)
{
    if (job->kind == JOB_CHECKPOINT) {
        list_append(&m->checkpoints, &job->link);
        run_checkpoints(m);
    } else if (job->kind == JOB_PREPARE) {
        on_prepare(m, CONTAINER_OF(job, struct prepare, job));
        mem_free(job);
    } else if (job->kind == JOB_COPY) {
        on_copy(m, CONTAINER_OF(job, struct copy_job, job));
    } else if (job->kind == JOB_BACKUP) {
        backup_link(m, CONTAINER_OF(job, struct backup_job, job));
    } else {
        ASSERT(job->kind == JOB_ABANDON);
        on_abandon(m, CONTAINER_OF(job, struct abandon, job));
        mem_free(job);
    }
}

static void maintenance_main(void *arg)
{
    struct maintenance *m = arg;
    bool is_open = true;

    while (is_open) {
        struct list taken;
        struct job *job;

        list_init(&taken);
        is_open = mailbox_wait(&m->inbox, &taken,
                               list_is_empty(&m->checkpoints) && m->copy == NULL ? 0 : RETRY_MS);
        if (list_is_empty(&taken)) {
            run_checkpoints(m);
            run_copy(m);
        }
        while ((job = LIST_FIRST(&taken, struct job, link)) != NULL) {
            link_remove(&job->link);
            on_job(m, job);
        }
    }
}

enum rc maintenance_start(struct lmdb_store *s)
{
    struct maintenance *m = &s->maintenance;
    enum rc rc = thread_start(&m->thread, "store-upkeep", maintenance_main, m);

    m->is_running = rc == RC_OK;
    return rc;
}

void maintenance_stop(struct lmdb_store *s)
{
    struct maintenance *m = &s->maintenance;
    struct checkpoint *checkpoint;

    if (!m->is_running)
        return;
    mailbox_close(&m->inbox);
    thread_join(&m->thread);
    while ((checkpoint = LIST_FIRST(&m->checkpoints, struct checkpoint, job.link)) != NULL) {
        link_remove(&checkpoint->job.link);
        checkpoint_free(&checkpoint);
    }
    copy_job_free(&m->copy);
    mem_free(m->unsealed);
    if (m->spare != NULL) {
        struct abandon abandon = { .segment = m->spare };

        m->spare = NULL;
        on_abandon(m, &abandon);
    }
}
