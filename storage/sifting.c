/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sifting.h"

#include "broker/base/clock.h"
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"

/* Some 60 MB. */
#define KEYS_MAX  ((size_t)3 << 19)
#define SLAB_KEYS 512

/* The last offset that a key was seen at. Two hashes of 64 bits with seeds of the pass: no two keys
 * that a peer can find have both. */
struct key {
    uint64_t a;
    uint64_t b;
    uint64_t offset;
};

struct key_slab {
    struct link link;
    unsigned count;
    struct key at[SLAB_KEYS];
};

static uint64_t key_hash(const void *item)
{
    return ((const struct key *)item)->a;
}

static bool is_key(const void *item, const void *wanted)
{
    const struct key *one = item, *other = wanted;

    return one->a == other->a && one->b == other->b;
}

void sifting_done(struct sifting *s)
{
    struct key_slab *slab;

    table_done(&s->keys);
    while ((slab = LIST_FIRST(&s->slabs, struct key_slab, link)) != NULL) {
        link_remove(&slab->link);
        mem_free(slab);
    }
    sift_done(&s->sift);
    text_done(&s->bytes);
    text_done(&s->entry);
}

/* ---- keys ---- */

static struct key *key_find(const struct sifting *s, struct slice bytes, struct key *ret_wanted)
{
    *ret_wanted =
        (struct key){ .a = hash_checksum(bytes, s->seed_a), .b = hash_checksum(bytes, s->seed_b) };
    return table_get(&s->keys, ret_wanted->a, is_key, ret_wanted);
}

static struct key *key_new(struct sifting *s)
{
    struct link *last = s->slabs.head.prev;
    struct key_slab *slab = CONTAINER_OF(last, struct key_slab, link);

    if (last == &s->slabs.head || slab->count == SLAB_KEYS) {
        slab = mem_try(sizeof(*slab));
        if (slab == NULL)
            return NULL;
        slab->link = (struct link){ 0 };
        slab->count = 0;
        list_append(&s->slabs, &slab->link);
    }
    s->key_count++;
    return &slab->at[slab->count++];
}

static enum rc key_note(struct sifting *s, struct slice bytes, uint64_t offset)
{
    struct key wanted, *key = key_find(s, bytes, &wanted);

    if (key == NULL) {
        key = key_new(s);
        if (key == NULL)
            return RC_MEMORY;
        *key = wanted;
        table_add(&s->keys, key);
    }
    key->offset = offset;
    return RC_OK;
}

static bool is_last(void *arg, const struct record *record)
{
    const struct sifting *s = arg;
    struct key wanted;
    const struct key *key = key_find(s, record->key, &wanted);

    return key == NULL || key->offset <= record->offset;
}

static enum rc note_batch(struct sifting *s, struct slice bytes, const struct batch_header *header)
{
    struct record_reader reader;
    struct record record;
    enum rc rc;

    if (!sift_may(header))
        return RC_OK;
    rc = record_reader_open(bytes, COMPRESSION_MAX_INFLATED_BYTES, &s->sift.inflated, &reader, NULL,
                            NULL);
    if (rc != RC_OK)
        return rc == RC_MEMORY ? rc : RC_OK; /* what cannot be opened stays as it is */
    while (rc == RC_OK && record_next(&reader, &record) == RC_OK) {
        if (!slice_is_none(record.key))
            rc = key_note(s, record.key, record.offset);
    }
    return rc;
}

enum rc sifting_note(struct sifting *s, struct slice payload)
{
    struct batch_header header;
    size_t whole;
    enum rc rc = RC_OK;

    if (s->key_count >= KEYS_MAX)
        return RC_LIMIT;
    if (slice_is_none(payload))
        payload.len = 0;
    while (rc == RC_OK && payload.len > 0 && batch_peek(payload, &header, NULL, &whole) == RC_OK) {
        rc = note_batch(s, payload, &header);
        payload = slice_after(payload, whole);
    }
    return rc;
}

