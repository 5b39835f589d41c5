/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/queue.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_mount.h"
#include "protocols/mqtt/mqtt_trace.h"

static enum retained_wanted retained_of(const struct mqtt_session *s,
                                        const struct mqtt_filter *filter)
{
    if (s->version < MQTT_V5)
        return RETAINED_ALWAYS;
    switch (filter->retain_handling) {
    case 0:
        return RETAINED_ALWAYS;
    case 1:
        return RETAINED_IF_NEW;
    default:
        return RETAINED_NEVER;
    }
}

/* `group`: the share's name, or none; the filter that counts begins at `filter_at`. */
static enum rc subscribe_plain(struct mqtt_session *s, const struct mqtt_filter *filter,
                               uint32_t id, struct slice group, size_t filter_at)
{
    struct subscription_spec spec = { .text = filter->filter,
                                      .group = group,
                                      .filter_at = (uint16_t)filter_at,
                                      .id = id,
                                      .qos = filter->qos,
                                      .is_no_local = filter->no_local || s->is_bridge,
                                      .is_retain_as_published =
                                          filter->retain_as_published || s->is_bridge };
    struct filter *compiled = NULL;
    bool is_replaced;
    enum rc rc = filter_from_mqtt(slice_after(filter->filter, filter_at), &compiled);

    if (rc == RC_OK) {
        spec.filter = compiled;
        rc = session_subscribe(s->session, &spec, retained_of(s, filter), &is_replaced);
    }
    filter_free(&compiled);
    return rc;
}

static enum rc subscribe_mounted(struct mqtt_session *s, const struct mqtt_filter *filter,
                                 uint32_t id, uint8_t *granted)
{
    struct slice name, rest;

    switch (mqtt_filter_kind(filter->filter, &name, &rest)) {
    case MQTT_FILTER_PLAIN:
        return subscribe_plain(s, filter, id, SLICE_NONE, 0);
    case MQTT_FILTER_QUEUE:
        return mqtt_queue_subscribe(s, filter, id, granted);
    case MQTT_FILTER_SHARED:
        return subscribe_plain(s, filter, id, name, (size_t)(rest.at - filter->filter.at));
    case MQTT_FILTER_BAD:
        break;
    }
    return RC_MALFORMED;
}

/* One filter's answer: what was granted, or why not. */
static uint8_t subscribe_one(struct mqtt_session *s, const struct mqtt_filter *filter, uint32_t id)
{
    struct mqtt_filter mounted = *filter;
    uint8_t granted = filter->qos;
    enum rc rc;

    if (!mqtt_filter_is_valid(filter->filter))
        return MQTT_TOPIC_FILTER_INVALID;
    rc = mqtt_mount_filter(s, filter->filter, &mounted.filter);
    if (rc == RC_OK)
        rc = subscribe_mounted(s, &mounted, id, &granted);
    if (rc == RC_OK)
        return granted;
    log_peer(LOG_NOTICE, "mqtt.subscribe_refused", "conn=%llu rc=%s filter=%s",
             (unsigned long long)conn_id(s->conn), rc_word(rc),
             log_quote(filter->filter.at, filter->filter.len));
    return mqtt_error(rc)->subscribe;
}

static enum mqtt_reason filter_reason(const struct mqtt_session *s, struct slice filter)
{
    size_t slashes = 0;

    for (size_t i = 0; i < filter.len; i++)
        slashes += filter.at[i] == '/';
    return slashes < MQTT_TOPIC_LEVELS_MAX
               ? MQTT_TOPIC_FILTER_INVALID
               : (enum mqtt_reason)s->server->config.profile->filter_levels_reason;
}

/* 3.8.3-4 and 4.8.2: what makes the whole packet a protocol error, whatever else it asks. */
static enum rc check_filter(struct mqtt_session *s, const struct mqtt_filter *filter)
{
    struct slice name, rest;

    if (filter->filter.len == 0) /* 4.7.3-1 */
        return RC_MALFORMED;
    if (!mqtt_filter_is_valid(filter->filter))
        return mqtt_fail(s, RC_MALFORMED, filter_reason(s, filter->filter));
    if (filter->no_local && mqtt_filter_kind(filter->filter, &name, &rest) == MQTT_FILTER_SHARED)
        return RC_PROTOCOL;
    return RC_OK;
}

/* The answer in the version's own codes. */
static uint8_t code_for(const struct mqtt_session *s, uint8_t reason)
{
    if (s->version >= MQTT_V5 || reason <= MQTT_GRANTED_QOS_2)
        return reason;
    return MQTT3_SUBSCRIBE_FAILURE;
}

/* SUBACK and UNSUBACK wait until the change is durable, if the session is; and what is retained
 * goes behind a SUBACK, as 3.8.4 does not ask but clients expect. */
static enum rc answer(struct mqtt_session *s, enum mqtt_type type, const struct mqtt_suback *ack)
{
    struct mqtt_answer later = { .kind = ANSWER_PACKET };
    struct wr count = wr_counting(), w;
    enum rc rc;

