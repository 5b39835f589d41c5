/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/session.h"

#include <limits.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/acl.h"
#include "broker/core/filter.h"
#include "broker/core/publish.h"
#include "broker/core/queue.h"
#include "broker/core/retain_int.h"
#include "broker/core/session_int.h"
#include "broker/core/share.h"

/* ---- life ---- */

static void on_cursor_ready(void *arg)
{
    struct session *session = arg;

    session->is_reading = false;
    session_wake(session);
}

struct session *session_new(struct core *core, struct slice id, struct slice user, uint64_t number)
{
    struct session *session = mem_zeroed(offsetof(struct session, id) + id.len + 1);

    session->core = core;
    memcpy(session->id, id.at, id.len);
    session->number = number;
    map_init(&session->subscriptions);
    references_init(&session->references);
    session_set_user(session, user);
    map_add(&core->sessions, slice_of(session->id, id.len), &session->by_id);
    count_add(COUNT_CORE_SESSIONS, 1);
    return session;
}

struct session_extra *session_extra(struct session *session)
{
    struct session_extra *extra = session->extra;

    if (extra != NULL)
        return extra;
    extra = mem_new(struct session_extra);
    extra->session = session;
    map_init(&extra->notes);
    cursor_init(&extra->cursor, on_cursor_ready, session);
    list_init(&extra->retained);
    list_init(&extra->sent);
    list_init(&extra->again);
    ring_init(&extra->dirty_chunks, sizeof(uint64_t));
    session->extra = extra;
    return extra;
}

static void extra_free(struct session *session)
{
    struct session_extra *extra = session->extra;

    if (extra == NULL)
        return;
    notes_free(session);
    retained_sent_free(extra);
    cursor_done(&extra->cursor);
    ring_done(&extra->dirty_chunks);
    deadline_stop(&session->core->deadlines, &extra->expiry);
    link_remove_if(&extra->tail_wait);
    link_remove_if(&extra->overflowing);
    link_remove_if(&extra->trimming);
    MEM_FREE(session->extra);
}

void session_rest(struct session *session)
{
    struct session_extra *extra = session->extra;

    if (extra == NULL)
        return;
    cursor_rest(&extra->cursor);
    if (extra->notes.count == 0 && list_is_empty(&extra->retained) && !extra->holds_retained &&
        list_is_empty(&extra->sent) && list_is_empty(&extra->again) &&
        extra->dirty_chunks.room == 0 && extra->expiry.place == 0 &&
        !link_is_linked(&extra->overflowing) && !link_is_linked(&extra->trimming))
        extra_free(session);
}

void session_retained_done(struct subscription *s)
{
    if (s->due == NULL)
        return;
    link_remove(&s->due->link);
    retain_walk_end(&s->due->walk);
    MEM_FREE(s->due);
}

static void subscription_free(struct subscription *s)
{
    count_add(s->member == NULL ? COUNT_CORE_SUBSCRIPTIONS : COUNT_CORE_SHARED_SUBSCRIPTIONS, -1);
    if (match_entry_is_added(&s->interest.entry))
        matcher_remove(s->session->core->topics, &s->interest.entry);
    share_leave(s);
    session_retained_done(s);
    map_remove(&s->session->subscriptions, &s->by_text);
    filter_free(&s->filter);
    mem_free(s->text);
    mem_free(s);
}

/* All of it but its subscriptions that are not shared, and its references. */
static void session_empty(struct session *session)
{
    struct core *core = session->core;

    shares_free(session);
    share_free(session);
    references_leave(session);
    extra_free(session);
    session->user->sessions--;
    user_unref(core, &session->user);
    will_done(session);
    link_remove_if(&session->busy);
    link_remove_if(&session->dirty);
    map_remove(&core->sessions, &session->by_id);
    count_add(COUNT_CORE_SESSIONS, -1);
}

static struct subscription *any_subscription(struct session *session)
{
    return CONTAINER_OF(map_any(&session->subscriptions), struct subscription, by_text);
}

static void session_free(struct session *session)
{
    unsigned all = UINT_MAX;

    while (session->subscriptions.count > 0)
        subscription_free(any_subscription(session));
    map_done(&session->subscriptions);
    session_empty(session);
    (void)references_end_some(session, &all); /* there are never so many */
    mem_free(session);
}

/* ---- ending ---- */

/* Gives back who was its client; NULL: nobody. */
static struct client *part(struct session *session)
{
    struct client *client = session->client;

