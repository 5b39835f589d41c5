/* SPDX-License-Identifier: Apache-2.0 */
/* Core's messages on their way to the client: credit, packet ids, PUBLISH. */
#include "broker/base/block.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/utf8.h"
#include "broker/core/acl.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_map.h"
#include "protocols/mqtt/mqtt_mount.h"
#include "protocols/mqtt/mqtt_trace.h"

/* From this size on a payload is sent from where it lies instead of being copied. */
#define PAYLOAD_BY_REFERENCE_BYTES 16384u
/* Properties of most messages fit here, and need no memory of their own. */
#define PROPERTIES_ON_STACK_BYTES 1024

/* What makes one PUBLISH, apart from the message. */
struct outgoing {
    const struct message *message;
    const uint32_t *ids;
    unsigned id_count;
    uint16_t packet_id;
    uint8_t qos;
    bool is_retain;
    bool is_dup;
    bool is_from_queue; /* which the client may consume, whatever it holds */
};

/* ---- writing ---- */

static void drop_message(void *arg, struct block *block)
{
    struct message *message = arg;

    (void)block;
    message_unref(&message);
}

/* Behind the head: by reference when copying would cost more than a block of its own. */
static void send_payload(struct mqtt_session *s, const struct message *message,
                         struct slice payload)
{
    struct message *held;
    struct block *block;

    if (payload.len < PAYLOAD_BY_REFERENCE_BYTES) {
        conn_write(s->conn, payload);
        return;
    }
    if (message->block != NULL) {
        conn_write_block(s->conn, message->block, payload);
        return;
    }
    held = message_ref((struct message *)(uintptr_t)message);
    block = block_around(payload, drop_message, held);
    if (block == NULL) {
        message_unref(&held);
        conn_write(s->conn, payload);
        return;
    }
    conn_write_block(s->conn, block, payload);
    block_unref(&block);
}

/* More than the head of this packet can take, without counting it out. */
static size_t head_bound(const struct mqtt_publish *p)
{
    return MQTT_HEADER_MAX_BYTES + 2 + p->topic.len + 2 + 4 + 3 +
           p->properties.subscription_id_count * 5 + p->properties.append.len;
}

/* The common case: the packet, or its head, is made where it is sent from. */
static bool write_in_place(struct mqtt_session *s, const struct mqtt_publish *p,
                           const struct message *message)
{
    bool is_whole = p->payload.len < PAYLOAD_BY_REFERENCE_BYTES;
    size_t room = head_bound(p) + (is_whole ? p->payload.len : 0);
    struct wr w = wr_of(conn_reserve(s->conn, room), room);

    mqtt_encode_publish_head(&w, s->version, p);
    if (w.len + p->payload.len > s->packet_max) {
        conn_commit(s->conn, 0);
        return false;
    }
    if (is_whole)
        wr_bytes(&w, p->payload);
    ASSERT(!w.bad);
    conn_commit(s->conn, w.len);
    if (!is_whole)
        send_payload(s, message, p->payload);
    return true;
}

/* A long topic and long properties: the head is larger than net gives room for in one piece. */
static bool write_large(struct mqtt_session *s, const struct mqtt_publish *p,
                        const struct message *message)
{
    size_t room = head_bound(p);
    struct text head = { 0 };
    bool is_fitting = true;
    struct wr w;

    if (!text_reserve(&head, room)) {
        conn_close(s->conn, RC_MEMORY);
        return true;
    }
    w = wr_of(head.at, room);
    mqtt_encode_publish_head(&w, s->version, p);
    ASSERT(!w.bad);
    is_fitting = w.len + p->payload.len <= s->packet_max;
    if (is_fitting) {
        conn_write(s->conn, wr_slice(&w));
        send_payload(s, message, p->payload);
    }
    text_done(&head);
    return is_fitting;
}

static bool write_packet(struct mqtt_session *s, const struct mqtt_publish *p,
                         const struct message *message)
{
    if (head_bound(p) + PAYLOAD_BY_REFERENCE_BYTES <= CONN_RESERVE_MAX)
        return write_in_place(s, p, message);
    return write_large(s, p, message);
}

