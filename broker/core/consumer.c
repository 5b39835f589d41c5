/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers of queues: who gets the next message, and what becomes of it. */
#include <limits.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/core/acl.h"
#include "broker/core/queue_int.h"
#include "broker/core/stream_int.h"

/* A delivery handle of a queue: lane in the upper 12 bits, offset + 1 below. */
#define HANDLE_OFFSET_BITS 52
_Static_assert(PARTITIONS_MAX <= 1 << (64 - HANDLE_OFFSET_BITS), "a handle holds the lane");

static uint64_t handle_of(const struct lane *lane, uint64_t offset)
{
    return (uint64_t)lane->index << HANDLE_OFFSET_BITS | (offset + 1);
}

/* Offsets that a turn looks at for messages of clients that went, and for settlings: 0.05 to 0.25
 * us each, and more than a turn delivers. */
#define RETURN_TURN 4096u
/* So many of each settling at once, whatever others have of the turn: what is short never waits. */
#define SETTLING_LEAST 256u

/* ---- holdings ---- */

/* Both have a list: the shorter one ends the search. */
static struct holding *find_holding(const struct client *client, const struct queue *queue)
{
    const struct list *holdings = client->queues == NULL ? NULL : &client->queues->holdings;
    struct link *a = holdings == NULL ? NULL : holdings->head.next, *b = queue->holdings.head.next;

    if (holdings == NULL)
        return NULL;
    for (; a != &holdings->head && b != &queue->holdings.head; a = a->next, b = b->next) {
        struct holding *of_client = CONTAINER_OF(a, struct holding, of_client);
        struct holding *of_queue = CONTAINER_OF(b, struct holding, of_queue);

        if (of_client->queue == queue)
            return of_client;
        if (of_queue->client == client)
            return of_queue;
    }
    return NULL;
}

static struct holding *holding_of(struct client *client, struct queue *queue)
{
    struct holding *holding = find_holding(client, queue);

    if (holding != NULL)
        return holding;
    holding = mem_new(struct holding);
    holding->client = client;
    holding->queue = queue;
    list_append(&client_queues(client)->holdings, &holding->of_client);
    list_append(&queue->holdings, &holding->of_queue);
    return holding;
}

void holding_free(struct holding *holding)
{
    link_remove(&holding->of_client);
    link_remove(&holding->of_queue);
    mem_free(holding);
}

/* ---- what those held that went ---- */

/* From the first message on: what others are given meanwhile comes of those that are back, so that
 * no later one overtakes them. */
static void return_some(struct core *core, struct holding *holding)
{
    struct queue *queue = holding->queue;

    queue_wake(queue);
    for (; holding->lane < queue->lane_count && holding->count > 0; holding->lane++) {
        if (!lane_return_some(queue->lanes[holding->lane], holding, &core->return_left))
            return;
        holding->next_offset = 0;
    }
    ASSERT(holding->count == 0);
    holding_free(holding);
}

void holding_leave(struct holding *holding)
{
    struct core *core = holding->queue->core;

    link_remove(&holding->of_client);
    holding->client = NULL;
    list_append(&core->orphans, &holding->of_client);
    return_some(core, holding);
    if (!list_is_empty(&core->orphans))
        core_wake(core);
}

/* ---- what settles very many ---- */

bool settling_now(struct core *core, struct settling *settling)
{
    unsigned share = core->return_left > SETTLING_LEAST ? core->return_left : SETTLING_LEAST;
    unsigned left = share;
    bool is_done = settling->part(settling, &left);

    ASSERT(left <= share);
    core->return_left -= share - left < core->return_left ? share - left : core->return_left;
    return is_done;
}

void settling_later(struct core *core, struct settling *settling)
{
    list_append(&core->settlings, &settling->link);
    core_wake(core);
}

void settling_stop(struct settling *settling)
{
    link_remove_if(&settling->link);
}

