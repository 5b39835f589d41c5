/* SPDX-License-Identifier: Apache-2.0 */
/* A note's value:
 *     0  u8   how often the PUBLISH was repeated
 *  and, when the message is kept:
 *     1  u8   version of MQTT in which it is written
 *     2  u8   flags of the fixed header
 *     3  ...  the body of the PUBLISH, with the topic that its alias meant
 * An empty value is a note of the profile that keeps nothing. */
#include "protocols/mqtt/mqtt_kept.h"

#include "broker/base/text.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_int.h"

#define REPEATS_BYTES 1
#define HEAD_BYTES    3

static uint32_t note_of(uint16_t packet_id)
{
    return NOTE_INBOUND | packet_id;
}

bool mqtt_may_keep(const struct mqtt_session *s, struct slice topic, const struct mqtt_frame *frame)
{
    size_t kept_bytes = s->extra == NULL ? 0 : s->extra->kept_bytes;

    return s->server->config.profile->publishes_at_pubrel &&
           kept_bytes + HEAD_BYTES + topic.len + frame->body.len <= MQTT_KEPT_MAX_BYTES;
}

/* Nothing but the identifier is kept of most. */
static void count_kept(struct mqtt_session *s, size_t come, size_t gone)
{
    if (come > 0 || gone > 0)
        mqtt_extra(s)->kept_bytes += come - gone;
}

/* Replaces the value and keeps the sum. */
static void put(struct mqtt_session *s, uint16_t packet_id, const struct text *value)
{
    size_t before = session_note_get(s->session, note_of(packet_id)).len;

    session_note_put(s->session, note_of(packet_id), text_slice(value));
    count_kept(s, value->len, before);
}

static void add_message(struct text *to, const struct mqtt_session *s, const struct mqtt_publish *p,
                        struct slice topic, const struct mqtt_frame *frame)
{
    text_add_byte(to, s->version);
    text_add_byte(to, frame->flags);
    text_add_u16(to, (uint16_t)topic.len);
    text_add(to, topic);
    text_add(to, slice_after(frame->body, sizeof(uint16_t) + p->topic.len));
}

enum rc mqtt_keep(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic,
                  const struct mqtt_frame *frame, bool keep_it)
{
    struct text value = { 0 };
    enum rc rc;

    if (s->server->config.profile->qos_2_repeats_max > 0 || keep_it)
        text_add_byte(&value, 0);
    if (keep_it)
        add_message(&value, s, p, topic, frame);
    rc = value.bad ? RC_MEMORY : RC_OK;
    if (rc == RC_OK)
        put(s, p->packet_id, &value);
    text_done(&value);
    return rc;
}

bool mqtt_is_another(const struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic)
{
    struct mqtt_publish kept;

    return mqtt_kept(s, p->packet_id, &kept) &&
           (!slice_equal(kept.topic, topic) || !slice_equal(kept.payload, p->payload));
}

enum rc mqtt_keep_again(struct mqtt_session *s, uint16_t packet_id)
{
    struct slice value = session_note_get(s->session, note_of(packet_id));
    unsigned max = s->server->config.profile->qos_2_repeats_max;
    struct text next = { 0 };
    enum rc rc;

    if (max == 0 || value.len < REPEATS_BYTES)
        return RC_OK;
    if (value.at[0] >= max)
        return RC_PROTOCOL;
    text_add_byte(&next, (uint8_t)(value.at[0] + 1));
    text_add(&next, slice_after(value, REPEATS_BYTES));
    rc = next.bad ? RC_MEMORY : RC_OK;
    if (rc == RC_OK)
        put(s, packet_id, &next);
    text_done(&next);
    return rc;
}

bool mqtt_kept(const struct mqtt_session *s, uint16_t packet_id, struct mqtt_publish *ret)
{
    struct slice value = session_note_get(s->session, note_of(packet_id));
    struct mqtt_frame frame = { .type = MQTT_PUBLISH };

    if (value.len <= HEAD_BYTES)
        return false;
    frame.flags = value.at[2];
    frame.body = slice_after(value, HEAD_BYTES);
    /* from the disk: what is no PUBLISH is as good as none */
    return mqtt_decode_publish(&frame, value.at[1], ret) == RC_OK;
}

void mqtt_keep_no_longer(struct mqtt_session *s, uint16_t packet_id)
{
    count_kept(s, 0, session_note_get(s->session, note_of(packet_id)).len);
    session_note_delete(s->session, note_of(packet_id));
}

void mqtt_kept_resume(struct mqtt_session *s)
{
    size_t bytes,
        count = session_note_count(s->session, NOTE_INBOUND, NOTE_LAST(NOTE_INBOUND), &bytes);

    s->open_inbound += (uint32_t)count;
    count_kept(s, bytes, 0);
}
