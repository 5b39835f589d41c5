/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and their subscriptions in the catalogue, and loading them from there. */
#include "broker/base/clock.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "broker/core/filter.h"
#include "broker/core/session_int.h"
#include "broker/core/share.h"

/* ---- the catalogue: sessions: number u64, expiry u64, detached u64, sent_below u64 (since it is
 * kept), its user's name (since users are counted) ---- */

void session_record(struct session *session)
{
    struct text *out = &session->core->scratch;

    text_clear(out);
    text_add_u64(out, session->number);
    text_add_u64(out, session->expiry_ms);
    text_add_u64(out, (uint64_t)session->detached_ms);
    text_add_u64(out, session->references.sent_below);
    text_add(out, session->user->by_name.key);
    core_put(session->core, META_SESSIONS, session_id(session), text_slice(out), DURABILITY_ALWAYS);
}

struct subscription_key {
    uint8_t bytes[24];
};

static struct subscription_key subscription_key(const struct subscription *s)
{
    struct slice text = s->by_text.key;
    struct subscription_key key;

    put_u64(key.bytes, s->session->number);
    put_u64(key.bytes + 8, hash_checksum(text, 1));
    put_u64(key.bytes + 16, hash_checksum(text, 2));
    return key;
}

/* subscriptions: id u32, qos u8, flags u8, [shared: slot u16, where the filter begins u16], text */
enum { SUBSCRIPTION_NO_LOCAL = 1, SUBSCRIPTION_AS_PUBLISHED = 2, SUBSCRIPTION_SHARED = 4 };

void subscription_record(const struct subscription *s)
{
    struct text *out = &s->session->core->scratch;
    struct subscription_key key = subscription_key(s);

    text_clear(out);
    text_add_u32(out, s->id);
    text_add_byte(out, s->qos);
    text_add_byte(out, (uint8_t)((s->is_no_local ? SUBSCRIPTION_NO_LOCAL : 0) |
                                 (s->is_retain_as_published ? SUBSCRIPTION_AS_PUBLISHED : 0) |
                                 (s->member != NULL ? SUBSCRIPTION_SHARED : 0)));
    if (s->member != NULL) {
        text_add_u16(out, s->member->slot);
        text_add_u16(out, s->member->filter_at);
    }
    text_add(out, s->by_text.key);
    core_put(s->session->core, META_SUBSCRIPTIONS, slice_of(key.bytes, sizeof(key.bytes)),
             text_slice(out), DURABILITY_ALWAYS);
}

void subscription_forget_recorded(struct subscription *s)
{
    struct subscription_key key = subscription_key(s);

    core_delete(s->session->core, META_SUBSCRIPTIONS, slice_of(key.bytes, sizeof(key.bytes)));
}

void session_forget_head(struct session *session)
{
    references_forget_dirty(session);
    notes_forget(session);
    retained_sent_forget(session);
    core_delete(session->core, META_SESSIONS, session_id(session));
}

void session_forget_recorded(struct session *session)
{
    MAP_EACH (node, &session->subscriptions)
        subscription_forget_recorded(CONTAINER_OF(node, struct subscription, by_text));
    references_forget(session);
    session_forget_head(session);
}

/* ---- loading ---- */

static enum rc visit_session(void *arg, struct slice key, struct slice value)
{
    struct rd rd = rd_of(value);
    uint64_t number = rd_u64(&rd), expiry_ms = rd_u64(&rd);
    int64_t detached_ms = rd_i64(&rd);
    uint64_t sent_below = rd.left > 0 ? rd_u64(&rd) : 0;
    struct session *session = session_new(arg, key, rd_rest(&rd), number);

    session->expiry_ms = expiry_ms;
    session->detached_ms = detached_ms;
    session->references.sent_below = sent_below;
    if (share_is_key(key))
        share_make(session);
    return rd.bad ? RC_CORRUPT : RC_OK;
}

/* What belongs to a session names it by number, which is asked for while loading alone. Rows of one
 * session lie together: the last one found is mostly the one wanted. */
struct loading {
    struct core *core;
    struct table numbered;
    struct session *last;
};

static uint64_t session_hash(const void *item)
{
    return table_mix(((const struct session *)item)->number);
}

static bool session_is_numbered(const void *item, const void *key)
{
    return ((const struct session *)item)->number == *(const uint64_t *)key;
}

static struct session *loading_session(struct loading *loading, uint64_t number)
{
    if (loading->last == NULL || loading->last->number != number)
        loading->last =
            table_get(&loading->numbered, table_mix(number), session_is_numbered, &number);
    return loading->last;
}