/* The first of them; false: it goes on. */
static bool settle_first(struct core *core, unsigned *left)
{
    struct settling *settling = LIST_FIRST(&core->settlings, struct settling, link);

    if (!settling->part(settling, left))
        return false;
    link_remove(&settling->link);
    settling->on_done(settling);
    return true;
}

static void settlings_turn(struct core *core)
{
    while (core->return_left > 0 && !list_is_empty(&core->settlings)) {
        if (!settle_first(core, &core->return_left))
            return;
    }
}

void settlings_done(struct core *core)
{
    while (!list_is_empty(&core->settlings)) {
        unsigned left = UINT_MAX;

        (void)settle_first(core, &left); /* until there is none */
    }
}

void holdings_turn(struct core *core)
{
    core->return_left = RETURN_TURN;
    while (core->return_left > 0 && !list_is_empty(&core->orphans))
        return_some(core, LIST_FIRST(&core->orphans, struct holding, of_client));
    settlings_turn(core);
    if (!list_is_empty(&core->orphans) || !list_is_empty(&core->settlings))
        core_wake(core);
}

/* ---- consumers come and go ---- */

static void make_ready(struct consumer *consumer)
{
    struct queue *queue = consumer->queue;
    struct link *after = queue->ready.head.prev;

    if (link_is_linked(&consumer->ready))
        return;
    while (after != &queue->ready.head &&
           CONTAINER_OF(after, struct consumer, ready)->spec.priority < consumer->spec.priority)
        after = after->prev;
    link_insert(after, &consumer->ready);
    queue_wake(queue);
}

enum rc queue_consume(struct client *client, struct queue *queue, const struct consumer_spec *spec,
                      struct consumer **ret)
{
    struct consumer *consumer = LIST_FIRST(&queue->consumers, struct consumer, of_queue);
    enum rc rc = queue_check_owner(queue, client);

    if (rc == RC_OK)
        rc = authorise(client, OPERATION_CONSUME, RESOURCE_QUEUE, queue->spec.name);
    if (rc != RC_OK)
        return rc;
    if (consumer != NULL && (spec->is_exclusive || consumer->spec.is_exclusive))
        return RC_IN_USE;
    consumer = mem_new(struct consumer);
    consumer->client = client;
    consumer->queue = queue;
    consumer->spec = *spec;
    consumer->holding = holding_of(client, queue);
    list_append(&client_queues(client)->consumers, &consumer->of_client);
    list_append(&queue->consumers, &consumer->of_queue);
    queue->consumer_count++;
    make_ready(consumer);
    *ret = consumer;
    return RC_OK;
}

void consumer_free(struct consumer *consumer)
{
    link_remove(&consumer->of_client);
    link_remove(&consumer->of_queue);
    link_remove_if(&consumer->ready);
    consumer->queue->consumer_count--;
    queue_used(consumer->queue);
    mem_free(consumer);
}

void consumer_cancel(struct consumer **ref)
{
    struct consumer *consumer = *ref;
    struct queue *queue;

    *ref = NULL;
    if (consumer == NULL)
        return;
    queue = consumer->queue;
    ASSERT(!queue->is_pumping);
    consumer_free(consumer);
    if (queue->spec.is_auto_delete && queue->consumer_count == 0)
        queue_remove(queue);
}

static struct consumer *find_forbidden(const struct client *client)
{
    if (client->queues == NULL)
        return NULL;
    LIST_EACH (k, &client->queues->consumers) {
        struct consumer *consumer = CONTAINER_OF(k, struct consumer, of_client);

        if (!may_use(consumer->client, OPERATION_CONSUME, RESOURCE_QUEUE,
                     consumer->queue->spec.name))
            return consumer;
    }
    return NULL;
}

/* One that ends may end its queue, and with it others: the search begins anew. */
void consumers_authorise(struct client *client)
{
    struct consumer *consumer;

    while ((consumer = find_forbidden(client)) != NULL) {
        if (client->ops->on_consumer_cancelled != NULL)
            client->ops->on_consumer_cancelled(client->session, consumer, RC_REFUSED);
        consumer_cancel(&consumer);
    }
}

