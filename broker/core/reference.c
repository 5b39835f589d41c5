/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions are owed, as references into the log: made, settled, and dropped when they are too
 * many. What is recorded of them is in reference_record.c, what sends them in session_pump.c. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/core/reference_int.h"
#include "broker/core/route.h"
#include "broker/core/share.h"
#include "broker/core/stream_int.h"

/* A delivery handle is the reference's number plus one: 0 means nothing to settle. */

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

void references_drop_settled(struct session *session)
{
    struct references *refs = &session->references;

    while (!references_is_empty(refs) &&
           references_at(refs, refs->first)->state == REFERENCE_SETTLED)
        references_pop(refs);
    if (session->next < refs->first)
        session->next = refs->first;
}

/* Memory alone keeps more of what somebody waits for, owed or not. */
static void pin(const struct session *session, struct reference *r, struct partition *p)
{
    if (!reference_is_owed(session, r) && p->unlogged == NULL)
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
    reference_count_open(session, &r);
    shares_count(session, &r, 1);
    reference_mark_dirty(session, number);
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

void references_leave(struct session *session)
{
    session->core->owed_count -= session->open_count;
    session->core->owed_bytes -= session->open_bytes;
    session->user->owed_count -= session->open_count;
    session->user->owed_bytes -= session->open_bytes;
    session->open_count = 0;
    session->open_bytes = 0;
}

/* What ending a chunk counts, of what a turn may settle: 5 us. */
#define CHUNK_COUNTS 64u

bool references_end_some(struct session *session, unsigned *left)
{
    while (!references_is_empty(&session->references)) {
        uint64_t chunk;

        if (*left == 0)
            return false;
        *left -= *left < CHUNK_COUNTS ? *left : CHUNK_COUNTS;
        chunk = references_take_chunk(&session->references, visit_unpin, session);
        if (session_is_recorded(session) && !session->core->is_ending)
            references_forget_chunk(session, chunk);
    }
    references_free(&session->references);
    return true;
}

void reference_take_back(struct session *session)
{
    uint64_t number = session->references.end - 1;
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
    reference_count_open(session, &r);
    reference_mark_dirty(session, session->next);
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
    reference_mark_dirty(unsharing->session, number);
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
    reference_mark_dirty(session, number);
    references_drop_settled(session);
}

enum rc session_settle(struct session *session, uint64_t handle, enum outcome outcome)
{
    uint64_t number = handle - 1;
    struct reference *r;

    if ((handle & RETAINED_HANDLE) != 0)
        return retained_sent_settle(session, handle, outcome);
    if (handle == 0 || number < session->references.first || number >= session->references.end)
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
    if (r->state == REFERENCE_OWED && !reference_is_owed(session, r)) { /* it is for who is there */
        unpin(session, r);
        r->state = REFERENCE_SETTLED;
        count_closed(session, r);
        reference_mark_dirty(session, number);
    }
}

void references_detach(struct session *session)
{
    references_each(&session->references, wants_detach, visit_detach, session);
    session->next = session->references.first;
    references_drop_settled(session);
    references_pack(&session->references);
    session->is_reading = false;
    if (session->extra == NULL)
        return;
    retained_sent_detach(session->extra);
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

static void pin_all(struct session *session, struct partition *p)
{
    struct pinning pinning = { session, p };

    references_each(&session->references, NULL, visit_pin, &pinning);
}

void references_pin(struct partition *p)
{
    struct core *core = p->stream->core;

    MAP_EACH (node, &core->sessions)
        pin_all(CONTAINER_OF(node, struct session, by_id), p);
    LIST_EACH (k, &core->ending_sessions)
        pin_all(CONTAINER_OF(k, struct session, busy), p);
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
    return session->is_ready && !session_has_again(session) && !session_has_retained(session) &&
           session->next == session->references.end;
}

void session_find_owed(struct session *session)
{
    while (session->next < session->references.end &&
           reference_at(session, session->next)->state != REFERENCE_OWED)
        session->next++;
}

void session_drop(struct session *session, const char *why)
{
    count_add(COUNT_CORE_DROPPED, 1);
    session->user->dropped++;
    log_peer(LOG_WARNING, "core.dropped", "session=%s owed=%zu why=\"%s\"",
             log_quote(session->id, session->by_id.key.len), session->open_count, why);
}

/* The oldest that was not sent goes. False: all were. */
static bool drop_oldest(struct session *session)
{
    session_find_owed(session);
    if (session->next == session->references.end)
        return false;
    session_drop(session, "too many owed: the oldest goes");
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
    session_drop(session, "too many owed: the newest goes");
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
                   const struct message *message, uint8_t qos, unsigned flags)
{
    struct reference as = { .qos = qos & 3u,
                            .size = reference_size(message->body.len) & 63u,
                            .state = REFERENCE_OWED,
                            .flags = flags & 0xfu };
    uint64_t bytes = reference_bytes(&as);

    if (placed->partition == NULL) {
        session_drop(session, "not logged");
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
    unsigned flags = (is_retained ? REFERENCE_RETAIN : 0) | (target->is_own ? REFERENCE_OWN : 0);
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
        reference_owe(session, placed, message, qos, flags);
        return;
    }
    if (is_kept) {
        struct reference as = { .qos = qos & 3u,
                                .size = reference_size(message->body.len) & 63u,
                                .state = REFERENCE_SENT,
                                .flags = flags & 0xfu };

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
        reference_owe(session, placed, message, qos, flags);
    }
}
