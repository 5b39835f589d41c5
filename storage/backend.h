/* SPDX-License-Identifier: Apache-2.0 */
/* What a backend gives behind log.h and meta.h. For storage/ alone. */
#ifndef TERCET_STORAGE_BACKEND_H
#define TERCET_STORAGE_BACKEND_H

#include "storage/backup.h"
#include "storage/log.h"
#include "storage/meta.h"

/* One function for each of log.h and meta.h; see there for what they promise. */
struct backend {
    const char *name;
    enum store_due (*due)(const struct store *store);
    void (*submit)(struct store *store, bool is_quiet);
    void (*hurry)(struct store *store);
    bool (*has_news)(const struct store *store);
    void (*poll)(struct store *store);
    enum rc (*flush)(struct store *store);
    void (*close)(struct store **store);
    uint64_t (*backlog_bytes)(const struct store *store);
    void (*commit_latency)(const struct store *store, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns);
    /* NULL: everything is in memory. */
    enum rc (*backup)(struct store *store, const char *directory, struct store_backup *backup);
    void (*backup_cancel)(struct store *store, struct store_backup *backup);
    uint64_t (*append)(struct store *store, const struct append *append);
    void (*expect)(const struct store *store, uint32_t log); /* NULL: nothing is gained by it */
    uint64_t (*trim)(struct store *store, uint32_t log, uint64_t start);
    uint64_t (*drop)(struct store *store, uint32_t log);
    enum rc (*range)(const struct store *store, uint32_t log, uint64_t *ret_start,
                     uint64_t *ret_end);
    uint64_t (*bytes)(const struct store *store, uint32_t log);
    bool (*over)(const struct store *store, uint32_t log, uint64_t bytes, uint64_t *ret_offset);
    void (*compact)(struct store *store, struct log_compact *compact);
    void (*compact_cancel)(struct store *store, struct log_compact *compact);
    void (*compacted)(const struct store *store, uint32_t log, uint64_t *ret_end,
                      int64_t *ret_next_ms, uint64_t *ret_bytes);
    enum rc (*read_cached)(struct store *store, uint32_t log, uint64_t offset, size_t max_bytes,
                           struct log_pieces *ret);
    void (*read)(struct store *store, struct log_read *read);
    void (*read_cancel)(struct store *store, struct log_read *read);
    enum rc (*find_time)(const struct store *store, uint32_t log, int64_t time_ms,
                         uint64_t *ret_offset);
    uint64_t (*put)(struct store *store, enum meta_table table, struct slice key,
                    struct slice value, enum durability durability);
    uint64_t (*remove)(struct store *store, enum meta_table table, struct slice key,
                       enum durability durability);
    enum rc (*each)(struct store *store, enum meta_table table, meta_visit_fn *visit, void *arg);
};

/* A backend's own struct begins with this. */
struct store {
    const struct backend *backend;
    struct store_events events;
};

#endif