void consumer_ready(struct consumer *consumer)
{
    make_ready(consumer);
}

void *consumer_context(const struct consumer *consumer)
{
    return consumer->spec.context;
}

struct queue *consumer_queue(const struct consumer *consumer)
{
    return consumer->queue;
}

/* ---- settling ---- */

enum rc queue_settle(struct client *client, uint64_t number, uint64_t handle, enum outcome outcome)
{
    struct map_node *node =
        map_get(&client->core->queues_by_number, slice_of(&number, sizeof(number)));
    struct queue *queue = node == NULL ? NULL : CONTAINER_OF(node, struct queue, by_numbers);
    uint64_t lane = handle >> HANDLE_OFFSET_BITS;
    uint64_t offset = (handle & ((UINT64_C(1) << HANDLE_OFFSET_BITS) - 1)) - 1;
    enum rc rc;

    if (queue == NULL || lane >= queue->lane_count)
        return RC_NOT_FOUND;
    rc = lane_settle(queue->lanes[lane], client, offset, outcome);
    if (rc == RC_OK && outcome == OUTCOME_REQUEUE) {
        queue_enforce(queue); /* what comes back may be what is too much */
        queue_wake(queue);
    }
    return rc;
}

/* ---- delivering ---- */

/* The next message that is to be delivered, over all lanes in turn; what has expired is settled. */
static enum rc next_message(struct queue *queue, struct lane **ret_lane, struct item **ret_item,
                            uint64_t *ret_offset)
{
    enum rc found = RC_NOT_FOUND;

    for (unsigned tries = 0; tries < queue->lane_count; tries++) {
        struct lane *lane = queue->lanes[queue->next_lane % queue->lane_count];
        enum rc rc;

        while ((rc = lane_next(lane, ret_item, ret_offset)) == RC_OK) {
            int64_t expires_at_ms = queue_due_ms(queue, (*ret_item)->message);

            /* what has no time at all goes to a consumer that waits, but not to a get */
            if (expires_at_ms != 0 && list_is_empty(&queue->getters))
                expires_at_ms++;
            if (expires_at_ms == 0 || expires_at_ms > core_wall_ms(queue->core)) {
                *ret_lane = lane;
                return RC_OK;
            }
            count_add(COUNT_CORE_QUEUE_EXPIRED, 1);
            lane_settle_ready(lane, *ret_offset);
        }
        if (rc == RC_AGAIN)
            found = RC_AGAIN;
        queue->next_lane++;
    }
    return found;
}

static struct delivery delivery_of(const struct lane *lane, const struct item *item,
                                   uint64_t offset)
{
    struct delivery d = {
        .message = item->message,
        .handle = handle_of(lane, offset),
        .delivery_count = item->attempts,
        .qos = item->message->qos,
        .is_redelivered =
            (item->attempts > 0 || offset < lane->redelivered_below) && !PLANTED("mark-dropped"),
    };

    if (d.is_redelivered)
        count_add(COUNT_CORE_REDELIVERED, 1);
    return d;
}

static void serve_getter(struct queue *queue, enum rc rc, struct lane *lane, struct item *item,
                         uint64_t offset)
{
    struct getter *getter = LIST_FIRST(&queue->getters, struct getter, link);
    struct delivery delivery;
    struct message *message;

    link_remove(&getter->link);
    if (rc == RC_OK) {
        delivery = delivery_of(lane, item, offset);
        message = message_ref(item->message);
        lane_deliver(lane, offset, getter->is_no_ack ? NULL : getter->holding);
        count_add(COUNT_CORE_DELIVERED, 1);
        getter->on_got(getter->client->session, getter->token, RC_OK, queue, &delivery);
        message_unref(&message);
    } else {
        getter->on_got(getter->client->session, getter->token, rc, queue, NULL);
    }
    mem_free(getter);
}

