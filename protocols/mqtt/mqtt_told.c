/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_told.h"

#include <stdio.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_profile.h"

static bool is_as_mosquitto(const struct mqtt_session *s)
{
    return log_style() == LOG_AS_MOSQUITTO && s->server->bridge == NULL;
}

/* ---- mosquitto's words ---- */

#define PEER_ROOM_BYTES 64
#define NAME_MAX_BYTES  200

struct told {
    char peer[PEER_ROOM_BYTES]; /* ADDRESS:PORT, without the brackets of IPv6 */
    char name[NAME_MAX_BYTES + 1];
    char user[NAME_MAX_BYTES + 1];
};

/* No brackets: what looks for the address in them is not to find one that a client made up. */
static void copy_name(char to[NAME_MAX_BYTES + 1], struct slice name)
{
    size_t len = name.len < NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES;

    for (size_t i = 0; i < len; i++)
        to[i] = (char)(name.at[i] == '[' || name.at[i] == ']' ? '?' : name.at[i]);
    to[len] = '\0';
}

static void copy_peer(char to[PEER_ROOM_BYTES], const char *peer)
{
    const char *end = peer[0] == '[' ? strchr(peer, ']') : NULL;

    if (end != NULL)
        (void)snprintf(to, PEER_ROOM_BYTES, "%.*s%s", (int)(end - peer - 1), peer + 1, end + 1);
    else
        (void)snprintf(to, PEER_ROOM_BYTES, "%s%s", peer, strchr(peer, ':') == NULL ? ":0" : "");
}

/* Who has no name yet is called by its address. */
static void tell_who(const struct mqtt_session *s, struct told *ret)
{
    struct slice id = s->client == NULL ? SLICE_NONE : client_id(s->client);

    copy_peer(ret->peer, conn_peer(s->conn));
    if (id.len == 0)
        id = slice_of(ret->peer, (size_t)(strrchr(ret->peer, ':') - ret->peer));
    copy_name(ret->name, id);
}

static enum log_level level_of(const struct mqtt_session *s)
{
    return s->server->config.is_quiet_of_coming ? LOG_DEBUG : LOG_NOTICE;
}

#define DISALLOWED \
    "used disallowed feature (QoS too high, retain not supported, or bad AUTH method)"

/* Of reasons for which it has no words of its own, the nearest. */
static const struct {
    uint8_t reason;
    const char *words;
} ends[] = {
    { MQTT_MALFORMED_PACKET, "malformed packet" },
    { MQTT_PROTOCOL_ERROR, "protocol error" },
    { MQTT_UNSUPPORTED_VERSION, "protocol error" },
    { MQTT_TOPIC_FILTER_INVALID, "malformed packet" },
    { MQTT_TOPIC_NAME_INVALID, "malformed packet" },
    { MQTT_BAD_USER_OR_PASSWORD, "not authorised" },
    { MQTT_NOT_AUTHORIZED, "not authorised" },
    { MQTT_KEEP_ALIVE_TIMEOUT, "exceeded timeout" },
    { MQTT_PACKET_TOO_LARGE, "oversize packet" },
    { MQTT_RETAIN_NOT_SUPPORTED, DISALLOWED },
    { MQTT_QOS_NOT_SUPPORTED, DISALLOWED },
    { MQTT_ADMINISTRATIVE_ACTION, "administrative action" },
    { MQTT_RECEIVE_MAXIMUM_EXCEEDED, "receive maximum exceeded" },
    { MQTT_IMPLEMENTATION_ERROR, "implementation specific error" },
    { MQTT_CLIENT_ID_NOT_VALID, "client identifier not valid" },
    { MQTT_SERVER_UNAVAILABLE, "server unavailable" },
    { MQTT_SERVER_BUSY, "server busy" },
    { MQTT_BANNED, "client banned" },
    { MQTT_BAD_AUTHENTICATION_METHOD, "bad authentication method" },
    { MQTT_QUOTA_EXCEEDED, "quota exceeded" },
    { MQTT_CONNECTION_RATE_EXCEEDED, "connection rate exceeded" },
    { MQTT_SESSION_TAKEN_OVER, "session taken over" },
    { MQTT_TOPIC_ALIAS_INVALID, "topic alias invalid" },
};

