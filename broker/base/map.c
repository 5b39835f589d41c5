/* SPDX-License-Identifier: Apache-2.0 */
/* A map of a million entries must not stop its thread to grow: once it has more buckets than
 * SEGMENT_BUCKETS, each entry that comes splits one bucket in two (linear hashing), and buckets lie
 * in segments, so that none is moved but by its split. With P the largest power of two that is not
 * above the number of buckets, those below (number - P) are split by one bit of the hash more. */
#include "broker/base/map.h"

#include "broker/base/hash.h"
#include "broker/base/mem.h"

#define MAP_FIRST_BUCKETS 8
#define SEGMENT_SHIFT     9
#define SEGMENT_BUCKETS   ((size_t)1 << SEGMENT_SHIFT)

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

static bool is_segmented(const struct map *m)
{
    return m->bucket_count > SEGMENT_BUCKETS;
}

void map_done(struct map *m)
{
    ASSERT(m->count == 0);
    for (size_t i = 0; is_segmented(m) && i << SEGMENT_SHIFT < m->bucket_count; i++)
        mem_free(m->segments[i]);
    MEM_FREE(m->buckets);
    m->bucket_count = m->first = 0;
}

/* The largest power of two that is not above n > 0. */
static size_t power_below(size_t n)
{
    return (size_t)1 << (8 * sizeof(unsigned long) - 1 - (size_t)__builtin_clzl(n));
}

static size_t place_of(uint64_t hash, size_t bucket_count)
{
    size_t power = power_below(bucket_count);
    size_t place = (size_t)hash & (2 * power - 1);

    return place < bucket_count ? place : place & (power - 1);
}

static struct map_node **bucket_at(const struct map *m, size_t place)
{
    if (__builtin_expect(!is_segmented(m), 1))
        return &m->buckets[place];
    return &m->segments[place >> SEGMENT_SHIFT][place & (SEGMENT_BUCKETS - 1)];
}

struct map_node *map_get_hashed(const struct map *m, struct slice key, uint64_t hash)
{
    struct map_node *node;

    if (m->count == 0)
        return NULL;
    node = *bucket_at(m, place_of(hash, m->bucket_count));
    while (node != NULL && (node->hash != hash || !slice_equal(node->key, key)))
        node = node->next;
    return node;
}

struct map_node *map_get(const struct map *m, struct slice key)
{
    return m->count == 0 ? NULL : map_get_hashed(m, key, hash_seeded(key));
}

/* ---- growing ---- */

static void put(struct map_node **bucket, struct map_node *node)
{
    node->next = *bucket;
    *bucket = node;
}

static void double_buckets(struct map *m)
{
    size_t bucket_count = m->bucket_count == 0 ? MAP_FIRST_BUCKETS : m->bucket_count * 2;
    struct map_node **buckets = mem_new_array(struct map_node *, bucket_count);

    for (size_t i = 0; i < m->bucket_count; i++) {
        for (struct map_node *node = m->buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            put(&buckets[place_of(node->hash, bucket_count)], node);
        }
    }
    mem_free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = bucket_count;
    m->first = 0;
}

/* Room in the list of segments grows by doubling: for a million entries it comes to 16 KB. */
static void add_segment(struct map *m, size_t segment)
{
    struct map_node **only = m->buckets;

    if (segment == 1) {
        m->segments = mem_new_array(struct map_node **, 2);
        m->segments[0] = only;
    } else if ((segment & (segment - 1)) == 0) {
        m->segments = mem_resize(m->segments, segment * 2 * sizeof(*m->segments));
    }
    m->segments[segment] = mem_new_array(struct map_node *, SEGMENT_BUCKETS);
}

/* One bucket more, which takes its part of what is in another. */
static void split_one(struct map *m)
{
    size_t added = m->bucket_count, power = power_below(added);
    struct map_node *node, **from, **to;

    if ((added & (SEGMENT_BUCKETS - 1)) == 0)
        add_segment(m, added >> SEGMENT_SHIFT);
    m->bucket_count++;
    from = bucket_at(m, added - power);
    to = bucket_at(m, added);
    node = *from;
    *from = NULL;
    while (node != NULL) {
        struct map_node *next = node->next;

        put(((size_t)node->hash & power) == 0 ? from : to, node);
        node = next;
    }
}

void map_reserve(struct map *m, size_t count)
{
    while (m->bucket_count < count) {
        if (m->bucket_count < SEGMENT_BUCKETS)
            double_buckets(m);
        else
            split_one(m);
    }
}

/* ---- coming and going ---- */

void map_add(struct map *m, struct slice key, struct map_node *node)
{
    size_t place;

    map_reserve(m, m->count + 1);
    node->key = key;
    node->hash = hash_seeded(key);
    place = place_of(node->hash, m->bucket_count);
    put(bucket_at(m, place), node);
    if (place < m->first)
        m->first = place;
    m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **at = bucket_at(m, place_of(node->hash, m->bucket_count));

    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->count--;
}

static struct map_node *first_from(const struct map *m, size_t place)
{
    for (; place < m->bucket_count; place++) {
        struct map_node *node = *bucket_at(m, place);

        if (node != NULL)
            return node;
    }
    return NULL;
}

struct map_node *map_any(struct map *m)
{
    struct map_node *node;

    if (m->count == 0)
        return NULL;
    while ((node = *bucket_at(m, m->first)) == NULL)
        m->first++;
    return node;
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
    if (node == NULL)
        return first_from(m, 0);
    if (node->next != NULL)
        return node->next;
    return first_from(m, place_of(node->hash, m->bucket_count) + 1);
}