    mqtt_encode_suback(&count, s->version, type, ack);
    if (count.len > s->packet_max)
        return mqtt_fail(s, RC_TOO_LARGE, MQTT_PACKET_TOO_LARGE);
    later.owned = mem_try(count.len);
    if (later.owned == NULL)
        return RC_MEMORY;
    w = wr_of(later.owned, count.len);
    mqtt_encode_suback(&w, s->version, type, ack);
    ASSERT(!w.bad);
    later.len = (uint32_t)w.len;
    if (s->is_durable) {
        rc = mqtt_answer_later(s, &later);
        if (rc == RC_OK && session_awaits_retained(s->session))
            session_hold_retained(s->session, true);
        if (rc == RC_OK)
            return RC_OK;
    } else {
        if (mqtt_is_traced(s))
            mqtt_trace_out(s, wr_slice(&w));
        conn_write(s->conn, wr_slice(&w));
        count_add(COUNT_MQTT_PACKETS_OUT, 1);
        session_hold_retained(s->session, false);
        rc = RC_OK;
    }
    mem_free(later.owned);
    return rc;
}

/* ---- a packet of very many filters, in parts ----
 *
 * All filters are checked, then each is taken, some in a turn; the answer goes when the last is.
 * Meanwhile nothing of the connection is read, so that packets and their answers keep their order.
 * What was subscribed to stays if the connection ends before: the client does not know, and asks
 * again. */

/* What a filter counts, of what a turn may settle: to look at it, 0.1 us; to take it, 1.2 us; and
 * so much more for so many bytes. */
#define CHECK_COUNTS    1u
#define TAKE_COUNTS     16u
#define BYTES_FOR_COUNT 64u

typedef uint8_t filter_fn(struct mqtt_session *s, const struct mqtt_filter *filter, uint32_t id);

struct mqtt_many {
    struct settling settling;
    struct mqtt_session *session; /* borrowed: the owner, once it goes on in later turns */
    enum mqtt_type answer;
    uint16_t packet_id;
    uint32_t subscription_id;
    filter_fn *take;
    struct rd filters; /* of the packet, or of `copy` */
    struct rd rest;    /* those not yet checked, then those not yet taken */
    uint8_t *copy;     /* owned; NULL while the packet itself is there */
    uint8_t *codes;    /* owned */
    size_t room;       /* of codes: as many as filters */
    size_t count;
    bool is_checked;
    enum rc rc; /* what ends the connection */
};

static struct mqtt_many *many_of(struct settling *settling)
{
    return CONTAINER_OF(settling, struct mqtt_many, settling);
}

static void spend(const struct mqtt_many *many, const struct mqtt_filter *filter, unsigned *left)
{
    size_t counts =
        (many->is_checked ? TAKE_COUNTS : CHECK_COUNTS) + filter->filter.len / BYTES_FOR_COUNT;

    *left -= counts < *left ? (unsigned)counts : *left;
}

static void take_filter(struct mqtt_many *many, struct mqtt_filter *filter)
{
    struct mqtt_session *s = many->session;

    if (filter->qos > s->server->config.maximum_qos) /* 3.2.2-9, -10 */
        filter->qos = s->server->config.maximum_qos;
    ASSERT(many->count < many->room);
    many->codes[many->count++] = code_for(s, many->take(s, filter, many->subscription_id));
}

/* One whose connection ends meanwhile has nothing more to do: its session may be another's. */
static bool take_part(struct settling *settling, unsigned *left)
{
    struct mqtt_many *many = many_of(settling);
    struct mqtt_filter filter;

    doing(many->answer == MQTT_SUBACK ? "mqtt.subscribe" : "mqtt.unsubscribe");
    while (many->rc == RC_OK && many->session->state == STATE_ACTIVE) {
        if (*left == 0)
            return false;
        if (!mqtt_next_filter(&many->rest, many->answer == MQTT_SUBACK, &filter)) {
            if (many->is_checked)
                return true;
            many->is_checked = true;
            many->rest = many->filters;
            continue;
        }
        spend(many, &filter, left);
        if (many->is_checked)
            take_filter(many, &filter);
        else
            many->rc = check_filter(many->session, &filter);
    }
    return true;
}

static enum rc answer_many(struct mqtt_many *many)
{
    struct mqtt_suback ack = { .packet_id = many->packet_id,
                               .reasons = slice_of(many->codes, many->count) };

    if (many->rc != RC_OK || many->session->state != STATE_ACTIVE)
        return many->rc;
    ASSERT(many->count == many->room);
    return answer(many->session, many->answer, &ack);
}

static void many_done(struct mqtt_many *many)
{
    mem_free(many->copy);
    mem_free(many->codes);
}