/* With an alias, unless only the packet without one is small enough for the client. */
static bool write_aliased(struct mqtt_session *s, struct mqtt_publish *p,
                          const struct message *message)
{
    bool is_known, is_sent;
    uint16_t alias = mqtt_aliases_find(&s->given, message->address, &is_known);

    if (alias == 0)
        return write_packet(s, p, message);
    p->properties.topic_alias = alias;
    mqtt_set(&p->properties, MQTT_TOPIC_ALIAS);
    if (is_known)
        p->topic = SLICE("");
    is_sent = write_packet(s, p, message);
    if (is_sent && !is_known)
        mqtt_aliases_give(&s->given, alias, message->address);
    if (is_sent || is_known)
        return is_sent;
    p->properties.present = 0;
    return write_packet(s, p, message);
}

/* False: the client cannot take it, so it counts as delivered: larger than it says (3.1.2-25), a
 * name that no MQTT string can be, which other protocols may write, or one that it may not read or
 * that lies outside of its mount point. */
static bool write_publish(struct mqtt_session *s, const struct outgoing *out,
                          struct slice properties)
{
    const struct message *m = out->message;
    struct mqtt_publish p = { .dup = out->is_dup,
                              .qos = out->qos,
                              .retain = out->is_retain,
                              .packet_id = out->packet_id,
                              .topic = m->address,
                              .payload = m->value };
    bool is_sent = utf8_is_valid(m->address) &&
                   (mqtt_unmount(mqtt_mount_of(s), m->address, &p.topic) || out->is_from_queue);

    if (!out->is_from_queue && !may_deliver(s->client, m->address))
        return false;
    if (s->server->bridge != NULL && !mqtt_bridge_out(s, m, &p))
        return false;
    if (s->is_bridge && !mqtt_bridge_may_leave(m))
        return false;
    p.properties.append = properties;
    p.properties.subscription_ids = out->id_count > 0 ? out->ids : NULL;
    p.properties.subscription_id_count = out->id_count;
    if (is_sent)
        is_sent = write_aliased(s, &p, m);
    if (is_sent && mqtt_is_traced(s))
        mqtt_trace_publish_out(s, &p, m->address);
    if (is_sent) {
        count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
        count_add_alone(COUNT_MQTT_PUBLISH_OUT, 1);
        count_add_alone(COUNT_MQTT_PUBLISH_BYTES_OUT, (int64_t)m->value.len);
    } else {
        count_add(COUNT_CORE_DROPPED, 1);
    }
    return is_sent;
}

static void write_properties(const struct mqtt_session *s, struct wr *w,
                             const struct message *message, int64_t now_ms, struct text *scratch)
{
    mqtt_map_properties(w, message, now_ms, mqtt_mount_of(s), scratch);
    if (s->server->bridge != NULL)
        mqtt_bridge_write_via(s, message, w);
}

static bool send_publish(struct mqtt_session *s, const struct outgoing *out)
{
    uint8_t on_stack[PROPERTIES_ON_STACK_BYTES];
    struct text scratch = { 0 }, large = { 0 };
    int64_t now_ms;
    struct wr w;
    bool is_sent;

    if (s->version < MQTT_V5)
        return write_publish(s, out, SLICE_NONE);
    now_ms = core_wall_ms(s->core);
    w = wr_of(on_stack, sizeof(on_stack));
    write_properties(s, &w, out->message, now_ms, &scratch);
    if (w.bad) {
        struct wr count = wr_counting();

        write_properties(s, &count, out->message, now_ms, &scratch);
        if (!text_reserve(&large, count.len)) {
            conn_close(s->conn, RC_MEMORY);
            return true;
        }
        w = wr_of(large.at, count.len);
        write_properties(s, &w, out->message, now_ms, &scratch);
    }
    is_sent = write_publish(s, out, wr_slice(&w));
    text_done(&scratch);
    text_done(&large);
    return is_sent;
}

/* ---- notes of what is under way ---- */

#define FLIGHT_NOTE_BYTES 10

