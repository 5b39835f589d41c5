/* SPDX-License-Identifier: Apache-2.0 */
/* The copier thread's part of compaction: which record is the last of its key, and what is left.
 *
 * First the entries that were not compacted before are read, and the last offset of each key noted,
 * until the memory for that is used: entries behind are another pass's. Then all entries are read.
 * What loses records is written anew; its neighbours are joined to it, up to RUN_MAX_BYTES, and
 * offsets that have no record any more are taken by the entry around them, so that the entries of a
 * log go on covering all its offsets. An entry that loses nothing stays where it is. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/random.h"
#include "broker/record/sift.h"
#include "storage/lmdb/copy.h"

#define KEYS_FIRST ((size_t)1 << 10)
/* 48 MB: one and a half million keys. */
#define KEYS_MAX ((size_t)1 << 21)

/* A key and the last offset it was seen at. Two hashes of 64 bits with seeds of the pass: no two
 * keys that a peer can find have both. */
struct key {
    uint64_t a;
    uint64_t b;
    uint64_t next; /* offset + 1; 0: free */
};

struct keys {
    struct key *at; /* owned; open addressing */
    size_t room;    /* a power of two */
    size_t count;
    uint64_t seed_a;
    uint64_t seed_b;
};

/* ---- keys ---- */

static struct key *key_place(const struct keys *keys, uint64_t a, uint64_t b)
{
    size_t i = (size_t)a & (keys->room - 1);

    while (keys->at[i].next != 0 && (keys->at[i].a != a || keys->at[i].b != b))
        i = (i + 1) & (keys->room - 1);
    return &keys->at[i];
}

static enum rc keys_grow(struct keys *keys)
{
    size_t room = keys->room == 0 ? KEYS_FIRST : keys->room * 2;
    struct keys grown = *keys;

    grown.at = mem_try(room * sizeof(*grown.at));
    if (grown.at == NULL)
        return RC_MEMORY;
    memset(grown.at, 0, room * sizeof(*grown.at));
    grown.room = room;
    for (size_t i = 0; i < keys->room; i++)
        if (keys->at[i].next != 0)
            *key_place(&grown, keys->at[i].a, keys->at[i].b) = keys->at[i];
    mem_free(keys->at);
    *keys = grown;
    return RC_OK;
}

static struct key *key_of(const struct keys *keys, struct slice key)
{
    return key_place(keys, hash_checksum(key, keys->seed_a), hash_checksum(key, keys->seed_b));
}

static enum rc key_note(struct keys *keys, struct slice key, uint64_t offset)
{
    uint64_t a = hash_checksum(key, keys->seed_a), b = hash_checksum(key, keys->seed_b);
    struct key *place;
    enum rc rc = keys->count * 4 >= keys->room * 3 ? keys_grow(keys) : RC_OK;

    if (rc != RC_OK)
        return rc;
    place = key_place(keys, a, b);
    if (place->next == 0)
        keys->count++;
    *place = (struct key){ a, b, offset + 1 };
    return RC_OK;
}

/* ---- the first walk ---- */

struct pass {
    struct copying *copying;
    struct copy_job *job;
    struct keys keys;
    struct sift sift;
    size_t row_count; /* rows of the job that this pass covers */
    /* the group that is being made */
    struct text group; /* owned */
    uint64_t group_from;
    uint64_t group_to;
    uint64_t covered; /* end of its last batch */
    uint64_t group_bytes;
    int64_t group_time_ms;
    bool is_group; /* there is one */
    bool is_changed;
    struct text entry; /* owned: what is left of one entry */
};

static enum rc note_batch(struct pass *pass, struct slice bytes, const struct batch_header *header)
{
    struct record_reader reader;
    struct record record;
    enum rc rc;

    if (!sift_may(header))
        return RC_OK;
    rc = record_reader_open(bytes, COMPRESSION_MAX_INFLATED_BYTES, &pass->sift.inflated, &reader,
                            NULL, NULL);
    if (rc != RC_OK)
        return rc == RC_MEMORY ? rc : RC_OK; /* what cannot be opened stays as it is */
    while (rc == RC_OK && record_next(&reader, &record) == RC_OK) {
        if (!slice_is_none(record.key))
            rc = key_note(&pass->keys, record.key, record.offset);
    }
    return rc;
}

static enum rc note_entry(void *arg, const struct segment_row *row, struct slice payload)
{
    struct pass *pass = arg;
    struct batch_header header;
    size_t whole;
    enum rc rc = RC_OK;

    if (pass->keys.count * 4 >= KEYS_MAX * 3)
        return RC_LIMIT;
    if (slice_is_none(payload))
        payload.len = 0;
    while (rc == RC_OK && payload.len > 0 && batch_peek(payload, &header, NULL, &whole) == RC_OK) {
        rc = note_batch(pass, payload, &header);
        payload = slice_after(payload, whole);
    }
    pass->row_count = (size_t)(row - pass->job->rows) + 1;
    return rc;
}

static enum rc note_keys(struct pass *pass)
{
    struct copy_job *job = pass->job;
    struct compaction *c = job->compaction;
    size_t first = 0;
    enum rc rc = keys_grow(&pass->keys);

