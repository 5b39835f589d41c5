/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection of a mosquitto.conf means here: a bridge. */
#include <string.h>

#include "broker/base/number.h"
#include "broker/base/text.h"
#include "broker/main/bridge_settings.h"
#include "broker/main/mosquitto_conf.h"
#include "broker/main/mosquitto_settings.h"

#define INFLIGHT_MOST 2048
#define ALIASES_MOST  16

#define GIVEN(scope, id)            mosquitto_is_given((scope), MOSQUITTO_##id)
#define VALUE(scope, id)            mosquitto_value((scope), MOSQUITTO_##id)
#define NUMBER(scope, id, fallback) mosquitto_number((scope), MOSQUITTO_##id, (fallback))

enum way { WAY_TEXT, WAY_LINES, WAY_SWITCH, WAY_NUMBER, WAY_SECONDS };

static const struct {
    enum mosquitto_option_id id;
    const char *name;
    enum way way;
} bridge_rows[] = {
    { MOSQUITTO_ADDRESS, "address", WAY_TEXT },
    { MOSQUITTO_TOPIC, "topic", WAY_LINES },
    { MOSQUITTO_REMOTE_CLIENTID, "remote_clientid", WAY_TEXT },
    { MOSQUITTO_LOCAL_CLIENTID, "local_clientid", WAY_TEXT },
    { MOSQUITTO_REMOTE_USERNAME, "remote_username", WAY_TEXT },
    { MOSQUITTO_LOCAL_USERNAME, "local_username", WAY_TEXT },
    { MOSQUITTO_REMOTE_PASSWORD, "remote_password", WAY_TEXT },
    { MOSQUITTO_LOCAL_PASSWORD, "local_password", WAY_TEXT },
    { MOSQUITTO_CLEANSESSION, "cleansession", WAY_SWITCH },
    { MOSQUITTO_KEEPALIVE_INTERVAL, "keepalive_interval", WAY_SECONDS },
    { MOSQUITTO_IDLE_TIMEOUT, "idle_timeout", WAY_SECONDS },
    { MOSQUITTO_START_TYPE, "start", WAY_TEXT },
    { MOSQUITTO_THRESHOLD, "threshold", WAY_NUMBER },
    { MOSQUITTO_ROUND_ROBIN, "round_robin", WAY_SWITCH },
    { MOSQUITTO_TRY_PRIVATE, "try_private", WAY_SWITCH },
    { MOSQUITTO_NOTIFICATIONS, "notifications", WAY_SWITCH },
    { MOSQUITTO_NOTIFICATIONS_LOCAL_ONLY, "notifications_local_only", WAY_SWITCH },
    { MOSQUITTO_NOTIFICATION_TOPIC, "notification_topic", WAY_TEXT },
    { MOSQUITTO_BRIDGE_ATTEMPT_UNSUBSCRIBE, "attempt_unsubscribe", WAY_SWITCH },
    { MOSQUITTO_BRIDGE_OUTGOING_RETAIN, "outgoing_retain", WAY_SWITCH },
    { MOSQUITTO_BRIDGE_BIND_ADDRESS, "bind_address", WAY_TEXT },
    { MOSQUITTO_BRIDGE_RECEIVE_MAXIMUM, "receive_maximum", WAY_NUMBER },
    { MOSQUITTO_BRIDGE_CAFILE, "ca_file", WAY_TEXT },
    { MOSQUITTO_BRIDGE_CAPATH, "ca_path", WAY_TEXT },
    { MOSQUITTO_BRIDGE_CERTFILE, "certificate", WAY_TEXT },
    { MOSQUITTO_BRIDGE_KEYFILE, "key", WAY_TEXT },
    { MOSQUITTO_BRIDGE_INSECURE, "insecure", WAY_SWITCH },
    { MOSQUITTO_BRIDGE_ALPN, "alpn", WAY_TEXT },
    { MOSQUITTO_BRIDGE_CIPHERS, "tls_ciphers", WAY_TEXT },
    { MOSQUITTO_BRIDGE_CIPHERS_TLS1_3, "tls_ciphersuites", WAY_TEXT },
    { MOSQUITTO_BRIDGE_REQUIRE_OCSP, "require_ocsp", WAY_SWITCH },
    { MOSQUITTO_BRIDGE_IDENTITY, "psk_identity", WAY_TEXT },
    { MOSQUITTO_BRIDGE_PSK, "psk", WAY_TEXT },
    { MOSQUITTO_BRIDGE_SESSION_EXPIRY_INTERVAL, "session_expiry", WAY_NUMBER },
};

static void put_bridge(struct mosquitto_conf *conf, const struct mosquitto_value *from,
                       struct bridge_config *bridge, const char *name, struct slice text)
{
    struct text why = { 0 };

