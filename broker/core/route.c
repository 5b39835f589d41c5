/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/route.h"

#include "broker/base/mem.h"
#include "broker/core/exchange_int.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"
#include "broker/core/session_int.h"
#include "broker/core/stream.h"

/* What one lookup gathers before it is packed into a route. */
struct gather {
    struct core *core;
    unsigned kinds;            /* of interest: bits */
    struct ring queues;        /* of struct queue * */
    struct ring exchanges;     /* of struct exchange * */
    struct ring subscriptions; /* of struct subscription * */
};

static void on_match(void *arg, struct match_entry *entry)
{
    struct gather *gather = arg;
    struct interest *interest = CONTAINER_OF(entry, struct interest, entry);
    struct binding *binding;

    if ((gather->kinds & 1u << interest->kind) == 0)
        return;
    if (interest->kind == INTEREST_SUBSCRIPTION) {
        struct subscription *s = CONTAINER_OF(interest, struct subscription, interest);

        if (!s->session->is_ending)
            *(struct subscription **)ring_push(&gather->subscriptions) = s;
        return;
    }
    binding = CONTAINER_OF(interest, struct binding, interest);
    if (binding_is_over(binding))
        return;
    if (binding->destination != NULL) {
        *(struct exchange **)ring_push(&gather->exchanges) = binding->destination;
    } else if (binding->queue->stamp != gather->core->stamp) {
        binding->queue->stamp = gather->core->stamp;
        *(struct queue **)ring_push(&gather->queues) = binding->queue;
    }
}

static void *pack(struct ring *ring, size_t *ret_count)
{
    uint8_t *at;

    *ret_count = ring->count;
    if (ring->count == 0)
        return NULL;
    at = mem_get(ring->count * ring->item_bytes);
    for (size_t i = 0; i < ring->count; i++)
        memcpy(at + i * ring->item_bytes, ring_at(ring, i), ring->item_bytes);
    ring_done(ring);
    return at;
}

static void add_to_target(struct target *target, const struct subscription *s)
{
    target->qos = s->qos > target->qos ? s->qos : target->qos;
    target->is_retain_as_published |= s->is_retain_as_published;
    target->id_count += s->id != 0;
    target->is_no_local &= s->is_no_local;
    target->has_no_local |= s->is_no_local;
    if (s->is_no_local)
        return;
    target->local_qos = s->qos > target->local_qos ? s->qos : target->local_qos;
    target->is_local_as_published |= s->is_retain_as_published;
    target->local_id_count += s->id != 0;
}

/* The subscriptions of one session become one target; the session remembers which by stamp. */
static void add_targets(struct route *route, struct gather *gather)
{
    size_t count = gather->subscriptions.count;

    if (count == 0)
        return;
    route->targets = mem_new_array(struct target, count);
    route->ids = mem_new_array(uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        struct subscription *s = *(struct subscription **)ring_at(&gather->subscriptions, i);
        struct target *target;

        if (s->session->stamp != gather->core->stamp) {
            s->session->stamp = gather->core->stamp;
            s->session->target_index = route->target_count;
            target = &route->targets[route->target_count++];
            *target = (struct target){ .session = s->session, .is_no_local = true };
        }
        target = &route->targets[s->session->target_index];
        add_to_target(target, s);
    }
}

static void add_ids_of(struct route *route, struct gather *gather, bool is_no_local)
{
    for (size_t i = 0; i < gather->subscriptions.count; i++) {
        struct subscription *s = *(struct subscription **)ring_at(&gather->subscriptions, i);
        struct target *target = &route->targets[s->session->target_index];

        if (s->id != 0 && s->is_no_local == is_no_local)
            route->ids[(size_t)(target->ids - route->ids) + target->id_count++] = s->id;
    }
}

static void add_ids(struct route *route, struct gather *gather)
{
    size_t used = 0;

    for (size_t i = 0; i < route->target_count; i++) {
        route->targets[i].ids = &route->ids[used];
        used += route->targets[i].id_count;
        route->targets[i].id_count = 0;
    }
    add_ids_of(route, gather, false);
    add_ids_of(route, gather, true);
}

