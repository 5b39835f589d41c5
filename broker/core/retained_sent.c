/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages that a session was sent with QoS 1 or 2 and has not acknowledged. They are sent
 * again when it comes back (MQTT 5 4.4.0-1). References would not do: what is retained may have
 * left its stream. Each is a row of the catalogue while the session is durable. */
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/reference_int.h"

struct retained_sent {
    struct link link;        /* in session_extra.sent, or in .again: in the order of sending */
    struct message *message; /* counted reference */
    uint32_t subscription_id;
    uint32_t number;
    uint8_t qos;
};

/* ---- the catalogue: beside notes, under numbers of their own: subscription id u32, qos u8, the
 * message ---- */

struct sent_key {
    uint8_t bytes[12];
};

static struct sent_key sent_key(const struct session *session, const struct retained_sent *sent)
{
    struct sent_key key;

    put_u64(key.bytes, session->number);
    put_u32(key.bytes + 8, NOTE_CORE_SENT | sent->number);
    return key;
}

static void record(const struct session *session, const struct retained_sent *sent)
{
    struct text *out = &session->core->scratch;
    struct sent_key key = sent_key(session, sent);

    text_clear(out);
    text_add_u32(out, sent->subscription_id);
    text_add_byte(out, sent->qos);
    message_encode(out, sent->message);
    core_put(session->core, META_INFLIGHT, slice_of(key.bytes, sizeof(key.bytes)), text_slice(out),
             DURABILITY_ALWAYS);
}

static void forget_recorded(const struct session *session, const struct retained_sent *sent)
{
    struct sent_key key = sent_key(session, sent);

    core_delete(session->core, META_INFLIGHT, slice_of(key.bytes, sizeof(key.bytes)));
}

enum rc retained_sent_load(struct session *session, uint32_t key, struct slice value)
{
    struct session_extra *extra = session_extra(session);
    struct rd rd = rd_of(value);
    struct retained_sent *sent = mem_new(struct retained_sent);

    sent->number = key & NOTE_CORE_SENT_NUMBERS;
    sent->subscription_id = rd_u32(&rd);
    sent->qos = rd_u8(&rd);
    sent->message = message_decode(rd_rest(&rd));
    if (rd.bad || sent->message == NULL) {
        message_unref(&sent->message);
        mem_free(sent);
        return RC_CORRUPT;
    }
    extra->sent_number = sent->number;
    list_append(&extra->again, &sent->link);
    return RC_OK;
}

/* ---- one is sent, and is acknowledged ---- */

static void sent_free(struct retained_sent *sent)
{
    link_remove(&sent->link);
    message_unref(&sent->message);
    mem_free(sent);
}

static void settle(const struct session *session, struct retained_sent *sent)
{
    if (session_is_durable(session))
        forget_recorded(session, sent);
    sent_free(sent);
}

/* Numbers are used again when all were: more are never under way to one client. */
uint64_t retained_sent_add(struct session *session, const struct delivery *delivery)
{
    struct session_extra *extra = session_extra(session);
    struct retained_sent *sent = mem_new(struct retained_sent);

    extra->sent_number = (extra->sent_number + 1) & NOTE_CORE_SENT_NUMBERS;
    sent->number = extra->sent_number;
    sent->message = message_ref(delivery->message);
    sent->qos = delivery->qos;
    sent->subscription_id = delivery->subscription_id_count > 0 ? delivery->subscription_ids[0] : 0;
    list_append(&extra->sent, &sent->link);
    return RETAINED_HANDLE | sent->number;
}

void retained_sent_took(struct session *session, bool is_taken)
{
    struct retained_sent *last = LIST_LAST(&session->extra->sent, struct retained_sent, link);

    if (is_taken)
        record(session, last);
    else
        sent_free(last);
}

/* Acknowledgements mostly come in the order of sending. */
static struct retained_sent *find(const struct session *session, uint64_t handle)
{
    if (session->extra == NULL)
        return NULL;
    LIST_EACH (k, &session->extra->sent) {
        struct retained_sent *sent = CONTAINER_OF(k, struct retained_sent, link);

        if ((RETAINED_HANDLE | sent->number) == handle)
            return sent;
    }
    return NULL;
}

enum rc retained_sent_settle(struct session *session, uint64_t handle, enum outcome outcome)
{
    struct retained_sent *sent = find(session, handle);

    if (sent == NULL)
        return RC_NOT_FOUND;
    if (outcome != OUTCOME_REQUEUE) {
        settle(session, sent);
        return RC_OK;
    }
    link_remove(&sent->link);
    list_append(&session->extra->again, &sent->link);
    session_wake(session);
    return RC_OK;
}

/* ---- the connection ends, and another comes ---- */

/* Those that wait still were sent after the others. */
void retained_sent_detach(struct session_extra *extra)
{
    list_splice(&extra->sent, &extra->again);
    list_splice(&extra->again, &extra->sent);
}

enum rc retained_sent_again(struct session *session)
{
    struct session_extra *extra = session->extra;
    struct retained_sent *sent = LIST_FIRST(&extra->again, struct retained_sent, link);
    struct delivery delivery = { .message = sent->message,
                                 .handle = RETAINED_HANDLE | sent->number,
                                 .subscription_ids = &sent->subscription_id,
                                 .subscription_id_count = sent->subscription_id != 0,
                                 .delivery_count = 1,
                                 .qos = sent->qos,
                                 .is_retained = true,
                                 .is_redelivered = true };
    enum rc rc;

    if (sent->message->expires_at_ms != 0 &&
        sent->message->expires_at_ms <= core_wall_ms(session->core)) {
        settle(session, sent);
        return RC_OK;
    }
    rc = session->client->ops->on_session_delivery(session->client->session, &delivery);
    if (rc != RC_OK)
        return rc;
    link_remove(&sent->link);
    list_append(&extra->sent, &sent->link);
    count_add(COUNT_CORE_DELIVERED, 1);
    count_add(COUNT_CORE_REDELIVERED, 1);
    return RC_OK;
}

/* ---- the session ends ---- */

void retained_sent_forget(struct session *session)
{
    if (session->extra == NULL)
        return;
    LIST_EACH (k, &session->extra->sent)
        forget_recorded(session, CONTAINER_OF(k, struct retained_sent, link));
    LIST_EACH (k, &session->extra->again)
        forget_recorded(session, CONTAINER_OF(k, struct retained_sent, link));
}

void retained_sent_free(struct session_extra *extra)
{
    list_splice(&extra->again, &extra->sent);
    while (!list_is_empty(&extra->again))
        sent_free(LIST_FIRST(&extra->again, struct retained_sent, link));
}
