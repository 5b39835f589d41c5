/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions are owed: references into the log, sent as credit allows, recorded in chunks. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/name.h"
#include "broker/core/route.h"
#include "broker/core/session_int.h"
#include "broker/core/share.h"
#include "broker/core/stream_int.h"

/* A delivery handle is the reference's number plus one: 0 means nothing to settle. */

static uint64_t end_number(const struct session *session)
{
    return session->references.end;
}

static void count_open(struct session *session, const struct reference *r)
{
    uint64_t bytes = reference_bytes(r);

    session->open_count++;
    session->open_bytes += bytes;
    session->core->owed_count++;
    session->core->owed_bytes += bytes;
    session->user->owed_count++;
    session->user->owed_bytes += bytes;
}

static void count_closed(struct session *session, const struct reference *r)
{
    uint64_t bytes = reference_bytes(r);

    session->open_count--;
    session->open_bytes -= bytes;
    session->core->owed_count--;
    session->core->owed_bytes -= bytes;
    session->user->owed_count--;
    session->user->owed_bytes -= bytes;
}

/* ---- recording: a chunk as references.c encodes it, under session u64, chunk u64, form u8. Before
 * there was a form: per reference not settled its place in the chunk u8, log u32, offset u64, qos
 * and attempts u8, flags u8 ---- */

#define FORM_PACKED 1

struct chunk_key {
    uint8_t bytes[17];
};

static struct chunk_key chunk_key(const struct session *session, uint64_t chunk)
{
    struct chunk_key key;

    put_u64(key.bytes, session->number);
    put_u64(key.bytes + 8, chunk);
    key.bytes[16] = FORM_PACKED;
    return key;
}

static void mark_dirty(struct session *session, uint64_t number)
{
    uint64_t chunk = number >> REFERENCE_CHUNK_SHIFT;
    bool is_known = false;
    struct ring *chunks;

    if (!session_is_durable(session))
        return;
    chunks = &session_extra(session)->dirty_chunks;
    /* mostly the last one again, or that before it: one end grows while the other shrinks */
    for (size_t i = chunks->count; i > 0 && i + 2 > chunks->count; i--)
        is_known |= *(uint64_t *)ring_at(chunks, i - 1) == chunk;
    if (!is_known)
        *(uint64_t *)ring_push(chunks) = chunk;
    if (!link_is_linked(&session->dirty))
        list_append(&session->core->dirty_sessions, &session->dirty);
}

#define REFERENCE_WAS_SENT 0x10u

static void delete_record(struct session *session, uint64_t chunk)
{
    struct chunk_key key = chunk_key(session, chunk);

    core_delete(session->core, META_REFERENCES, slice_of(key.bytes, sizeof(key.bytes)));
    if (session->has_old_records)
        core_delete(session->core, META_REFERENCES, slice_of(key.bytes, sizeof(key.bytes) - 1));
}

static void record_chunk(struct session *session, uint64_t chunk)
{
    struct text *out = &session->core->scratch;
    struct chunk_key key = chunk_key(session, chunk);

    if (PLANTED("references-unrecorded"))
        return;
    text_clear(out);
    references_encode(&session->references, chunk, out);
    if (out->len == 0 || session->has_old_records)
        delete_record(session, chunk);
    if (out->len > 0)
        core_put(session->core, META_REFERENCES, slice_of(key.bytes, sizeof(key.bytes)),
                 text_slice(out), DURABILITY_MEMORY);
}

void references_record(struct session *session)
{
    struct ring *chunks = session->extra == NULL ? NULL : &session->extra->dirty_chunks;
    uint64_t last = UINT64_MAX;

    link_remove_if(&session->dirty);
    for (size_t i = 0; chunks != NULL && i < chunks->count; i++) {
        uint64_t chunk = *(uint64_t *)ring_at(chunks, i);

        if (chunk != last)
            record_chunk(session, chunk);
        last = chunk;
    }
    if (chunks != NULL)
        ring_pop(chunks, chunks->count);
}