/* With RabbitMQ's swap a dot parts the levels of a topic for bindings, but not for subscriptions.
 */
static void find(struct gather *gather, struct slice address)
{
    struct core *core = gather->core;
    /* What is found is kept for those that come later: it is all or nothing. */
    struct text key = { .is_vital = true }, swapped = { .is_vital = true };
    struct slice as_key, as_address;
    enum rc rc;

    if (core_dots(core) == NAME_DOTS_ESCAPE || memchr(address.at, '.', address.len) == NULL) {
        gather->kinds = 1u << INTEREST_BINDING | 1u << INTEREST_SUBSCRIPTION;
        (void)matcher_find(core->topics, address, on_match, gather);
        return;
    }
    gather->kinds = 1u << INTEREST_SUBSCRIPTION;
    (void)matcher_find(core->topics, address, on_match, gather);
    rc = name_to_amqp_key(address, NAME_DOTS_RABBITMQ, &key, &as_key);
    if (rc == RC_OK)
        rc = name_from_amqp_key(as_key, NAME_DOTS_RABBITMQ, &swapped, &as_address);
    gather->kinds = 1u << INTEREST_BINDING;
    if (rc == RC_OK)
        (void)matcher_find(core->topics, as_address, on_match, gather);
    text_done(&key);
    text_done(&swapped);
}

static void fill(struct core *core, struct route *route, struct slice address)
{
    struct gather gather = { .core = core };

    core->stamp++;
    ring_init(&gather.queues, sizeof(struct queue *));
    ring_init(&gather.exchanges, sizeof(struct exchange *));
    ring_init(&gather.subscriptions, sizeof(struct subscription *));
    find(&gather, address);
    route->stream = stream_find(core, name_stream(address));
    route->queues = pack(&gather.queues, &route->queue_count);
    route->exchanges = pack(&gather.exchanges, &route->exchange_count);
    add_targets(route, &gather);
    add_ids(route, &gather);
    ring_done(&gather.subscriptions);
    route->topics_epoch = matcher_epoch(core->topics);
    route->bindings_epoch = core->bindings_epoch;
}

static void empty(struct route *route)
{
    MEM_FREE(route->queues);
    MEM_FREE(route->exchanges);
    MEM_FREE(route->targets);
    MEM_FREE(route->ids);
    route->queue_count = route->exchange_count = route->target_count = 0;
}

static void route_free(struct core *core, struct route *route)
{
    map_remove(&core->routes, &route->by_address);
    link_remove(&route->link);
    empty(route);
    mem_free(route);
}

static void route_free_oldest(struct core *core)
{
    route_free(core, LIST_FIRST(&core->route_list, struct route, link));
}

static struct route *route_new(struct core *core, struct slice address)
{
    struct route *route = mem_zeroed(sizeof(*route) + address.len);
    uint8_t *at = (uint8_t *)(route + 1);

    if (address.len > 0)
        memcpy(at, address.at, address.len);
    map_add(&core->routes, slice_of(at, address.len), &route->by_address);
    route->is_kept = name_is_kept(address);
    list_append(&core->route_list, &route->link);
    return route;
}

const struct route *route_of(struct core *core, struct slice address)
{
    struct map_node *node = map_get(&core->routes, address);
    struct route *route;

    if (node != NULL) {
        route = CONTAINER_OF(node, struct route, by_address);
        if (route->topics_epoch == matcher_epoch(core->topics) &&
            route->bindings_epoch == core->bindings_epoch) {
            if (route->stream == NULL) /* one that comes into being changes no other route */
                route->stream = stream_find(core, name_stream(address));
            return route;
        }
        empty(route);
    } else {
        if (core->routes.count >= ROUTES_MAX)
            route_free_oldest(core);
        route = route_new(core, address);
    }
    fill(core, route, address);
    return route;
}

void routes_done(struct core *core)
{
    while (core->routes.count > 0)
        route_free_oldest(core);
    map_done(&core->routes);
}
