/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: catalogue, sealed segments by their index, the rest by scanning for frames.
 *
 * What was not closed in order gets no frame any more: its end may be torn, while the frames prove
 * themselves. Such a segment gets its index behind the last frame that counts, is synced (a kill
 * leaves frames in the page cache alone), and counts as sealed. A copy that the catalogue does not
 * list is removed; rows of one that it lists stand before those of the segments they came from. All
 * that the frames say and the catalogue does not know yet goes to the catalogue in one change, so
 * that a second crash starts again from the same files. */
#include "storage/lmdb/recover_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "storage/lmdb/copy.h"

static struct found *found_get(struct recovery *r, uint32_t number)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->found[i].sealed.number == number)
            return &r->found[i];
    }
    r->found = mem_resize(r->found, (r->count + 1) * sizeof(*r->found));
    r->found[r->count] = (struct found){ .sealed.number = number, .fd = -1 };
    return &r->found[r->count++];
}

static enum rc on_sealed(void *arg, const struct sealed *sealed)
{
    struct found *found = found_get(arg, sealed->number);

    found->sealed = *sealed;
    found->is_listed = true;
    return RC_OK;
}

static void number_seen(struct lmdb_store *s, uint32_t number)
{
    if (number >= s->maintenance.next_number)
        s->maintenance.next_number = number + 1;
}

static void on_segment_file(void *arg, uint32_t number)
{
    struct recovery *r = arg;

    found_get(r, number)->is_there = true;
    number_seen(r->s, number);
}

static void on_spare_file(void *arg, uint32_t number)
{
    struct recovery *r = arg;
    struct maintenance *m = &r->s->maintenance;
    char name[SEGMENT_NAME_MAX];
    struct stat stat;

    number_seen(r->s, number);
    segment_name(name, number);
    /* One with another link may be somebody's backup: it is not written over. */
    if (r->s->config.is_prewritten && m->set_aside_count < SET_ASIDE_MAX &&
        fstatat(r->s->place.spare_fd, name, &stat, 0) == 0 && stat.st_nlink == 1) {
        m->set_aside[m->set_aside_count++] = number;
        return;
    }
    (void)unlinkat(r->s->place.spare_fd, name, 0); /* the next open tries again */
}

static enum rc on_log(void *arg, struct slice key, struct slice value)
{
    struct recovery *r = arg;
    struct rd k = rd_of(key), v = rd_of(value);
    uint32_t number = rd_u32(&k);
    uint64_t start = rd_u64(&v);

    if (k.bad || v.bad || number == 0)
        return RC_CORRUPT;
    (void)store_log_new(r->s, number, start);
    return RC_OK;
}

static enum rc on_compacted(void *arg, struct slice key, struct slice value)
{
    struct recovery *r = arg;
    struct rd k = rd_of(key), v = rd_of(value);
    uint32_t number = rd_u32(&k);
    uint64_t end = rd_u64(&v);
    int64_t next_ms = rd_i64(&v);

    if (k.bad || v.bad || number == 0)
        return RC_CORRUPT;
    r->compacted = mem_resize(r->compacted, (r->compacted_count + 1) * sizeof(*r->compacted));
    r->compacted[r->compacted_count++] = number;
    if (store_log_get(r->s, number) != NULL)
        compact_note(r->s, number, end, next_ms, 0);
    return RC_OK;
}

/* What is said of logs that are gone. */
static enum rc compacted_clean(struct recovery *r)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < r->compacted_count && rc == RC_OK; i++) {
        uint8_t name[5] = { CATALOG_COMPACTED };

        if (store_log_get(r->s, r->compacted[i]) != NULL)
            continue;
        compact_forget(r->s, r->compacted[i]);
        put_u32(name + 1, r->compacted[i]);
        rc = catalog_delete(&r->s->catalog, slice_of(name, sizeof(name)));
        r->is_changed = true;
    }
    return rc;
}

/* ---- what is there ---- */