/* A group loses what its members have gained: a crash in between must find it twice, not lost. */
void sessions_record(struct core *core)
{
    struct list groups;

    list_init(&groups);
    while (!list_is_empty(&core->dirty_sessions)) {
        struct session *session = LIST_FIRST(&core->dirty_sessions, struct session, dirty);

        if (session->share == NULL) {
            references_record(session);
        } else {
            link_remove(&session->dirty);
            list_append(&groups, &session->dirty);
        }
    }
    while (!list_is_empty(&groups))
        references_record(LIST_FIRST(&groups, struct session, dirty));
}

void references_record_all(struct session *session)
{
    const struct references *refs = &session->references;

    for (uint64_t n = refs->first; n < refs->end; n += REFERENCE_CHUNK)
        mark_dirty(session, n);
    if (!references_is_empty(refs))
        mark_dirty(session, refs->end - 1);
}

void references_forget(struct session *session)
{
    struct ring *chunks = session->extra == NULL ? NULL : &session->extra->dirty_chunks;
    uint64_t end = end_number(session);

    for (size_t i = 0; chunks != NULL && i < chunks->count; i++)
        delete_record(session, *(uint64_t *)ring_at(chunks, i));
    if (chunks != NULL)
        ring_pop(chunks, chunks->count);
    link_remove_if(&session->dirty);
    if (references_is_empty(&session->references))
        return;
    for (uint64_t chunk = session->references.first >> REFERENCE_CHUNK_SHIFT;
         chunk <= (end - 1) >> REFERENCE_CHUNK_SHIFT; chunk++)
        delete_record(session, chunk);
}

/* QoS 0 is owed nothing, unless it waits for who is away. */
static bool is_owed(const struct session *session, const struct reference *r)
{
    return r->qos > 0 || session->core->config.keeps_qos0;
}

/* What the log holds of what it was owed is kept from retention. */
static void pin_loaded(struct session *session, struct reference *r)
{
    struct partition *p = partition_of_log(session->core, r->log);

    if (!is_owed(session, r) || p == NULL || r->offset < p->start || r->offset >= p->end)
        return; /* nothing of it, if it is not logged */
    partition_owe(p, r->offset);
    r->flags |= REFERENCE_PINS;
}

static enum rc decode_old(struct slice value, struct reference *ret, unsigned *ret_end)
{
    struct rd rd = rd_of(value);
    unsigned place = 0;

    for (unsigned i = 0; i < REFERENCE_CHUNK; i++)
        ret[i] = (struct reference){ .state = REFERENCE_SETTLED };
    *ret_end = 0;
    while (rd.left > 0) {
        struct reference r = { .state = REFERENCE_OWED };
        unsigned qos;

        place = rd_u8(&rd);
        r.log = rd_u32(&rd);
        r.offset = rd_u64(&rd);
        qos = rd_u8(&rd);
        r.flags = rd_u8(&rd) & REFERENCE_RETAIN;
        r.qos = qos & 3;
        r.attempts = (qos & REFERENCE_WAS_SENT) != 0;
        if (rd.bad || place < *ret_end)
            return RC_CORRUPT;
        ret[place] = r;
        *ret_end = place + 1;
    }
    return RC_OK;
}

/* Chunks come in rising order; those between two were settled whole. */
static void references_reach(struct session *session, uint64_t number)
{
    const struct reference settled = { .state = REFERENCE_SETTLED };

    if (references_is_empty(&session->references))
        references_start(&session->references, number);
    while (end_number(session) < number)
        (void)references_push(&session->references, &settled);
}

enum rc references_load(struct session *session, uint64_t chunk, struct slice form,
                        struct slice value)
{
    uint64_t number = chunk << REFERENCE_CHUNK_SHIFT;
    struct reference items[REFERENCE_CHUNK];
    unsigned end = 0;
    enum rc rc;