    if (client != NULL)
        client_return_id(client, session_id(session));
    session->client = NULL;
    session->is_ready = false;
    if (session->extra != NULL)
        session->extra->holds_retained = false;
    return client;
}

/* What ending a subscription counts, of what a turn may settle: 0.8 us. */
#define SUBSCRIPTION_COUNTS 8u

/* What is left of a session that ended: references that nobody is owed, subscriptions that match
 * nothing any more. */
struct ending {
    struct settling settling;
    struct session *session; /* owned; of it `core`, `number`, these, and that it was recorded */
};

static void subscription_end(struct subscription *s)
{
    /* a row that stays behind when the broker stops is found at its start */
    if (session_is_recorded(s->session) && !s->session->core->is_ending)
        subscription_forget_recorded(s);
    subscription_free(s);
}

static bool end_some(struct settling *settling, unsigned *left)
{
    struct session *session = CONTAINER_OF(settling, struct ending, settling)->session;

    if (!references_end_some(session, left))
        return false;
    while (session->subscriptions.count > 0) {
        if (*left == 0)
            return false;
        *left -= *left < SUBSCRIPTION_COUNTS ? *left : SUBSCRIPTION_COUNTS;
        subscription_end(any_subscription(session));
    }
    return true;
}

static void on_ended(struct settling *settling)
{
    struct ending *ending = CONTAINER_OF(settling, struct ending, settling);

    link_remove(&ending->session->busy);
    map_done(&ending->session->subscriptions);
    mem_free(ending->session);
    mem_free(ending);
}

static void end_retained(struct session *session)
{
    while (session->extra != NULL && !list_is_empty(&session->extra->retained))
        session_retained_done(
            LIST_FIRST(&session->extra->retained, struct retained_due, link)->subscription);
}

/* Its subscriptions and references go in parts: from now on they match nothing (route.c), and
 * nobody is owed them. */
void session_end(struct session *session)
{
    struct ending ending = { .settling = { .part = end_some, .on_done = on_ended },
                             .session = session };
    struct ending *kept;

    if (session->is_ending)
        return;
    session->is_ending = true;
    will_publish(session);
    shares_give_back(session);
    shares_each(session, subscription_end); /* others get what was theirs */
    end_retained(session);
    if (session_is_durable(session))
        session_forget_head(session);
    session_empty(session);
    if (settling_now(session->core, &ending.settling)) {
        map_done(&session->subscriptions);
        mem_free(session);
        return;
    }
    kept = mem_new(struct ending);
    *kept = ending;
    list_append(&session->core->ending_sessions, &session->busy);
    settling_later(session->core, &kept->settling);
}

void sessions_end_overflowing(struct core *core)
{
    while (!list_is_empty(&core->overflowing)) {
        struct session_extra *extra =
            LIST_FIRST(&core->overflowing, struct session_extra, overflowing);
        struct session *session = extra->session;
        struct client *client = part(session);

        link_remove(&extra->overflowing);
        count_add(COUNT_CORE_SESSIONS_OVERFLOWED, 1);
        session->user->ended++;
        log_event(LOG_WARNING, "core.session_overflowed", "id=%s owed=%zu",
                  log_quote(session->id, session->by_id.key.len), session->open_count);
        if (client != NULL && client->ops->on_session_over != NULL)
            client->ops->on_session_over(client->session);
        session_end(session);
        core_wake(core); /* its will may have gone to others */
    }
}

static void on_expired(void *arg)
{
    struct session *session = arg;

    count_add(COUNT_CORE_SESSIONS_EXPIRED, 1);
    log_event(LOG_DEBUG, "core.session_expired", "id=%s",
              log_quote(session->id, session->by_id.key.len));
    session_end(session);
}

void session_start_expiry(struct session *session, uint64_t left_ms)
{
    if (session->expiry_ms == SESSION_NEVER_EXPIRES)
        return;
    deadline_start_in_ms(&session->core->deadlines, &session_extra(session)->expiry, left_ms,
                         on_expired, session);
}

static void stop_expiry(struct session *session)
{
    if (session->extra != NULL)
        deadline_stop(&session->core->deadlines, &session->extra->expiry);
}

void session_detach(struct session **ref)
{
    struct session *session = *ref;

    *ref = NULL;
    if (session == NULL)
        return;
    (void)part(session); /* who is on its way out itself */
    if (!session_is_durable(session)) {
        session_end(session);
        return;
    }
    references_detach(session);
    shares_detach(session);
    session->detached_ms = core_wall_ms(session->core);
    session_record(session);
    session_start_expiry(session, session->expiry_ms);
    will_start(session);
}

