/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/meta.h"

#include "storage/backend.h"

static bool is_key(enum meta_table table, struct slice key)
{
    return table >= 1 && table <= META_TABLE_MAX && key.len > 0 && key.len <= META_KEY_MAX_BYTES;
}

uint64_t meta_put(struct store *store, enum meta_table table, struct slice key, struct slice value,
                  enum durability durability)
{
    ASSERT(is_key(table, key));
    ASSERT(value.len <= META_VALUE_MAX_BYTES);
    return store->backend->put(store, table, key, value, durability);
}

uint64_t meta_delete(struct store *store, enum meta_table table, struct slice key,
                     enum durability durability)
{
    ASSERT(is_key(table, key));
    return store->backend->remove(store, table, key, durability);
}

enum rc meta_each(struct store *store, enum meta_table table, meta_visit_fn *visit, void *arg)
{
    ASSERT(table >= 1 && table <= META_TABLE_MAX);
    return store->backend->each(store, table, visit, arg);
}