static void note_flight(struct mqtt_session *s, struct mqtt_flight *flight)
{
    uint8_t at[FLIGHT_NOTE_BYTES];
    struct wr w = wr_of(at, sizeof(at));

    wr_u8(&w, flight->state == FLIGHT_RELEASE ? FLIGHT_RELEASE : FLIGHT_RESUME);
    wr_u8(&w, flight->qos);
    wr_u64(&w, flight->handle);
    session_note_put(s->session, NOTE_OUTBOUND | flight->packet_id, wr_slice(&w));
    flight->has_note = true;
}

void mqtt_note_flights(struct mqtt_session *s)
{
    if (!s->is_durable || s->session == NULL)
        return;
    for (struct mqtt_flight *f = mqtt_inflight_next(&s->inflight, NULL); f != NULL;
         f = mqtt_inflight_next(&s->inflight, f)) {
        bool is_again_owed = f->handle != 0 || f->state == FLIGHT_RELEASE;

        if (!f->has_note && !f->is_from_queue && f->state != FLIGHT_DROPPED && is_again_owed)
            note_flight(s, f);
    }
}

/* ---- settling ---- */

static void settle_handle(struct mqtt_session *s, struct mqtt_flight *flight, enum outcome outcome)
{
    uint64_t handle = flight->handle;
    enum rc rc = RC_OK;

    flight->handle = 0;
    if (handle == 0)
        return;
    if (flight->is_from_queue)
        rc = queue_settle(s->client, flight->queue, handle, outcome);
    else
        rc = session_settle(s->session, handle, outcome);
    /* the queue or the message may have gone meanwhile: the client is done with it all the same */
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_peer(LOG_WARNING, "mqtt.settle_failed", "conn=%llu rc=%s",
                 (unsigned long long)conn_id(s->conn), rc_word(rc));
}

void mqtt_settle(struct mqtt_session *s, struct mqtt_flight *flight, enum outcome outcome)
{
    settle_handle(s, flight, outcome);
    if (flight->has_note)
        session_note_delete(s->session, NOTE_OUTBOUND | flight->packet_id);
    mqtt_inflight_remove(&s->inflight, flight);
}

void mqtt_settle_dropped(struct mqtt_session *s, uint16_t packet_id)
{
    struct mqtt_flight *flight = mqtt_inflight_get(&s->inflight, packet_id);

    if (flight != NULL && flight->state == FLIGHT_DROPPED)
        mqtt_settle(s, flight, OUTCOME_ACCEPT);
}

void mqtt_hand_over(struct mqtt_session *s, struct mqtt_flight *flight)
{
    settle_handle(s, flight, OUTCOME_ACCEPT);
    mqtt_inflight_set(&s->inflight, flight, FLIGHT_RELEASE);
    if (s->is_durable)
        note_flight(s, flight);
}

static bool has_room(const struct mqtt_session *s)
{
    uint32_t bytes_max = s->server->config.send_bytes;

    return s->inflight.sent < s->receive_max &&
           (bytes_max == 0 || mqtt_inflight_bytes(&s->inflight) < bytes_max);
}

void mqtt_give_credit(struct mqtt_session *s)
{
    if (s->state != STATE_ACTIVE || !has_room(s) || conn_is_full(s->conn))
        return;
    if (s->is_starved) {
        s->is_starved = false;
        if (!PLANTED("credit-lost"))
            session_ready(s->session);
    }
    if (s->extra == NULL)
        return;
    LIST_EACH (k, &s->extra->queues) {
        struct mqtt_queue_sub *sub = CONTAINER_OF(k, struct mqtt_queue_sub, link);

        if (!sub->is_starved || sub->consumer == NULL)
            continue;
        sub->is_starved = false;
        consumer_ready(sub->consumer);
    }
}

/* ---- deliveries of QoS 1 and 2 ---- */

struct mqtt_held {
    struct message *message; /* owned reference */
    unsigned id_count;
    bool is_retain;
    bool is_dup;
    uint32_t ids[];
};

void mqtt_held_free(struct mqtt_held *held)
{
    if (held == NULL)
        return;
    message_unref(&held->message);
    mem_free(held);
}

