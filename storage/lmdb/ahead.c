/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ahead: who has read a long run from the disk asks for what follows it next. It is read
 * while the first part is on its way, so that disk, checksum and network work at once. What was
 * read ahead waits here for its reader, in few places; who finds none reads as if there were none.
 * Core thread. */
#include "broker/base/counters.h"
#include "storage/lmdb/store_int.h"

#define AHEAD_LEAST_BYTES ((size_t)128 << 10) /* what counts as a long run */
#define AHEAD_MOST_BYTES  ((size_t)2 << 20)
#define AHEAD_PLACES      8

static void leave(struct lmdb_store *s, struct read_job *job)
{
    link_remove(&job->ahead);
    s->ahead_count--;
}

static void ahead_free(struct lmdb_store *s, struct read_job *job)
{
    leave(s, job);
    log_pieces_done(&job->pieces);
    mem_free(job);
}

/* False when every place waits for a reader thread. */
static bool make_place(struct lmdb_store *s)
{
    if (s->ahead_count < AHEAD_PLACES)
        return true;
    LIST_EACH (link, &s->ahead) {
        struct read_job *job = CONTAINER_OF(link, struct read_job, ahead);

        if (job->is_done) {
            ahead_free(s, job);
            return true;
        }
    }
    return false;
}

void ahead_begin(struct lmdb_store *s, uint32_t number, const struct log_pieces *before,
                 size_t max_bytes)
{
    struct store_log *log = store_log_get(s, number);
    struct read_job *job;
    uint64_t offset;
    uint32_t i;

    if (before->bytes < AHEAD_LEAST_BYTES || log == NULL)
        return;
    offset = before->at[before->count - 1].next_offset;
    if (offset < log->start || offset >= log->end || tail_find(&log->tail, offset, &i) ||
        !make_place(s))
        return;
    if (max_bytes > AHEAD_MOST_BYTES)
        max_bytes = AHEAD_MOST_BYTES;
    job = read_job_new(s, log, offset, max_bytes);
    list_append(&s->ahead, &job->ahead);
    s->ahead_count++;
    readers_put(s, job);
}

bool ahead_keep(struct lmdb_store *s, struct read_job *job)
{
    if (!link_is_linked(&job->ahead))
        return false;
    if (job->rc != RC_OK) {
        leave(s, job);
        return false;
    }
    job->is_done = true;
    return true;
}

static struct read_job *find(struct lmdb_store *s, uint32_t log, uint64_t offset, size_t max_bytes)
{
    LIST_EACH (link, &s->ahead) {
        struct read_job *job = CONTAINER_OF(link, struct read_job, ahead);

        if (job->log == log && job->offset == offset && job->max_bytes <= max_bytes)
            return job;
    }
    return NULL;
}

bool ahead_take(struct lmdb_store *s, uint32_t log, uint64_t offset, size_t max_bytes,
                struct log_pieces *ret)
{
    struct read_job *job = find(s, log, offset, max_bytes);

    if (job == NULL || !job->is_done)
        return false;
    *ret = job->pieces;
    job->pieces.count = 0;
    ahead_free(s, job);
    ahead_begin(s, log, ret, max_bytes);
    count_add(COUNT_STORE_CACHE_HITS, 1);
    return true;
}

bool ahead_join(struct lmdb_store *s, struct log_read *read)
{
    struct read_job *job = find(s, read->log, read->offset, read->max_bytes);

    if (job == NULL || job->is_done)
        return false;
    leave(s, job);
    job->read = read;
    read->is_under_way = true;
    read->detail = job;
    return true;
}

void ahead_drop_all(struct lmdb_store *s)
{
    struct read_job *job;

    while ((job = LIST_FIRST(&s->ahead, struct read_job, ahead)) != NULL) {
        ASSERT(job->is_done);
        ahead_free(s, job);
    }
}