static void serve_consumer(struct queue *queue, struct lane *lane, struct item *item,
                           uint64_t offset)
{
    struct consumer *consumer = LIST_FIRST(&queue->ready, struct consumer, ready);
    struct delivery delivery = delivery_of(lane, item, offset);
    enum rc rc =
        consumer->client->ops->on_queue_delivery(consumer->client->session, consumer, &delivery);

    link_remove(&consumer->ready);
    if (rc != RC_OK)
        return;           /* it says consumer_ready() when it can */
    make_ready(consumer); /* behind the others of its priority */
    lane_deliver(lane, offset, consumer->spec.is_no_ack ? NULL : consumer->holding);
    count_add(COUNT_CORE_DELIVERED, 1);
}

/* Has a lane more to pass by than it did in this turn? */
static bool is_behind(const struct queue *queue)
{
    for (unsigned i = 0; i < queue->lane_count; i++) {
        if (queue->lanes[i]->is_behind)
            return true;
    }
    return false;
}

/* Gives at most `budget`; what of it is left. */
static unsigned pump(struct queue *queue, unsigned budget)
{
    struct lane *lane;
    struct item *item;
    uint64_t offset;
    enum rc rc = RC_OK;

    for (unsigned i = 0; i < queue->lane_count; i++)
        lane_go_on(queue->lanes[i]);
    if (list_is_empty(&queue->ready))
        queue_enforce(queue); /* a get that waits for the disk is after what is too much */
    queue->is_pumping = true;
    for (; budget > 0 && queue_wants(queue); budget--) {
        rc = next_message(queue, &lane, &item, &offset);
        if (rc == RC_AGAIN)
            break;
        if (!list_is_empty(&queue->getters))
            serve_getter(queue, rc, lane, item, offset);
        else if (rc == RC_OK)
            serve_consumer(queue, lane, item, offset);
        else
            break;
    }
    queue->is_pumping = false;
    link_remove_if(&queue->busy);
    queue_enforce(queue);
    if (budget == 0 || is_behind(queue)) {
        queue_wake(queue);
        core_wake(queue->core);
    }
    return budget;
}

void queue_pump(struct queue *queue)
{
    (void)pump(queue, PUMP_BUDGET);
}

/* What is left over comes before those that were woken meanwhile. */
void queues_pump(struct core *core)
{
    unsigned left = QUEUES_PUMP_BUDGET;
    struct list busy, woken;

    list_init(&busy);
    list_init(&woken);
    list_splice(&busy, &core->busy_queues);
    while (left > 0 && !list_is_empty(&busy)) {
        struct queue *queue = LIST_FIRST(&busy, struct queue, busy);
        unsigned share = left < PUMP_BUDGET ? left : PUMP_BUDGET;
        unsigned given;

        link_remove(&queue->busy);
        given = share - pump(queue, share);
        left -= given > 0 ? given : 1; /* a look at one that has nothing to give costs, too */
    }
    list_splice(&woken, &core->busy_queues);
    list_splice(&core->busy_queues, &busy);
    list_splice(&core->busy_queues, &woken);
    if (!list_is_empty(&core->busy_queues))
        core_wake(core);
}

enum rc queue_get(struct client *client, struct queue *queue, bool is_no_ack, queue_got_fn *on_got,
                  uint64_t token)
{
    enum rc rc = queue_check_owner(queue, client);
    struct getter *getter;

    if (rc == RC_OK)
        rc = authorise(client, OPERATION_CONSUME, RESOURCE_QUEUE, queue->spec.name);
    if (rc != RC_OK)
        return rc;
    queue_used(queue);
    getter = mem_new(struct getter);
    getter->client = client;
    getter->holding = holding_of(client, queue);
    getter->on_got = on_got;
    getter->token = token;
    getter->is_no_ack = is_no_ack;
    list_append(&queue->getters, &getter->link);
    queue_pump(queue);
    return RC_OK;
}