static enum rc open_found(struct recovery *r, struct found *found)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(name, found->sealed.number);
    if (!found->is_there) {
        log_event(LOG_ERROR, "storage.segment-missing", "file=seg/%s", name);
        return RC_CORRUPT;
    }
    found->fd = FAULT("store.open") ? -1
                                    : openat(r->s->place.seg_fd, name,
                                             (found->is_listed ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    return found->fd < 0 ? RC_IO : RC_OK;
}

static enum rc scan_found(struct recovery *r, struct found *found, enum scan_extent extent)
{
    enum rc rc = scan_file(found->fd, found->sealed.number, r->s->store_id, extent, &found->scan);

    if (rc != RC_OK)
        return rc;
    if (found->scan.foreign > 0)
        return RC_CORRUPT; /* another store's: not to be taken for an empty file and removed */
    if (found->scan.count > 0 && found->scan.frames[0].flags & FRAME_COPY && !found->sealed.is_copy)
        found->scan.count = 0; /* never finished: what it copied is where it was */
    found->sealed.ordinal = found->scan.ordinal;
    if (found->scan.synced_sequence > r->synced)
        r->synced = found->scan.synced_sequence;
    return RC_OK;
}

static int by_ordinal(const void *left, const void *right)
{
    const struct found *a = left, *b = right;

    return (a->sealed.ordinal > b->sealed.ordinal) - (a->sealed.ordinal < b->sealed.ordinal);
}

/* Frames that the catalogue does not cover are missing behind this segment, before the next or up
 * to what was synced. Below that, a gap is a segment that was reclaimed. */
static void tell_missing(const struct recovery *r, const struct found *found, uint64_t limit)
{
    uint64_t next = limit == UINT64_MAX ? r->synced + 1 : limit;
    uint64_t last = found->sealed.last_sequence;

    if ((last > r->covered ? last : r->covered) + 1 < next)
        log_event(LOG_ERROR, "storage.frames-missing", "segment=%u last=%llu next=%llu",
                  (unsigned)found->sealed.number, (unsigned long long)last,
                  (unsigned long long)next);
}

/* From the newest to the oldest: what a later segment holds counts, and not what an earlier one was
 * left with when a commit failed there and was made again. */
static void accept_frames(struct recovery *r)
{
    uint64_t limit = UINT64_MAX;

    for (size_t i = r->count; i-- > 0;) {
        struct found *found = &r->found[i];
        struct scan *scan = &found->scan;

        if (found->sealed.is_copy)
            continue; /* its frames are no part of the sequence */
        if (!found->is_listed && scan->count > 0) {
            unsigned gaps = scan_accept(scan, r->synced, limit);

            if (gaps > 0)
                log_event(LOG_ERROR, "storage.corrupt", "segment=%u gaps=%u",
                          (unsigned)found->sealed.number, gaps);
            if (scan->count > 0) {
                found->sealed.first_sequence = scan->frames[0].sequence;
                found->sealed.last_sequence = scan->frames[scan->count - 1].sequence;
            }
        }
        if (found->is_listed || scan->count > 0) {
            tell_missing(r, found, limit);
            limit = found->sealed.first_sequence;
            if (found->sealed.last_sequence > r->last)
                r->last = found->sealed.last_sequence;
        }
        if (found->sealed.ordinal > r->s->writer.ordinal)
            r->s->writer.ordinal = found->sealed.ordinal;
    }
}

static enum rc look(struct recovery *r)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < r->count && rc == RC_OK; i++) {
        struct found *found = &r->found[i];

        rc = open_found(r, found);
        if (rc == RC_OK && !found->is_listed)
            rc = scan_found(r, found, SCAN_TO_ZEROS);
        if (rc != RC_OK)
            log_event(LOG_ERROR, "storage.open-failed", "file=seg/%010u.seg rc=%s",
                      (unsigned)found->sealed.number, rc_word(rc));
    }
    return rc;
}

/* A sealed segment whose index turns out to be damaged: all its frames count. */
static enum rc apply_without_index(struct recovery *r, struct found *found)
{
    const struct scan *scan = &found->scan;
    uint64_t wanted = found->sealed.last_sequence - found->sealed.first_sequence + 1;
    enum rc rc;

    log_event(LOG_WARNING, "storage.index-damaged", "segment=%u", (unsigned)found->sealed.number);
    (void)close(found->fd);
    found->fd = -1;
    found->is_listed = false;
    rc = open_found(r, found);
    if (rc == RC_OK)
        rc = scan_found(r, found, SCAN_ALL);
    if (rc != RC_OK)
        return rc;
    (void)scan_accept(&found->scan, UINT64_MAX, found->sealed.last_sequence + 1);
    if (scan->count < wanted)
        log_event(LOG_ERROR, "storage.corrupt", "segment=%u frames=%zu of=%llu first=%llu",
                  (unsigned)found->sealed.number, scan->count, (unsigned long long)wanted,
                  (unsigned long long)found->sealed.first_sequence);
    return recover_scanned(r, found);
}

