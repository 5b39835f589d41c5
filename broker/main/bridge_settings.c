/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/bridge_settings.h"

#include <string.h>

#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/main/settings_int.h"

#define TEXT_BYTES_MAX 4000
#define SECOND_MS      UINT64_C(1000)
#define DAY_MS         (24 * 3600 * SECOND_MS)
#define MIB            (UINT64_C(1) << 20)

static const char *const versions[] = { "3.1", "3.1.1", "5", NULL };
static const char *const starts[] = { "automatic", "lazy", "once", NULL };
static const char *const local_sessions[] = { "as_remote", "kept", "clean", NULL };
static const char *const reloads[] = { "now", "lazy", NULL };
static const char *const tls_versions[] = { "1.2", "1.3", NULL };

#define AT(field) offsetof(struct bridge_config, field)
#define IN_FILE   (OPTION_IN_FILE | OPTION_RELOAD)
#define AGAIN     (IN_FILE | OPTION_REPEATED)

const struct option bridge_options[BRIDGE_OPTIONS] = {
    { "address", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, AGAIN, AT(addresses), "ADDRESS",
      "The other broker: HOST, HOST:PORT, [IPv6]:PORT or unix:/PATH; must be given. Of several, "
      "the first is the primary: the others are used while it cannot be reached." },
    { "topic", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, AGAIN, AT(topics),
      "PATTERN [out|in|both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]",
      "What is bridged: out of this broker, into it, or both; by default out, with QoS 0. At "
      "either side the pattern is looked for behind that side's prefix, and the one prefix is "
      "exchanged for the other on the way; \"\" stands for no prefix. With \"\" as pattern the two "
      "prefixes are two names for one topic." },
    { "version", OPTION_CHOICE, "5", 0, 0, versions, IN_FILE, AT(version), "VERSION",
      "The version of MQTT that is spoken: 3.1, 3.1.1 or 5. Before 5, properties of messages do "
      "not "
      "cross, and two brokers that bridge each other over two connections pass messages round for "
      "ever." },
    { "start", OPTION_CHOICE, "automatic", 0, 0, starts, IN_FILE, AT(start), "WHEN",
      "automatic connects at the start, and again whenever the connection is lost; lazy connects "
      "when threshold messages wait; once connects at the start, and not again." },
    { "round_robin", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE, AT(round_robin), NULL,
      "All addresses are equal: the next one is taken each time, and none is gone back to." },
    { "remote_clientid", OPTION_TEXT, NULL, 1, 23000, NULL, IN_FILE, AT(remote_client_id), "ID",
      "Its client identifier at the other broker; by default HOSTNAME.NAME." },
    { "remote_username", OPTION_TEXT, NULL, 0, TEXT_BYTES_MAX, NULL, IN_FILE, AT(remote_user),
      "NAME", "Its user name there." },
    { "remote_password", OPTION_TEXT, NULL, 0, TEXT_BYTES_MAX, NULL, IN_FILE, AT(remote_password),
      "PASSWORD", "Its password there." },
    { "local_clientid", OPTION_TEXT, NULL, 1, 1000, NULL, IN_FILE, AT(local_client_id), "ID",
      "Its client identifier here, whose session holds what waits for the other broker; by default "
      "local.HOSTNAME.NAME." },
    { "local_username", OPTION_TEXT, NULL, 0, TEXT_BYTES_MAX, NULL, IN_FILE, AT(local_user), "NAME",
      "The user here whose rights it has; without one it may do all that the broker may." },
    { "local_password", OPTION_TEXT, NULL, 0, TEXT_BYTES_MAX, NULL, IN_FILE, AT(local_password),
      "PASSWORD",
      "That user's password. It is not looked at: who writes this file may lend the bridge any "
      "user's rights." },
    { "cleansession", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE, AT(clean_session), NULL,
      "The session at the other broker ends with the connection: what is published there meanwhile "
      "does not come." },
    { "local_cleansession", OPTION_CHOICE, "as_remote", 0, 0, local_sessions, IN_FILE,
      AT(local_session), "HOW",
      "What happens to messages of QoS 1 and 2 while the other broker cannot be reached: kept, "
      "they wait in the log; clean, they are passed over; as_remote, as cleansession says." },
    { "keepalive_interval", OPTION_TIME, "60s", SECOND_MS, 65535 * SECOND_MS, NULL, IN_FILE,
      AT(keep_alive_ms), "TIME",
      "How often the other broker is asked whether it is there, when nothing else is sent." },
    { "restart_timeout", OPTION_TIME, "5s", 10, DAY_MS, NULL, IN_FILE, AT(restart_min_ms), "TIME",
      "How long it waits before it connects again, the first time." },
    { "restart_timeout_max", OPTION_TIME, "30s", 0, DAY_MS, NULL, IN_FILE, AT(restart_max_ms),
      "TIME",
      "What that grows to; each wait is a random one up to the time reached. When it is no larger "
      "than restart_timeout, the wait is always the same." },
    { "idle_timeout", OPTION_TIME, "60s", SECOND_MS, DAY_MS, NULL, IN_FILE, AT(idle_timeout_ms),
      "TIME", "A lazy bridge ends its connection when nothing went over it for so long." },
    { "threshold", OPTION_NUMBER, "10", 1, 1000000, NULL, IN_FILE, AT(threshold), "N",
      "A lazy bridge connects when so many messages wait." },
    { "notifications", OPTION_SWITCH, "yes", 0, 0, NULL, IN_FILE, AT(notifications), NULL,
      "Publish, retained, on notification_topic at both brokers whether it is connected: 1 or 0." },
    { "notifications_local_only", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE,
      AT(notifications_local_only), NULL, "Only here." },
    { "notification_topic", OPTION_TEXT, NULL, 1, 1000, NULL, IN_FILE, AT(notification_topic),
      "TOPIC", "By default $SYS/broker/connection/CLIENTID/state, with its remote_clientid." },
    { "try_private", OPTION_SWITCH, "yes", 0, 0, NULL, IN_FILE, AT(try_private), NULL,
      "Before MQTT 5, say to the other broker that this is a bridge, so that it does not send back "
      "what came from here, and keeps retain flags. One that does not know of it is asked again "
      "without." },
    { "attempt_unsubscribe", OPTION_SWITCH, "yes", 0, 0, NULL, IN_FILE, AT(attempt_unsubscribe),
      NULL,
      "Unsubscribe at the other broker from what is only sent: an earlier configuration may have "
      "subscribed to it." },
    { "relay", OPTION_SWITCH, "yes", 0, 0, NULL, IN_FILE, AT(relay), NULL,
      "Pass on what came over bridges. No: what came over any does not go out over this one, nor "
      "what came over this one to those that other brokers have to here; so nothing goes round "
      "where two bridge each other before MQTT 5, which has no room for marks." },
    { "outgoing_retain", OPTION_SWITCH, "yes", 0, 0, NULL, IN_FILE, AT(outgoing_retain), NULL,
      "Retained messages go out as such; with no, as others." },
    { "max_packet_size", OPTION_BYTES, "0", 0, 128 * MIB, NULL, IN_FILE, AT(max_packet_bytes),
      "BYTES",
      "A larger packet is neither sent nor taken; 0 sets no limit but those of the two brokers." },
    { "max_topic_alias", OPTION_NUMBER, "10", 0, 16, NULL, IN_FILE, AT(max_topic_alias), "N",
      "Topic aliases that are used, if the other broker takes so many." },
    { "receive_maximum", OPTION_NUMBER, "1024", 1, 65535, NULL, IN_FILE, AT(receive_maximum), "N",
      "Messages of QoS 1 and 2 that the other broker may have under way to this one." },
    { "max_inflight", OPTION_NUMBER, "1000", 1, 2048, NULL, IN_FILE, AT(max_inflight), "N",
      "Messages of QoS 1 and 2 that are under way to the other broker at most." },
    { "bind_address", OPTION_TEXT, NULL, 1, 100, NULL, IN_FILE, AT(bind_address), "ADDRESS",
      "The address of this machine to connect from." },
    { "tls", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE, AT(tls), NULL,
      "Speak TLS with the other broker, whose certificate must be good and have its name." },
    { "ca_file", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(ca_file), "FILE",
      "The authorities that are trusted, in PEM; without this and ca_path, the system's." },
    { "ca_path", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(ca_path), "DIR",
      "A directory with the authorities that are trusted, as openssl-rehash(1) makes it." },
    { "certificate", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(certificate), "FILE",
      "Its own certificate and the chain that leads to its authority, in PEM." },
    { "key", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(key), "FILE",
      "The certificate's private key, in PEM." },
    { "insecure", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE, AT(insecure), NULL,
      "Do not look at the name in the other broker's certificate: whoever has any certificate of "
      "these authorities can take its place." },
    { "alpn", OPTION_TEXT, NULL, 1, 255, NULL, IN_FILE, AT(alpn), "NAME",
      "The protocol that is asked for in the TLS handshake (ALPN)." },
    { "tls_min_version", OPTION_CHOICE, "1.2", 0, 0, tls_versions, IN_FILE, AT(tls_min_version),
      "VERSION", "The oldest version of TLS that is spoken: 1.2 or 1.3." },
    { "tls_ciphers", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(tls_ciphers), "LIST",
      "The ciphers for TLS 1.2, in the notation of openssl-ciphers(1); by default OpenSSL's." },
    { "tls_ciphersuites", OPTION_TEXT, NULL, 1, TEXT_BYTES_MAX, NULL, IN_FILE, AT(tls_ciphersuites),
      "LIST", "The cipher suites for TLS 1.3, with colons between; by default OpenSSL's." },
    { "require_ocsp", OPTION_SWITCH, "no", 0, 0, NULL, IN_FILE, AT(require_ocsp), NULL,
      "The other broker must hand over, in the TLS handshake, a valid answer of its authority "
      "(OCSP "
      "stapling) that its certificate is not revoked." },
    { "psk_identity", OPTION_TEXT, NULL, 1, 256, NULL, IN_FILE, AT(psk_identity), "IDENTITY",
      "Speak TLS by a key that both brokers have, and not by certificates: which one it is." },
    { "psk", OPTION_TEXT, NULL, 1, 1024, NULL, IN_FILE, AT(psk), "KEY",
      "That key, in hexadecimal; it should have 16 bytes or more." },
    { "session_expiry", OPTION_NUMBER, "4294967295", 0, UINT32_MAX, NULL, IN_FILE,
      AT(session_expiry_s), "SECONDS",
      "How long, in MQTT 5, its session at the other broker is to outlive the connection, unless "
      "cleansession ends it; by default as long as that broker lets it." },
    { "tcp_keepalive_idle", OPTION_NUMBER, "60", 1, 32767, NULL, IN_FILE, AT(tcp_keepalive_idle_s),
      "SECONDS", "After so long a silence TCP itself asks whether the other machine is there," },
    { "tcp_keepalive_interval", OPTION_NUMBER, "15", 1, 32767, NULL, IN_FILE,
      AT(tcp_keepalive_interval_s), "SECONDS", "again after this," },
    { "tcp_keepalive_probes", OPTION_NUMBER, "4", 1, 127, NULL, IN_FILE, AT(tcp_keepalive_probes),
      "N", "and so often before the connection is over." },
    { "tcp_user_timeout", OPTION_TIME, "0", 0, DAY_MS, NULL, IN_FILE, AT(tcp_user_timeout_ms),
      "TIME",
      "The connection is over when what was sent is not acknowledged by TCP for so long; 0 leaves "
      "it to the system." },
    { "reload", OPTION_CHOICE, "now", 0, 0, reloads, IN_FILE, AT(reload), "WHEN",
      "What becomes of a connection when a reload finds the section changed: now, it is made anew; "
      "lazy, it goes on, and the next one is as the section says." },
};

