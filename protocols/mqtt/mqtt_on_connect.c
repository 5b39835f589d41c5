/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/core/acl.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/session.h"
#include "broker/core/user.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_kept.h"
#include "protocols/mqtt/mqtt_map.h"
#include "protocols/mqtt/mqtt_mount.h"
#include "protocols/mqtt/mqtt_told.h"
#include "protocols/mqtt/mqtt_trace.h"

#define NEVER_S 0xffffffffu /* MQTT 5 3.1.2.11.2: the session does not expire */

/* Behind the prefix: 32 hexadecimal digits, and the four hyphens of a UUID. */
#define ASSIGNED_ID_BYTES (MQTT_ID_PREFIX_MAX_BYTES + 36)

static uint64_t expiry_ms_of(uint32_t seconds)
{
    return seconds == NEVER_S ? SESSION_NEVER_EXPIRES : (uint64_t)seconds * 1000;
}

static uint64_t connect_expiry_ms(const struct mqtt_connect *c)
{
    if (c->version < MQTT_V5)
        return c->clean_start ? 0 : SESSION_NEVER_EXPIRES;
    return mqtt_has(&c->properties, MQTT_SESSION_EXPIRY)
               ? expiry_ms_of(c->properties.session_expiry_s)
               : 0;
}

/* What of a CONNECT is wrong though its bytes are right. */
static enum rc check(struct mqtt_session *s, const struct mqtt_connect *c)
{
    const struct mqtt_config *config = &s->server->config;

    if (c->client_id.len == 0 &&
        (c->version == MQTT_V31 || (c->version == MQTT_V311 && !c->clean_start)))
        return mqtt_fail(s, RC_INVALID, MQTT_CLIENT_ID_NOT_VALID);
    if (config->id_must_begin != NULL &&
        !slice_starts(c->client_id, slice_str(config->id_must_begin)))
        return mqtt_fail(s, RC_REFUSED, MQTT_NOT_AUTHORIZED);
    if (c->client_id.len == 0 && config->gives_no_ids)
        return mqtt_fail(s, RC_INVALID, (enum mqtt_reason)config->profile->no_id_reason);
    /* there is no way to tell these that it is cut */
    if (s->is_keep_alive_cut && c->version < MQTT_V5 && config->profile->refuses_keep_alive)
        return RC_INVALID;
    if (!c->will.is_set)
        return RC_OK;
    if (c->will.qos > config->maximum_qos) /* 3.2.2-12 */
        return mqtt_fail(s, RC_UNSUPPORTED, MQTT_QOS_NOT_SUPPORTED);
    if (c->will.is_retain && config->has_no_retain) /* 3.2.2-13 */
        return mqtt_fail(s, RC_UNSUPPORTED, MQTT_RETAIN_NOT_SUPPORTED);
    if (config->max_payload_bytes > 0 && c->will.payload.len > config->max_payload_bytes)
        return mqtt_fail(s, c->version < MQTT_V5 ? RC_REFUSED : RC_TOO_LARGE,
                         MQTT_PACKET_TOO_LARGE);
    if (!mqtt_topic_is_valid(c->will.topic) || !mqtt_may_publish_to(c->will.topic))
        return mqtt_fail(s, RC_MALFORMED, MQTT_TOPIC_NAME_INVALID);
    if (mqtt_has(&c->will.properties, MQTT_RESPONSE_TOPIC) &&
        !mqtt_topic_is_valid(c->will.properties.response_topic))
        return mqtt_fail(s, RC_PROTOCOL, MQTT_PROTOCOL_ERROR);
    return RC_OK;
}

/* What the operator limits: 5.0 is told so in CONNACK, older clients are held to it all the same.
 */
static void cut_to_limits(struct mqtt_session *s)
{
    const struct mqtt_config *config = &s->server->config;

    if (config->max_keep_alive_s > 0 &&
        (s->keep_alive_s == 0 || s->keep_alive_s > config->max_keep_alive_s)) {
        s->keep_alive_s = config->max_keep_alive_s;
        s->is_keep_alive_cut = true;
    }
}