void session_cut_expiry(struct session *session, uint64_t max_ms)
{
    uint64_t gone_ms = 0;
    int64_t now_ms = core_wall_ms(session->core);

    if (session->expiry_ms <= max_ms)
        return;
    session_set_expiry(session, max_ms);
    if (session->client != NULL)
        return;
    if (now_ms > session->detached_ms)
        gone_ms = (uint64_t)(now_ms - session->detached_ms);
    stop_expiry(session);
    session_start_expiry(session, max_ms > gone_ms ? max_ms - gone_ms : 0);
}

/* ---- opening ---- */

static void take_over(struct session *session, const struct session_spec *spec)
{
    struct client *before = part(session);

    if (before == NULL)
        return;
    if (before->ops->on_taken_over != NULL)
        before->ops->on_taken_over(before->session);
    if (spec->is_will_forgotten && !spec->is_clean_start && session_is_durable(session))
        session_will_clear(session);
    else
        will_taken_over(session);
    references_detach(session);
}

/* Whether the client's user may have it: who takes over from itself needs no place for one more. */
static enum rc may_open(struct client *client, const struct session *session)
{
    enum rc rc = client_admit_for(client, session == NULL ? NULL : session->client);

    if (rc == RC_OK && (session == NULL || session->user != user_of(client)))
        rc = user_may_have_session(client);
    return rc;
}

enum rc session_open(struct client *client, const struct session_spec *spec, struct session **ret,
                     bool *ret_present)
{
    struct core *core = client->core;
    struct map_node *node = map_get(&core->sessions, spec->id);
    struct session *session = node == NULL ? NULL : CONTAINER_OF(node, struct session, by_id);
    bool was_durable = false;
    enum rc rc = authorise(client, OPERATION_CONSUME, RESOURCE_SESSION, spec->id);

    if (rc != RC_OK)
        return rc;
    if (spec->id.len > SESSION_ID_MAX_BYTES || share_is_key(spec->id))
        return RC_TOO_LARGE;
    rc = may_open(client, session);
    if (rc != RC_OK)
        return rc;
    if (session != NULL) {
        take_over(session, spec);
        if (spec->is_clean_start || !session_is_durable(session)) {
            session_end(session);
            session = NULL;
        }
    }
    *ret_present = session != NULL;
    if (session == NULL && core->config.sessions_max > 0 &&
        core->sessions.count >= core->config.sessions_max) {
        count_add(COUNT_CORE_SESSIONS_REFUSED, 1);
        return RC_LIMIT;
    }
    if (session == NULL)
        session = session_new(core, spec->id, user_of(client)->by_name.key, core_number(core));
    else
        was_durable = session_is_durable(session);
    if (session->user != user_of(client))
        session_set_user(session, user_of(client)->by_name.key);
    session->client = client;
    client_borrow_id(client, session_id(session));
    session->detached_ms = 0;
    session->expiry_ms = was_durable ? session->expiry_ms : 0;
    stop_expiry(session);
    session_will_clear(session);
    session_set_expiry(session, spec->expiry_ms);
    shares_attach(session);
    *ret = session;
    return RC_OK;
}

/* From kept-in-memory to durable and back everything recorded follows. */
void session_set_expiry(struct session *session, uint64_t expiry_ms)
{
    bool was_durable = session_is_durable(session);

    if (was_durable && expiry_ms == 0) {
        session_forget_head(session);
        session->has_left_rows = true;
    }
    session->expiry_ms = expiry_ms;
    shares_keep(session);
    if (expiry_ms == 0)
        return;
    ASSERT(!session->has_left_rows); /* it ends with its connection */
    session_record(session);
    if (was_durable)
        return;
    MAP_EACH (node, &session->subscriptions)
        subscription_record(CONTAINER_OF(node, struct subscription, by_text));
    notes_record(session);
}

struct slice session_id(const struct session *session)
{
    return session->by_id.key;
}

uint64_t sessions_owed_count(const struct core *core, struct slice id)
{
    struct map_node *node = map_get(&core->sessions, id);

    return node == NULL ? 0 : session_owed_count(CONTAINER_OF(node, struct session, by_id));
}

void sessions_each_noted(const struct core *core, uint32_t key, session_fn *visit, void *arg)
{
    MAP_EACH (node, &core->sessions) {
        const struct session *session = CONTAINER_OF(node, struct session, by_id);

        if (!slice_is_none(session_note_get(session, key)))
            visit(arg, session);
    }
}