    if (form.len > 1 || (form.len == 1 && form.at[0] != FORM_PACKED))
        return RC_VERSION;
    rc = form.len == 0 ? decode_old(value, items, &end) : references_decode(value, items, &end);
    if (rc != RC_OK || (!references_is_empty(&session->references) && number < end_number(session)))
        return RC_CORRUPT;
    session->has_old_records |= form.len == 0;
    references_reach(session, number);
    for (unsigned i = 0; i < end; i++) {
        struct reference *r = &items[i];

        if (r->state != REFERENCE_SETTLED) {
            if (number + i < session->references.sent_below)
                r->attempts = 1;
            if (shares_subscription(session, r->share) == NULL)
                r->share = 0;
            shares_count(session, r, 1);
            pin_loaded(session, r);
            count_open(session, r);
        }
        (void)references_push(&session->references, r);
    }
    return RC_OK;
}

static void drop_settled(struct session *session)
{
    struct references *refs = &session->references;

    while (!references_is_empty(refs) &&
           references_at(refs, refs->first)->state == REFERENCE_SETTLED)
        references_pop(refs);
    if (session->next < refs->first)
        session->next = refs->first;
}

static bool is_unpacked(bool is_packed, bool has_qos0)
{
    (void)has_qos0;
    return !is_packed;
}

static void suspect(void *arg, uint64_t number, struct reference *r)
{
    (void)arg;
    (void)number;
    r->attempts = 1;
}

bool references_suspect(struct session *session)
{
    references_each(&session->references, is_unpacked, suspect, NULL);
    session->references.sent_below = end_number(session); /* for those that are packed */
    return session->open_count > 0;
}

void references_loaded(struct session *session)
{
    drop_settled(session);
    session->next = session->references.first;
    if (session->open_count == 0)
        session->references.sent_below = 0; /* numbers begin anew */
}

/* ---- making and settling ---- */

/* Memory alone keeps more of what somebody waits for, owed or not. */
static void pin(const struct session *session, struct reference *r, struct partition *p)
{
    if (!is_owed(session, r) && p->unlogged == NULL)
        return;
    partition_owe(p, r->offset);
    r->flags |= REFERENCE_PINS;
}

uint64_t reference_add(struct session *session, const struct placed *placed,
                       const struct reference *as)
{
    struct reference r = *as;
    uint64_t number;

    r.offset = placed->offset;
    r.log = placed->partition->log;
    pin(session, &r, placed->partition);
    number = references_push(&session->references, &r);
    count_open(session, &r);
    shares_count(session, &r, 1);
    mark_dirty(session, number);
    return number;
}

static void unpin(struct session *session, struct reference *r)
{
    struct partition *p;

    if ((r->flags & REFERENCE_PINS) == 0)
        return;
    r->flags &= (~REFERENCE_PINS & 0xfu);
    p = partition_of_log(session->core, r->log);
    if (p != NULL)
        partition_paid(p, r->offset);
}

static void visit_unpin(void *arg, uint64_t number, struct reference *r)
{
    (void)number;
    unpin(arg, r);
}

void references_end(struct session *session)
{
    references_each(&session->references, NULL, visit_unpin, session);
    session->core->owed_count -= session->open_count;
    session->core->owed_bytes -= session->open_bytes;
    session->user->owed_count -= session->open_count;
    session->user->owed_bytes -= session->open_bytes;
    references_free(&session->references);
}

void reference_take_back(struct session *session)
{
    uint64_t number = end_number(session) - 1;
    struct reference *r = reference_at(session, number);

    unpin(session, r);
    shares_count(session, r, -1);
    count_closed(session, r);
    references_take_back(&session->references);
    session->next = number;
}

void reference_prepend(struct session *session, const struct reference *from)
{
    struct partition *p = partition_of_log(session->core, from->log);
    struct reference r = {
        .offset = from->offset, .log = from->log, .qos = from->qos, .size = from->size
    };

    if (p == NULL)
        return;
    r.flags = from->flags & REFERENCE_RETAIN;
    pin(session, &r, p);
    session->next = references_push_front(&session->references, &r);
    count_open(session, &r);
    mark_dirty(session, session->next);
}

struct unsharing {
    struct session *session;
    uint16_t share;
};

static void visit_unshare(void *arg, uint64_t number, struct reference *r)
{
    const struct unsharing *unsharing = arg;

    if (r->share != unsharing->share || r->state == REFERENCE_SETTLED)
        return;
    shares_count(unsharing->session, r, -1);
    r->share = 0;
    mark_dirty(unsharing->session, number);
}