/* The same, of what is limited for each user. */
static void cut_to_user(struct mqtt_session *s)
{
    uint64_t max_ms = client_session_expiry_max_ms(s->client);

    if (s->expiry_ms <= max_ms)
        return;
    s->expiry_ms = max_ms;
    s->is_expiry_cut = true;
}

/* What the client asked for, and the session keeps to. */
static void adopt(struct mqtt_session *s, const struct mqtt_connect *c)
{
    const struct mqtt_properties *p = &c->properties;

    s->is_bridge = c->is_bridge || mqtt_bridge_greets(p);
    s->keep_alive_s = c->keep_alive_s;
    s->expiry_ms = connect_expiry_ms(c);
    cut_to_limits(s);
    s->is_durable = s->expiry_ms > 0;
    s->receive_max = c->version < MQTT_V5 ? MQTT_WINDOW_3 : UINT16_MAX;
    if (s->server->config.send_window > 0)
        s->receive_max = s->server->config.send_window;
    if (mqtt_has(p, MQTT_RECEIVE_MAXIMUM))
        s->receive_max = p->receive_maximum;
    if (s->receive_max > MQTT_INFLIGHT_MAX / 2)
        s->receive_max = MQTT_INFLIGHT_MAX / 2;
    if (mqtt_has(p, MQTT_MAXIMUM_PACKET_SIZE))
        s->packet_max = p->maximum_packet_size;
    if (mqtt_has(p, MQTT_TOPIC_ALIAS_MAXIMUM))
        s->given.max = p->topic_alias_maximum < s->server->config.aliases_given
                           ? p->topic_alias_maximum
                           : s->server->config.aliases_given;
    s->no_problem_info = mqtt_has(p, MQTT_REQUEST_PROBLEM_INFO) && p->request_problem_info == 0;
}

static enum rc set_will(struct mqtt_session *s, const struct mqtt_connect *c)
{
    struct mqtt_origin origin = { .now_ms = core_wall_ms(s->core),
                                  .user = client_principal(s->client)->name,
                                  .mount = mqtt_mount_of(s),
                                  .bridge =
                                      s->is_bridge ? SLICE(MQTT_BRIDGE_OF_OTHERS) : SLICE_NONE };
    struct text source = { 0 };
    struct mqtt_will will = c->will;
    struct message *message;
    uint64_t delay_ms = 0;
    enum rc rc;

    if (!c->will.is_set)
        return RC_OK;
    rc = mqtt_mount_topic(s, will.topic, &will.topic);
    if (c->will.is_retain && s->server->config.keeps_sources)
        client_source(s->client, &source);
    origin.source = text_slice(&source);
    if (rc == RC_OK)
        rc = mqtt_map_will(&will, &origin, &message);
    text_done(&source);
    if (rc != RC_OK)
        return rc;
    if (mqtt_has(&c->will.properties, MQTT_WILL_DELAY))
        delay_ms = (uint64_t)c->will.properties.will_delay_s * 1000;
    session_will_set(s->session, &message, delay_ms);
    return RC_OK;
}

bool mqtt_keep_connect(struct mqtt_session *s, struct slice body)
{
    struct text *connect = &mqtt_extra(s)->connect;

    if (connect->len == 0)
        text_add(connect, body);
    return !connect->bad;
}

/* A will with an expiry: CONNECT is kept, for the time counts from when the will is published. */
static enum rc keep_for_will(struct mqtt_session *s, const struct mqtt_connect *c,
                             struct slice body)
{
    if (!c->will.is_set || !mqtt_has(&c->will.properties, MQTT_MESSAGE_EXPIRY))
        return RC_OK;
    s->is_will_dated = mqtt_keep_connect(s, body);
    return s->is_will_dated ? RC_OK : RC_MEMORY;
}