void *bridge_settings_begin(void *arg, struct slice name, struct text *why)
{
    struct settings *s = arg;

    return bridge_settings_add(&s->bridges, name, why);
}

static const struct option_section section = BRIDGE_SECTION;

struct bridge_config *bridge_settings_add(struct list *bridges, struct slice name, struct text *why)
{
    struct bridge_config *config;
    enum rc rc;

    ASSERT(bridge_options[BRIDGE_OPTIONS - 1].name != NULL);
    if (name.len == 0 || name.len > BRIDGE_NAME_MAX) {
        text_format(why, "a bridge's name has 1 to %u bytes", BRIDGE_NAME_MAX);
        return NULL;
    }
    rc = settings_check_name(bridges, LINK_TO_NAME(struct bridge_config, name), name, BRIDGES_MAX);
    if (rc == RC_EXISTS)
        text_format(why, "a second bridge %.*s", SLICE_FMT(name));
    if (rc == RC_LIMIT)
        text_format(why, "more than %u bridges", BRIDGES_MAX);
    if (rc != RC_OK)
        return NULL;
    config = mem_new(struct bridge_config);
    config->name = mem_copy_text(name);
    options_set_defaults(&section, config);
    list_append(bridges, &config->link);
    return config;
}

enum rc bridge_settings_put(struct bridge_config *config, const char *name, struct slice value,
                            struct text *why)
{
    return option_set(&section, settings_row_of(&section, name), config, value, why);
}