    while (first < job->count && row_end(&job->rows[first].row) <= c->from)
        first++;
    pass->row_count = first;
    if (rc == RC_OK)
        rc = copy_read(pass->copying, first, job->count, note_entry, pass);
    if (rc == RC_LIMIT) {
        c->is_partial = true;
        rc = RC_OK;
    }
    if (pass->row_count > 0)
        c->end = row_end(&job->rows[pass->row_count - 1].row);
    return rc;
}

static bool is_last(void *arg, const struct record *record)
{
    const struct pass *pass = arg;
    const struct key *key = key_of(&pass->keys, record->key);

    return key->next == 0 || key->next <= record->offset + 1;
}

/* ---- the second walk ---- */

/* Writes the group if it has lost anything. */
static enum rc group_end(struct pass *pass)
{
    struct compaction *c = pass->job->compaction;
    struct entry_header header = { .log = c->log, .kind = ENTRY_DATA };
    enum rc rc = RC_OK;

    if (pass->is_group && pass->is_changed) {
        if (pass->covered < pass->group_to)
            sift_add_empty(&pass->group, pass->covered, (uint32_t)(pass->group_to - pass->covered));
        header.base_offset = pass->group_from;
        header.record_count = (uint32_t)(pass->group_to - pass->group_from);
        header.length = (uint32_t)pass->group.len;
        header.max_timestamp_ms = pass->group_time_ms;
        rc = pass->group.bad ? RC_MEMORY
                             : copy_write(pass->copying, &header, text_slice(&pass->group));
        c->was_bytes += pass->group_bytes;
        c->now_bytes += pass->group.len;
    }
    text_clear(&pass->group);
    pass->is_group = false;
    return rc;
}

static void group_begin(struct pass *pass, const struct row *row)
{
    pass->is_group = true;
    pass->is_changed = false;
    pass->group_from = pass->covered = row->base_offset;
    pass->group_bytes = 0;
    pass->group_time_ms = INT64_MIN;
}

/* What is left of one entry, in pass->entry; `ret_covered`: the end of its last batch. */
static enum rc sift_entry(struct pass *pass, struct slice payload, bool *ret_is_changed,
                          uint64_t *ret_covered)
{
    struct batch_header header;
    enum sifted sifted = SIFT_SAME;
    size_t whole;
    enum rc rc = RC_OK;

    *ret_is_changed = false;
    *ret_covered = 0;
    text_clear(&pass->entry);
    while (rc == RC_OK && payload.len > 0) {
        if (batch_peek(payload, &header, NULL, &whole) != RC_OK)
            return RC_CORRUPT;
        if (header.record_count > 0)
            rc = sift_batch(&pass->sift, payload, &pass->entry, &sifted);
        else
            sifted = SIFT_NOTHING;
        if (sifted == SIFT_SAME)
            text_add(&pass->entry, slice_of(payload.at, whole));
        if (sifted != SIFT_NOTHING)
            *ret_covered = header.base_offset + header.last_offset_delta + 1;
        if (sifted != SIFT_SAME && header.record_count > 0)
            *ret_is_changed = true;
        payload = slice_after(payload, whole);
    }
    return rc == RC_OK && pass->entry.bad ? RC_MEMORY : rc;
}

static bool fits(const struct pass *pass, const struct row *row)
{
    return pass->group.len + pass->entry.len <= RUN_MAX_BYTES &&
           row_end(row) - pass->group_from <= INT32_MAX && row->base_offset == pass->group_to;
}

static enum rc sift_row(void *arg, const struct segment_row *segment_row, struct slice payload)
{
    struct pass *pass = arg;
    const struct row *row = &segment_row->row;
    bool is_changed = false;
    uint64_t covered = 0;
    enum rc rc =
        slice_is_none(payload) ? RC_CORRUPT : sift_entry(pass, payload, &is_changed, &covered);

    if (rc == RC_CORRUPT)
        return group_end(pass); /* it stays as it is, and what is before it ends there */
    if (rc == RC_OK && pass->is_group && !fits(pass, row))
        rc = group_end(pass);
    if (rc != RC_OK)
        return rc;
    if (!pass->is_group)
        group_begin(pass, row);
    text_add(&pass->group, text_slice(&pass->entry));
    if (covered > 0)
        pass->covered = covered;
    pass->group_to = row_end(row);
    pass->group_bytes += row->length;
    pass->is_changed |= is_changed;
    if (row->max_timestamp_ms > pass->group_time_ms)
        pass->group_time_ms = row->max_timestamp_ms;
    return RC_OK;
}

enum rc compact_rows(struct copying *c, struct copy_job *job)
{
    struct compaction *compaction = job->compaction;
    struct pass pass = { .copying = c, .job = job };
    enum rc rc;

    pass.keys.seed_a = random_u64();
    pass.keys.seed_b = random_u64();
    sift_init(&pass.sift, is_last, &pass, clock_wall_ms(), compaction->delete_retention_ms);
    rc = note_keys(&pass);
    if (rc == RC_OK)
        rc = copy_read(c, 0, pass.row_count, sift_row, &pass);
    if (rc == RC_OK)
        rc = group_end(&pass);
    compaction->next_ms = pass.sift.next_ms;
    sift_done(&pass.sift);
    text_done(&pass.group);
    text_done(&pass.entry);
    mem_free(pass.keys.at);
    return rc;
}
