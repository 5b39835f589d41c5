/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions are owed, as the catalogue has it: recorded in chunks, and loaded at the start.
 * A chunk as references.c encodes it, under session u64, chunk u64, form u8. Before there was a
 * form: per reference not settled its place in the chunk u8, log u32, offset u64, qos and
 * attempts u8, flags u8. */
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/reference_int.h"
#include "broker/core/share.h"
#include "broker/core/stream_int.h"

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

void reference_mark_dirty(struct session *session, uint64_t number)
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
        reference_mark_dirty(session, n);
    if (!references_is_empty(refs))
        reference_mark_dirty(session, refs->end - 1);
}

void references_forget_chunk(struct session *session, uint64_t chunk)
{
    delete_record(session, chunk);
}

void references_forget_dirty(struct session *session)
{
    struct ring *chunks = session->extra == NULL ? NULL : &session->extra->dirty_chunks;

    for (size_t i = 0; chunks != NULL && i < chunks->count; i++)
        delete_record(session, *(uint64_t *)ring_at(chunks, i));
    if (chunks != NULL)
        ring_pop(chunks, chunks->count);
    link_remove_if(&session->dirty);
}

void references_forget(struct session *session)
{
    uint64_t end = session->references.end;

    references_forget_dirty(session);
    if (references_is_empty(&session->references))
        return;
    for (uint64_t chunk = session->references.first >> REFERENCE_CHUNK_SHIFT;
         chunk <= (end - 1) >> REFERENCE_CHUNK_SHIFT; chunk++)
        delete_record(session, chunk);
}

/* What the log holds of what it was owed is kept from retention. */
static void pin_loaded(struct session *session, struct reference *r)
{
    struct partition *p = partition_of_log(session->core, r->log);

    if (!reference_is_owed(session, r) || p == NULL || r->offset < p->start || r->offset >= p->end)
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
    while (session->references.end < number)
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
    if (rc != RC_OK ||
        (!references_is_empty(&session->references) && number < session->references.end))
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
            reference_count_open(session, r);
        }
        (void)references_push(&session->references, r);
    }
    return RC_OK;
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
    session->references.sent_below = session->references.end; /* for those that are packed */
    return session->open_count > 0;
}

void references_loaded(struct session *session)
{
    references_drop_settled(session);
    session->next = session->references.first;
    if (session->open_count == 0)
        session->references.sent_below = 0; /* numbers begin anew */
}
