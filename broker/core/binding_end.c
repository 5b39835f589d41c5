/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges and queues that end with very many bindings: these go in parts. From the first moment
 * on they route nothing, are shown to nobody and are in nobody's way, and the row of what ended is
 * deleted before theirs: a start deletes those that it finds of nobody (binding_record.c). */
#include "broker/base/mem.h"
#include "broker/core/delayed.h"
#include "broker/core/exchange_int.h"
#include "broker/core/queue_int.h"

/* What ending a binding counts, of what a turn may settle: 0.4 to 0.8 us. */
#define BINDING_COUNTS 8u

/* What ended, while it has bindings. */
struct unbinding {
    struct settling settling;
    struct exchange *exchange; /* owned; or */
    struct queue *queue;       /* owned: what queue_close() left of it */
};

static struct inbound *inbound_of(struct unbinding *unbinding)
{
    return unbinding->queue != NULL ? &unbinding->queue->inbound : &unbinding->exchange->inbound;
}

/* Of both lists, those as a destination first. */
static struct binding *next_of(struct unbinding *unbinding)
{
    struct binding *binding =
        LIST_FIRST(&inbound_of(unbinding)->bindings, struct binding, of_destination);

    if (binding == NULL && unbinding->exchange != NULL)
        binding = LIST_FIRST(&unbinding->exchange->bindings, struct binding, of_source);
    return binding;
}

static bool unbind_some(struct settling *settling, unsigned *left)
{
    struct unbinding *unbinding = CONTAINER_OF(settling, struct unbinding, settling);
    struct binding *binding;

    while ((binding = next_of(unbinding)) != NULL) {
        if (*left == 0)
            return false;
        *left -= *left < BINDING_COUNTS ? *left : BINDING_COUNTS;
        binding_sweep(binding);
    }
    return true;
}

static void free_ended(struct unbinding *unbinding)
{
    if (unbinding->exchange != NULL)
        exchange_free(unbinding->exchange);
    else
        queue_free(unbinding->queue);
}

static void on_unbound(struct settling *settling)
{
    struct unbinding *unbinding = CONTAINER_OF(settling, struct unbinding, settling);

    free_ended(unbinding);
    mem_free(unbinding);
}

static void unbind(struct core *core, struct exchange *exchange, struct queue *queue)
{
    struct unbinding unbinding = { .settling = { .part = unbind_some, .on_done = on_unbound },
                                   .exchange = exchange,
                                   .queue = queue };
    struct unbinding *kept;

    if (settling_now(core, &unbinding.settling)) {
        free_ended(&unbinding);
        return;
    }
    kept = mem_new(struct unbinding);
    *kept = unbinding;
    settling_later(core, &kept->settling);
}

/* Nothing finds it any more. */
static void exchange_retire(struct exchange *exchange, struct list *retired)
{
    struct core *core = exchange->core;

    exchange->is_removed = true;
    if (exchange->spec.is_durable && !exchange->is_predeclared)
        core_delete(core, META_EXCHANGES, exchange->spec.name);
    delayed_release(core, exchange->delayed_count, exchange->delayed_bytes);
    exchange_close(exchange);
    list_append(retired, &exchange->link);
}

/* Nothing leads there any more: exchanges that led nowhere else, and go with their last binding,
 * are retired too. */
static void inbound_end(struct inbound *inbound, struct list *retired)
{
    while (!list_is_empty(&inbound->ties)) {
        struct tie *tie = LIST_FIRST(&inbound->ties, struct tie, of_inbound);
        struct exchange *source = tie->source;

        link_remove(&tie->of_inbound);
        link_remove(&tie->of_source);
        if (list_is_empty(&source->ties) && !source->is_removed)
            exchange_retire(source, retired);
    }
}

static void end_retired(struct list *retired)
{
    struct exchange *exchange;

    while ((exchange = LIST_FIRST(retired, struct exchange, link)) != NULL) {
        link_remove(&exchange->link);
        inbound_end(&exchange->inbound, retired);
        unbind(exchange->core, exchange, NULL);
    }
}

void exchange_remove(struct exchange *exchange)
{
    struct list retired;

    ASSERT(!exchange->is_removed);
    list_init(&retired);
    exchange_retire(exchange, &retired);
    end_retired(&retired);
}

void queue_unbind(struct queue *queue)
{
    struct list retired;

    ASSERT(queue->is_removed);
    list_init(&retired);
    inbound_end(&queue->inbound, &retired);
    end_retired(&retired);
    unbind(queue->core, NULL, queue);
}