void references_unshare(struct session *session, uint16_t share)
{
    struct unsharing unsharing = { session, share };

    references_each(&session->references, NULL, visit_unshare, &unsharing);
}

void reference_settle(struct session *session, uint64_t number)
{
    struct reference *r = reference_at(session, number);

    ASSERT(r->state != REFERENCE_SETTLED);
    unpin(session, r);
    shares_count(session, r, -1);
    r->state = REFERENCE_SETTLED;
    count_closed(session, r);
    mark_dirty(session, number);
    drop_settled(session);
}

enum rc session_settle(struct session *session, uint64_t handle, enum outcome outcome)
{
    uint64_t number = handle - 1;
    struct reference *r;

    if (handle == 0 || number < session->references.first || number >= end_number(session))
        return RC_NOT_FOUND;
    r = reference_at(session, number);
    if (r->state != REFERENCE_SENT)
        return RC_NOT_FOUND;
    if (outcome != OUTCOME_REQUEUE) {
        reference_settle(session, number);
        return RC_OK;
    }
    r->state = REFERENCE_OWED;
    if (number < session->next)
        session->next = number;
    session_wake(session);
    return RC_OK;
}

uint64_t session_owed_count(const struct session *session)
{
    return session->open_count;
}

/* What is packed waits already, and there is nothing to be done if it is not QoS 0. */
static bool wants_detach(bool is_packed, bool has_qos0)
{
    return !is_packed || has_qos0;
}

static void visit_detach(void *arg, uint64_t number, struct reference *r)
{
    struct session *session = arg;

    if (r->state == REFERENCE_SENT) {
        r->state = REFERENCE_OWED;
        r->attempts = 1;
    }
    if (r->state == REFERENCE_OWED && !is_owed(session, r)) { /* it is for who is there */
        unpin(session, r);
        r->state = REFERENCE_SETTLED;
        count_closed(session, r);
        mark_dirty(session, number);
    }
}

void references_detach(struct session *session)
{
    references_each(&session->references, wants_detach, visit_detach, session);
    session->next = session->references.first;
    drop_settled(session);
    references_pack(&session->references);
    session->is_reading = false;
    if (session->extra == NULL)
        return;
    cursor_rest(&session->extra->cursor);
    link_remove_if(&session->extra->tail_wait);
}

struct floor_search {
    uint32_t log;
    uint64_t floor;
};

static void visit_floor(void *arg, uint64_t number, struct reference *r)
{
    struct floor_search *search = arg;

    (void)number;
    if (r->log == search->log && (r->flags & REFERENCE_PINS) != 0 && r->offset < search->floor)
        search->floor = r->offset;
}

struct pinning {
    struct session *session;
    struct partition *partition;
};

static void visit_pin(void *arg, uint64_t number, struct reference *r)
{
    const struct pinning *pinning = arg;

    (void)number;
    if (r->log != pinning->partition->log || (r->flags & REFERENCE_PINS) == 0)
        return;
    r->flags &= (~REFERENCE_PINS & 0xfu);
    if (r->offset >= pinning->partition->start)
        pin(pinning->session, r, pinning->partition);
}

void references_pin(struct partition *p)
{
    MAP_EACH (node, &p->stream->core->sessions) {
        struct pinning pinning = { CONTAINER_OF(node, struct session, by_id), p };

        references_each(&pinning.session->references, NULL, visit_pin, &pinning);
    }
}

uint64_t references_floor(struct core *core, uint32_t log)
{
    struct floor_search search = { log, UINT64_MAX };

    MAP_EACH (node, &core->sessions)
        references_each(&CONTAINER_OF(node, struct session, by_id)->references, NULL, visit_floor,
                        &search);
    return search.floor;
}

/* ---- a message comes ---- */

bool session_is_direct(const struct session *session)
{
    return session->is_ready && !session_has_retained(session) &&
           session->next == end_number(session);
}

/* Moves `next` to the first that is owed, or to the end. */
static void find_owed(struct session *session)
{
    while (session->next < end_number(session) &&
           reference_at(session, session->next)->state != REFERENCE_OWED)
        session->next++;
}

