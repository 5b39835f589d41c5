/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/map.h"

#include "broker/base/hash.h"
#include "broker/base/mem.h"

#define MAP_FIRST_BUCKETS 8

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void map_done(struct map *m)
{
    ASSERT(m->count == 0);
    MEM_FREE(m->buckets);
    m->bucket_count = m->first = 0;
}

struct map_node *map_get_hashed(const struct map *m, struct slice key, uint64_t hash)
{
    struct map_node *node;

    if (m->count == 0)
        return NULL;
    node = m->buckets[hash & (m->bucket_count - 1)];
    while (node != NULL && (node->hash != hash || !slice_equal(node->key, key)))
        node = node->next;
    return node;
}

struct map_node *map_get(const struct map *m, struct slice key)
{
    return m->count == 0 ? NULL : map_get_hashed(m, key, hash_seeded(key));
}

static size_t place_of(const struct map_node *node, size_t bucket_count)
{
    return (size_t)node->hash & (bucket_count - 1);
}

static void put(struct map_node **buckets, size_t bucket_count, struct map_node *node)
{
    struct map_node **bucket = &buckets[place_of(node, bucket_count)];

    node->next = *bucket;
    *bucket = node;
}

static void grow_to(struct map *m, size_t bucket_count)
{
    struct map_node **buckets = mem_new_array(struct map_node *, bucket_count);

    for (size_t i = 0; i < m->bucket_count; i++) {
        for (struct map_node *node = m->buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            put(buckets, bucket_count, node);
        }
    }
    mem_free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = bucket_count;
    m->first = 0;
}

void map_reserve(struct map *m, size_t count)
{
    size_t bucket_count = m->bucket_count == 0 ? MAP_FIRST_BUCKETS : m->bucket_count;

    while (bucket_count < count)
        bucket_count *= 2;
    if (bucket_count > m->bucket_count)
        grow_to(m, bucket_count);
}

void map_add(struct map *m, struct slice key, struct map_node *node)
{
    map_reserve(m, m->count + 1);
    node->key = key;
    node->hash = hash_seeded(key);
    put(m->buckets, m->bucket_count, node);
    if (place_of(node, m->bucket_count) < m->first)
        m->first = place_of(node, m->bucket_count);
    m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **at = &m->buckets[place_of(node, m->bucket_count)];

    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->count--;
}

static struct map_node *first_from(const struct map *m, size_t bucket)
{
    for (; bucket < m->bucket_count; bucket++) {
        if (m->buckets[bucket] != NULL)
            return m->buckets[bucket];
    }
    return NULL;
}

struct map_node *map_any(struct map *m)
{
    if (m->count == 0)
        return NULL;
    while (m->buckets[m->first] == NULL)
        m->first++;
    return m->buckets[m->first];
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
    if (node == NULL)
        return first_from(m, 0);
    if (node->next != NULL)
        return node->next;
    return first_from(m, place_of(node, m->bucket_count) + 1);
}
