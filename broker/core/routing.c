/* SPDX-License-Identifier: Apache-2.0 */
/* Following bindings: which queues a message reaches through an exchange. */
#include "broker/base/mem.h"
#include "broker/core/exchange_int.h"
#include "broker/core/headers_match.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"

#define ROUTED_FIRST 8

void routed_done(struct routed *routed)
{
    MEM_FREE(routed->queues);
    routed->count = routed->room = 0;
}

/* Adds the queue unless this stamp has seen it. */
static void routed_add(struct core *core, struct routed *routed, struct queue *queue)
{
    if (queue->stamp == core->stamp)
        return;
    queue->stamp = core->stamp;
    if (routed->count == routed->room) {
        routed->room = routed->room == 0 ? ROUTED_FIRST : routed->room * 2;
        routed->queues = mem_resize(routed->queues, routed->room * sizeof(struct queue *));
    }
    routed->queues[routed->count++] = queue;
}

/* One walk; the exchanges still to be visited wait in core->walk. */
struct walk {
    struct core *core;
    struct routed *routed;
    size_t found; /* by the exchange at hand */
};

static void reach_exchange(struct walk *walk, struct exchange *exchange)
{
    if (exchange->stamp == walk->core->walk_stamp)
        return;
    exchange->stamp = walk->core->walk_stamp;
    *(struct exchange **)ring_push(&walk->core->walk) = exchange;
}

static void reach(struct walk *walk, struct binding *binding)
{
    bool is_over =
        binding->queue != NULL ? binding->queue->is_removed : binding->destination->is_removed;

    if (is_over)
        return;
    walk->found++;
    if (binding->queue != NULL)
        routed_add(walk->core, walk->routed, binding->queue);
    else
        reach_exchange(walk, binding->destination);
}

static void on_match(void *arg, struct match_entry *entry)
{
    struct interest *interest = CONTAINER_OF(entry, struct interest, entry);

    if (interest->kind == INTEREST_BINDING)
        reach(arg, CONTAINER_OF(interest, struct binding, interest));
}

static void visit_topic(struct walk *walk, struct exchange *exchange, struct slice key)
{
    struct text scratch = { .is_vital = true }; /* or it is acknowledged, and routed nowhere */
    struct slice address;

    if (name_from_amqp_key(key, core_dots(walk->core), &scratch, &address) == RC_OK)
        (void)matcher_find(exchange->matcher, address, on_match, walk);
    text_done(&scratch);
}

static void visit_direct(struct walk *walk, struct exchange *exchange, struct slice key)
{
    struct map_node *node = map_get(&exchange->keys, key);

    if (node == NULL)
        return;
    LIST_EACH (k, &CONTAINER_OF(node, struct binding_key, by_key)->bindings)
        reach(walk, CONTAINER_OF(k, struct binding, of_key));
}

static void visit_all(struct walk *walk, struct exchange *exchange, const struct routing *routing)
{
    LIST_EACH (k, &exchange->bindings) {
        struct binding *binding = CONTAINER_OF(k, struct binding, of_source);

        if (binding->pattern == NULL ||
            headers_match(binding->pattern, routing->headers, routing->header_count))
            reach(walk, binding);
    }
}

static void visit_default(struct walk *walk, struct slice key)
{
    struct queue *queue = queue_find(walk->core, key);

    if (queue == NULL)
        return;
    walk->found++;
    routed_add(walk->core, walk->routed, queue);
}

static void visit(struct walk *walk, struct exchange *exchange, const struct routing *routing)
{
    if (exchange->spec.is_delaying && routing->delay_ms > 0) {
        delaying_reach(exchange, routing->key);
        return;
    }
    walk->found = 0;
    switch (exchange->spec.type) {
    case EXCHANGE_DIRECT:
        if (exchange == walk->core->default_exchange)
            visit_default(walk, routing->key);
        else
            visit_direct(walk, exchange, routing->key);
        break;
    case EXCHANGE_TOPIC:
        visit_topic(walk, exchange, routing->key);
        break;
    case EXCHANGE_FANOUT:
    case EXCHANGE_HEADERS:
        visit_all(walk, exchange, routing);
        break;
    case EXCHANGE_TYPE_COUNT:
        break;
    }
    if (walk->found == 0 && !slice_is_none(exchange->spec.alternate)) {
        struct exchange *alternate = exchange_find(walk->core, exchange->spec.alternate);

        if (alternate != NULL)
            reach_exchange(walk, alternate);
    }
}

void exchange_walk(struct exchange *exchange, const struct routing *routing, struct routed *routed)
{
    struct walk walk = { .core = exchange->core, .routed = routed };
    struct ring *todo = &exchange->core->walk;
    struct exchange **next;

    reach_exchange(&walk, exchange);
    while ((next = ring_front(todo)) != NULL) {
        struct exchange *at = *next;

        ring_pop(todo, 1);
        visit(&walk, at, routing);
    }
}