void mqtt_date_will(struct mqtt_session *s)
{
    struct mqtt_connect c;

    /* without memory the will set at CONNECT stays: at worst it expires early */
    if (mqtt_decode_connect(text_slice(&s->extra->connect), &c) == RC_OK)
        (void)set_will(s, &c);
}

static size_t assign_id(const struct mqtt_config *config, char *at, size_t room)
{
    const char *prefix = config->id_prefix == NULL ? MQTT_ID_PREFIX : config->id_prefix;
    unsigned long long high = random_u64(), low = random_u64();
    int len = config->profile->is_assigned_id_uuid
                  ? snprintf(at, room, "%s%08llX-%04llX-%04llX-%04llX-%012llX", prefix, high >> 32,
                             high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff)
                  : snprintf(at, room, "%s%016llx%016llx", prefix, high, low);

    ASSERT(len > 0 && (size_t)len < room);
    return (size_t)len;
}

/* What the operator allows. */
static void add_limits(const struct mqtt_config *config, struct mqtt_properties *p)
{
    p->first = config->profile->connack_order;
    p->receive_maximum = config->receive_maximum;
    p->maximum_packet_size = config->max_packet_bytes;
    p->topic_alias_maximum = config->topic_alias_maximum;
    mqtt_set(p, MQTT_RECEIVE_MAXIMUM);
    mqtt_set(p, MQTT_MAXIMUM_PACKET_SIZE);
    if (config->topic_alias_maximum > 0)
        mqtt_set(p, MQTT_TOPIC_ALIAS_MAXIMUM);
    if (config->maximum_qos < 2) {
        p->maximum_qos = config->maximum_qos;
        mqtt_set(p, MQTT_MAXIMUM_QOS);
    }
    if (config->has_no_retain) { /* retain_available is 0 */
        mqtt_set(p, MQTT_RETAIN_AVAILABLE);
    }
}

/* False: 3.1.2-24 holds for CONNACK too, and there is no way to go on without it. */
static bool send_connack(struct mqtt_session *s, bool is_present, struct slice assigned)
{
    struct mqtt_connack c = { .session_present = is_present && s->version > MQTT_V31 };
    struct mqtt_properties *p = &c.properties;
    uint8_t at[512], greeting[MQTT_BRIDGE_GREETING_BYTES];
    struct wr w = wr_of(at, sizeof(at));

    if (s->is_bridge)
        p->append = mqtt_bridge_greeting(s->core, greeting);
    add_limits(&s->server->config, p);
    if (s->is_keep_alive_cut) {
        p->server_keep_alive_s = s->keep_alive_s;
        mqtt_set(p, MQTT_SERVER_KEEP_ALIVE);
    }
    if (s->is_expiry_cut) {
        p->session_expiry_s = (uint32_t)(s->expiry_ms / 1000);
        mqtt_set(p, MQTT_SESSION_EXPIRY);
    }
    if (assigned.len > 0) {
        p->assigned_client_id = assigned;
        mqtt_set(p, MQTT_ASSIGNED_CLIENT_ID);
    }
    mqtt_auth_describe(s, p);
    mqtt_encode_connack(&w, s->version, &c);
    ASSERT(!w.bad);
    if (w.len > s->packet_max)
        return false;
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_write(s->conn, wr_slice(&w));
    count_add(COUNT_MQTT_PACKETS_OUT, 1);
    return true;
}

static enum rc open_session(struct mqtt_session *s, const struct mqtt_connect *c, struct slice id,
                            bool *ret_present)
{
    struct session_spec spec = { .id = id,
                                 .is_clean_start = c->clean_start,
                                 .expiry_ms = s->expiry_ms,
                                 .is_will_forgotten =
                                     s->server->config.profile->forgets_will_taken_over };
    struct slice will;
    enum rc rc;

    client_set_id(s->client, id);
    rc = c->will.is_set ? mqtt_mount_topic(s, c->will.topic, &will) : RC_OK;
    if (rc == RC_INVALID)
        return mqtt_fail(s, RC_MALFORMED, MQTT_TOPIC_NAME_INVALID);
    if (rc == RC_OK && c->will.is_set)
        rc = authorise(s->client, OPERATION_PUBLISH, RESOURCE_TOPIC, will);
    if (rc != RC_OK)
        return rc;
    rc = session_open(s->client, &spec, &s->session, ret_present);
    if (rc == RC_TOO_LARGE)
        return mqtt_fail(s, RC_INVALID, MQTT_CLIENT_ID_NOT_VALID);
    if (rc == RC_LIMIT)
        return mqtt_fail(s, rc, (enum mqtt_reason)s->server->config.profile->too_many_reason);
    return rc;
}

