/* SPDX-License-Identifier: Apache-2.0 */
/* What a bridge has at this side: a session that is subscribed to what goes out. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/ring.h"
#include "broker/core/core.h"
#include "broker/core/filter.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "broker/core/session.h"
#include "protocols/mqtt/bridge_int.h"
#include "protocols/mqtt/mqtt_map.h"

/* ---- subscriptions ---- */

static enum rc subscribe(struct bridge *b, struct session *session, const struct bridge_topic *t,
                         enum retained_wanted retained)
{
    struct subscription_spec spec = { .filter = t->local_filter,
                                      .text = slice_str(t->local),
                                      .qos = t->line.qos,
                                      .is_no_local = true,
                                      .is_retain_as_published = true };
    bool is_replaced;
    enum rc rc = session_subscribe(session, &spec, retained, &is_replaced);

    if (rc != RC_OK)
        log_event(LOG_ERROR, "bridge.subscribe_refused", "name=%s filter=%s rc=%s", b->config->name,
                  log_quote(t->local, spec.text.len), rc_word(rc));
    return rc;
}

static enum rc subscribe_all(struct bridge *b, struct session *session,
                             enum retained_wanted retained)
{
    enum rc rc = RC_OK;

    for (unsigned i = 0; i < b->topics.count && rc == RC_OK; i++)
        if (b->topics.at[i].line.is_out)
            rc = subscribe(b, session, &b->topics.at[i], retained);
    return rc;
}

static bool is_wanted(const struct bridge *b, struct slice filter)
{
    for (unsigned i = 0; i < b->topics.count; i++)
        if (b->topics.at[i].line.is_out && slice_equal_str(filter, b->topics.at[i].local))
            return true;
    return false;
}

struct keys {
    struct ring all; /* of uint32_t */
};

static void collect(void *arg, uint32_t key, struct slice value)
{
    struct keys *keys = arg;

    (void)value;
    *(uint32_t *)ring_push(&keys->all) = key;
}

static void collect_keys(const struct session *session, uint32_t kind, struct keys *ret)
{
    ring_init(&ret->all, sizeof(uint32_t));
    session_note_each(session, kind, NOTE_LAST(kind), collect, ret);
}

/* What an earlier configuration sent is sent no longer. */
static void unsubscribe_old(struct bridge *b, struct session *session)
{
    struct keys keys;

    collect_keys(session, NOTE_BRIDGE_FILTER, &keys);
    for (size_t i = 0; i < keys.all.count; i++) {
        uint32_t key = *(uint32_t *)ring_at(&keys.all, i);
        struct slice filter = session_note_get(session, key);

        if (!is_wanted(b, filter) && session_unsubscribe(session, filter) != RC_OK)
            log_event(LOG_DEBUG, "bridge.filter_gone", "name=%s", b->config->name);
        session_note_delete(session, key);
    }
    ring_done(&keys.all);
    for (unsigned i = 0; i < b->topics.count; i++)
        if (b->topics.at[i].line.is_out)
            session_note_put(session, NOTE_BRIDGE_FILTER | i, slice_str(b->topics.at[i].local));
}

static struct slice or_none(const char *text)
{
    return text == NULL ? SLICE_NONE : slice_str(text);
}

/* Without a user of its own a bridge is the broker itself. Who writes the configuration may lend it
 * any user's rights: no password is asked for. */
static enum rc log_in(const struct bridge *b, struct client *client)
{
    client_set_id(client, slice_str(b->local_id));
    if (b->config->local_user == NULL)
        return RC_OK;
    client_enter(client, NULL, NULL);
    if (!client_takes_scram(client)) /* there are no accounts: nobody has rights that others lack */
        return client_login(client, SLICE_NONE, SLICE_NONE);
    return client_login_as(client, slice_str(b->config->local_user));
}

