/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges that delay: what reached them is kept until it is due, and routed by them then. */
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/delayed.h"
#include "broker/core/exchange_int.h"
#include "broker/core/publish.h"

void delaying_reach(struct exchange *exchange, struct slice key)
{
    *(struct delaying *)ring_push(&exchange->core->delaying) = (struct delaying){ exchange, key };
}

struct exchange *exchange_born(struct core *core, uint64_t born)
{
    LIST_EACH (k, &core->exchange_list) {
        struct exchange *exchange = CONTAINER_OF(k, struct exchange, link);

        if (exchange->spec.is_delaying && exchange->born == born)
            return exchange;
    }
    return NULL;
}

void delaying_left(struct exchange *exchange, uint64_t bytes)
{
    if (exchange->delayed_count == 0)
        return;
    exchange->delayed_count--;
    exchange->delayed_bytes -= bytes < exchange->delayed_bytes ? bytes : exchange->delayed_bytes;
}

/* Those of one exchange together, in the order of its making. */
static int by_exchange(const void *a, const void *b)
{
    const struct delaying *x = a, *y = b;

    if (x->exchange != y->exchange)
        return x->exchange->born < y->exchange->born ? -1 : 1;
    return x->key.at == y->key.at ? 0 : x->key.at < y->key.at ? -1 : 1;
}

static enum rc keep_each(struct client *client, struct publish_exchange *publish,
                         struct slice asked, struct message *message, struct delaying *reached,
                         size_t count, size_t *kept)
{
    struct slice *keys = mem_try(count * sizeof(*keys));
    enum rc rc = keys == NULL ? RC_MEMORY : RC_OK;

    for (size_t i = 0; rc == RC_OK && i < count;) {
        publish->exchange = reached[i].exchange;
        publish->routing_keys = keys;
        publish->routing_key_count = 0;
        for (; i < count && reached[i].exchange == publish->exchange; i++)
            keys[publish->routing_key_count++] = reached[i].key;
        rc = delayed_publish_through(client, publish, asked, message);
        *kept += rc == RC_OK;
    }
    mem_free(keys);
    return rc;
}

enum rc delaying_keep(struct client *client, const struct publish_exchange *publish,
                      struct message *message, enum rc rc, size_t *kept)
{
    struct ring *ring = &client->core->delaying;
    struct publish_exchange later = *publish;
    struct message *then = NULL;
    size_t count = ring->count;
    struct delaying *reached;
    enum rc refused = rc;

    if (rc != RC_OK && rc != RC_LIMIT) {
        ring_pop(ring, count);
        return rc;
    }
    rc = RC_OK;
    reached = mem_try(count * sizeof(*reached));
    for (size_t i = 0; reached != NULL && i < count; i++)
        reached[i] = *(struct delaying *)ring_at(ring, i);
    ring_pop(ring, count);
    if (reached == NULL)
        return RC_MEMORY;
    qsort(reached, count, sizeof(*reached), by_exchange);
    if (publish->later != NULL)
        rc = publish->later(publish->later_arg, &later, &then);
    if (rc == RC_OK)
        rc = keep_each(client, &later, publish->exchange->spec.name, then == NULL ? message : then,
                       reached, count, kept);
    message_unref(&then);
    mem_free(reached);
    return rc == RC_OK ? refused : rc;
}