static enum rc visit_subscription(void *arg, struct slice key, struct slice value)
{
    struct loading *loading = arg;
    struct rd key_rd = rd_of(key);
    struct rd rd = rd_of(value);
    struct session *session = loading_session(loading, rd_u64(&key_rd));
    struct subscription_spec spec = { .id = rd_u32(&rd) };
    unsigned flags;
    struct filter *filter = NULL;
    struct subscription *s;
    enum rc rc;

    spec.qos = rd_u8(&rd);
    flags = rd_u8(&rd);
    if ((flags & SUBSCRIPTION_SHARED) != 0) {
        spec.group = SLICE("?"); /* not looked at: it is in the text */
        spec.slot = rd_u16(&rd);
        spec.filter_at = rd_u16(&rd);
    }
    spec.text = rd_rest(&rd);
    if (rd.bad || spec.filter_at > spec.text.len)
        return RC_CORRUPT;
    if (session == NULL) {
        core_stray(loading->core, META_SUBSCRIPTIONS, key);
        return RC_OK;
    }
    rc = filter_from_mqtt(slice_after(spec.text, spec.filter_at), &filter);
    spec.filter = filter;
    if (rc == RC_OK)
        rc = subscription_add(session, &spec, &s);
    filter_free(&filter);
    if (rc != RC_OK)
        return rc;
    s->id = spec.id;
    s->qos = spec.qos;
    s->is_no_local = (flags & SUBSCRIPTION_NO_LOCAL) != 0;
    s->is_retain_as_published = (flags & SUBSCRIPTION_AS_PUBLISHED) != 0;
    return RC_OK;
}

static enum rc visit_references(void *arg, struct slice key, struct slice value)
{
    struct loading *loading = arg;
    struct rd rd = rd_of(key);
    struct session *session = loading_session(loading, rd_u64(&rd));
    uint64_t chunk = rd_u64(&rd);

    if (rd.bad)
        return RC_CORRUPT;
    if (session == NULL) {
        core_stray(loading->core, META_REFERENCES, key);
        return RC_OK;
    }
    return references_load(session, chunk, rd_rest(&rd), value);
}

static enum rc visit_note(void *arg, struct slice key, struct slice value)
{
    struct rd rd = rd_of(key);
    struct session *session = loading_session(arg, rd_u64(&rd));
    uint32_t number = rd_u32(&rd);

    if (rd.bad)
        return RC_CORRUPT;
    if (session == NULL)
        return RC_OK;
    if (number == NOTE_CORE_WILL)
        will_load(session, value);
    if ((number & ~NOTE_CORE_SENT_NUMBERS) == NOTE_CORE_SENT)
        return retained_sent_load(session, number, value);
    return note_load(session, number, value);
}

/* The time that passed while the broker was down counts towards the expiry. */
static void resume(struct session *session)
{
    int64_t now_ms = core_wall_ms(session->core);
    uint64_t gone_ms = session->detached_ms > 0 && now_ms > session->detached_ms
                           ? (uint64_t)(now_ms - session->detached_ms)
                           : 0;

    references_loaded(session);
    shares_loaded(session);
    session_start_expiry(session, session->expiry_ms > gone_ms ? session->expiry_ms - gone_ms : 0);
    will_resume(session);
}

enum rc sessions_load(struct core *core)
{
    struct loading loading = { .core = core };
    enum rc rc = meta_each(core->store, META_SESSIONS, visit_session, core);

    table_init(&loading.numbered, session_hash);
    MAP_EACH (node, &core->sessions)
        table_add(&loading.numbered, CONTAINER_OF(node, struct session, by_id));
    if (rc == RC_OK)
        rc = meta_each(core->store, META_SUBSCRIPTIONS, visit_subscription, &loading);
    if (rc == RC_OK)
        rc = meta_each(core->store, META_REFERENCES, visit_references, &loading);
    if (rc == RC_OK)
        rc = meta_each(core->store, META_INFLIGHT, visit_note, &loading);
    table_done(&loading.numbered);
    if (rc != RC_OK)
        return rc;
    MAP_EACH (node, &core->sessions)
        resume(CONTAINER_OF(node, struct session, by_id));
    return RC_OK;
}

void sessions_settle(struct core *core)
{
    struct ring groups;

    ring_init(&groups, sizeof(struct session *));
    MAP_EACH (node, &core->sessions) {
        struct session *session = CONTAINER_OF(node, struct session, by_id);

        if (session->share != NULL)
            *(struct session **)ring_push(&groups) = session;
    }
    for (size_t i = 0; i < groups.count; i++)
        share_settle(*(struct session **)ring_at(&groups, i));
    ring_done(&groups);
}

void sessions_suspect(struct core *core)
{
    MAP_EACH (node, &core->sessions) {
        struct session *session = CONTAINER_OF(node, struct session, by_id);

        if (references_suspect(session))
            session_record(session);
    }
}