static void drop(struct session *session, const char *why)
{
    count_add(COUNT_CORE_DROPPED, 1);
    session->user->dropped++;
    log_peer(LOG_WARNING, "core.dropped", "session=%s owed=%zu why=\"%s\"",
             log_quote(session->id, session->by_id.key.len), session->open_count, why);
}

/* The oldest that was not sent goes. False: all were. */
static bool drop_oldest(struct session *session)
{
    find_owed(session);
    if (session->next == end_number(session))
        return false;
    drop(session, "too many owed: the oldest goes");
    reference_settle(session, session->next);
    return true;
}

/* False: the new one, which is counted as that, is not to be kept. */
static bool make_room(struct session *session, uint64_t bytes)
{
    enum session_overflow overflow = session->user->caps.overflow;

    if (overflow == OVERFLOW_END && session->share == NULL) {
        struct link *overflowing = &session_extra(session)->overflowing;

        if (!link_is_linked(overflowing))
            list_append(&session->core->overflowing, overflowing);
        return false;
    }
    if (overflow == OVERFLOW_DROP_OLDEST || overflow == OVERFLOW_END) {
        while (session_is_full(session, bytes) && drop_oldest(session))
            ;
        if (!session_is_full(session, bytes))
            return true;
    }
    drop(session, "too many owed: the newest goes");
    return false;
}

/* ---- caps that were lowered ---- */

/* What a turn takes away of all of them, and what the end of a session counts as: like a purge, it
 * takes some tenths of a millisecond. */
#define TRIM_STEP 4096u
#define TRIM_END  64u

static bool is_over(const struct session *session)
{
    const struct user_caps *caps = &session->user->caps;

    return session->open_count > caps->session_messages ||
           (caps->session_bytes > 0 && session->open_bytes > caps->session_bytes);
}

void session_trim(struct session *session)
{
    enum session_overflow overflow = session->user->caps.overflow;
    bool is_wanted =
        (overflow == OVERFLOW_DROP_OLDEST || overflow == OVERFLOW_END) && is_over(session);

    if (session->extra != NULL)
        link_remove_if(&session->extra->trimming);
    if (!is_wanted)
        return;
    list_append(&session->core->trimming, &session_extra(session)->trimming);
    core_wake(session->core);
}

/* What is left of the step. */
static unsigned trim(struct session *session, unsigned left)
{
    struct link *overflowing = &session->extra->overflowing;

    if (session->user->caps.overflow == OVERFLOW_END && session->share == NULL) {
        if (is_over(session) && !link_is_linked(overflowing))
            list_append(&session->core->overflowing, overflowing);
        return left > TRIM_END ? left - TRIM_END : 0;
    }
    while (left > 0 && is_over(session) && drop_oldest(session))
        left--;
    return left;
}

void sessions_trim(struct core *core)
{
    unsigned left = TRIM_STEP;

    while (left > 0 && !list_is_empty(&core->trimming)) {
        struct session_extra *extra = LIST_FIRST(&core->trimming, struct session_extra, trimming);

        left = trim(extra->session, left);
        if (left > 0 || link_is_linked(&extra->overflowing) || !is_over(extra->session))
            link_remove(&extra->trimming);
    }
    if (!list_is_empty(&core->trimming))
        core_wake(core);
}

/* Only what lies in the log can be kept for later. */
void reference_owe(struct session *session, const struct placed *placed,
                   const struct message *message, uint8_t qos, bool is_retained)
{
    struct reference as = { .qos = qos & 3u,
                            .size = reference_size(message->body.len) & 63u,
                            .state = REFERENCE_OWED,
                            .flags = is_retained ? REFERENCE_RETAIN : 0 };
    uint64_t bytes = reference_bytes(&as);

    if (placed->partition == NULL) {
        drop(session, "not logged");
        return;
    }
    if (session_is_full(session, bytes) && !make_room(session, bytes))
        return;
    (void)reference_add(session, placed, &as);
    session_wake(session);
}