    if (bridge_settings_put(bridge, name, text, &why) != RC_OK)
        mosquitto_conf_error(conf, from, "%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
}

static void put_bridge_number(struct mosquitto_conf *conf, const struct mosquitto_value *from,
                              struct bridge_config *bridge, const char *name, int64_t number,
                              const char *unit)
{
    struct text value = { 0 };

    text_format(&value, "%lld%s", (long long)number, unit);
    put_bridge(conf, from, bridge, name, text_slice(&value));
    text_done(&value);
}

static void put_bridge_row(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                           struct bridge_config *bridge, const char *name, enum way way)
{
    struct slice lines = slice_str(value->text);

    switch (way) {
    case WAY_TEXT:
        put_bridge(conf, value, bridge, name, slice_str(value->text));
        break;
    case WAY_LINES:
        while (lines.len > 0)
            put_bridge(conf, value, bridge, name, mosquitto_next_line(&lines));
        break;
    case WAY_SWITCH:
        put_bridge(conf, value, bridge, name, slice_str(value->number != 0 ? "yes" : "no"));
        break;
    case WAY_NUMBER:
        put_bridge_number(conf, value, bridge, name, value->number, "");
        break;
    case WAY_SECONDS:
        put_bridge_number(conf, value, bridge, name, value->number, "s");
        break;
    }
}

/* One number: always so long. Two: from the one to the other. */
static void set_restart(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                        struct bridge_config *bridge)
{
    struct slice rest = slice_str(value->text), first = mosquitto_next_word(&rest),
                 second = mosquitto_next_word(&rest);
    uint64_t base, cap = 0;

    if (value->text == NULL)
        return;
    if (number_u64(first, 1, 3600, &base) != RC_OK ||
        (second.len > 0 && number_u64(second, base, 86400, &cap) != RC_OK)) {
        mosquitto_conf_error(conf, value,
                             "restart_timeout: a number of seconds from 1 to 3600 must follow, and "
                             "perhaps a larger one");
        return;
    }
    put_bridge_number(conf, value, bridge, "restart_timeout", (int64_t)base, "s");
    put_bridge_number(conf, value, bridge, "restart_timeout_max", (int64_t)cap, "s");
}

/* Words that mean other words here. */
static void set_bridge_words(struct mosquitto_conf *conf, const struct mosquitto_scope *scope,
                             struct bridge_config *bridge)
{
    static const struct {
        enum mosquitto_option_id id;
        const char *theirs;
        const char *name;
        const char *ours;
    } words[] = { { MOSQUITTO_BRIDGE_PROTOCOL_VERSION, "mqttv31", "version", "3.1" },
                  { MOSQUITTO_BRIDGE_PROTOCOL_VERSION, "mqttv311", "version", "3.1.1" },
                  { MOSQUITTO_BRIDGE_PROTOCOL_VERSION, "mqttv50", "version", "5" },
                  { MOSQUITTO_BRIDGE_TLS_VERSION, "tlsv1.1", "tls_min_version", "1.2" },
                  { MOSQUITTO_BRIDGE_TLS_VERSION, "tlsv1.2", "tls_min_version", "1.2" },
                  { MOSQUITTO_BRIDGE_TLS_VERSION, "tlsv1.3", "tls_min_version", "1.3" },
                  { MOSQUITTO_BRIDGE_RELOAD_TYPE, "immediate", "reload", "now" },
                  { MOSQUITTO_BRIDGE_RELOAD_TYPE, "lazy", "reload", "lazy" },
                  { MOSQUITTO_BRIDGE_RELOAD_TYPE, "lazy", "reload", "lazy" } };
    unsigned found = 0, given = 0;

    put_bridge(conf, VALUE(scope, CONNECTION), bridge, "version", SLICE("3.1.1"));
    put_bridge(conf, VALUE(scope, CONNECTION), bridge, "reload", SLICE("lazy"));
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct mosquitto_value *value = mosquitto_value(scope, words[i].id);

        given |= (value->text != NULL ? 1u : 0u) << (i / 3);
        if (value->text == NULL || strcmp(value->text, words[i].theirs) != 0)
            continue;
        found |= 1u << (i / 3);
        put_bridge(conf, value, bridge, words[i].name, slice_str(words[i].ours));
    }
    if ((given & ~found & 1) != 0)
        mosquitto_conf_error(conf, VALUE(scope, BRIDGE_PROTOCOL_VERSION),
                             "bridge_protocol_version: mqttv31, mqttv311 or mqttv50 must follow");
    if ((given & ~found & 2) != 0)
        mosquitto_conf_error(conf, VALUE(scope, BRIDGE_TLS_VERSION),
                             "bridge_tls_version: tlsv1.2 or tlsv1.3 must follow");
    if ((given & ~found & 4) != 0)
        mosquitto_conf_error(conf, VALUE(scope, BRIDGE_RELOAD_TYPE),
                             "bridge_reload_type: lazy or immediate must follow");
}

