/* SPDX-License-Identifier: Apache-2.0 */
/* Sends sessions what they are owed, as their clients have credit: retained messages first, those
 * that were sent before at their head, then references. A turn sends so many to all of them, in the
 * order in which they came to be served. */
#include "broker/base/counters.h"
#include "broker/core/reference_int.h"
#include "broker/core/route.h"
#include "broker/core/share.h"
#include "broker/core/stream_int.h"

/* Who published it may have lost the right to since. */
static bool is_source_right(const struct session *session, const struct message *message)
{
    return source_may_publish(session->core, message_header(message, HEADER_SOURCE),
                              message->address);
}

/* Of a budget. */
static void spend(unsigned *left, unsigned count)
{
    *left -= count < *left ? count : *left;
}

static enum rc give_retained(struct session *session, struct delivery *delivery)
{
    bool is_kept = delivery->qos > 0 && session_is_durable(session);
    enum rc rc;

    if (is_kept)
        delivery->handle = retained_sent_add(session, delivery);
    rc = session->client->ops->on_session_delivery(session->client->session, delivery);
    if (is_kept)
        retained_sent_took(session, rc == RC_OK);
    if (rc == RC_OK)
        count_add(COUNT_CORE_DELIVERED, 1);
    return rc;
}

/* One message, or a part of the search for it, in which each place counts as a message. RC_AGAIN:
 * no credit. */
static enum rc send_retained(struct session *session, unsigned *left)
{
    struct session_extra *extra = session->extra;
    struct retained_due *due = LIST_FIRST(&extra->retained, struct retained_due, link);
    struct subscription *s = due->subscription;
    struct delivery delivery = { .is_retained = true,
                                 .subscription_ids = &s->id,
                                 .subscription_id_count = s->id != 0 };
    enum rc rc =
        retain_walk_next(session->core, s->filter, &due->walk, &extra->cursor, &delivery.message);

    spend(left, due->walk.looked > 1 ? due->walk.looked : 1);
    if (rc == RC_AGAIN && due->walk.wait == WALK_LOADS && !link_is_linked(&extra->tail_wait))
        list_append(&session->core->tail_waiters, &extra->tail_wait);
    if (rc == RC_AGAIN)
        session->is_reading = due->walk.wait != WALK_STEPS_OUT;
    if (rc == RC_AGAIN || rc == RC_MEMORY)
        return RC_OK;
    if (rc != RC_OK) {
        session_retained_done(s);
        return RC_OK;
    }
    delivery.qos = granted_qos(session->core, s->qos, delivery.message->qos);
    if (session->core->config.checks_retain_source && !is_source_right(session, delivery.message)) {
        count_add(COUNT_CORE_DELIVERIES_DENIED, 1);
    } else {
        rc = give_retained(session, &delivery);
    }
    if (rc == RC_OK)
        retain_walk_pass(&due->walk, delivery.message);
    message_unref(&delivery.message);
    return rc;
}

static const struct target *target_of(const struct session *session, struct slice address)
{
    const struct route *route = route_of(session->core, address);

    for (size_t i = 0; i < route->target_count; i++) {
        if (route->targets[i].session == session)
            return &route->targets[i];
    }
    return NULL;
}

/* Those of all subscriptions that match now, or of the shared one that it came by. */
static void add_ids(struct delivery *delivery, const struct session *session,
                    const struct reference *r)
{
    const struct subscription *s = shares_subscription(session, r->share);
    const struct target *target =
        r->share == 0 ? target_of(session, delivery->message->address) : NULL;

    if (s != NULL) {
        delivery->subscription_ids = &s->id;
        delivery->subscription_id_count = s->id != 0;
    }
    if (target != NULL) {
        delivery->subscription_ids = target->ids;
        delivery->subscription_id_count =
            (r->flags & REFERENCE_OWN) != 0 ? target->local_id_count : target->id_count;
    }
}

static enum rc send_message(struct session *session, uint64_t number, struct message *message)
{
    struct reference *r = reference_at(session, number);
    bool is_settled_at_once = r->qos == 0 || !session_is_durable(session);
    struct delivery delivery = { .message = message,
                                 .handle = is_settled_at_once ? 0 : number + 1,
                                 .qos = r->qos,
                                 .is_retained = (r->flags & REFERENCE_RETAIN) != 0,
                                 .is_redelivered = r->attempts > 0,
                                 .delivery_count = r->attempts };
    enum rc rc;