void session_offer(struct session *session, const struct target *target, struct message *message,
                   const struct placed *placed)
{
    uint8_t qos = granted_qos(session->core, target->qos, message->qos);
    bool is_retained = target->is_retain_as_published && (message->flags & MESSAGE_RETAIN) != 0;
    struct delivery delivery = { .message = message,
                                 .subscription_ids = target->ids,
                                 .subscription_id_count = target->id_count,
                                 .qos = qos,
                                 .is_retained = is_retained };
    bool is_kept = qos > 0 && session_is_durable(session) && placed->partition != NULL;
    uint64_t number = 0;
    enum rc rc;

    if (session->share != NULL) {
        share_offer(session, message, placed);
        return;
    }
    if (session->client == NULL && qos == 0 &&
        !(session->core->config.keeps_qos0 && session_is_durable(session)))
        return; /* QoS 0 is for who is there */
    if (!session_is_direct(session)) {
        reference_owe(session, placed, message, qos, is_retained);
        return;
    }
    if (is_kept) {
        struct reference as = { .qos = qos & 3u,
                                .size = reference_size(message->body.len) & 63u,
                                .state = REFERENCE_SENT,
                                .flags = is_retained ? REFERENCE_RETAIN : 0 };

        number = reference_add(session, placed, &as);
        session->next = number + 1;
        delivery.handle = number + 1;
    }
    rc = session->client->ops->on_session_delivery(session->client->session, &delivery);
    if (rc == RC_OK) {
        count_add(COUNT_CORE_DELIVERED, 1);
        return;
    }
    session->is_ready = false;
    if (is_kept) {
        reference_at(session, number)->state = REFERENCE_OWED;
        session->next = number;
    } else {
        reference_owe(session, placed, message, qos, is_retained);
    }
}

/* ---- sending what is owed ---- */

/* Who published it may have lost the right to since. */
static bool is_source_right(const struct session *session, const struct message *message)
{
    return source_may_publish(session->core, message_header(message, HEADER_SOURCE),
                              message->address);
}

/* One message, or a part of the search for it. RC_AGAIN: no credit. */
static enum rc send_retained(struct session *session)
{
    struct session_extra *extra = session->extra;
    struct retained_due *due = LIST_FIRST(&extra->retained, struct retained_due, link);
    struct subscription *s = due->subscription;
    struct delivery delivery = { .is_retained = true,
                                 .subscription_ids = &s->id,
                                 .subscription_id_count = s->id != 0 };
    enum rc rc =
        retain_walk_next(session->core, s->filter, &due->walk, &extra->cursor, &delivery.message);

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
        rc = session->client->ops->on_session_delivery(session->client->session, &delivery);
        if (rc == RC_OK)
            count_add(COUNT_CORE_DELIVERED, 1);
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
        delivery->subscription_id_count = target->id_count;
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

    find_owed(session);
    if (session->next == end_number(session))
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
            drop(session, "no longer in the log");
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

static void session_pump(struct session *session)
{
    unsigned budget = PUMP_BUDGET;
    enum rc rc = RC_OK;

    for (; budget > 0 && rc == RC_OK && session->is_ready && !session->is_reading; budget--) {
        if (session_has_retained(session)) {
            rc = send_retained(session);
            session->is_ready = rc == RC_OK;
        } else {
            rc = send_next(session);
        }
    }
    if (rc == RC_NOT_FOUND) {
        session_rest(session);
        shares_feed(session);
    }
    if (budget == 0) {
        session_wake(session);
        core_wake(session->core);
    }
}

static void pump_list(struct list *sessions)
{
    struct list busy;

    list_init(&busy);
    list_splice(&busy, sessions);
    while (!list_is_empty(&busy)) {
        struct session *session = LIST_FIRST(&busy, struct session, busy);

        link_remove(&session->busy);
        session_pump(session);
    }
}

void sessions_pump(struct core *core)
{
    pump_list(&core->busy_sessions);
    pump_list(&core->busy_groups); /* to those who have credit left */
    sessions_trim(core);
    sessions_end_overflowing(core);
    count_set(COUNT_CORE_OWED, (int64_t)core->owed_count);
    count_set(COUNT_CORE_OWED_BYTES, (int64_t)core->owed_bytes);
}
