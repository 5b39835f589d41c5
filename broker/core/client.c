/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/client.h"

#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/core/core_int.h"
#include "broker/core/queue_int.h"

struct client *client_open(struct core *core, const struct client_ops *ops, void *session,
                           bool is_loopback)
{
    struct client *client = mem_new(struct client);

    client->core = core;
    client->ops = ops;
    client->session = session;
    client->number = ++core->next_client;
    client->principal.is_loopback = is_loopback;
    client->principal.is_anonymous = true;
    badge_init(client);
    list_append(&core->clients, &client->link);
    return client;
}

struct client_queues *client_queues(struct client *client)
{
    if (client->queues == NULL) {
        client->queues = mem_new(struct client_queues);
        list_init(&client->queues->consumers);
        list_init(&client->queues->holdings);
        list_init(&client->queues->exclusive);
    }
    return client->queues;
}

static void free_when_unused(struct client *client)
{
    if (!client->is_closed || client->awaits > 0)
        return;
    client_unname(client);
    mem_free(client);
}

void client_close(struct client **ref)
{
    struct client *client = *ref;

    *ref = NULL;
    if (client == NULL)
        return;
    badge_done(client);
    queues_forget_client(client);
    MEM_FREE(client->queues);
    link_remove(&client->link);
    link_remove_if(&client->notified);
    client->session = NULL;
    client->is_closed = true;
    free_when_unused(client);
}

const struct principal *client_principal(const struct client *client)
{
    return &client->principal;
}

struct core *client_core(const struct client *client)
{
    return client->core;
}

/* ---- pressure ---- */

static void press(struct client *client, enum pressure pressure)
{
    if (client->ops->on_pressure != NULL)
        client->ops->on_pressure(client->session, pressure);
}

void clients_press(struct core *core, enum pressure pressure)
{
    LIST_EACH (k, &core->clients) {
        struct client *client = CONTAINER_OF(k, struct client, link);

        if (client->has_published)
            press(client, pressure);
    }
}

/* While the store is stalled, or the disk at its mark, publishers are told, and no longer read
 * from, but what they had sent before they knew is still taken: it waits in memory, unacknowledged,
 * up to the backlog's mark. */
enum rc client_may_publish(struct client *client)
{
    struct core *core = client->core;

    if (__builtin_expect(!client->has_published, 0)) {
        client->has_published = true;
        if (core->pressure != PRESSURE_NONE)
            press(client, core->pressure);
    }
    if (__builtin_expect(core->stall == RC_OK, 1))
        return RC_OK;
    return store_backlog_bytes(core->store) > BACKLOG_HIGH_BYTES || intake_is_over(core)
               ? core->stall
               : RC_OK;
}

/* ---- who waits for the disk ---- */

void client_await(struct client *client, uint64_t token)
{
    struct core *core = client->core;
    struct await *await = ring_push(&core->awaits);

    *await = (struct await){ client, token };
    client->awaits++;
    core->turn_awaits++;
}

void awaits_end_turn(struct core *core)
{
    struct await_group *group;

    if (core->turn_awaits == 0)
        return;
    group = ring_push(&core->await_groups);
    *group =
        (struct await_group){ PLANTED("ack-early") ? 0 : core->awaited_ticket, core->turn_awaits };
    if (core->awaited_ticket > core->durable_ticket)
        store_hurry(core->store);
    core->turn_awaits = 0;
}

static void complete(struct core *core, size_t count, struct list *notified)
{
    for (; count > 0; count--) {
        struct await await = *(struct await *)ring_front(&core->awaits);
        struct client *client = await.client;

        ring_pop(&core->awaits, 1);
        client->awaits--;
        if (client->is_closed) {
            free_when_unused(client);
            continue;
        }
        if (client->ops->on_durable == NULL)
            continue;
        client->ops->on_durable(client->session, await.token, RC_OK);
        if (!link_is_linked(&client->notified))
            list_append(notified, &client->notified);
    }
}

void awaits_complete(struct core *core)
{
    struct list notified;
    struct await_group *group;

    list_init(&notified);
    while ((group = ring_front(&core->await_groups)) != NULL &&
           group->ticket <= core->durable_ticket) {
        size_t count = group->count;

        ring_pop(&core->await_groups, 1);
        complete(core, count, &notified);
    }
    while (!list_is_empty(&notified)) {
        struct client *client = LIST_FIRST(&notified, struct client, notified);

        link_remove(&client->notified);
        if (client->ops->on_durable_end != NULL)
            client->ops->on_durable_end(client->session);
    }
}

void awaits_done(struct core *core)
{
    while (core->awaits.count > 0) {
        struct client *client = ((struct await *)ring_front(&core->awaits))->client;

        ring_pop(&core->awaits, 1);
        client->awaits--;
        free_when_unused(client);
    }
    ring_done(&core->awaits);
    ring_done(&core->await_groups);
}