static void on_taken(struct settling *settling)
{
    struct mqtt_many *many = many_of(settling);
    struct mqtt_session *s = many->session;
    enum rc rc = answer_many(many);

    ASSERT(s->extra->many == many);
    s->extra->many = NULL;
    many_done(many);
    mem_free(many);
    if (s->state != STATE_ACTIVE)
        return;
    if (rc != RC_OK) {
        mqtt_end_packet(s, rc);
        return;
    }
    mqtt_await_answers(s);
    if (mqtt_pending_count(&s->pending) < MQTT_PENDING_MAX)
        mqtt_resume(s, CONN_PAUSE_BUSY);
}

/* The packet goes with the turn. False: there is no memory. */
static bool keep_filters(struct mqtt_many *many)
{
    struct slice all = slice_of(many->filters.at, many->filters.left);
    size_t used = many->filters.left - many->rest.left;

    many->copy = mem_try(all.len);
    if (many->copy == NULL)
        return false;
    memcpy(many->copy, all.at, all.len);
    many->filters = rd_of(slice_of(many->copy, all.len));
    many->rest = rd_of(slice_of(many->copy + used, all.len - used));
    return true;
}

static void take_the_rest(struct mqtt_many *many)
{
    struct mqtt_session *s = many->session;
    struct mqtt_many *kept = mem_new(struct mqtt_many);

    *kept = *many;
    mqtt_extra(s)->many = kept;
    session_hold_retained(s->session, true); /* they go behind the answer */
    mqtt_pause(s, CONN_PAUSE_BUSY);
    settling_later(s->core, &kept->settling);
}

void mqtt_many_stop(struct mqtt_session *s)
{
    struct mqtt_many *many = s->extra == NULL ? NULL : s->extra->many;

    if (many == NULL)
        return;
    s->extra->many = NULL;
    settling_stop(&many->settling);
    many_done(many);
    mem_free(many);
}

/* Runs `take` over all filters and answers with what it gave. */
static enum rc for_each(struct mqtt_session *s, enum mqtt_type type,
                        const struct mqtt_subscribe *packet, filter_fn *take)
{
    struct mqtt_many many = { .settling = { .part = take_part, .on_done = on_taken },
                              .session = s,
                              .answer = type,
                              .packet_id = packet->packet_id,
                              .subscription_id = packet->properties.subscription_id,
                              .take = take,
                              .filters = packet->filters,
                              .rest = packet->filters,
                              .room = packet->filter_count };
    unsigned all = UINT_MAX;
    enum rc rc;

    if (packet->filter_count > MQTT_FILTERS_MAX)
        return mqtt_fail(s, RC_LIMIT, MQTT_QUOTA_EXCEEDED);
    many.codes = mem_try(packet->filter_count);
    if (many.codes == NULL)
        return RC_MEMORY;
    if (!settling_now(s->core, &many.settling)) {
        if (keep_filters(&many)) {
            take_the_rest(&many);
            return RC_OK;
        }
        (void)take_part(&many.settling, &all); /* all of it now: slow, but whole */
    }
    rc = answer_many(&many);
    many_done(&many);
    return rc;
}

/* What the profile tells of packets that are wrong as a whole. */
static enum rc refusal(struct mqtt_session *s, enum rc rc)
{
    const struct mqtt_profile *profile = s->server->config.profile;

    if (rc == RC_NOT_FOUND)
        return mqtt_fail(s, RC_PROTOCOL, profile->filters_missing_reason);
    if (rc == RC_MISMATCH)
        return mqtt_fail(s, RC_MALFORMED, profile->subscribe_property_reason);
    return rc;
}

enum rc mqtt_on_subscribe(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_subscribe packet;
    enum rc rc = refusal(s, mqtt_decode_subscribe(frame->body, s->version, &packet));

    return rc == RC_OK ? for_each(s, MQTT_SUBACK, &packet, subscribe_one) : rc;
}

static uint8_t unsubscribe_one(struct mqtt_session *s, const struct mqtt_filter *filter,
                               uint32_t id)
{
    struct slice mounted, name, rest;
    enum rc rc;

    (void)id; /* UNSUBSCRIBE has none */
    rc = mqtt_mount_filter(s, filter->filter, &mounted);
    if (rc == RC_REFUSED || rc == RC_INVALID) /* it could not be subscribed to */
        rc = RC_NOT_FOUND;
    else if (rc == RC_OK && mqtt_filter_kind(mounted, &name, &rest) == MQTT_FILTER_QUEUE)
        rc = mqtt_queue_unsubscribe(s, mounted);
    else if (rc == RC_OK)
        rc = session_unsubscribe(s->session, mounted);
    if (rc == RC_NOT_FOUND)
        return MQTT_NO_SUBSCRIPTION_EXISTED;
    return rc == RC_OK ? MQTT_SUCCESS : mqtt_error(rc)->subscribe;
}

enum rc mqtt_on_unsubscribe(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_subscribe packet;
    enum rc rc = refusal(s, mqtt_decode_unsubscribe(frame->body, s->version, &packet));

    return rc == RC_OK ? for_each(s, MQTT_UNSUBACK, &packet, unsubscribe_one) : rc;
}