    add_ids(&delivery, session, r);
    r->state = REFERENCE_SENT;
    rc = session->client->ops->on_session_delivery(session->client->session, &delivery);
    r = reference_at(session, number);
    if (rc != RC_OK) {
        r->state = REFERENCE_OWED;
        return rc;
    }
    count_add(COUNT_CORE_DELIVERED, 1);
    if (r->attempts > 0)
        count_add(COUNT_CORE_REDELIVERED, 1);
    r->attempts = 1;
    session->next = number + 1;
    if (is_settled_at_once)
        reference_settle(session, number);
    return RC_OK;
}

/* Sends the next reference. RC_NOT_FOUND: nothing is owed. RC_AGAIN: no credit, or being read. */
static enum rc send_next(struct session *session)
{
    struct message *message = NULL;
    struct partition *p;
    struct reference *r;
    uint64_t offset;
    enum rc rc;

    session_find_owed(session);
    if (session->next == session->references.end)
        return RC_NOT_FOUND;
    r = reference_at(session, session->next);
    p = partition_of_log(session->core, r->log);
    rc = p == NULL ? RC_RANGE
                   : cursor_get(&session_extra(session)->cursor, p, r->offset, &message, &offset);
    if (rc == RC_AGAIN || rc == RC_MEMORY) {
        session->is_reading = rc == RC_AGAIN;
        return RC_AGAIN;
    }
    if (rc != RC_OK || offset != r->offset ||
        (message->expires_at_ms != 0 && message->expires_at_ms <= core_wall_ms(session->core))) {
        if (rc != RC_OK)
            session_drop(session, "no longer in the log");
        reference_settle(session, session->next);
        message_unref(&message);
        return RC_OK;
    }
    rc = session->share == NULL ? send_message(session, session->next, message)
                                : share_send(session, session->next, message);
    message_unref(&message);
    if (rc != RC_OK)
        session->is_ready = false;
    return rc;
}

/* `share` of what the turn has left, and back what is not used of it. */
static unsigned session_pump(struct session *session, unsigned share)
{
    unsigned left = share;
    enum rc rc = RC_OK;

    while (left > 0 && rc == RC_OK && session->is_ready && !session->is_reading) {
        if (session_has_again(session)) {
            spend(&left, 1);
            rc = retained_sent_again(session);
            session->is_ready = rc == RC_OK;
        } else if (session_has_retained(session)) {
            rc = send_retained(session, &left);
            session->is_ready = rc == RC_OK;
        } else {
            spend(&left, 1);
            rc = send_next(session);
        }
    }
    if (rc == RC_NOT_FOUND) {
        session_rest(session);
        shares_feed(session);
    }
    if (left == 0)
        session_wake(session);
    return left;
}

/* Of PUMP_BUDGET, while others wait: enough for the log to be read in runs. */
#define PUMP_SHARE 256u

/* What is left over comes before those that were woken meanwhile. */
static void pump_list(struct core *core, struct list *sessions)
{
    unsigned left = PUMP_BUDGET;
    struct list busy, woken;

    list_init(&busy);
    list_init(&woken);
    list_splice(&busy, sessions);
    while (left > 0 && !list_is_empty(&busy)) {
        struct session *session = LIST_FIRST(&busy, struct session, busy);
        unsigned share;

        link_remove(&session->busy);
        share = list_is_empty(&busy) || left < PUMP_SHARE ? left : PUMP_SHARE;
        left -= share - session_pump(session, share);
    }
    list_splice(&woken, sessions);
    list_splice(sessions, &busy);
    list_splice(sessions, &woken);
    if (!list_is_empty(sessions))
        core_wake(core);
}

void sessions_pump(struct core *core)
{
    pump_list(core, &core->busy_sessions);
    pump_list(core, &core->busy_groups); /* to those who have credit left */
    sessions_trim(core);
    sessions_end_overflowing(core);
    count_set(COUNT_CORE_OWED, (int64_t)core->owed_count);
    count_set(COUNT_CORE_OWED_BYTES, (int64_t)core->owed_bytes);
}