static const char *words_of(uint8_t reason)
{
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ends[i].reason == reason)
            return ends[i].words;
    }
    return NULL;
}

static const char *end_words(enum rc rc, uint8_t reason)
{
    const char *words = words_of(reason);

    if (words == NULL)
        words = words_of(mqtt_error(rc)->disconnect);
    return words == NULL ? rc_word(rc) : words;
}

static void say_gone(const struct mqtt_session *s, const char *why)
{
    struct told who;

    tell_who(s, &who);
    log_said(level_of(s), "mqtt.closed", "Client %s [%s] disconnected%s%s.", who.name, who.peer,
             why[0] == '\0' ? "" : ": ", why);
}

/* p1 is 3.1, p2 is 3.1.1, p5 is 5. */
static void say_connected(const struct mqtt_session *s, const struct mqtt_connect *c)
{
    const struct principal *principal = client_principal(s->client);
    struct slice user = principal->is_anonymous ? c->user_name : principal->name;
    struct told who;

    tell_who(s, &who);
    copy_name(who.user, user);
    log_said(level_of(s), "mqtt.connected", "New %s connected from %s as %s (p%d, c%d, k%d%s%s%s).",
             c->is_bridge ? "bridge" : "client", who.peer, who.name,
             s->version == MQTT_V5     ? 5
             : s->version == MQTT_V311 ? 2
                                       : 1,
             c->clean_start, c->keep_alive_s, user.len > 0 ? ", u'" : "",
             user.len > 0 ? who.user : "", user.len > 0 ? "'" : "");
}

/* ---- either ---- */

void mqtt_tell_opened(const struct mqtt_session *s)
{
    struct told who;

    if (!is_as_mosquitto(s) || conn_is_proxied(s->conn))
        return;
    copy_peer(who.peer, conn_peer(s->conn));
    log_said(level_of(s), "mqtt.opened", "New connection from %s on port %u.", who.peer,
             conn_local_port(s->conn));
}

void mqtt_tell_connected(const struct mqtt_session *s, const struct mqtt_connect *c,
                         bool is_present)
{
    if (is_as_mosquitto(s))
        say_connected(s, c);
    else
        log_peer(mqtt_level_of_coming(s), "mqtt.connected",
                 "conn=%llu peer=%s client=%s version=%u keep_alive=%u present=%d",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn),
                 log_quote(session_id(s->session).at, session_id(s->session).len), s->version,
                 s->keep_alive_s, is_present);
}

void mqtt_tell_disconnected(const struct mqtt_session *s, uint8_t reason)
{
    if (is_as_mosquitto(s))
        say_gone(s, "");
    else
        log_peer(mqtt_level_of_coming(s), "mqtt.disconnected", "conn=%llu reason=0x%02x",
                 (unsigned long long)conn_id(s->conn), reason);
}

void mqtt_tell_ended(const struct mqtt_session *s, enum rc rc, uint8_t reason, const char *why)
{
    if (is_as_mosquitto(s))
        say_gone(s, end_words(rc, reason));
    else
        log_peer(LOG_NOTICE, s->state == STATE_ACTIVE ? "mqtt.ended" : "mqtt.refused",
                 "conn=%llu peer=%s rc=%s reason=0x%02x why=\"%s\"",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn), rc_word(rc), reason,
                 why);
}

void mqtt_tell_closed(const struct mqtt_session *s, enum rc why)
{
    if (is_as_mosquitto(s))
        say_gone(s, why == RC_CLOSED ? "connection closed by client" : end_words(why, 0));
    else
        log_peer(mqtt_level_of_coming(s), "mqtt.closed", "conn=%llu rc=%s",
                 (unsigned long long)conn_id(s->conn), rc_word(why));
}