/* They would take the session from each other. */
static bool is_id_taken(const struct list *bridges, const struct bridge_config *config)
{
    LIST_EACH (k, bridges) {
        const struct bridge_config *other = CONTAINER_OF(k, struct bridge_config, link);

        if (other == config)
            break;
        if (config->local_client_id != NULL && other->local_client_id != NULL &&
            strcmp(config->local_client_id, other->local_client_id) == 0)
            return true;
    }
    return false;
}

enum rc bridge_settings_check(const struct list *bridges, struct text *errors)
{
    enum rc rc = RC_OK;

    LIST_EACH (k, bridges) {
        const struct bridge_config *config = CONTAINER_OF(k, struct bridge_config, link);

        if (bridge_config_check(config, errors) != RC_OK)
            rc = RC_INVALID;
        if (is_id_taken(bridges, config)) {
            text_format(errors, "bridge %s: local_clientid is another bridge's\n", config->name);
            rc = RC_INVALID;
        }
    }
    return rc;
}

void bridge_settings_make_plain(struct list *bridges)
{
    LIST_EACH (k, bridges) {
        struct bridge_config *config = CONTAINER_OF(k, struct bridge_config, link);

        config->is_plain = true;
        if (!option_is_given(&section, config, settings_row_of(&section, "session_expiry")))
            config->session_expiry_s = 0;
    }
}