enum rc bridge_local_open(struct bridge *b, struct client *client, struct session **ret,
                          bool *ret_present)
{
    struct session_spec spec = { .id = slice_str(b->local_id),
                                 .is_clean_start = !b->is_local_kept,
                                 .expiry_ms = b->is_local_kept ? SESSION_NEVER_EXPIRES : 0 };
    enum rc rc = log_in(b, client);

    if (rc == RC_OK)
        rc = session_open(client, &spec, ret, ret_present);
    if (rc != RC_OK) {
        log_event(LOG_ERROR, "bridge.not_allowed", "name=%s rc=%s what=\"a session here\"",
                  b->config->name, rc_word(rc));
        return rc;
    }
    unsubscribe_old(b, *ret);
    session_note_put(*ret, NOTE_BRIDGE_OWN, SLICE(""));
    rc = subscribe_all(b, *ret, RETAINED_NEVER);
    if (rc != RC_OK)
        session_detach(ret);
    return rc;
}

void bridge_local_retained(struct bridge *b, struct session *session)
{
    (void)subscribe_all(b, session, RETAINED_ALWAYS); /* it was allowed a moment ago */
}

/* ---- what was under way ---- */

#define FLIGHT_STATE_AT 0 /* of its note */

void bridge_local_forget(struct session *session, bool is_release_too)
{
    struct keys in, out;

    collect_keys(session, NOTE_INBOUND, &in);
    for (size_t i = 0; i < in.all.count; i++)
        session_note_delete(session, *(uint32_t *)ring_at(&in.all, i));
    ring_done(&in.all);
    if (!is_release_too)
        return;
    collect_keys(session, NOTE_OUTBOUND, &out);
    for (size_t i = 0; i < out.all.count; i++) {
        uint32_t key = *(uint32_t *)ring_at(&out.all, i);
        struct slice note = session_note_get(session, key);

        if (note.len > FLIGHT_STATE_AT && note.at[FLIGHT_STATE_AT] == FLIGHT_RELEASE)
            session_note_delete(session, key); /* the message was handed over */
    }
    ring_done(&out.all);
}

/* ---- bridges that were taken out of the configuration ---- */

static const struct client_ops nobody = { .protocol = "bridge" };

struct others {
    const struct list *bridges; /* struct bridge.link */
    struct ring ids;            /* of char *: owned */
};

static void find_other(void *arg, const struct session *session)
{
    struct others *others = arg;

    LIST_EACH (k, others->bridges) {
        if (slice_equal_str(session_id(session), CONTAINER_OF(k, struct bridge, link)->local_id))
            return;
    }
    *(char **)ring_push(&others->ids) = mem_copy_text(session_id(session));
}

static void end_other(struct core *core, const char *id)
{
    struct session_spec spec = { .id = slice_str(id), .is_clean_start = true };
    struct client *client = client_open(core, &nobody, NULL, true);
    uint64_t owed = sessions_owed_count(core, spec.id);
    struct session *session;
    bool is_present;
    enum rc rc = session_open(client, &spec, &session, &is_present);

    if (rc == RC_OK)
        session_detach(&session);
    log_event(LOG_NOTICE, "bridge.forgotten", "session=%s owed=%llu rc=%s",
              log_quote(id, spec.id.len), (unsigned long long)owed, rc_word(rc));
    client_close(&client);
}

void bridge_local_end_others(struct core *core, const struct list *bridges)
{
    struct others others = { .bridges = bridges };

    ring_init(&others.ids, sizeof(char *));
    sessions_each_noted(core, NOTE_BRIDGE_OWN, find_other, &others);
    for (size_t i = 0; i < others.ids.count; i++) {
        char *id = *(char **)ring_at(&others.ids, i);

        end_other(core, id);
        mem_free(id);
    }
    ring_done(&others.ids);
}

/* ---- notifications ---- */

void bridge_local_notify(struct bridge *b, bool is_up)
{
    struct mqtt_publish p = { .qos = 1,
                              .retain = true,
                              .topic = or_none(b->state_topic),
                              .payload = is_up ? SLICE("1") : SLICE("0") };
    struct mqtt_origin origin = { .now_ms = core_wall_ms(b->core), .user = SLICE("") };
    struct message *message;
    struct client *client;
    enum rc rc;

    if (b->state_topic == NULL)
        return;
    client = client_open(b->core, &nobody, b, true);
    rc = mqtt_map_publish(&p, p.topic, &origin, &message);
    if (rc == RC_OK)
        rc = publish_address(client, &message);
    if (rc != RC_OK && rc != RC_NO_ROUTE)
        log_event(LOG_WARNING, "bridge.notify_failed", "name=%s rc=%s", b->config->name,
                  rc_word(rc));
    client_close(&client);
}