/* IDLE INTERVAL COUNTER */
static void set_tcp_keepalive(struct mosquitto_conf *conf, const struct mosquitto_value *value,
                              struct bridge_config *bridge)
{
    static const char *const names[] = { "tcp_keepalive_idle", "tcp_keepalive_interval",
                                         "tcp_keepalive_probes" };
    struct slice rest = slice_str(value->text);

    for (unsigned i = 0; value->text != NULL && i < 3; i++)
        put_bridge(conf, value, bridge, names[i], mosquitto_next_word(&rest));
    if (rest.len > 0)
        mosquitto_conf_error(conf, value, "bridge_tcp_keepalive: three numbers must follow");
}

static void set_bridge(struct mosquitto_conf *conf, const struct mosquitto_scope *scope,
                       struct list *bridges)
{
    const struct mosquitto_value *line = VALUE(scope, CONNECTION);
    int64_t inflight = NUMBER(&conf->head, MAX_INFLIGHT_MESSAGES, MOSQUITTO_DEFAULT_INFLIGHT);
    struct text why = { 0 };
    struct bridge_config *bridge;

    if (line->text == NULL)
        return; /* it has no name, which was told */
    bridge = bridge_settings_add(bridges, slice_str(line->text), &why);
    if (bridge == NULL)
        mosquitto_conf_error(conf, line, "%.*s", SLICE_FMT(text_slice(&why)));
    text_done(&why);
    if (bridge == NULL)
        return;
    set_bridge_words(conf, scope, bridge);
    for (unsigned i = 0; i < sizeof(bridge_rows) / sizeof(bridge_rows[0]); i++) {
        const struct mosquitto_value *value = mosquitto_value(scope, bridge_rows[i].id);

        if (value->text != NULL)
            put_bridge_row(conf, value, bridge, bridge_rows[i].name, bridge_rows[i].way);
    }
    bridge->default_port = BRIDGE_PORT;
    set_restart(conf, VALUE(scope, RESTART_TIMEOUT), bridge);
    set_tcp_keepalive(conf, VALUE(scope, BRIDGE_TCP_KEEPALIVE), bridge);
    if (NUMBER(scope, BRIDGE_TCP_USER_TIMEOUT, -1) >= 0)
        put_bridge_number(conf, VALUE(scope, BRIDGE_TCP_USER_TIMEOUT), bridge, "tcp_user_timeout",
                          VALUE(scope, BRIDGE_TCP_USER_TIMEOUT)->number, "ms");
    put_bridge_number(conf, line, bridge, "max_inflight",
                      inflight == 0 ? INFLIGHT_MOST : mosquitto_most(inflight, INFLIGHT_MOST), "");
    if (!GIVEN(scope, BRIDGE_RECEIVE_MAXIMUM))
        put_bridge_number(conf, line, bridge, "receive_maximum",
                          inflight == 0 ? UINT16_MAX : inflight, "");
    if (GIVEN(scope, BRIDGE_MAX_PACKET_SIZE))
        put_bridge_number(
            conf, VALUE(scope, BRIDGE_MAX_PACKET_SIZE), bridge, "max_packet_size",
            mosquitto_most(VALUE(scope, BRIDGE_MAX_PACKET_SIZE)->number, MOSQUITTO_PACKET_MOST),
            "");
    if (GIVEN(scope, BRIDGE_MAX_TOPIC_ALIAS))
        put_bridge_number(
            conf, VALUE(scope, BRIDGE_MAX_TOPIC_ALIAS), bridge, "max_topic_alias",
            mosquitto_most(VALUE(scope, BRIDGE_MAX_TOPIC_ALIAS)->number, ALIASES_MOST), "");
    if (GIVEN(scope, LOCAL_CLEANSESSION))
        put_bridge(conf, VALUE(scope, LOCAL_CLEANSESSION), bridge, "local_cleansession",
                   slice_str(VALUE(scope, LOCAL_CLEANSESSION)->number != 0 ? "clean" : "kept"));
    if (GIVEN(scope, BRIDGE_PSK) || GIVEN(scope, BRIDGE_CAFILE) || GIVEN(scope, BRIDGE_CAPATH) ||
        NUMBER(scope, BRIDGE_TLS_USE_OS_CERTS, 0) != 0)
        put_bridge(conf, line, bridge, "tls", SLICE("yes"));
}

void mosquitto_bridges_set(struct mosquitto_conf *conf, struct list *bridges)
{
    LIST_EACH (k, &conf->bridges)
        set_bridge(conf, CONTAINER_OF(k, struct mosquitto_scope, link), bridges);
}