void bridge_settings_free(struct bridge_config *config)
{
    options_done(&section, config);
    mem_free(config->name);
    mem_free(config);
}

static bool is_same_value(const struct option *o, const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    switch (o->type) {
    case OPTION_SWITCH:
        return *(const bool *)a == *(const bool *)b;
    case OPTION_CHOICE:
        return *(const unsigned *)a == *(const unsigned *)b;
    case OPTION_TEXT:
        return slice_equal(slice_str(*x), slice_str(*y)) && (*x == NULL) == (*y == NULL);
    case OPTION_NUMBER:
    case OPTION_BYTES:
    case OPTION_TIME:
        break;
    }
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

bool bridge_settings_are_same(const struct bridge_config *a, const struct bridge_config *b)
{
    for (unsigned i = 0; i < BRIDGE_OPTIONS; i++) {
        const struct option *o = &bridge_options[i];

        if (!is_same_value(o, (const char *)a + o->at, (const char *)b + o->at))
            return false;
    }
    return a->default_port == b->default_port && a->is_plain == b->is_plain;
}

void bridge_settings_done(struct list *bridges)
{
    while (!list_is_empty(bridges)) {
        struct bridge_config *config = LIST_FIRST(bridges, struct bridge_config, link);

        link_remove(&config->link);
        bridge_settings_free(config);
    }
}