void mqtt_send_held(struct mqtt_session *s, const struct mqtt_held *held, uint16_t packet_id)
{
    struct mqtt_flight *flight = mqtt_inflight_get(&s->inflight, packet_id);
    struct outgoing out = { .message = held->message,
                            .ids = held->ids,
                            .id_count = held->id_count,
                            .packet_id = packet_id,
                            .qos = 2,
                            .is_retain = held->is_retain,
                            .is_dup = held->is_dup };

    if (flight == NULL || flight->state != FLIGHT_HELD)
        return;
    out.is_from_queue = flight->is_from_queue;
    mqtt_inflight_set(&s->inflight, flight, FLIGHT_RECEIVE);
    if (!send_publish(s, &out))
        mqtt_settle(s, flight, OUTCOME_ACCEPT);
}

/* 4.3.3 over a crash: a client must never see the same message under two ids, so the id is durable
 * before the first PUBLISH carries it. */
static enum rc hold(struct mqtt_session *s, struct mqtt_flight *flight, const struct outgoing *out)
{
    size_t ids_bytes = out->id_count * sizeof(uint32_t);
    struct mqtt_held *held = mem_try(sizeof(*held) + ids_bytes);
    struct mqtt_answer answer = { .owned = held,
                                  .packet_id = flight->packet_id,
                                  .kind = ANSWER_PUBLISH };

    if (held == NULL)
        return RC_MEMORY;
    if (mqtt_answer_later(s, &answer) != RC_OK) {
        mem_free(held);
        return RC_MEMORY;
    }
    held->message = message_ref((struct message *)(uintptr_t)out->message);
    held->id_count = out->id_count;
    held->is_retain = out->is_retain;
    held->is_dup = out->is_dup;
    if (ids_bytes > 0)
        memcpy(held->ids, out->ids, ids_bytes);
    mqtt_inflight_set(&s->inflight, flight, FLIGHT_HELD);
    note_flight(s, flight);
    mqtt_await_answers(s);
    return RC_OK;
}

/* Core sends in order: with the first new message, what is older and was not sent again is owed no
 * more (it expired, say), and its id is free. */
static void forget_resumed(struct mqtt_session *s)
{
    struct mqtt_flight *next;

    for (struct mqtt_flight *f = mqtt_inflight_next(&s->inflight, NULL); f != NULL; f = next) {
        next = mqtt_inflight_next(&s->inflight, f);
        if (f->state != FLIGHT_RESUME)
            continue;
        session_note_delete(s->session, NOTE_OUTBOUND | f->packet_id);
        mqtt_inflight_remove(&s->inflight, f);
    }
    s->has_resumed = false;
}

/* The flight that a delivery goes under: its old id when it was sent before, or a new one. What was
 * sent before comes first, but for retained messages that are new. */
static enum rc flight_for(struct mqtt_session *s, const struct delivery *d, bool is_from_queue,
                          struct mqtt_flight **ret)
{
    if (s->has_resumed && !is_from_queue && d->handle != 0 && !d->is_redelivered && !d->is_retained)
        forget_resumed(s);
    if (s->has_resumed && !is_from_queue && d->is_redelivered) {
        *ret = mqtt_inflight_resumed(&s->inflight, d->handle);
        if (*ret != NULL)
            return RC_OK;
    }
    return mqtt_inflight_add(&s->inflight, ret);
}

/* 3.1.2-25: as if it had been delivered. Core is told when it is not in the middle of this. */
static void drop_later(struct mqtt_session *s, struct mqtt_flight *flight)
{
    struct mqtt_answer answer = { .packet_id = flight->packet_id, .kind = ANSWER_DROPPED };

    mqtt_inflight_set(&s->inflight, flight, FLIGHT_DROPPED);
    if (mqtt_answer_later(s, &answer) != RC_OK)
        conn_close(s->conn, RC_MEMORY);
    mqtt_await_answers(s);
}

