/* SPDX-License-Identifier: Apache-2.0 */
/* What messages of a bridge have that others have not: another topic at the other side, and marks
 * that keep them from going round in circles. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/record/record.h"
#include "protocols/mqtt/bridge_int.h"
#include "protocols/mqtt/mqtt_map.h"

/* ---- which broker ---- */

static void spell(const struct core *core, char at[BRIDGE_IDENTITY_DIGITS])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *identity = core_identity(core);

    for (unsigned i = 0; i < BRIDGE_IDENTITY_DIGITS; i++)
        at[i] = digits[identity[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0x0f];
}

void bridge_name_here(struct bridge *b)
{
    spell(b->core, b->here);
}

/* The value of the first such property that is left in the list; none: there is no more. */
static struct slice next_via(struct rd *list)
{
    struct mqtt_property_item item;

    while (mqtt_next_property(list, &item))
        if (item.id == MQTT_USER_PROPERTY && slice_equal_str(item.name, MQTT_VIA))
            return item.value;
    return SLICE_NONE;
}

static bool has_via(const struct message *message, const char *identity)
{
    struct rd headers = rd_of(message->headers);
    struct record_header header;

    while (record_header_next(&headers, &header) == RC_OK)
        if (slice_equal_str(header.name, MQTT_VIA) && slice_equal_str(header.value, identity))
            return true;
    return false;
}

void bridge_name_there(struct bridge *b, const struct mqtt_properties *p)
{
    struct rd list = rd_of(p->raw);
    struct slice via = p->user_count == 0 ? SLICE_NONE : next_via(&list);

    memset(b->there, 0, sizeof(b->there));
    if (via.len == BRIDGE_IDENTITY_DIGITS)
        memcpy(b->there, via.at, via.len);
}

bool mqtt_bridge_greets(const struct mqtt_properties *p)
{
    struct rd list = rd_of(p->raw);

    return p->user_count > 0 && !slice_is_none(next_via(&list));
}

struct slice mqtt_bridge_greeting(const struct core *core, uint8_t at[MQTT_BRIDGE_GREETING_BYTES])
{
    char identity[BRIDGE_IDENTITY_DIGITS];
    struct wr w = wr_of(at, MQTT_BRIDGE_GREETING_BYTES);

    spell(core, identity);
    mqtt_encode_user_property(&w, SLICE(MQTT_VIA), slice_of(identity, sizeof(identity)));
    ASSERT(!w.bad);
    return wr_slice(&w);
}

void mqtt_bridge_write_via(const struct mqtt_session *s, const struct message *message,
                           struct wr *w)
{
    const struct bridge *b = bridge_of(s);

    if (!b->config->is_plain && !has_via(message, b->here))
        mqtt_encode_user_property(w, SLICE(MQTT_VIA), slice_str(b->here));
}

bool mqtt_bridge_was_here(const struct mqtt_session *s, const struct mqtt_publish *p)
{
    struct rd list = rd_of(p->properties.raw);
    char here[BRIDGE_IDENTITY_DIGITS];
    struct slice via;

    while (!slice_is_none(via = next_via(&list))) {
        spell(s->core, here);
        if (slice_equal(via, slice_of(here, sizeof(here)))) {
            count_add(COUNT_BRIDGE_LOOPS, 1);
            return true;
        }
    }
    return false;
}

/* ---- in and out ---- */

uint8_t mqtt_bridge_qos(const struct mqtt_session *s, uint8_t qos)
{
    return qos < bridge_of(s)->qos_max ? qos : bridge_of(s)->qos_max;
}

bool mqtt_bridge_may_leave(const struct message *message)
{
    return !slice_equal_str(message_header(message, HEADER_BRIDGE), MQTT_BRIDGE_STAYS);
}

bool mqtt_bridge_out(struct mqtt_session *s, const struct message *message, struct mqtt_publish *p)
{
    struct bridge *b = bridge_of(s);
    struct slice from = message_header(message, HEADER_BRIDGE);

    if (!slice_is_none(from) && !b->config->relay)
        return false;
    if (!slice_is_none(from) && slice_equal_str(from, b->config->name))
        return false; /* it came from there */
    if (b->there[0] != '\0' && has_via(message, b->there))
        return false; /* it was there, and came by another way */
    if (!bridge_topic_out(&b->topics, message->address, &b->topic)) {
        count_add(COUNT_BRIDGE_DROPPED, 1);
        return false;
    }
    p->topic = text_slice(&b->topic);
    p->retain = p->retain && b->has_retain && b->config->outgoing_retain;
    b->last_message_ns = loop_now_ns(b->loop);
    count_add(COUNT_BRIDGE_OUT, 1);
    return true;
}

enum rc mqtt_bridge_in(struct mqtt_session *s, struct slice *topic, struct mqtt_origin *origin)
{
    struct bridge *b = bridge_of(s);

    b->last_message_ns = loop_now_ns(b->loop);
    if (!bridge_topic_in(&b->topics, *topic, &b->topic)) {
        count_add(COUNT_BRIDGE_DROPPED, 1);
        log_peer(LOG_NOTICE, "bridge.not_asked_for", "name=%s topic=%s", b->config->name,
                 log_quote(topic->at, topic->len));
        return RC_NO_ROUTE;
    }
    *topic = text_slice(&b->topic);
    origin->bridge = slice_str(b->config->relay ? b->config->name : MQTT_BRIDGE_STAYS);
    origin->here = b->config->is_plain ? SLICE_NONE : slice_str(b->here);
    origin->there = b->there[0] == '\0' ? SLICE_NONE : slice_str(b->there);
    count_add(COUNT_BRIDGE_IN, 1);
    return RC_OK;
}

void mqtt_bridge_not_taken(const struct mqtt_session *s, uint8_t reason)
{
    if (reason < MQTT_UNSPECIFIED_ERROR)
        return;
    count_add(COUNT_BRIDGE_DROPPED, 1);
    log_peer(LOG_WARNING, "bridge.message_refused", "name=%s code=0x%02x",
             bridge_of(s)->config->name, reason);
}