/* ---- subscriptions ---- */

static void retained_begin(struct subscription *s)
{
    struct retained_walk walk;

    session_retained_done(s);
    if (!retain_walk_begin(s->session->core, s->filter, &walk))
        return;
    s->due = mem_new(struct retained_due);
    s->due->subscription = s;
    s->due->walk = walk;
    list_append(&session_extra(s->session)->retained, &s->due->link);
    session_wake(s->session);
}

static struct subscription *find_subscription(const struct session *session, struct slice text)
{
    struct map_node *node = map_get(&session->subscriptions, text);

    return node == NULL ? NULL : CONTAINER_OF(node, struct subscription, by_text);
}

enum rc subscription_add(struct session *session, const struct subscription_spec *spec,
                         struct subscription **ret)
{
    struct subscription *s = mem_new(struct subscription);
    enum rc rc;

    s->session = session;
    s->interest.kind = INTEREST_SUBSCRIPTION;
    if (slice_is_none(spec->group)) {
        rc = filter_copy(spec->filter, &s->filter);
        if (rc == RC_OK)
            rc = matcher_add(session->core->topics, s->filter, &s->interest.entry);
    } else {
        rc = share_join(s, spec);
    }
    if (rc != RC_OK) {
        filter_free(&s->filter);
        mem_free(s);
        return rc;
    }
    count_add(s->member == NULL ? COUNT_CORE_SUBSCRIPTIONS : COUNT_CORE_SHARED_SUBSCRIPTIONS, 1);
    s->text = mem_copy_text(spec->text);
    map_add(&session->subscriptions, slice_of(s->text, spec->text.len), &s->by_text);
    *ret = s;
    return RC_OK;
}

enum rc session_subscribe(struct session *session, const struct subscription_spec *spec,
                          enum retained_wanted retained, bool *ret_replaced)
{
    struct subscription *s = find_subscription(session, spec->text);
    bool is_shared = !slice_is_none(spec->group);
    enum rc rc = authorise_filter(session->client, slice_after(spec->text, spec->filter_at));

    *ret_replaced = s != NULL;
    if (rc == RC_OK && is_shared)
        rc = authorise(session->client, OPERATION_GROUP_USE, RESOURCE_GROUP, spec->group);
    if (rc == RC_OK && s == NULL && session->subscriptions.count >= SESSION_SUBSCRIPTIONS_MAX)
        rc = RC_LIMIT;
    if (rc == RC_OK && s == NULL)
        rc = subscription_add(session, spec, &s);
    if (rc != RC_OK)
        return rc;
    s->id = spec->id;
    s->qos = spec->qos;
    s->is_no_local = spec->is_no_local;
    s->is_retain_as_published = spec->is_retain_as_published;
    session->core->bindings_epoch++; /* routes hold what it granted before */
    if (session_is_durable(session))
        subscription_record(s);
    if (is_shared) /* each would get all of them */
        return RC_OK;
    if (retained == RETAINED_ALWAYS || (retained == RETAINED_IF_NEW && !*ret_replaced))
        retained_begin(s);
    return RC_OK;
}

bool session_awaits_retained(const struct session *session)
{
    return session->extra != NULL && !list_is_empty(&session->extra->retained);
}

void session_hold_retained(struct session *session, bool holds)
{
    if (holds) {
        session_extra(session)->holds_retained = true;
    } else if (session->extra != NULL && session->extra->holds_retained) {
        session->extra->holds_retained = false;
        session_wake(session);
    }
}

enum rc session_unsubscribe(struct session *session, struct slice text)
{
    struct subscription *s = find_subscription(session, text);

    if (s == NULL)
        return RC_NOT_FOUND;
    if (session_is_recorded(session))
        subscription_forget_recorded(s);
    subscription_free(s);
    return RC_OK;
}

void session_wake(struct session *session)
{
    struct core *core = session->core;

    if (session->is_ready && !link_is_linked(&session->busy))
        list_append(session->share == NULL ? &core->busy_sessions : &core->busy_groups,
                    &session->busy);
}

void session_ready(struct session *session)
{
    session->is_ready = true;
    session_wake(session);
}

void sessions_done(struct core *core)
{
    while (core->sessions.count > 0)
        session_free(CONTAINER_OF(map_any(&core->sessions), struct session, by_id));
    map_done(&core->sessions);
}