/* Sends one message that will be acknowledged. RC_AGAIN: nothing was changed. */
static enum rc deliver_acked(struct mqtt_session *s, const struct delivery *d,
                             const struct mqtt_queue_sub *sub, struct outgoing *out)
{
    struct mqtt_flight *flight;
    bool is_noted;

    if (!has_room(s) || flight_for(s, d, sub != NULL, &flight) != RC_OK)
        return RC_AGAIN;
    is_noted = flight->state == FLIGHT_RESUME;
    if (s->server->config.send_bytes > 0)
        flight->weight = mqtt_weight(d->message->value.len);
    flight->handle = d->handle;
    flight->qos = out->qos;
    flight->is_from_queue = sub != NULL;
    flight->queue = sub == NULL ? 0 : sub->queue;
    out->packet_id = out->qos == 0 ? 0 : flight->packet_id;
    out->is_dup = sub == NULL && d->is_redelivered && out->qos > 0;
    if (out->qos == 2 && s->is_durable && !is_noted && d->handle != 0) {
        if (hold(s, flight, out) == RC_OK)
            return RC_OK;
        mqtt_inflight_remove(&s->inflight, flight);
        return RC_AGAIN;
    }
    mqtt_inflight_set(&s->inflight, flight, out->qos == 2 ? FLIGHT_RECEIVE : FLIGHT_PUBLISH);
    if (!send_publish(s, out) || out->qos == 0)
        drop_later(s, flight);
    return RC_OK;
}

enum rc mqtt_on_session_delivery(void *arg, const struct delivery *d)
{
    struct mqtt_session *s = arg;
    struct outgoing out = { .message = d->message,
                            .ids = d->subscription_ids,
                            .id_count = d->subscription_id_count,
                            .qos = d->qos,
                            .is_retain = d->is_retained };

    if (s->state != STATE_ACTIVE || conn_is_full(s->conn)) {
        s->is_starved = true;
        return RC_AGAIN;
    }
    if (d->qos == 0) {
        (void)send_publish(s, &out); /* too large counts as delivered */
        return RC_OK;
    }
    if (s->server->bridge != NULL) /* with QoS 0 it is done with once it is sent */
        out.qos = mqtt_bridge_qos(s, d->qos);
    if (deliver_acked(s, d, NULL, &out) == RC_OK)
        return RC_OK;
    s->is_starved = true;
    return RC_AGAIN;
}

enum rc mqtt_on_queue_delivery(void *arg, struct consumer *consumer, const struct delivery *d)
{
    struct mqtt_session *s = arg;
    struct mqtt_queue_sub *sub = consumer_context(consumer);
    struct outgoing out = { .message = d->message,
                            .ids = &sub->id,
                            .id_count = sub->id != 0,
                            .qos = sub->qos,
                            .is_from_queue = true };
    enum rc rc = RC_AGAIN;

    if (s->state == STATE_ACTIVE && !conn_is_full(s->conn)) {
        if (sub->qos == 0) {
            (void)send_publish(s, &out);
            rc = RC_OK;
        } else {
            rc = deliver_acked(s, d, sub, &out);
        }
    }
    sub->is_starved = rc != RC_OK;
    return rc == RC_OK ? RC_OK : RC_AGAIN;
}

/* ---- resuming ---- */

static void resume_note(void *arg, uint32_t key, struct slice value)
{
    struct mqtt_session *s = arg;
    struct rd r = rd_of(value);
    struct mqtt_flight *flight;
    uint8_t state = rd_u8(&r), qos = rd_u8(&r);
    uint64_t handle = rd_u64(&r);

    if (r.bad || (key & 0xffff) == 0)
        return;
    if (mqtt_inflight_restore(&s->inflight, (uint16_t)key, &flight) != RC_OK)
        return; /* without memory the id is not reserved: it is sent again under a new one */
    flight->handle = handle;
    flight->qos = qos;
    flight->has_note = true;
    s->has_resumed |= state != FLIGHT_RELEASE;
    mqtt_inflight_set(&s->inflight, flight,
                      state == FLIGHT_RELEASE ? FLIGHT_RELEASE : FLIGHT_RESUME);
}

void mqtt_resume_flights(struct mqtt_session *s)
{
    session_note_each(s->session, NOTE_OUTBOUND, NOTE_LAST(NOTE_OUTBOUND), resume_note, s);
}

void mqtt_release_flights(struct mqtt_session *s)
{
    for (struct mqtt_flight *f = mqtt_inflight_next(&s->inflight, NULL); f != NULL;
         f = mqtt_inflight_next(&s->inflight, f)) {
        if (f->state == FLIGHT_RELEASE)
            mqtt_send_ack(s, MQTT_PUBREL, f->packet_id, MQTT_SUCCESS);
    }
}
