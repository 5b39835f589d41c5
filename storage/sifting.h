/* SPDX-License-Identifier: Apache-2.0 */
/* What compaction makes of one log's entries, whatever store they lie in. For storage/.
 *
 * First the entries that were not compacted before are noted: the last offset of each key, until
 * the memory for that is used; entries behind are another pass's. Then all entries are added, in
 * the order of their offsets. Neighbours are joined to groups, up to SIFTING_GROUP_BYTES of what is
 * left of them, and offsets that have no record any more are taken by the group around them, so
 * that what comes of a log goes on covering all its offsets. A group that has lost nothing is told
 * as such: its entries stay what they are. One thread at a time. */
#ifndef TERCET_STORAGE_SIFTING_H
#define TERCET_STORAGE_SIFTING_H

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/table.h"
#include "broker/record/sift.h"

#define SIFTING_GROUP_BYTES ((size_t)64 << 10)

/* What stands for the offsets [from, to) from now on. */
struct sifting_group {
    uint64_t from;
    uint64_t to;
    uint64_t was_bytes; /* of its entries before */
    int64_t max_timestamp_ms;
    bool is_changed;
    struct slice bytes; /* borrowed: batches for all offsets from `from` to `to` */
};

/* Groups come without a gap, from the first entry added on. Anything but RC_OK ends the pass: the
 * call that led to it gives that back. */
typedef enum rc sifting_group_fn(void *arg, const struct sifting_group *group);

struct sifting {
    sifting_group_fn *on_group;
    void *arg;
    struct sift sift;
    struct table keys;
    struct list slabs; /* owned: of keys */
    size_t key_count;
    uint64_t seed_a; /* of the two hashes that stand for a key */
    uint64_t seed_b;
    struct sifting_group group; /* that is being made; its bytes lie in: */
    struct text bytes;          /* owned */
    uint64_t covered;           /* end of its last batch */
    bool is_group;              /* there is one */
    struct text entry;          /* owned: what is left of one entry */
};

/* A pass over one log begins; `arg` is borrowed until sifting_done(). A record without a value
 * stays for `delete_retention_ms` after the first pass that saw it. */
void sifting_init(struct sifting *s, sifting_group_fn *on_group, void *arg,
                  int64_t delete_retention_ms);
/* Frees all of it, also when the pass was not ended; tells nothing. It may be begun anew. */
void sifting_done(struct sifting *s);
/* RC_LIMIT: there is no room for more keys; nothing of the entry was noted. RC_MEMORY. */
MUST_CHECK enum rc sifting_note(struct sifting *s, struct slice payload);
/* A payload that cannot be read, or is none, stays as it is. RC_MEMORY; or what on_group() gave. */
MUST_CHECK enum rc sifting_add(struct sifting *s, uint64_t base_offset, uint64_t next_offset,
                               int64_t max_timestamp_ms, struct slice payload);
/* Tells the last group. */
MUST_CHECK enum rc sifting_end(struct sifting *s);

#endif