static enum rc apply_found(struct recovery *r, struct found *found)
{
    struct segment_info *info;
    enum rc rc;

    if (!found->is_listed && found->scan.count == 0)
        return RC_OK; /* empty: removed when all went well */
    info = segment_info_new(r->s, found->sealed.number);
    if (!found->is_listed)
        rc = recover_scanned(r, found);
    else
        rc = recover_index(r, found);
    if (rc == RC_CORRUPT && found->is_listed)
        rc = apply_without_index(r, found);
    info->file_bytes = found->sealed.index_position;
    return rc;
}

static enum rc apply_copies(struct recovery *r)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < r->count && rc == RC_OK; i++)
        if (r->found[i].sealed.is_copy)
            rc = apply_found(r, &r->found[i]);
    recover_copies_sort(r);
    return rc;
}

static enum rc apply_all(struct recovery *r)
{
    struct catalog *catalog = &r->s->catalog;
    enum rc rc = catalog_begin(catalog);

    if (rc == RC_OK)
        rc = apply_copies(r);
    for (size_t i = 0; i < r->count && rc == RC_OK; i++)
        if (!r->found[i].sealed.is_copy)
            rc = apply_found(r, &r->found[i]);
    recover_copies_end(r);
    if (rc == RC_OK)
        rc = compacted_clean(r);
    if (rc == RC_OK && r->is_changed)
        rc = catalog_put_number(catalog, "covered", r->last);
    if (rc == RC_OK && r->is_changed)
        return catalog_commit(catalog);
    catalog_abort(catalog);
    return rc;
}

static void close_all(struct recovery *r, bool is_good)
{
    for (size_t i = 0; i < r->count; i++) {
        struct found *found = &r->found[i];

        if (found->fd >= 0)
            (void)close(found->fd); /* synced, if it was written to */
        if (is_good && !found->is_listed && found->scan.count == 0)
            maintenance_reclaim(&r->s->maintenance, found->sealed.number);
        scan_done(&found->scan);
        mem_free(found->rows);
    }
    mem_free(r->found);
    mem_free(r->compacted);
}

static void close_segments(struct lmdb_store *s)
{
    size_t count = s->segments.count, i = 0;
    struct segment_info **all = mem_new_array(struct segment_info *, count + 1);

    MAP_EACH (node, &s->segments)
        all[i++] = CONTAINER_OF(node, struct segment_info, node);
    for (i = 0; i < count; i++) {
        all[i]->is_closed = true;
        segment_info_check(s, all[i]);
    }
    mem_free(all);
}

static void on_any_file(void *arg, uint32_t number)
{
    struct recovery *r = arg;

    (void)number;
    r->count++;
}

enum rc recover_check_new(struct lmdb_store *s)
{
    struct recovery r = { .s = s };
    enum rc rc;

    if (faccessat(s->place.directory_fd, "catalog.mdb", F_OK, 0) == 0)
        return RC_OK;
    rc = segment_each(s->place.seg_fd, on_any_file, &r);
    if (rc != RC_OK || r.count == 0)
        return rc;
    log_event(LOG_ERROR, "storage.catalogue-missing", "segments=%zu", r.count);
    return RC_CORRUPT;
}

enum rc store_recover(struct lmdb_store *s)
{
    struct recovery r = { .s = s };
    enum rc rc = catalog_get_number(&s->catalog, "covered", &r.covered);

    if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = catalog_each_sealed(&s->catalog, on_sealed, &r);
    if (rc == RC_OK)
        rc = segment_each(s->place.seg_fd, on_segment_file, &r);
    if (rc == RC_OK)
        rc = segment_each(s->place.spare_fd, on_spare_file, &r);
    if (rc == RC_OK)
        rc = catalog_each(&s->catalog, CATALOG_LOGS, on_log, &r);
    map_init(&r.copied);
    if (rc == RC_OK)
        rc = catalog_each(&s->catalog, CATALOG_COMPACTED, on_compacted, &r);
    r.synced = r.covered;
    r.last = r.covered;
    if (rc == RC_OK)
        rc = look(&r);
    if (rc == RC_OK) {
        if (r.count > 0)
            qsort(r.found, r.count, sizeof(*r.found), by_ordinal);
        accept_frames(&r);
        rc = apply_all(&r);
    }
    close_all(&r, rc == RC_OK);
    if (rc != RC_OK)
        return rc;
    s->writer.sequence = s->writer.synced_sequence = r.last;
    close_segments(s);
    compact_count_all(s);
    return RC_OK;
}