/* From here on there is a session, and nothing may fail any more but memory. */
static enum rc begin(struct mqtt_session *s, const struct mqtt_connect *c, struct slice assigned,
                     bool is_present)
{
    if (!send_connack(s, is_present, assigned))
        return RC_TOO_LARGE;
    mqtt_enter(s, STATE_ACTIVE);
    if (is_present) {
        mqtt_kept_resume(s);
        mqtt_resume_flights(s);
        mqtt_release_flights(s);
    }
    mqtt_tell_connected(s, c, is_present);
    timer_stop(&s->timer);
    if (s->keep_alive_s > 0)
        timer_start(&s->timer, MQTT_KEEP_ALIVE_MS(s->keep_alive_s));
    session_ready(s->session);
    if (is_present)
        mqtt_queue_resume(s);
    return RC_OK;
}

enum rc mqtt_welcome(struct mqtt_session *s, const struct mqtt_connect *c, struct slice body)
{
    char at[ASSIGNED_ID_BYTES + 1];
    struct slice id = c->client_id, assigned = SLICE_NONE;
    bool is_present = false;
    enum rc rc;

    if (s->server->config.is_user_id) {
        if (client_principal(s->client)->is_anonymous)
            return RC_REFUSED;
        id = client_principal(s->client)->name;
    } else if (id.len == 0) {
        id = slice_of(at, assign_id(&s->server->config, at, sizeof(at)));
        assigned = id;
    }
    rc = mqtt_control_count(s, assigned.len > 0 ? c->client_id : id);
    cut_to_user(s);
    if (rc == RC_OK)
        rc = open_session(s, c, id, &is_present);
    if (rc == RC_OK)
        rc = keep_for_will(s, c, body);
    if (rc == RC_OK)
        rc = set_will(s, c);
    if (rc != RC_OK)
        return rc;
    return begin(s, c, c->version >= MQTT_V5 ? assigned : SLICE_NONE, is_present);
}

enum rc mqtt_on_connect(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_connect c = { 0 };
    const struct mqtt_profile *profile = s->server->config.profile;
    enum rc rc = mqtt_decode_connect(frame->body, &c);

    doing("mqtt.connect");
    count_add_alone(COUNT_MQTT_CONNECTS, 1);
    /* what speaks another version is told so in the words that all of them have in common */
    s->version = c.version;
    if (rc == RC_VERSION)
        s->version = profile->is_level_refused_as_5 && (c.version < MQTT_V31 || c.version > MQTT_V5)
                         ? MQTT_V5
                         : MQTT_V311;
    /* 3.1 gives the flags of CONNECT no meaning, and has clients that set them */
    if (c.version > MQTT_V31 && frame->flags != 0) {
        s->version = 0; /* what this is is anybody's guess: no answer */
        rc = RC_MALFORMED;
    }
    if (c.is_id_ill_formed)
        rc = mqtt_fail(s, rc, profile->client_id_reason);
    if (rc == RC_OK && (s->server->config.versions >> (c.version - MQTT_V31) & 1) == 0)
        rc = RC_VERSION;
    if (rc == RC_OK)
        adopt(s, &c);
    if (rc == RC_OK)
        rc = check(s, &c);
    if (rc == RC_OK)
        rc = mqtt_control_admit(s, &c);
    if (rc != RC_OK)
        return rc;
    return mqtt_login(s, &c, frame->body);
}
