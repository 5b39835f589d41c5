/* SPDX-License-Identifier: Apache-2.0 */
/* $queue/NAME: an MQTT client among the competing consumers of an AMQP queue. PUBACK settles a
 * message, PUBACK with 0x80 and above rejects it; a lost connection gives back what was not
 * settled, to whichever consumer is next. So QoS 2 would promise what a queue does not: 1 is the
 * most that is granted. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/core.h"
#include "broker/core/name.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_int.h"

#define QUEUE_QOS_MAX 1

static struct mqtt_queue_sub *find(const struct mqtt_session *s, struct slice filter)
{
    if (s->extra == NULL)
        return NULL;
    LIST_EACH (k, &s->extra->queues) {
        struct mqtt_queue_sub *sub = CONTAINER_OF(k, struct mqtt_queue_sub, link);

        if (slice_equal(sub->filter, filter))
            return sub;
    }
    return NULL;
}

/* The queue behind a filter's name, which is one level in MQTT's spelling. */
static struct queue *queue_of(struct mqtt_session *s, struct slice filter)
{
    struct text scratch = { 0 };
    struct slice name, rest, queue;
    struct queue *found = NULL;

    if (mqtt_filter_kind(filter, &name, &rest) == MQTT_FILTER_QUEUE &&
        name_to_queue(name, &scratch, &queue) == RC_OK)
        found = queue_find(s->core, queue);
    text_done(&scratch);
    return found;
}

static enum rc consume(struct mqtt_session *s, struct mqtt_queue_sub *sub)
{
    struct queue *queue = queue_of(s, sub->filter);
    struct consumer_spec spec = { .is_no_ack = sub->qos == 0, .context = sub };
    enum rc rc;

    if (queue == NULL)
        return RC_NOT_FOUND;
    rc = queue_check_owner(queue, s->client);
    if (rc == RC_OK)
        rc = queue_consume(s->client, queue, &spec, &sub->consumer);
    if (rc == RC_OK)
        sub->queue = queue_number(queue);
    return rc;
}

static struct mqtt_queue_sub *sub_new(struct mqtt_session *s, struct slice filter, uint8_t qos,
                                      uint32_t id)
{
    struct mqtt_queue_sub *sub = mem_try(sizeof(*sub) + filter.len);

    if (sub == NULL)
        return NULL;
    *sub = (struct mqtt_queue_sub){ .session = s, .id = id, .qos = qos };
    memcpy(sub + 1, filter.at, filter.len);
    sub->filter = slice_of(sub + 1, filter.len);
    return sub;
}

static void sub_free(struct mqtt_session *s, struct mqtt_queue_sub *sub)
{
    if (sub->consumer != NULL)
        consumer_cancel(&sub->consumer);
    if (link_is_linked(&sub->link)) {
        link_remove(&sub->link);
        s->extra->queue_count--;
    }
    mem_free(sub);
}

static void add(struct mqtt_session *s, struct mqtt_queue_sub *sub)
{
    list_append(&mqtt_extra(s)->queues, &sub->link);
    s->extra->queue_count++;
}

/* ---- notes: QoS, subscription identifier, filter ---- */

static uint32_t free_note(const struct mqtt_session *s)
{
    uint32_t key = NOTE_QUEUE;

    while (!slice_is_none(session_note_get(s->session, key)))
        key++;
    return key;
}

static void note(struct mqtt_session *s, struct mqtt_queue_sub *sub)
{
    struct text value = { 0 };

    if (!s->is_durable)
        return;
    text_add_byte(&value, sub->qos);
    text_add_u32(&value, sub->id);
    text_add(&value, sub->filter);
    if (!value.bad) {
        sub->note = free_note(s);
        session_note_put(s->session, sub->note, text_slice(&value));
    }
    text_done(&value);
}

static void unnote(struct mqtt_session *s, struct mqtt_queue_sub *sub)
{
    if (sub->note != 0)
        session_note_delete(s->session, sub->note);
    sub->note = 0;
}

/* ---- the door ---- */

enum rc mqtt_queue_subscribe(struct mqtt_session *s, const struct mqtt_filter *filter, uint32_t id,
                             uint8_t *ret)
{
    struct mqtt_queue_sub *old = find(s, filter->filter), *sub;
    uint8_t qos = filter->qos > QUEUE_QOS_MAX ? QUEUE_QOS_MAX : filter->qos;
    enum rc rc;

    if (old == NULL && mqtt_extra(s)->queue_count >= MQTT_QUEUES_MAX)
        return RC_LIMIT;
    sub = sub_new(s, filter->filter, qos, id);
    if (sub == NULL)
        return RC_MEMORY;
    rc = consume(s, sub);
    if (rc != RC_OK) {
        sub_free(s, sub);
        return rc;
    }
    if (old != NULL) {
        unnote(s, old);
        sub_free(s, old);
    }
    add(s, sub);
    note(s, sub);
    *ret = qos;
    return RC_OK;
}

enum rc mqtt_queue_unsubscribe(struct mqtt_session *s, struct slice filter)
{
    struct mqtt_queue_sub *sub = find(s, filter);

    if (sub == NULL)
        return RC_NOT_FOUND;
    unnote(s, sub);
    sub_free(s, sub);
    return RC_OK;
}

void mqtt_queue_cancel_all(struct mqtt_session *s)
{
    if (s->extra == NULL)
        return;
    LIST_EACH_SAFE (k, &s->extra->queues)
        sub_free(s, CONTAINER_OF(k, struct mqtt_queue_sub, link));
}

/* The queue was deleted. The subscription stays on the books: a queue of that name may come again
 * when the session does. */
void mqtt_on_consumer_cancelled(void *arg, struct consumer *consumer, enum rc why)
{
    struct mqtt_session *s = arg;
    struct mqtt_queue_sub *sub = consumer_context(consumer);

    log_peer(LOG_INFO, "mqtt.queue_gone", "conn=%llu rc=%s filter=%s",
             (unsigned long long)conn_id(s->conn), rc_word(why),
             log_quote(sub->filter.at, sub->filter.len));
    sub->consumer = NULL;
}

static void resume_note(void *arg, uint32_t key, struct slice value)
{
    struct mqtt_session *s = arg;
    struct rd r = rd_of(value);
    uint8_t qos = rd_u8(&r);
    uint32_t id = rd_u32(&r);
    struct slice filter = rd_rest(&r);
    struct mqtt_queue_sub *sub;

    if (r.bad)
        return;
    sub = sub_new(s, filter, qos, id);
    if (sub == NULL)
        return;
    sub->note = key;
    add(s, sub);
    if (consume(s, sub) != RC_OK) /* it waits for the next time the session comes */
        log_peer(LOG_NOTICE, "mqtt.queue_missing", "conn=%llu filter=%s",
                 (unsigned long long)conn_id(s->conn), log_quote(filter.at, filter.len));
}

void mqtt_queue_resume(struct mqtt_session *s)
{
    session_note_each(s->session, NOTE_QUEUE, NOTE_LAST(NOTE_QUEUE), resume_note, s);
}
