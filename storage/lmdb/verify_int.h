/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the checker share. */
#ifndef TERCET_STORAGE_LMDB_VERIFY_INT_H
#define TERCET_STORAGE_LMDB_VERIFY_INT_H

#include "broker/base/map.h"
#include "storage/lmdb/catalog.h"
#include "storage/lmdb/scan.h"
#include "storage/verify.h"

struct verify_file {
    struct sealed sealed;
    bool is_listed;
    bool is_there;
    int fd;
    struct scan scan; /* of one that is not sealed */
    uint64_t frames_torn;
    unsigned gaps;
};

/* A row of an index, or of a sound entry where the index is damaged. */
struct promise {
    struct segment_row row;
    bool is_kept; /* there is a sound entry for it */
    bool is_copy; /* in a segment of copies */
};

struct verify_log {
    struct map_node node; /* key: the number below */
    uint32_t number;
    uint64_t start;
    uint64_t end; /* of the rows seen so far */
};

struct verification {
    const struct verify_events *events;
    struct verify_totals totals;
    struct catalog catalog;
    uint64_t store_id;
    uint64_t covered;
    uint64_t synced;
    int directory_fd;
    int seg_fd;
    int lock_fd;
    struct verify_file *files; /* owned */
    size_t count;
    struct map logs;
    struct promise *promises; /* owned: of all segments */
    size_t promise_count;
    bool has_copies;
    bool is_catalog_damaged;
};

void verify_problem(struct verification *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct verify_log *verify_log_get(const struct verification *v, uint32_t number);
void verify_log_put(struct verification *v, uint32_t number, uint64_t start);
void verify_log_drop(struct verification *v, uint32_t number);

/* ---- verify_segment.c ---- */
/* Finds the frames of a segment that is not sealed. */
MUST_CHECK enum rc verify_scan_open(struct verification *v, struct verify_file *file);
/* Settles which of them count, as recovery will, and applies their trims and drops. */
MUST_CHECK enum rc verify_accept_open(struct verification *v);
/* Checks one segment, in the order of their ordinals, and tells of it. */
MUST_CHECK enum rc verify_file_check(struct verification *v, struct verify_file *file);
/* After all of them: what is lost of what is still owed. */
void verify_weigh(struct verification *v);

#endif