/* ---- groups ---- */

enum rc sifting_end(struct sifting *s)
{
    struct sifting_group *group = &s->group;
    enum rc rc = RC_OK;

    if (s->is_group && group->is_changed && s->covered < group->to)
        sift_add_empty(&s->bytes, s->covered, (uint32_t)(group->to - s->covered));
    group->bytes = text_slice(&s->bytes);
    if (s->is_group)
        rc = s->bytes.bad ? RC_MEMORY : s->on_group(s->arg, group);
    text_clear(&s->bytes);
    s->is_group = false;
    return rc;
}

static void group_begin(struct sifting *s, uint64_t base_offset)
{
    s->is_group = true;
    s->covered = base_offset;
    s->group = (struct sifting_group){ .from = base_offset, .max_timestamp_ms = INT64_MIN };
}

/* What is left of one entry, in s->entry; `ret_covered`: the end of its last batch. */
static enum rc sift_entry(struct sifting *s, struct slice payload, bool *ret_is_changed,
                          uint64_t *ret_covered)
{
    struct batch_header header;
    enum sifted sifted = SIFT_SAME;
    size_t whole;
    enum rc rc = RC_OK;

    *ret_is_changed = false;
    *ret_covered = 0;
    text_clear(&s->entry);
    while (rc == RC_OK && payload.len > 0) {
        if (batch_peek(payload, &header, NULL, &whole) != RC_OK)
            return RC_CORRUPT;
        if (header.record_count > 0)
            rc = sift_batch(&s->sift, payload, &s->entry, &sifted);
        else
            sifted = SIFT_NOTHING;
        if (sifted == SIFT_SAME)
            text_add(&s->entry, slice_of(payload.at, whole));
        if (sifted != SIFT_NOTHING)
            *ret_covered = header.base_offset + header.last_offset_delta + 1;
        if (sifted != SIFT_SAME && header.record_count > 0)
            *ret_is_changed = true;
        payload = slice_after(payload, whole);
    }
    return rc == RC_OK && s->entry.bad ? RC_MEMORY : rc;
}

static bool fits(const struct sifting *s, uint64_t base_offset, uint64_t next_offset)
{
    return s->bytes.len + s->entry.len <= SIFTING_GROUP_BYTES &&
           next_offset - s->group.from <= INT32_MAX && base_offset == s->group.to;
}

enum rc sifting_add(struct sifting *s, uint64_t base_offset, uint64_t next_offset,
                    int64_t max_timestamp_ms, struct slice payload)
{
    bool is_changed = false;
    uint64_t covered = 0;
    enum rc rc =
        slice_is_none(payload) ? RC_CORRUPT : sift_entry(s, payload, &is_changed, &covered);

    if (rc == RC_CORRUPT)
        return sifting_end(s); /* it stays as it is, and what is before it ends there */
    if (rc == RC_OK && s->is_group && !fits(s, base_offset, next_offset))
        rc = sifting_end(s);
    if (rc != RC_OK)
        return rc;
    if (!s->is_group)
        group_begin(s, base_offset);
    text_add(&s->bytes, text_slice(&s->entry));
    if (covered > 0)
        s->covered = covered;
    s->group.to = next_offset;
    s->group.was_bytes += payload.len;
    s->group.is_changed |= is_changed;
    if (max_timestamp_ms > s->group.max_timestamp_ms)
        s->group.max_timestamp_ms = max_timestamp_ms;
    return RC_OK;
}

void sifting_init(struct sifting *s, sifting_group_fn *on_group, void *arg,
                  int64_t delete_retention_ms)
{
    *s = (struct sifting){
        .on_group = on_group, .arg = arg, .seed_a = random_u64(), .seed_b = random_u64()
    };
    list_init(&s->slabs);
    table_init(&s->keys, key_hash);
    sift_init(&s->sift, is_last, s, clock_wall_ms(), delete_retention_ms);
}
